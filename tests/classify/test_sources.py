from __future__ import annotations

import pytest

from tallymark import package
from tallymark.classify.hosts import host_of
from tallymark.classify.shipped import document, table
from tallymark.classify.sources import Source, WordIndex, known_sources
from tallymark.errors import ConfigError

KINDS = ["search", "social", "video", "shopping", "ai", "email", "other"]
FILES = [
    "agents",
    "bots",
    "channels",
    "click_ids",
    "internal_hosts",
    "partners",
    "payment_hosts",
    "public_suffixes",
    "sources",
]


@pytest.mark.parametrize("name", FILES)
def test_every_file_loads_and_has_a_version(name: str) -> None:
    """The shipped files are YAML mappings of the version we read."""
    assert document(name)["version"] == 1


def test_broken_yaml_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged installation is reported as such, not as a traceback."""
    for text in ("a: [", "- a"):
        monkeypatch.setattr(package, "shipped", lambda _, text=text: text)
        with pytest.raises(ConfigError, match=r"classify/data/none\.yml"):
            document.__wrapped__("none")


@pytest.mark.parametrize("kind", KINDS)
def test_lists_are_well_formed(kind: str) -> None:
    """Words are lower case; those with a dot are hosts, with an open ending or without."""
    for name, words in table(document("sources")[kind]).items():
        for word in [name, *words.split()]:
            assert word == word.lower()
            if "." in word:
                host = word.removesuffix(".*")
                assert host_of(f"https://{host}/") == host


def test_each_word_finds_its_own_source() -> None:
    """No entry is shadowed by another: each word leads to the list it stands on."""
    index = known_sources()
    for kind in KINDS:
        for name, words in table(document("sources")[kind]).items():
            for word in [name, *words.split()]:
                tag = word.replace(".*", ".de")
                assert index.by_tag(tag) == Source(kind, name), word


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("www.google.co.uk", "search"),
        ("plus.google.com", "social"),
        ("mail.google.com", "email"),
        ("gemini.google.com", "ai"),
        ("docs.google.com", "other"),
        ("shopping.google.com", "shopping"),
        ("com.google.android.gm", "email"),
        ("com.google.android.googlequicksearchbox", "search"),
        ("l.facebook.com", "social"),
        ("lm.facebook.com", "social"),
        ("t.co", "social"),
        ("m.youtube.com", "video"),
        ("smile.amazon.co.uk", "shopping"),
        ("copilot.microsoft.com", "ai"),
        ("chat.openai.com", "ai"),
        ("walmart.com", "shopping"),
    ],
)
def test_kinds_of_hosts(host: str, kind: str) -> None:
    """Well-known hosts are on the list one expects."""
    found = known_sources().by_host(host)
    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize(
    "host", ["notgoogle.com", "google.com.evil.example", "netflix.co", "fb", "at.co", "xx.com"]
)
def test_strangers_are_on_no_list(host: str) -> None:
    """What only resembles a known host is unknown."""
    assert known_sources().by_host(host) is None


def test_a_tag_may_be_a_url() -> None:
    """People paste addresses into utm_source."""
    index = known_sources()
    assert index.by_tag("https://www.google.com/") == Source("search", "google")
    assert index.by_tag("www.facebook.com") == Source("social", "facebook")
    assert index.by_tag("facebook page") is None


def test_a_word_on_two_lists_is_refused() -> None:
    """A contradiction in the lists is an error, not a matter of order."""
    with pytest.raises(ConfigError, match="two lists"):
        WordIndex([("a.example", 1), ("a.example", 2)], "lists.yml")


def test_reading_is_cached() -> None:
    """A second reading costs nothing: the same object comes back."""
    assert document("sources") is document("sources")
