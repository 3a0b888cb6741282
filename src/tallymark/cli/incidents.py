"""Incidents: what is open, and what somebody decides about it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tallymark.cli.options import (
    DAY,
    Group,
    cli,
    common,
    open_project,
    option,
    printable,
    say,
    tell,
    warehouse_at,
)

if TYPE_CHECKING:
    from tallymark.monitor.book import Decided, Listed
    from tallymark.results import Incident

__all__: list[str] = []

Command = TypeVar("Command", bound=Callable[..., Any])
_reason = option("--reason", default="", help="Why, for those who read the decision later.")


@cli.group(cls=Group)
def incidents() -> None:
    """What the watch found: list it, and decide about it.

    INCIDENT is a key such as orders@2026-01-31, or an id: then its open occurrence. Decisions are
    files in decisions/ and count from the next run on.
    """


@incidents.command("list")
@option("--all", "whole", is_flag=True, help="Also those that are over.")
@warehouse_at
@common
def list_(
    *, whole: bool, warehouse: Path | None, home: Path | None, config: Path | None, quiet: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Open incidents, gravest first."""
    with open_project(home, config, quiet=quiet, warehouse=warehouse).watch() as stage:
        listed = stage.book().read()
    from tallymark.monitor.book import Listed  # noqa: PLC0415 -- loads DuckDB

    shown = [one for one in listed.incidents if whole or one.state != "resolved"]
    result = Listed(day=listed.day, incidents=shown)
    say(result, _listed, as_json=as_json, quiet=quiet)


@incidents.command()
@click.argument("incident")
@warehouse_at
@common
def show(
    *, incident: str, warehouse: Path | None, home: Path | None, config: Path | None, quiet: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """All that is known of one incident."""
    with open_project(home, config, quiet=quiet, warehouse=warehouse).watch() as stage:
        found = stage.book().find(incident)
    say(found, _shown, as_json=as_json, quiet=quiet)


@incidents.command()
@click.argument("incident")
@_reason
@warehouse_at
@common
def ack(
    *, incident: str, reason: str, warehouse: Path | None, home: Path | None,
    config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Somebody is at it: it still counts, and alerts again only if it is over."""
    with open_project(home, config, quiet=quiet, warehouse=warehouse).watch() as stage:
        result = stage.book().acknowledge(incident, reason=reason)
    say(result, _decided, as_json=as_json, quiet=quiet)


@incidents.command()
@click.argument("incident")
@option("--new-normal", is_flag=True, help="The change is here to stay: learn its days as normal.")
@_reason
@warehouse_at
@common
def resolve(
    *, incident: str, reason: str, new_normal: bool, warehouse: Path | None, home: Path | None,
    config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """It is over. If it is found on a later day, that is a new incident.

    With --new-normal its days count as normal from the next day on, and the days before it are
    forgotten for the metrics it concerns: they are learned anew.
    """
    with open_project(home, config, quiet=quiet, warehouse=warehouse).watch() as stage:
        result = stage.book().resolve(incident, reason=reason, new_normal=new_normal)
    say(result, _decided, as_json=as_json, quiet=quiet)


@incidents.command()
@click.argument("incident")
@option("--until", type=DAY, required=True, help="The last day on which it disturbs nobody.")
@_reason
@warehouse_at
@common
def mute(
    *, incident: str, until: dt.date, reason: str, warehouse: Path | None, home: Path | None,
    config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Until a day it alerts nobody and does not fail a run; reports say that it is muted."""
    with open_project(home, config, quiet=quiet, warehouse=warehouse).watch() as stage:
        result = stage.book().mute(incident, until=until, reason=reason)
    say(result, _decided, as_json=as_json, quiet=quiet)


# ---------------------------------------------------------------- for people


def _listed(found: Listed) -> None:
    if not found.incidents:
        click.echo(f"No incident is open on {found.day}.")
        return
    for one in found.incidents:
        since = one.since[:16].replace("T", " ")
        over = f", over on {one.resolved}" if one.resolved else ""
        tell(f"{one.severity} {one.state:<12} {one.key}  (since {since}{over})", 16)
        message = re.split(r"\. (?:It explains|The same holds for) ", one.message)[0]
        tell(f"   {message}", 3)


def _shown(one: Incident) -> None:
    facts = {
        "state": one.state, "decided": one.decision, "since": one.since, "opened": one.opened,
        "over": one.resolved, "money at risk": _money(one),
        "what changed": one.evidence.get("what_changed"),
        "probable cause": one.evidence.get("probable_cause"), "fix": one.fix, "owner": one.owner,
        "runbook": one.runbook, "findings": ", ".join(one.findings[:20]), "query": one.query,
    }  # fmt: skip
    tell(f"{one.severity} {one.key}\n{one.message}.")
    for name, value in facts.items():
        if value:
            tell(f"  {name + ':':<16}{value}", 18)


def _money(one: Incident) -> str:
    if one.money_at_risk is None:
        return ""
    formula, equals, amount = (one.money_formula or "").rpartition(" = ")
    return f"{amount} ({formula})" if equals else f"{one.money_at_risk:,.2f} ({amount})"


def _decided(found: Decided) -> None:
    one = found.incident
    click.echo(printable(f"{one.key}: {one.decision}. It counts from the next run on."))
    click.echo(printable(f"Decision kept in {found.decision}"))
