"""The documentation tells the present truth: generated pages, links, commands, decisions."""

from __future__ import annotations

import functools
import importlib.util
import re
import shlex
import tomllib
from pathlib import Path
from types import ModuleType

import click
import pytest
from jsonschema.validators import validator_for
from ruamel.yaml import YAML

from tallymark import config, contract
from tallymark.cli import cli as command_line

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
RECORDS = sorted(DOCS.glob("decisions/[0-9]*.md"))
RECORD_LINES = 30


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _fenced(text: str, *languages: str) -> list[str]:
    found = re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [body for language, body in found if language in languages]


@functools.cache
def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_fresh() -> None:
    """The generated pages are what ``make docs`` would write now."""
    stale = [_name(path) for path in _generator().stale()]
    assert not stale, f"run `make docs`: {stale}"


def test_the_diagram_is_the_import_law() -> None:
    """The drawn layers and arrows are those of the contract in pyproject.toml."""
    text = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    drawn = next(body for body in _fenced(text, "mermaid") if "layer0" in body)
    layers = re.findall(r"subgraph layer\d+.*?\n(.*?)\n    end", drawn, re.DOTALL)
    contracts = SETTINGS["tool"]["importlinter"]["contracts"]
    law = next(one["layers"] for one in contracts if one["id"] == "law")
    assert [set(re.findall(r"\[(\w+)\]", layer)) for layer in layers] == [
        set(re.findall(r"\w+", layer)) for layer in law
    ]
    arrows = re.findall(r"layer(\d+) --> layer(\d+)", drawn)
    assert arrows == [(str(number), str(number + 1)) for number in range(len(law) - 1)]


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link of a page leads to a file or folder of the repository."""
    text = re.sub(
        r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / target).exists(), f"a dead link: {target}"


def _commands() -> list[tuple[str, str]]:
    found = []
    for path in PAGES:
        for body in _fenced(path.read_text(encoding="utf-8"), "sh", "console", "text"):
            joined = body.replace("\\\n", " ")
            lines = re.findall(r"(?:^|\s|/)(tallymark [a-z].*)$", joined, re.MULTILINE)
            found += [(_name(path), re.split(r" >>? | \|\|? ", line)[0]) for line in lines]
    return found


@pytest.mark.parametrize(("page", "line"), _commands())
def test_commands_in_the_pages_exist(page: str, line: str) -> None:
    """Every ``tallymark`` line of an example names a command and options that exist."""
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = command_line
    context = click.Context(command, info_name="tallymark")
    options = {"--help"}
    while True:
        options |= {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        child = None
        if isinstance(command, click.Group) and words and not words[0].startswith(("-", "[")):
            child = command.get_command(context, words[0])
            assert child is not None or command.invoke_without_command, f"{page}: {words[0]}"
        if child is None:
            break
        command, words = child, words[1:]
    used = {word.split("=")[0] for word in words if word.startswith("--")}
    assert used <= options, f"{page}: {sorted(used - options)}"


def _every_command(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    found = [(path, command)]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            found += _every_command(child, f"{path} {name}")
    return found


@pytest.mark.parametrize(
    ("path", "command"),
    [pytest.param(*one, id=one[0]) for one in _every_command(command_line, "tallymark")],
)
def test_every_command_and_option_says_what_it_does(path: str, command: click.Command) -> None:
    """No command and no option without a help text."""
    assert command.help, path
    for one in command.params:
        if isinstance(one, click.Option) and not one.hidden:
            assert one.help, f"{path} {one.opts[0]}"


@pytest.mark.parametrize("path", sorted(DOCS.glob("reference/schemas/*.json")), ids=_name)
def test_published_schemas_are_schemas(path: Path) -> None:
    """Each published JSON Schema is valid in the dialect that it names."""
    schema = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    validator_for(schema).check_schema(schema)


def test_yaml_in_the_pages_is_accepted() -> None:
    """Settings shown in the how-to pages are read by the models that read them in a project."""
    page = (DOCS / "how-to" / "adopt-a-renamed-column.md").read_text(encoding="utf-8")
    agreed, settings = (YAML(typ="safe").load(body) for body in _fenced(page, "yaml"))
    config.Config.model_validate(settings)
    for column in agreed["columns"]:
        contract.Column.model_validate(column)


@pytest.mark.parametrize("path", RECORDS, ids=_name)
def test_decision_records_have_their_parts(path: Path) -> None:
    """A record has its number, context, choice and price, in this order, and is short."""
    text = path.read_text(encoding="utf-8")
    assert re.fullmatch(r"\d{4}-[a-z0-9.]+(?:-[a-z0-9.]+)*\.md", path.name)
    assert text.startswith(f"# {path.name[:4]}. ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Choice", "Price"]
    assert len(text.splitlines()) <= RECORD_LINES


def test_decision_numbers_are_used_once() -> None:
    """Records are numbered from 1 without gaps or repetitions."""
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))


def test_every_dependency_is_explained() -> None:
    """The page of dependencies has a row, with its licence, for each declared package."""
    page = (DOCS / "reference" / "dependencies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w.-]+) \|.*\| [\w.-]+ \|$", page, re.MULTILINE)
    listed = [*SETTINGS["project"]["dependencies"], *SETTINGS["dependency-groups"]["dev"]]
    names = {re.split(r"[\[<>=!~; ]", one, maxsplit=1)[0].lower() for one in listed}
    assert set(rows) - {"package", "---"} == names
