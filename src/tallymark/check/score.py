"""The score of a delivery: 0 to 100, by an arithmetic that can be done by hand.

100, less 40 for each P0, 20 for each P1, 5 for each P2 and 30 times the share of quarantined
rows; rounded, at least 0. A delivery that was refused as a whole scores 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tallymark.config import Severity
from tallymark.results import DeliveryReport, Finding

__all__ = ["FULL", "RULE", "arithmetic", "score_of", "score_parts"]

FULL = 100
_PENALTY = {Severity.P0: 40, Severity.P1: 20, Severity.P2: 5, Severity.P3: 0}
_QUARANTINE_PENALTY = 30
_SMALLEST = 0.0001  # share that is told by its number
RULE = (
    f"Score: {FULL}, less {_PENALTY[Severity.P0]} for each P0, {_PENALTY[Severity.P1]} for each "
    f"P1, {_PENALTY[Severity.P2]} for each P2 and {_QUARANTINE_PENALTY} times the share of "
    "quarantined rows; rounded, at least 0. A delivery that was refused as a whole scores 0."
)


def score_of(found: Sequence[Finding], quarantined: float) -> int:
    """The score under some findings and a share of quarantined rows."""
    lost: float = sum(part["points"] for part in score_parts(found, quarantined))
    return max(0, round(FULL + lost))


def score_parts(
    found: Sequence[Finding], quarantined: float, *, refused: bool = False
) -> list[dict[str, Any]]:
    """What the score is made of, the heaviest severity first; ``points`` are negative.

    Args:
        found: The findings of the delivery.
        quarantined: The share of its rows that is in quarantine, 0 to 1.
        refused: Whether it was refused as a whole.
    """
    if refused:
        return [{"reason": "refused", "points": -FULL}]
    parts: list[dict[str, Any]] = []
    for severity, penalty in _PENALTY.items():
        number = sum(one.severity is severity for one in found)
        if number and penalty:
            parts.append({"reason": severity.value, "count": number, "points": -penalty * number})
    if quarantined:
        points = round(_QUARANTINE_PENALTY * quarantined, 6)
        parts.append({"reason": "quarantined", "share": round(quarantined, 6), "points": -points})
    return parts


def arithmetic(report: DeliveryReport) -> str:
    """A score as it is reckoned: ``100 - 40 (1 P0) - 5 (1 P2) = 55``."""
    parts = report.score_parts
    if any(part["reason"] == "refused" for part in parts):
        return "0: refused as a whole"
    steps = "".join(f" - {_points(-part['points'])} ({_reason(part)})" for part in parts)
    exact = round(FULL + sum(part["points"] for part in parts), 6)
    if exact < 0:
        return f"{FULL}{steps} = {_points(exact)}, so 0"
    near = "" if exact == report.score else f", rounded {report.score}"
    return f"{FULL}{steps} = {_points(exact)}{near}"


def _points(points: float) -> str:
    """Points with as many decimals as they need, two at most."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


def _reason(part: Mapping[str, Any]) -> str:
    if part["reason"] == "quarantined":
        share = part["share"]
        told = f"{share:.2%}" if share >= _SMALLEST else f"under {_SMALLEST:.2%}"
        return f"{told} of the rows quarantined"
    return f"{part['count']} {part['reason']}"
