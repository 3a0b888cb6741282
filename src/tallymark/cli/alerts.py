"""Alerts: try the channels, look into the outbox, send what waits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallymark.cli.options import (
    Group,
    cli,
    common,
    complain,
    open_project,
    option,
    printable,
    say,
    warehouse_at,
)

if TYPE_CHECKING:
    from tallymark.notify.courier import Told
    from tallymark.notify.desk import Tried
    from tallymark.notify.outbox import Entry

__all__: list[str] = []

_dry = option("--dry-run", is_flag=True, help="Print the messages; send and keep nothing.")


@cli.group(cls=Group)
def alerts() -> None:
    """Who is told of incidents: try it, look at it, send what waits."""


@alerts.command()
@option("--channel", "channels", multiple=True, help="Only this channel; all of them else.")
@_dry
@warehouse_at
@common
def test(
    *, channels: tuple[str, ...], dry_run: bool, warehouse: Path | None, home: Path | None,
    config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Send a test message to the channels; exits with 1 if one of them did not take it."""
    with open_project(home, config, quiet=quiet, warehouse=warehouse).watch() as stage:
        tried = stage.alert_desk().test(channels, dry_run=dry_run)
    say(tried, _tried, as_json=as_json, quiet=quiet)
    raise SystemExit(1 if any(one.trouble for one in tried) else 0)


@alerts.command()
@option("--unconfirmed", is_flag=True,
         help="Also send again what was handed over and never confirmed.")  # fmt: skip
@option("--refused", is_flag=True,
         help="Also send again what a service did not take as it was.")  # fmt: skip
@_dry
@warehouse_at
@common
def send(
    *, unconfirmed: bool, refused: bool, dry_run: bool, warehouse: Path | None, home: Path | None,
    config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Send what waits: after quiet hours, or after a service was down.

    Exits with 1 if something could not be sent.
    """
    with open_project(home, config, quiet=quiet, warehouse=warehouse).watch() as stage:
        if dry_run:
            say(stage.planned_alerts(), _tried, as_json=as_json, quiet=quiet)
            return
        told = stage.send_alerts(unconfirmed=unconfirmed, refused=refused)
    say(told, _told, as_json=as_json, quiet=quiet)
    for one in told.troubles:
        complain(one)
    raise SystemExit(1 if told.troubles else 0)


@alerts.command("list")
@option("--all", "whole", is_flag=True, help="Also what was sent.")
@warehouse_at
@common
def list_(
    *, whole: bool, warehouse: Path | None, home: Path | None, config: Path | None, quiet: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """The outbox: what waits, what was refused or not confirmed, and why."""
    with open_project(home, config, quiet=quiet, warehouse=warehouse).watch() as stage:
        entries = stage.alert_desk().outbox.entries()
    found = [one for one in entries if whole or one.state != "sent"]
    say(found, _listed, as_json=as_json, quiet=quiet)


# ---------------------------------------------------------------- for people


def _tried(found: Sequence[Tried]) -> None:
    if not found:
        click.echo("Nothing is to be sent.")
    for one in found:
        if one.message is not None:
            click.echo(printable(f"{one.channel} ({one.service})"))
            click.echo(printable(json.dumps(one.message, indent=2, ensure_ascii=False)))
        else:
            click.echo(printable(f"{one.channel} ({one.service}): {one.trouble or 'sent'}"))


def _told(told: Told) -> None:
    held = f", {told.held} of them until the quiet hours end" if told.held else ""
    click.echo(f"{told.sent} sent, {told.waiting} waiting{held}.")
    kept = {"refused": told.refused, "not confirmed": told.unconfirmed}
    if any(kept.values()):
        said = ", ".join(f"{count} {what}" for what, count in kept.items() if count)
        click.echo(f"Kept: {said}; `tallymark alerts list` shows them.")


def _listed(found: Sequence[Entry]) -> None:
    if not found:
        click.echo("Nothing waits in the outbox.")
    for one in found:
        tries = "1 attempt" if one.attempts == 1 else f"{one.attempts} attempts"
        why = f" ({tries}; {one.trouble})" if one.trouble else ""
        told = one.message
        click.echo(printable(f"{one.state:<12} {told.channel:<12} {told.title}{why}"))
