"""The page of commands, from the command line's own definition."""

from __future__ import annotations

import inspect
from pathlib import Path

import click

from docs.blocks import code, page, table
from tallymark.cli import cli as command_line

__all__ = ["cli_page"]


def _option_row(option: click.Option, context: click.Context) -> list[str]:
    names = ", ".join(code(name) for name in (*option.opts, *option.secondary_opts))
    metavar = "" if option.is_flag else f" {code(option.make_metavar(context))}"
    record = option.get_default(context, call=False)
    shown = ""
    if option.required:
        shown = "required"
    elif not option.is_flag and isinstance(record, (str, int, float, Path)):
        shown = code(str(record))
    variable = option.envvar
    automatic = option.allow_from_autoenv and option.expose_value
    if variable is None and context.auto_envvar_prefix and automatic:
        variable = f"{context.auto_envvar_prefix}_{(option.name or '').upper()}"
    listed = [variable] if isinstance(variable, str) else list(variable or ())
    many = " Can be given more than once." if option.multiple else ""
    variables = ", ".join(code(name) for name in listed)
    return [names + metavar, f"{option.help or ''}{many}", shown, variables]


def _command(command: click.Command, context: click.Context, depth: int) -> list[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = inspect.cleandoc(command.help or "").replace("\b\n", "").replace("``", "`")
    blocks = [f"{'#' * depth} `{context.command_path}`", text, f"```text\n{usage}\n```"]
    options = [
        parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    if options:
        rows = [_option_row(option, context) for option in options]
        blocks.append(table(("option", "meaning", "default", "variable"), rows))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                inner = click.Context(child, info_name=name, parent=context)
                blocks += _command(child, inner, min(depth + 1, 4))
    return blocks


def cli_page() -> str:
    """Every command and option, from the command line's own definition."""
    prefix = command_line.context_settings.get("auto_envvar_prefix", "TALLYMARK")
    context = click.Context(command_line, info_name="tallymark", auto_envvar_prefix=prefix)
    lead = (
        "Data goes to standard output, talk to standard error. Every option can also be set by "
        "the environment variable in the last column; `tallymark COMMAND --help` shows the same. "
        "What a command returns: [exit codes](exit-codes.md)."
    )
    return page("Commands", lead, *_command(command_line, context, 2))
