"""The made shop that `tallymark demo` shows: four weeks, with something broken in most of them."""

from __future__ import annotations

from pathlib import Path

from tallymark.project import Progress, Project
from tallymark.results import RunResult

__all__ = ["DEMO_DAYS", "DEMO_INCIDENTS", "make_demo"]

DEMO_DAYS = 28
DEMO_INCIDENTS = (
    "order_id_collision@9",
    "column_renamed@15",
    "payload_null@19:field=item_price",
    "column_gone@22:column=referrer",
    "outage@25:hours=11-13",
    "orders_redelivered@27",
)


def make_demo(directory: Path, *, progress: Progress | None = None) -> RunResult:
    """Make a four-week shop with planted incidents and run everything on it."""
    from tallymark.demo.shop import make_shop  # noqa: PLC0415 -- only the demo simulates

    say: Progress = progress or (lambda _text: None)
    say("making a shop of four weeks")
    make_shop(directory, days=DEMO_DAYS, events_per_day=3500, seed=7, incidents=DEMO_INCIDENTS)
    project = Project.open(
        directory, source=str(directory / "raw"), output=directory, progress=progress
    )
    return project.run()
