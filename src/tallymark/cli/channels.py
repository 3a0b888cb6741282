"""Channels: why one visit has its channel, and which sources nothing knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallymark.cli.options import (
    Group,
    cli,
    common,
    open_project,
    option,
    printable,
    say,
    warehouse_at,
)

if TYPE_CHECKING:
    from tallymark.build.unmatched import Unmatches
    from tallymark.build.visits import Explained

__all__: list[str] = []

NAMED = 20  # unknown sources, if nothing is said
LABEL = 14


@cli.group(cls=Group)
def channels() -> None:
    """Where visits come from: explain one, or list the sources that nothing knows."""


@channels.command("test")
@click.argument("url")
@click.argument("referrer", required=False)
@option("--no-landing", is_flag=True,
        help="The session does not begin with a page view, but with a cart, say.")  # fmt: skip
@option("--no-referrer-column", is_flag=True, help="The delivery had no referrer column.")
@common
def test(
    *,
    url: str, referrer: str | None, no_landing: bool, no_referrer_column: bool,
    home: Path | None, config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Explain the channel of a visit to URL that comes from REFERRER.

    Says what is read from the page and the referrer, and each rule that is asked until one
    decides. Rules, sources and hosts of the project count.
    """
    project = open_project(home, config, quiet=quiet)
    from tallymark.build.visits import explain_visit  # noqa: PLC0415 -- loads DuckDB

    result = explain_visit(
        url, referrer, config=project.config, contract=project.contract,
        landing_seen=not no_landing, referrer_collected=not no_referrer_column,
    )  # fmt: skip
    say(result, _explained, as_json=as_json, quiet=quiet)


@channels.command()
@warehouse_at
@option("--limit", type=click.IntRange(1, 10_000), default=NAMED, show_default=True,
        help="Sources to name.")  # fmt: skip
@common
def unmatched(
    *,
    warehouse: Path | None, limit: int, home: Path | None, config: Path | None, quiet: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """List tags, paid sources and referrers that nothing knows, by revenue and sessions.

    What may be personal in them is hidden. Bots and internal traffic are left out.
    """
    project = open_project(home, config, quiet=quiet, warehouse=warehouse)
    from tallymark.build.unmatched import find_unmatched  # noqa: PLC0415 -- loads DuckDB
    from tallymark.engine.warehouse import Warehouse  # noqa: PLC0415

    limits = project.config.engine
    engine = Warehouse(project.paths.warehouse).open(
        memory_limit=limits.memory_limit, threads=limits.threads
    )
    try:
        result = find_unmatched(engine, project.config, limit)
    finally:
        engine.close()
    say(result, _listed, as_json=as_json, quiet=quiet)


# ---------------------------------------------------------------- for people


def _line(label: str, text: str) -> None:
    click.echo(printable(f"{label:<{LABEL}}{text}"))


def _explained(found: Explained) -> None:
    _line("channel", f"{found.channel}, by the rule {found.rule}")
    _line("source", f"{found.source} / {found.medium} / {found.campaign or 'no campaign'}")
    if found.inherits:
        _line("", "the client's previous channel inside the look-back holds, if there is one")
    click.echo()
    for name, value in found.page.items():
        _line("page" if name == "page" else f"  {name}", value)
    for name, value in found.utm.items():
        kind = f" (list: {found.source_kind})" if name == "utm_source" else ""
        _line(name, f"{value}{kind}")
    _line("click id", found.click_id or "none")
    _line("affiliate", found.partner or "none")
    host = found.referrer_host
    _line("referrer", f"{host} ({found.referrer_kind})" if host else "none, or no URL")
    click.echo("\nRules asked, in order:")
    for one in found.tried:
        mark = "=>" if one.holds else "no"
        click.echo(printable(f"  {mark} {one.rule}: {one.why}"))


def _listed(found: Unmatches) -> None:
    if not found.unmatched:
        click.echo("Every source is known.")
        return
    for one in found.unmatched:
        words = f"{one.source} / {one.medium}" if one.kind != "referrer" else one.source
        sessions = f"{one.sessions:,} session{'' if one.sessions == 1 else 's'}"
        share = f"{one.sessions / found.sessions:.1%}" if found.sessions else "0 %"
        click.echo(
            printable(
                f"{one.kind:<9} {words}: {sessions} ({share}), {one.revenue:,.2f} {found.currency}"
            )
        )
        click.echo(printable(f"{'':<9} {one.suggestion}"))
    if found.more:
        click.echo(f"and {found.more:,} more; see --limit")
