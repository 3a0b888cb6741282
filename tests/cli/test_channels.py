"""`tallymark channels`: one visit explained, and the sources that nothing knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.build.shop import HOME, HOUR, Shop, order, view
from tests.cli.calling import call, project

AD = f"{HOME}en/products/lamp?utm_source=google&utm_medium=cpc&utm_campaign=May%20sale&gclid=a"


def test_a_visit_is_explained(tmp_path: Path) -> None:
    """Page, tags, click id, referrer and every rule that was asked, for people and as JSON."""
    said = call("channels", "test", AD, "https://www.google.de/", "--project", tmp_path)
    assert said.code == 0
    for word in (
        "Paid Search, by the rule paid_search", "google / cpc / May sale", "/en/products",
        "product", "gclid", "www.google.de (search)", "no cross_network", "=> paid_search",
    ):  # fmt: skip
        assert word in said.out
    found = call("channels", "test", AD, "--project", tmp_path, "--json").data
    assert (found["channel"], found["rule"], found["utm"]["utm_campaign"]) == (
        "Paid Search", "paid_search", "May sale",
    )  # fmt: skip
    assert [one["rule"] for one in found["tried"]] == [
        "cross_network",
        "paid_shopping",
        "paid_search",
    ]


@pytest.mark.parametrize(
    ("words", "channel", "rule"),
    [
        ([HOME], "Direct", "direct"),
        ([HOME, "--no-landing"], "Unknown", "landing_not_seen"),
        ([HOME, "--no-referrer-column"], "Unknown", "referrer_not_collected"),
        ([HOME, "https://www.paypal.com/x"], "Unknown", "own_or_payment_host"),
        ([HOME, "https://konto.lamps.example/"], "Unknown", "own_or_payment_host"),
        ([HOME, "no url"], "Direct", "direct"),
        ([f"{HOME}?awc=1"], "Affiliates", "partner_parameter"),
        ([f"{HOME}?fbclid=1", "https://l.instagram.com/"], "Organic Social", "click_id:fbclid"),
        (["\x00", "\x1b[2J"], "Direct", "direct"),
        (["x" * 100_000 + "?utm_source=" + "y" * 100_000], "Unassigned", "unassigned"),
    ],
)
def test_cases(tmp_path: Path, words: list[str], channel: str, rule: str) -> None:
    """Whatever is given has an explanation, and nothing of it acts on the terminal."""
    found = call("channels", "test", *words, "--project", tmp_path, "--json").data
    assert (found["channel"], found["rule"]) == (channel, rule)
    shown = call("channels", "test", *words, "--project", tmp_path)
    assert "\x1b" not in shown.out


def test_the_project_s_own_rules_and_hosts_count(tmp_path: Path) -> None:
    """Rules of tallymark.yml are asked first; hosts of the contract are no source."""
    project(
        tmp_path,
        tallymark="channels:\n  rules:\n"
        "    - {id: friends, channel: Affiliates, referrer: [friends.example]}\n"
        "shop: {own_hosts: [lamps-checkout.example]}\n",
    )
    found = call("channels", "test", HOME, "https://a.friends.example", "--project", tmp_path)
    assert "Affiliates, by the rule own:friends" in found.out
    found = call("channels", "test", HOME, "https://www.google.com/", "--project", tmp_path)
    assert "no own:friends: the referrer is www.google.com, not friends.example" in found.out
    found = call("channels", "test", HOME, "https://lamps-checkout.example", "--project", tmp_path)
    assert "own_or_payment_host" in found.out


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("channels:\n  rules:\n    - {id: a, channel: Emial, source: [a]}\n", "3:15",
         "did you mean 'Email'?"),
        ("channels:\n  rules:\n    - {id: a, channel: Email, sorce: [a]}\n", "3:31",
         "did you mean 'source'?"),
        ("channels:\n  rules:\n    - {id: A!, channel: Email, source: [a]}\n", "3:8", "pattern"),
        ("channels:\n  sources:\n    serach: {a: [b]}\n", "2:3", "did you mean 'search'?"),
    ],
)  # fmt: skip
def test_mistakes_have_a_place_and_a_cure(tmp_path: Path, text: str, place: str, said: str) -> None:
    """A label, key or list that does not exist: line, column, and what was meant."""
    project(tmp_path, tallymark=text)
    found = call("channels", "test", HOME, "--project", tmp_path)
    assert found.code == 2
    assert f"tallymark.yml:{place}" in found.err
    assert said in found.err


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with visits from places that nothing knows."""
    shop = Shop(tmp_path_factory.mktemp("unmatched"))
    tags = {
        "typo": "?utm_source=facebok&utm_medium=cpc", "mail": "?utm_source=a&utm_medium=e-mails",
        "person": "?utm_source=ann@mail.example&utm_medium=x",
        "phone": "?utm_source=%2B49%20170%201234567&utm_medium=x",
        "hash": f"?utm_source={'0123456789abcdef' * 4}&utm_medium=x",
        "known": "?utm_source=google&utm_medium=cpc",
    }  # fmt: skip
    hosts = {"bank": "secure.acmebank.example", "own": "lamps.example.net",
             "friend": "friends.example", "search": "search.acme.example"}  # fmt: skip
    shop.deliver(
        0,
        [*(view(HOUR, who, url=HOME + text) for who, text in tags.items()),
         order(HOUR + 1, "typo", revenue=50), view(HOUR, "friend2", referrer="https://friends.example"),
         *(view(HOUR, who, referrer=f"https://{host}/") for who, host in hosts.items())],
    )  # fmt: skip
    shop.build()
    return shop.home


def test_unknown_sources_are_listed_by_revenue(home: Path) -> None:
    """The one with revenue first, then by sessions, each with what may be done."""
    found = call("channels", "unmatched", "--warehouse", home / "warehouse", "--json").data
    assert (found["sessions"], found["revenue"]) == (11, 50)
    told = {one["source"]: one for one in found["unmatched"]}
    assert found["unmatched"][0]["source"] == "facebok"
    assert found["unmatched"][1]["source"] == "friends.example"
    assert told["friends.example"]["sessions"] == 2
    for source, words in (
        ("facebok", "looks like 'facebook'"), ("a", "looks like 'email'"),
        ("secure.acmebank.example", "shop.payment_hosts"), ("lamps.example.net", "shop.own_hosts"),
        ("search.acme.example", "sources.search"), ("friends.example", "channels.rules"),
    ):  # fmt: skip
        assert words in told[source]["suggestion"], source
    assert "google" not in told


def test_nothing_personal_is_listed(home: Path) -> None:
    """Addresses, numbers and hashes among the tags are hidden."""
    for more in ((), ("--json",)):
        said = call("channels", "unmatched", "--warehouse", home / "warehouse", *more).out
        for secret in ("ann@", "1234567", "0123456789abcdef"):
            assert secret not in said
    assert "(an address)" in said


def test_the_list_can_be_short_and_read_from_exports(home: Path, tmp_path: Path) -> None:
    """A limit says how many there are besides; a folder of exported tables is enough."""
    (tmp_path / "fct_sessions.csv").write_bytes(
        (home / "warehouse" / "fct_sessions.csv").read_bytes()
    )
    said = call("channels", "unmatched", "--warehouse", tmp_path, "--limit", "2")
    assert said.code == 0
    assert "facebok" in said.out
    assert "and 7 more; see --limit" in said.out


def test_without_a_warehouse_it_says_so(tmp_path: Path) -> None:
    """One sentence and what to do."""
    said = call("channels", "unmatched", "--warehouse", tmp_path / "none")
    assert said.code == 2
    assert "no warehouse here" in said.err


def test_build_says_that_sessions_ran_away(tmp_path: Path) -> None:
    """How many and what they hold, where there are any."""
    shop = Shop(tmp_path)
    shop.deliver(0, [view(HOUR + at, "runs") for at in range(4)] + [view(HOUR, "walks")])
    project(tmp_path, tallymark="input: raw\nsessions: {runaway_events: 3}\n")
    assert "1 runaway session with 4 events" in call("build", "--project", tmp_path).out
    project(tmp_path, tallymark="input: raw\n")
    assert "runaway" not in call("build", "--project", tmp_path).out
