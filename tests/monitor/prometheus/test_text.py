from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from tallymark.monitor.prometheus.families import BY_NAME, FAMILIES, SHOP
from tallymark.monitor.prometheus.text import MOST, OTHER, Metric, bounded, clean, render
from tests.monitor.prometheus.tools import promtool

LABELS = st.text(st.characters(), max_size=40)  # surrogates and control characters, too
NUMBERS = st.floats() | st.integers(-(10**20), 10**20)
CHANNEL = BY_NAME["tallymark_channel_sessions"]
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: str, *, newer: bool) -> Series:
    """Every series of a text, as another program reads it."""
    parser: Callable[[str], Any] = (
        openmetrics.text_string_to_metric_families if newer else text_string_to_metric_families
    )
    found: Series = {}
    for one in itertools.chain.from_iterable(family.samples for family in parser(text)):
        key = (one.name, tuple(sorted(one.labels.items())))
        assert key not in found, f"twice: {key}"
        found[key] = one.value
    return found


@given(st.dictionaries(LABELS, NUMBERS, max_size=8), LABELS)
def test_whatever_a_label_holds_is_read_back(labels: dict[str, float], shop: str) -> None:
    """Both parsers read exactly the numbers that are finite, under the labels as cleaned."""
    metric = Metric(CHANNEL)
    for label, number in labels.items():
        metric.put(number, label)
    expected = {
        clean(label): float(number) for label, number in labels.items() if math.isfinite(number)
    }
    for newer in (True, False):
        found = parsed(render([metric], shop, openmetrics=newer), newer=newer)
        told = {dict(pairs)["channel"]: value for (_, pairs), value in found.items()}
        assert told == expected
        assert {dict(pairs)[SHOP] for _, pairs in found} <= {clean(shop) or "Shop"}


@given(st.text(st.characters()))
def test_a_clean_label_is_short_printable_and_on_one_line(text: str) -> None:
    """What a label holds can be written down anywhere, and cleaning it again changes nothing."""
    found = clean(text)
    assert len(found) <= 100
    assert found.isprintable()
    assert clean(found) == found
    found.encode()


@given(st.dictionaries(LABELS, st.tuples(st.integers(0, 10**6), st.integers(0, 9)), max_size=60))
def test_bounded_labels_keep_the_sum(values: dict[str, tuple[int, int]]) -> None:
    """There are never more labels than the limit and one, and nothing is lost."""
    found = bounded(values)
    assert len(found) <= MOST + 1
    assert len(found) == len({clean(label) for label in found})
    for place in (0, 1):
        assert sum(one[place] for one in found.values()) == sum(
            one[place] for one in values.values()
        )


def test_the_rest_is_called_other_and_joins_what_is_called_so() -> None:
    """The largest labels stay; a label that is named `other` is one with the rest."""
    values = {f"channel {number:02d}": (100 - number,) for number in range(MOST + 5)}
    found = bounded({**values, OTHER: (1000,)})
    assert OTHER in found
    assert found[OTHER] == (1000 + sum(100 - n for n in range(MOST, MOST + 5)),)
    assert "channel 00" in found
    assert f"channel {MOST:02d}" not in found


def test_labels_that_read_the_same_are_one_series() -> None:
    """A series named twice would make Prometheus refuse the whole scrape."""
    assert bounded({"Paid\x00Search": (1,), "Paid Search": (2,)}) == {"Paid Search": (3.0,)}


def test_the_textfile_is_the_same_in_both_forms() -> None:
    """Of gauges the newer and the older format have one text, so that one file serves both."""
    metrics = [Metric(one, {("x",) * len(one.labels): 1.5}) for one in FAMILIES if not one.counter]
    assert render(metrics, "Shop") == render(metrics, "Shop", openmetrics=False)
    assert render([], "Shop") == "# EOF\n"


@pytest.mark.parametrize("newer", [True, False])
def test_counters_are_counters_in_both_forms(*, newer: bool) -> None:
    """OpenMetrics names a counter without its ending, the older format with it."""
    metrics = [Metric(one, {(): 3.0}) for one in FAMILIES if one.counter]
    found = parsed(render(metrics, "Shop", openmetrics=newer), newer=newer)
    assert {name for name, _ in found} == {f"{one.name}_total" for one in FAMILIES if one.counter}


def test_names_and_units_follow_the_conventions() -> None:
    """Units end the name and are base units; helps need no escaping in either format."""
    assert len(BY_NAME) == len(FAMILIES)
    for one in FAMILIES:
        assert one.name.startswith("tallymark_")
        assert one.unit in {"", "seconds", "ratio"}
        assert one.name.endswith(f"_{one.unit}" if one.unit else "")
        assert not one.name.endswith(("_total", "_count", "_sum", "_bucket", "_info_info"))
        assert not set(one.help) & set('"\\\n')
        assert one.help.endswith(".")
        assert SHOP not in one.labels


def test_promtool_has_nothing_to_say_about_any_family() -> None:
    """Every family, with hostile labels, passes Prometheus' own lint."""
    hostile = '"\\ {}\n,=# HELP é 漢 \U0001f4a1 \ud800 \x00 \r'
    metrics = [Metric(one) for one in FAMILIES]
    for one in metrics:
        one.put(0.1, *[f"{hostile}{name}" for name in one.family.labels])
    text = render(metrics, hostile, openmetrics=False)
    assert promtool("check", "metrics", text=text) == ""
