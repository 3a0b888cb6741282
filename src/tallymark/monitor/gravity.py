"""How bad what a statistical rule found is: a warning, or beyond doubt an error."""

from __future__ import annotations

from tallymark.monitor.detect import Judged
from tallymark.results import Severity

__all__ = ["severity_of"]

_BEYOND_DOUBT = 1e-5  # p-value under which a change may be an error, not only a warning


def severity_of(judged: Judged) -> Severity:
    """The rule's severity; P1 for a fall or a rise beyond doubt, if the rule says how large."""
    rule = judged.rule
    collapse = rule.threshold is not None and judged.change <= -rule.threshold
    absurd = rule.rise is not None and judged.change >= rule.rise
    if (collapse or absurd) and judged.p < _BEYOND_DOUBT:
        return min(rule.severity, Severity.P1)
    return rule.severity
