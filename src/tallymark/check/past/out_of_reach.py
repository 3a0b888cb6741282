"""Deliveries that could not be judged again although what verdicts rest on has changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tallymark.engine.warehouse import write_atomically

__all__ = ["tell_out_of_reach"]


def tell_out_of_reach(
    root: Path, mark: str, keys: Sequence[str], say: Callable[[str], None]
) -> None:
    """Say, once for each change, which deliveries stay as they were judged before it.

    Their files were moved away, which is fine; their rows are still read by what held then, such
    as another time zone.

    Args:
        root: The warehouse, held for writing.
        mark: The fingerprint of contract, rules, settings and program.
        keys: The deliveries.
        say: Hears the sentence.
    """
    place = root / "ledger" / "gate.json"
    text = json.dumps({"fingerprint": mark}) + "\n"
    try:
        known = place.read_text(encoding="utf-8") == text
    except (OSError, ValueError):
        known = False
    if known:
        return
    if keys:
        many = len(keys) > 1
        say(
            f"{len(keys):,} {'deliveries that are' if many else 'delivery that is'} not in the "
            f"input any more {'stay as they were' if many else 'stays as it was'} judged by an "
            "earlier contract, rules, settings or program, such as "
            f"{min(keys)}; to have {'them' if many else 'it'} judged again, put the "
            f"file{'s' if many else ''} back for one run"
        )
    write_atomically(place, text)
