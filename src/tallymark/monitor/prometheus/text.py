"""Metrics as text, in the two forms that Prometheus reads.

``tallymark export prometheus --output`` writes gauges alone, of which both forms have the same
text: OpenMetrics 1.0, and the older text format 0.0.4, to which ``# UNIT`` and ``# EOF`` are
comments. node_exporter's textfile collector reads only the older one.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tallymark.monitor.prometheus.families import SHOP, Family

__all__ = ["OPENMETRICS", "PLAIN", "Metric", "Sample", "bounded", "clean", "render", "samples"]

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"

OTHER = "other"  # what is beyond the limit, in one
MOST = 20  # values of one label, "other" not counted
_UNNAMED = "Shop"  # an empty label would be none to Prometheus
_LONGEST = 100  # characters of a label's value
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # Unicode's kinds that are no text
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_EXACT = 2.0**53  # whole numbers below are exact


@dataclass(slots=True)
class Metric:
    """A family with its samples, by the values of its labels (``shop`` left out)."""

    family: Family
    samples: dict[tuple[str, ...], float] = field(default_factory=dict)

    def put(self, value: float | None, *labels: str) -> None:
        """Add a sample; what is no number is left out, for absent is not zero."""
        if value is not None and math.isfinite(value):
            self.samples[tuple(clean(one) for one in labels)] = float(value)


def clean(text: str) -> str:
    r"""A label's value from anywhere: on one line, printable, of bounded length.

    >>> clean("Paid\x00 Search\n")
    'Paid Search'
    """
    kept = "".join(" " if unicodedata.category(one) in _UNSEEN else one for one in text)
    line = " ".join(kept.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1].rstrip()}…"


def bounded(
    values: Mapping[str, Sequence[float]], *, most: int = MOST
) -> dict[str, tuple[float, ...]]:
    """Amounts by label, the largest first, what is beyond ``most`` labels summed as ``other``.

    Labels that read the same once they are cleaned are summed too: a series named twice would
    make Prometheus refuse all of them.

    Args:
        values: Amounts by label; the first amount of each orders them.
        most: How many labels are kept.

    >>> bounded({"a": [1], "b": [3], "c": [2]}, most=1)
    {'b': (3.0,), 'other': (3.0,)}
    """
    summed: dict[str, tuple[float, ...]] = {}
    for label, amounts in values.items():
        _add(summed, clean(label), amounts)
    rest = summed.pop(OTHER, None)
    ranked = sorted(summed.items(), key=lambda one: (-one[1][0], one[0]))
    kept = dict(ranked[:most])
    for _, amounts in [*ranked[most:], *([] if rest is None else [(OTHER, rest)])]:
        _add(kept, OTHER, amounts)
    return kept


def _add(sums: dict[str, tuple[float, ...]], label: str, amounts: Sequence[float]) -> None:
    before = sums.get(label, (0.0,) * len(amounts))
    sums[label] = tuple(one + float(more) for one, more in zip(before, amounts, strict=True))


@dataclass(frozen=True, slots=True)
class Sample:
    """One series as it is written: its name, its labels without ``shop``, and its value."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples(metrics: Iterable[Metric]) -> Iterator[Sample]:
    """Every series of some metrics, in the order written."""
    for metric in metrics:
        family = metric.family
        name = f"{family.name}_total" if family.counter else family.name
        for labels, value in metric.samples.items():
            yield Sample(name, dict(zip(family.labels, labels, strict=True)), value)


def render(metrics: Iterable[Metric], shop: str, *, openmetrics: bool = True) -> str:
    """The text of some metrics; a metric without samples is left out.

    Args:
        metrics: In the order they are written.
        shop: The value of every series' first label.
        openmetrics: OpenMetrics, or the text format 0.0.4; they differ in counters alone.
    """
    name = clean(shop) or _UNNAMED
    lines = [line for one in metrics for line in _lines(one, name, openmetrics=openmetrics)]
    return "\n".join([*lines, "# EOF\n"])


def _lines(metric: Metric, shop: str, *, openmetrics: bool) -> Iterator[str]:
    if not metric.samples:
        return
    family = metric.family
    # The older format knows a counter by the name of its series.
    name = f"{family.name}_total" if family.counter and not openmetrics else family.name
    yield f"# HELP {name} {family.help}"
    yield f"# TYPE {name} {'counter' if family.counter else 'gauge'}"
    if family.unit:
        yield f"# UNIT {name} {family.unit}"
    for one in samples([metric]):
        pairs = {SHOP: shop, **one.labels}.items()
        inside = ",".join(f'{label}="{text.translate(_ESCAPED)}"' for label, text in pairs)
        yield f"{one.name}{{{inside}}} {_number(one.value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < _EXACT else repr(value)
