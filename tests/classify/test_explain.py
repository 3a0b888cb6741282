"""Explaining a channel, and the rules and sources that a shop adds."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tallymark.channel_rules import CHANNELS, CONDITIONS, ChannelRule, ChannelSettings
from tallymark.classify.channels import Channels, Landing
from tallymark.classify.clicks import CLICK_IDS
from tallymark.classify.explain import explain
from tallymark.classify.own import like

NOTHING = Landing(
    utm_source=None, utm_medium=None, utm_campaign=None, click_id=None, partner=None,
    referrer_host=None, own=False, landing_seen=True, referrer_collected=True,
)  # fmt: skip
WORDS = st.none() | st.sampled_from(
    ["google", "facebook", "dealsite", "cpc", "email", "pmax", "Spring Shopping", "(not set)", ""]
)
LANDINGS = st.builds(
    Landing,
    utm_source=WORDS,
    utm_medium=WORDS,
    utm_campaign=WORDS,
    click_id=st.none() | st.sampled_from([*list(CLICK_IDS), "clickid"]),
    partner=st.none() | st.sampled_from(["impact", "awin"]),
    referrer_host=st.none()
    | st.sampled_from(
        ["www.google.com", "t.co", "docs.google.com", "a.example", "x.friends.example"]
    ),
    own=st.booleans(),
    landing_seen=st.booleans(),
    referrer_collected=st.booleans(),
)
OWN = Channels.of_shop(
    ChannelSettings(
        rules=(
            ChannelRule(id="friends", channel="Affiliates", referrer=("friends.example",)),
            ChannelRule(id="deals", channel="Affiliates", source=("deal*",), medium=("*p*",)),
        )
    )
)


@given(where=LANDINGS, own=st.booleans())
def test_the_explanation_ends_with_the_rule_that_decides(
    channels: Channels, where: Landing, *, own: bool
) -> None:
    """Whatever arrives, the last rule asked is that of the classification, and no other holds."""
    asked = OWN if own else channels
    tried = explain(asked, where)
    assert tried[-1].rule == asked.classify(where).rule
    assert [one.holds for one in tried] == [False] * (len(tried) - 1) + [True]
    assert all(one.why for one in tried)
    assert len({one.rule for one in tried}) == len(tried)


@given(where=LANDINGS)
def test_own_rules_change_only_what_they_hold_for(channels: Channels, where: Landing) -> None:
    """Where no rule of the shop holds, nothing is different; where one does, only the channel."""
    plain, told = channels.classify(where), OWN.classify(where)
    if not told.rule.startswith("own:"):
        assert told == plain
    else:
        assert told.channel == "Affiliates"
        assert not told.inherits
        if not plain.inherits:
            assert (told.source, told.medium, told.campaign) == (
                plain.source, plain.medium, plain.campaign
            )  # fmt: skip


def test_every_field_of_a_rule_must_hold() -> None:
    """One field of several is not enough, of one field one value is, and capitals do not count."""
    rule = ChannelRule(id="x", channel="Audio", source=("a", "b*"), click_id=("GCLID",))
    shop = Channels.of_shop(ChannelSettings(rules=(rule,)))
    for source, click, holds in (
        ("A", "gclid", True), ("bee", "gclid", True), ("a", None, False), ("c", "gclid", False),
        (None, "gclid", False),
    ):  # fmt: skip
        where = dataclasses.replace(NOTHING, utm_source=source, utm_medium="x", click_id=click)
        assert (shop.classify(where).rule == "own:x") == holds, (source, click)


def test_anything_does_not_match_nothing() -> None:
    """A rule for any source is no rule for visits that have none."""
    rule = ChannelRule(id="x", channel="Audio", source=("*",), medium=("*",))
    shop = Channels.of_shop(ChannelSettings(rules=(rule,)))
    assert shop.classify(NOTHING).channel == "Direct"
    unseen = dataclasses.replace(NOTHING, landing_seen=False)
    assert shop.classify(unseen).channel == "Unknown"


def test_own_sources_come_before_shipped_ones() -> None:
    """A host that a shipped list knows can be put on another list, by its longest name or not."""
    shop = Channels.of_shop(
        ChannelSettings(sources={"search": {"finder": ("finder.example", "t.co", "ff")}})
    )
    for host in ("finder.example", "www.t.co"):
        found = shop.classify(dataclasses.replace(NOTHING, referrer_host=host))
        assert (found.source, found.channel) == ("finder", "Organic Search")
    tagged = dataclasses.replace(NOTHING, utm_source="FF", utm_medium="cpc")
    assert shop.classify(tagged).channel == "Paid Search"
    other = dataclasses.replace(NOTHING, referrer_host="l.facebook.com")
    assert shop.classify(other).channel == "Organic Social"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"channel": "Paid Serach", "source": ["a"]}, "did you mean 'Paid Search'"),
        ({"channel": "paid search", "source": ["a"]}, "did you mean 'Paid Search'"),
        ({"channel": "Email"}, "asks nothing"),
        ({"channel": "Email", "referrer": ["https://a.example/"]}, "is no host"),
        ({"channel": "Email", "source": [""]}, "at least 1 character"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(rule: dict[str, object], said: str) -> None:
    """A label that does not exist, nothing asked, a URL for a host."""
    with pytest.raises(ValidationError, match=said):
        ChannelRule.model_validate({"id": "x", **rule})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sources": {"serach": {}}}, "did you mean 'search'"),
        ({"sources": {"search": {"a": ["x"]}, "social": {"b": ["X"]}}}, "stands for both"),
        ({"rules": [{"id": "a", "channel": "SMS", "source": ["a"]}] * 2}, "given twice"),
    ],
)
def test_settings_that_contradict_are_refused(settings: dict[str, object], said: str) -> None:
    """A list that does not exist, a word on two lists, an id given twice."""
    with pytest.raises(ValidationError, match=said):
        ChannelSettings.model_validate(settings)


def test_every_condition_is_a_field() -> None:
    """What a rule may ask is what its model has, id and channel aside."""
    assert {"id", "channel", *CONDITIONS} == set(ChannelRule.model_fields)
    assert len(set(CHANNELS)) == len(CHANNELS)


@given(value=st.text("ab*", max_size=8), pattern=st.text("ab*", max_size=6))
def test_patterns_are_those_of_a_shell_with_stars_alone(value: str, pattern: str) -> None:
    """The answer is that of the slow regular expression."""
    slow = re.compile(".*".join(map(re.escape, pattern.split("*"))))
    assert like(value, pattern) == bool(slow.fullmatch(value))


def test_patterns_take_linear_time() -> None:
    """Many stars on a long text do not blow up."""
    assert not like("a" * 200_000, "*a" * 60 + "b")
