"""What is so every day: a finding of one delivery that says nothing new beside earlier ones.

A shop in which every third visitor refuses cookies has rows without a client id on every day, and
one that gives presents has orders of no worth. Said as a warning each morning, that hides the
mornings on which it matters. So a warning about a share that is the shop's own habit becomes
information; it is not left out, and an error stays one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from tallymark.config import CheckRule, CheckRules, Severity
from tallymark.results import Finding

__all__ = ["Usual", "as_usual", "softened", "softens"]

Usual = dict[tuple[str, str], float]
"""By delivery and check: the usual share, where the delivery's is not beyond it."""


def softened(
    found: Sequence[Finding],
    delivery: str,
    usual: Mapping[tuple[str, str], float],
    rules: CheckRules,
) -> list[Finding]:
    """The findings of a delivery, warnings of what is usual as information.

    Args:
        found: What the delivery by itself shows.
        delivery: Its key.
        usual: What its history says of them.
        rules: What each finding's rule checks, and how bad its owner says a hit is.
    """
    warnings = {rule.id: rule.check for rule in rules.rules if softens(rule)}
    checks = [warnings.get(one.rule or "", "") for one in found]
    shares = [usual.get((delivery, check)) for check in checks]
    return [_softened(one, share) for one, share in zip(found, shares, strict=True)]


def softens(rule: CheckRule | None) -> bool:
    """Whether a hit of a rule may become information: what its owner calls an error may not."""
    return rule is not None and rule.severity is Severity.P2


def as_usual(share: float) -> str:
    """The end of a sentence about what is so every day.

    >>> as_usual(0.25)
    '; as usual: earlier deliveries had 25.0%'
    """
    return f"; as usual: earlier deliveries had {share:.1%}"


def _softened(one: Finding, share: float | None) -> Finding:
    if share is None or one.severity is not Severity.P2:
        return one
    return dataclasses.replace(
        one,
        severity=Severity.P3,
        message=f"{one.message}{as_usual(share)}",
        evidence={**one.evidence, "usual_share": round(share, 6)},
    )
