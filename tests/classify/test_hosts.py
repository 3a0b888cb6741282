from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.classify.hosts import (
    HostIndex,
    host_of,
    internal_host,
    load_payment_hosts,
    registrable_domain,
)

LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOST = st.lists(LABEL, min_size=2, max_size=5).map(".".join)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.Example.com/path?q=1#f", "www.example.com"),
        ("http://example.com", "example.com"),
        ("HTTPS://EXAMPLE.COM:8443/", "example.com"),
        ("https://user:secret@example.com/", "example.com"),
        ("https://google.com@evil.example/", "evil.example"),
        ("https://evil.example\\@google.com/", "evil.example"),
        ("https://example.com.", "example.com"),
        ("https://example.com?x=https://google.com/", "example.com"),
        ("https://example.com#google.com", "example.com"),
        ("  https://example.com/ ", "example.com"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("android-app://com.pinterest", "com.pinterest"),
        ("https://[2001:DB8::1]:443/", "2001:db8::1"),
        ("http://127.0.0.1:3000/", "127.0.0.1"),
        ("http://localhost:3000", "localhost"),
        ("https://münchen.example/", "münchen.example"),
        ("https://a_b.example.com/", "a_b.example.com"),
    ],
)
def test_host_of_a_url(url: str, host: str) -> None:
    """The host loses scheme, user, port, path and capitals."""
    assert host_of(url) == host


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "   ",
        "null",
        "www.example.com",
        "//example.com/",
        "about:blank",
        "data:text/html,hello",
        "javascript:alert(1)",
        "chrome-extension://abcdefgh/",
        "file:///home/x",
        "https://",
        "https:///path",
        "https://exa mple.com/",
        "https://example.com:port/",
        "https://exam'ple.com/",
        "https://<script>/",
        "https://..",
        "https://.example.com/",
        "https://[not-an-address]/",
        "https://" + "a" * 300 + ".com/",
        "https://%65xample.com/",
    ],
)
def test_what_is_no_url_has_no_host(text: str | None) -> None:
    """A referrer that is no URL of a page or an app counts as empty."""
    assert host_of(text) is None


@given(st.text(max_size=200))
def test_host_of_never_raises_and_is_stable(text: str) -> None:
    """Whatever arrives, the answer is None or a host that is its own host."""
    for url in (text, f"https://{text}"):
        host = host_of(url)
        if host is not None and ":" not in host:
            assert host == host.lower()
            assert host_of(f"https://{host}/") == host


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("example.com", "example.com"),
        ("www.example.com", "example.com"),
        ("a.b.c.example.com", "example.com"),
        ("checkout.example.co.uk", "example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("shop.example.com.au", "example.com.au"),
        ("www.example.co.jp", "example.co.jp"),
        ("www.example.com.br", "example.com.br"),
        ("one.myshopify.com", "one.myshopify.com"),
        ("pay.one.myshopify.com", "one.myshopify.com"),
        ("192.168.0.10", "192.168.0.10"),
        ("2001:db8::1", "2001:db8::1"),
        ("localhost", "localhost"),
        ("WWW.Example.COM.", "example.com"),
    ],
)
def test_registrable_domain(host: str, domain: str) -> None:
    """Two labels, three under a listed ending; addresses and single labels unchanged."""
    assert registrable_domain(host) == domain


@given(HOST, LABEL)
def test_a_subdomain_has_the_domain_of_its_parent(host: str, label: str) -> None:
    """Registering happens once: whatever is put in front of a domain belongs to it."""
    domain = registrable_domain(host)
    assert registrable_domain(domain) == domain
    if domain.count(".") == 1 and registrable_domain(f"{label}.{domain}") != domain:
        # `domain` is itself an ending under which strangers register.
        return
    assert registrable_domain(f"{label}.{host}") == domain


def test_the_longest_suffix_wins() -> None:
    """The most special entry that covers a host speaks for it."""
    index = HostIndex(
        {"yahoo.*": "search", "shopping.yahoo.*": "shopping", "mail.yahoo.com": "mail"}
    )
    assert index.lookup("yahoo.com") == "search"
    assert index.lookup("uk.search.yahoo.com") == "search"
    assert index.lookup("shopping.yahoo.co.jp") == "shopping"
    assert index.lookup("de.shopping.yahoo.de") == "shopping"
    assert index.lookup("eu.mail.yahoo.com") == "mail"
    assert index.lookup("MAIL.yahoo.com.") == "mail"


@pytest.mark.parametrize(
    "host",
    [
        "walmart.com",
        "at.co",
        "t.com",
        "t.co.uk",
        "x-t.co",
        "t.co.evil.example",
        "notgoogle.com",
        "google.com.evil.example",
        "google.example",
        "google.github.io",
        "mygoogle.co.uk",
        "google",
        "com",
        "co.uk",
        "",
        None,
        "." * 300,
    ],
)
def test_never_a_substring(host: str | None) -> None:
    """A name that only looks like an entry is not it."""
    assert HostIndex({"t.co": "social", "google.*": "search"}).lookup(host) is None


@pytest.mark.parametrize(
    "host", ["google.com", "www.google.de", "news.google.co.uk", "google.com.br", "google.org"]
)
def test_an_open_ending_covers_every_country(host: str) -> None:
    """google.* is Google everywhere."""
    assert HostIndex({"google.*": 1}).lookup(host) == 1


@given(HOST, HOST)
def test_index_agrees_with_the_definition(entry: str, host: str) -> None:
    """One entry covers a host exactly if the host is it or ends with a dot and it."""
    covered = host == entry or host.endswith(f".{entry}")
    assert (HostIndex({entry: 1}).lookup(host) == 1) is covered
    assert HostIndex({entry: 1}).lookup(f"{host}.{entry}") == 1


def test_payment_hosts_are_hosts() -> None:
    """The list holds well-formed hosts and the providers a shop meets first."""
    hosts = load_payment_hosts()
    assert {"paypal.com", "klarna.com", "affirm.com", "afterpay.com", "stripe.com"} <= hosts
    assert all(host_of(f"https://{host}/") == host for host in hosts)
    index = HostIndex(dict.fromkeys(hosts, True))
    assert index.lookup("www.paypal.com")
    assert index.lookup("hooks.stripe.com")
    assert index.lookup("pay.google.com")
    assert index.lookup("www.google.com") is None
    assert index.lookup("www.amazon.com") is None
    assert index.lookup("notpaypal.com") is None


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "127.8.9.1",
        "10.1.2.3",
        "192.168.1.1",
        "::1",
        "shop.local",
        "shop.test",
        "ab12.ngrok.io",
        "staging.example.com",
        "dev.example.co.uk",
        "Staging-2.example.com",
        "qa.shop.example.com",
    ],
)
def test_internal_hosts(host: str) -> None:
    """Machines of the shop's own people are recognised."""
    assert internal_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "www.example.com",
        "dev.to",
        "staging.com",
        "developers.example.com",
        "latest.com",
        "8.8.8.8",
        "ngrok.io.example.com",
        "",
    ],
)
def test_public_hosts_are_not_internal(host: str) -> None:
    """A name that merely begins or ends like a test machine is a shop."""
    assert not internal_host(host)
