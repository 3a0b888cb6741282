from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.classify.channels import CHANNELS, Channels, Landing, Traffic
from tallymark.classify.clicks import CLICK_IDS
from tallymark.classify.shipped import document
from tallymark.classify.sources import known_sources
from tallymark.errors import ConfigError

NOTHING = Landing(
    utm_source=None,
    utm_medium=None,
    utm_campaign=None,
    click_id=None,
    partner=None,
    referrer_host=None,
    own=False,
    landing_seen=True,
    referrer_collected=True,
)


def landing(**fields: Any) -> Landing:
    """An untagged landing without a referrer, but for the fields given."""
    return dataclasses.replace(NOTHING, **fields)


def tags(source: str = "", medium: str = "", campaign: str = "", **fields: Any) -> Landing:
    """A landing with UTM tags."""
    return landing(utm_source=source, utm_medium=medium, utm_campaign=campaign, **fields)


# ---------------------------------------------------------------- untagged


def test_direct_needs_evidence(channels: Channels) -> None:
    """A seen landing with a collected, empty referrer and no tag is Direct; less is Unknown."""
    assert channels.classify(NOTHING) == Traffic(
        "(direct)", "(none)", None, "Direct", "direct", inherits=False
    )
    for fields, rule in (
        ({"landing_seen": False}, "landing_not_seen"),
        ({"referrer_collected": False}, "referrer_not_collected"),
        ({"referrer_collected": False, "landing_seen": False}, "referrer_not_collected"),
    ):
        traffic = channels.classify(landing(**fields))
        assert (traffic.channel, traffic.rule) == ("Unknown", rule)
        assert (traffic.source, traffic.medium) == ("(not set)", "(not set)")
        assert not traffic.inherits


def test_own_and_payment_hosts_are_no_source(channels: Channels) -> None:
    """A visit from the shop itself or from a payment host takes the channel before it."""
    traffic = channels.classify(landing(referrer_host="www.paypal.com", own=True))
    assert traffic.inherits
    assert (traffic.channel, traffic.rule) == ("Unknown", "own_or_payment_host")


def test_a_tag_counts_even_from_a_payment_host(channels: Channels) -> None:
    """What is tagged says where it came from, whatever the referrer."""
    for fields in ({"utm_medium": "email"}, {"click_id": "gclid"}, {"partner": "impact"}):
        traffic = channels.classify(landing(referrer_host="www.paypal.com", own=True, **fields))
        assert not traffic.inherits
        assert traffic.channel in {"Email", "Paid Search", "Affiliates"}


@pytest.mark.parametrize(
    ("host", "source", "medium", "channel", "rule"),
    [
        ("www.google.com", "google", "organic", "Organic Search", "referrer_search"),
        ("www.google.co.uk", "google", "organic", "Organic Search", "referrer_search"),
        (
            "com.google.android.googlequicksearchbox",
            "google",
            "organic",
            "Organic Search",
            "referrer_search",
        ),
        ("duckduckgo.com", "duckduckgo", "organic", "Organic Search", "referrer_search"),
        ("uk.search.yahoo.com", "yahoo", "organic", "Organic Search", "referrer_search"),
        ("l.facebook.com", "facebook", "social", "Organic Social", "referrer_social"),
        ("t.co", "twitter", "social", "Organic Social", "referrer_social"),
        ("T.CO", "twitter", "social", "Organic Social", "referrer_social"),
        ("m.youtube.com", "youtube", "video", "Organic Video", "referrer_video"),
        ("www.walmart.com", "walmart", "referral", "Organic Shopping", "referrer_shopping"),
        ("chatgpt.com", "chatgpt", "ai-assistant", "AI Assistant", "referrer_ai"),
        ("www.perplexity.ai", "perplexity", "ai-assistant", "AI Assistant", "referrer_ai"),
        ("gemini.google.com", "gemini", "ai-assistant", "AI Assistant", "referrer_ai"),
        ("mail.google.com", "gmail", "email", "Email", "referrer_email"),
        ("com.google.android.gm", "gmail", "email", "Email", "referrer_email"),
        ("outlook.live.com", "outlook", "email", "Email", "referrer_email"),
        ("docs.google.com", "docs.google.com", "referral", "Referral", "referrer"),
        ("www.blog.example", "blog.example", "referral", "Referral", "referrer"),
        ("notgoogle.com", "notgoogle.com", "referral", "Referral", "referrer"),
        (
            "google.com.evil.example",
            "google.com.evil.example",
            "referral",
            "Referral",
            "referrer",
        ),
        ("at.co", "at.co", "referral", "Referral", "referrer"),
    ],
)
def test_referrers(
    channels: Channels, host: str, source: str, medium: str, channel: str, rule: str
) -> None:
    """A listed referrer has its channel and name; any other is a referral from its host."""
    assert channels.classify(landing(referrer_host=host)) == Traffic(
        source, medium, None, channel, rule, inherits=False
    )


# ---------------------------------------------------------------- click ids and partners


def test_click_ids_without_tags_decide_by_their_kind(channels: Channels) -> None:
    """Every click id alone has the channel of its kind, and its name is the rule."""
    names = {
        "paid_search": "Paid Search",
        "paid_social": "Paid Social",
        "paid_other": "Paid Other",
        "display": "Display",
        "organic_social": "Organic Social",
        "organic_search": "Organic Search",
        "email": "Email",
    }
    for name, click in CLICK_IDS.items():
        traffic = channels.classify(landing(click_id=name, landing_seen=False))
        assert traffic.channel == names[click.kind], name
        assert traffic.rule.lower() == f"click_id:{name.lower()}"
        assert (traffic.source, traffic.medium) == (click.source, click.medium)


def test_click_id_spelling_does_not_matter(channels: Channels) -> None:
    """Snapchat's id arrives as ScCid and as sccid."""
    said = {channels.classify(landing(click_id=name)).channel for name in ("ScCid", "SCCID")}
    assert said == {"Paid Social"}


def test_an_unknown_click_id_is_no_tag(channels: Channels) -> None:
    """A parameter that is not in the table says nothing."""
    assert channels.classify(landing(click_id="clickid")).channel == "Direct"


def test_fbclid_from_instagram_is_instagram(channels: Channels) -> None:
    """Facebook marks links on Instagram too; the referrer knows better."""
    traffic = channels.classify(landing(click_id="fbclid", referrer_host="l.instagram.com"))
    assert (traffic.source, traffic.channel) == ("instagram", "Organic Social")
    paid = channels.classify(landing(click_id="gclid", referrer_host="l.instagram.com"))
    assert (paid.source, paid.channel) == ("google", "Paid Search")


def test_a_partner_parameter_beats_the_click_id(channels: Channels) -> None:
    """A partner who bought an advertisement is still the partner."""
    traffic = channels.classify(landing(partner="impact", click_id="gclid"))
    assert traffic == Traffic("impact", "affiliate", None, "Affiliates", "partner_parameter")


@pytest.mark.parametrize(
    ("where", "channel", "rule"),
    [
        # The rules know the tags: they decide, click id or not.
        (tags("google", "cpc", click_id="gclid"), "Paid Search", "paid_search"),
        (tags("dealsite", "cpc", click_id="gclid"), "Paid Other", "paid_other"),
        (tags("dealsite", "affiliate", click_id="gclid"), "Affiliates", "affiliates"),
        (tags("facebook", "paid", click_id="fbclid"), "Paid Social", "paid_social"),
        (tags("google", "organic", click_id="gclid"), "Organic Search", "organic_search"),
        (tags("news", "email", click_id="gclid"), "Email", "email"),
        # They do not, and the source is empty or the platform's own: the click id decides.
        (tags("google", "pmax", click_id="gad_source"), "Paid Search", "click_id:gad_source"),
        (tags("", "", "spring", click_id="gclid"), "Paid Search", "click_id:gclid"),
        (tags("", "", "spring", click_id="msclkid"), "Paid Search", "click_id:msclkid"),
        (tags("microsoft", "x", click_id="msclkid"), "Paid Search", "click_id:msclkid"),
        (tags("ig", "story", click_id="fbclid"), "Organic Social", "organic_social"),
        (tags("gdn", "x", click_id="dclid"), "Display", "click_id:dclid"),
        (tags("", "", "spring shopping", click_id="gclid"), "Paid Shopping", "click_id:gclid"),
        (tags("youtube", "x", click_id="gclid"), "Paid Video", "click_id:gclid"),
        (tags("flow-7", "x", click_id="_kx"), "Email", "click_id:_kx"),
        # The list knows the source but the medium is silent: paid stays paid.
        (tags("google", "", click_id="gclid"), "Paid Search", "click_id:gclid"),
        (tags("tiktok", "", click_id="ttclid"), "Paid Social", "click_id:ttclid"),
        (tags("google", "", click_id="srsltid"), "Organic Search", "organic_search"),
        # Somebody else's source: not ours.
        (tags("dealsite", "x", click_id="gclid"), "Unassigned", "unassigned"),
        (tags("dealsite", "", click_id="msclkid"), "Unassigned", "unassigned"),
        (
            tags("dealsite", "x", click_id="gclid", partner="impact"),
            "Affiliates",
            "partner_parameter",
        ),
        (tags("facebook", "", click_id="gclid"), "Organic Social", "organic_social"),
        # No click id: the partner's parameter, or nothing.
        (tags("dealsite", "x", partner="awin"), "Affiliates", "partner_parameter"),
        (tags("dealsite", "cpc", partner="awin"), "Paid Other", "paid_other"),
        (tags("dealsite", "x"), "Unassigned", "unassigned"),
        (tags("", "", "spring"), "Unassigned", "unassigned"),
    ],
)
def test_tags_with_click_ids_and_partners(
    channels: Channels, where: Landing, channel: str, rule: str
) -> None:
    """Tags first; a click id only speaks for its own platform."""
    traffic = channels.classify(where)
    assert (traffic.channel, traffic.rule) == (channel, rule)


# ---------------------------------------------------------------- tags


def test_assistants_tag_a_source_without_a_medium(channels: Channels) -> None:
    """A link out of an assistant with utm_source alone is an AI Assistant's."""
    for where in (tags("chatgpt.com"), tags("perplexity"), tags("any", "ai-assistant")):
        assert channels.classify(where).channel == "AI Assistant"
    assert channels.classify(tags("chatgpt.com", "cpc")).channel == "Paid Other"


@pytest.mark.parametrize("word", ["(not set)", "(none)", "(direct)", "null", "undefined", "  ", ""])
def test_placeholders_are_absent(channels: Channels, word: str) -> None:
    """A tag that says nothing leaves the visit untagged."""
    where = tags(word, word.upper(), word, referrer_host="www.bing.com")
    assert channels.classify(where).channel == "Organic Search"
    assert channels.classify(tags(word, word, word)).channel == "Direct"
    assert channels.classify(tags(word, landing_seen=False)).channel == "Unknown"


def test_values_are_trimmed_and_lower_case(channels: Channels) -> None:
    """Source and medium are compared and reported in one spelling; the campaign keeps its own."""
    traffic = channels.classify(tags("  Google ", "\tCPC", "  Spring Sale "))
    assert traffic == Traffic("google", "cpc", "Spring Sale", "Paid Search", "paid_search")
    assert channels.classify(tags("x", "Social  Network")).channel == "Organic Social"


def test_a_source_is_a_whole_word(channels: Channels) -> None:
    """A source that contains a known name is another source."""
    for source in ("notgoogle.com", "google.com.evil.example", "walmart.co", "bingo", "t.com"):
        assert channels.classify(tags(source, "cpc")).channel == "Paid Other", source
    assert channels.classify(tags("t.co", "cpc")).channel == "Paid Social"
    assert channels.classify(tags("walmart.com", "cpc")).channel == "Paid Shopping"


@given(
    source=st.sampled_from(["google", "fb", "youtube.com", "ebay", "x", "newsletter", "SMS", ""]),
    medium=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
    campaign=st.sampled_from(["", "spring", "eShop", "cross-network", "Shopping"]),
    flips=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_capitals_change_nothing(
    channels: Channels, source: str, medium: str, campaign: str, flips: list[bool]
) -> None:
    """Any mixture of capitals gives the same channel by the same rule."""

    def mixed(text: str) -> str:
        return "".join(
            letter.upper() if flip else letter.lower()
            for letter, flip in zip(text, flips, strict=False)
        )

    plain = channels.classify(tags(source, medium, campaign))
    other = channels.classify(tags(mixed(source), mixed(medium), mixed(campaign)))
    assert (other.channel, other.rule) == (plain.channel, plain.rule)
    assert (other.source, other.medium) == (plain.source, plain.medium)


OPTIONAL = st.none() | st.text(max_size=20)
LANDINGS = st.builds(
    Landing,
    utm_source=OPTIONAL,
    utm_medium=OPTIONAL,
    utm_campaign=OPTIONAL,
    click_id=st.none() | st.sampled_from(list(CLICK_IDS)) | st.text(max_size=8),
    partner=st.none() | st.sampled_from(["impact", "awin"]),
    referrer_host=st.none() | st.sampled_from(["www.google.com", "t.co"]) | st.text(max_size=20),
    own=st.booleans(),
    landing_seen=st.booleans(),
    referrer_collected=st.booleans(),
)


@given(where=LANDINGS)
def test_every_landing_has_one_channel(channels: Channels, where: Landing) -> None:
    """Whatever arrives, there is an answer with a known label, a rule, a source and a medium."""
    traffic = channels.classify(where)
    assert traffic.channel in CHANNELS
    assert traffic.rule
    assert traffic.source
    assert traffic.medium
    assert not traffic.inherits or (where.own and traffic.channel == "Unknown")
    if traffic.channel == "Direct":
        assert where.landing_seen
        assert where.referrer_collected
        assert not where.own


@given(wheres=st.lists(LANDINGS, max_size=6))
def test_many_are_classified_as_each_alone(channels: Channels, wheres: list[Landing]) -> None:
    """The answers come in the order asked and do not depend on the company."""
    assert channels.classify_all(wheres * 2) == [channels.classify(one) for one in wheres * 2]


def test_referrer_and_tag_agree(channels: Channels) -> None:
    """Source and medium of an untagged visit, used as tags, give the same channel again."""
    for host in ("www.google.de", "t.co", "vimeo.com", "ebay.com", "claude.ai", "a.example"):
        untagged = channels.classify(landing(referrer_host=host))
        tagged = channels.classify(tags(untagged.source, untagged.medium))
        assert tagged.channel == untagged.channel, host


def test_long_values_are_read_in_linear_time(channels: Channels) -> None:
    """A megabyte of tag gets an answer; no pattern blows up on it."""
    for text in ("cp" * 500_000, "shop " * 200_000, "esho" * 250_000, "\n" * 1_000_000):
        assert channels.classify(tags(text, text, text)).channel in CHANNELS


# ---------------------------------------------------------------- the rules as data


def test_labels_are_ga4s_and_unknown(channels: Channels) -> None:
    """Each label is reachable and none is missing or said twice."""
    assert len(set(CHANNELS)) == len(CHANNELS) == 21
    ruled = {rule["channel"] for rule in document("channels")["rules"]}
    assert set(CHANNELS) - ruled == {"Direct", "Unassigned", "Unknown"}
    assert channels.classify(NOTHING).channel == "Direct"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"id": "a", "channel": "Paid Serach", "when": []}, "channel 'Paid Serach'"),
        ({"id": "a", "channel": "Email", "when": [{"medium": "x"}]}, "condition 'medium'"),
        ({"id": "a", "channel": "Email", "when": [{"medium_like": "x"}]}, "pattern 'x'"),
    ],
)
def test_a_rule_that_names_nothing_is_refused(rule: dict[str, Any], message: str) -> None:
    """A misspelt channel, condition or pattern is an error, not a rule that never fires."""
    tree = {**document("channels"), "rules": [rule]}
    with pytest.raises(ConfigError, match=message):
        Channels(tree, known_sources())
