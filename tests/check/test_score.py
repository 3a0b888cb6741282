"""The score: an arithmetic that can be done by hand, and is printed."""

from __future__ import annotations

import pytest

from tallymark.check.score import arithmetic, score_of, score_parts
from tallymark.config import Severity
from tests.check.reporting import a_delivery, a_finding

P0, P1, P2, P3 = Severity


@pytest.mark.parametrize(
    ("severities", "quarantined", "score", "told"),
    [
        ((), 0.0, 100, "100 = 100"),
        ((P0, P2), 0.0, 55, "100 - 40 (1 P0) - 5 (1 P2) = 55"),
        ((P3, P3), 0.0, 100, "100 = 100"),
        ((P2,), 0.1, 92, "100 - 5 (1 P2) - 3 (10.00% of the rows quarantined) = 92"),
        ((P1,), 0.024, 79,
         "100 - 20 (1 P1) - 0.72 (2.40% of the rows quarantined) = 79.28, rounded 79"),
        ((P0, P0, P1, P1), 0.0, 0, "100 - 80 (2 P0) - 40 (2 P1) = -20, so 0"),
        ((), 0.00001, 100,
         "100 - 0 (under 0.01% of the rows quarantined) = 100, rounded 100"),
    ],
)  # fmt: skip
def test_the_arithmetic_gives_the_score(
    severities: tuple[Severity, ...], quarantined: float, score: int, told: str
) -> None:
    """The parts, the score and the sentence say the same."""
    found = [a_finding(f"r{number}", severity=one) for number, one in enumerate(severities)]
    parts = score_parts(found, quarantined)
    assert score_of(found, quarantined) == score
    assert max(0, round(100 + sum(part["points"] for part in parts))) == score
    assert arithmetic(a_delivery(5, *found, score=score, score_parts=parts)) == told


def test_a_refused_delivery_scores_nothing() -> None:
    """However few findings it has."""
    parts = score_parts([a_finding()], 1.0, refused=True)
    assert parts == [{"reason": "refused", "points": -100}]
    assert arithmetic(a_delivery(5, score=0, score_parts=parts)) == "0: refused as a whole"
