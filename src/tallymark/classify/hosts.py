"""Hosts: out of URLs, down to who registered them, and up to what lists say of them.

Hosts are compared label by label from the right and never as substrings: ``t.co`` is
``t.co`` and ``x.t.co``, and has nothing to do with ``walmart.com``.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from tallymark.classify.shipped import document

__all__ = [
    "HostIndex",
    "host_of",
    "internal_host",
    "is_no_source",
    "load_payment_hosts",
    "registrable_domain",
    "returns_index",
]

T = TypeVar("T")

MAX_URL = 4096
"""Characters of a URL that are looked at; the host comes long before."""
MAX_HOST = 253
"""Characters of the longest name the DNS can hold."""

# A referrer comes from a web page or from an app; extensions and files send nobody.
_AUTHORITY = re.compile(
    r"(?:https?|android-app|ios-app)://(?P<authority>[^/?#\\\s]*)(?=[/?#\\]|\Z)", re.IGNORECASE
)
_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_PORT = re.compile(r"\d{0,5}", re.ASCII)

WILDCARD = ".*"
"""Ends an entry that holds under every country ending and under those of :data:`GENERIC`."""
GENERIC = frozenset({"com", "net", "org"})
_COUNTRY_LETTERS = 2


def host_of(url: str | None) -> str | None:
    """The host of a URL in lower case, without user, port and last dot.

    ``None`` for whatever is no URL of a page or an app: empty text, ``about:blank``, a bare
    name, a host with characters no host has.

    >>> host_of("https://user@WWW.Example.com:8443/a?b#c")
    'www.example.com'
    >>> host_of("android-app://com.pinterest/")
    'com.pinterest'
    >>> host_of("www.example.com") is None
    True
    """
    if not url:
        return None
    found = _AUTHORITY.match(url[:MAX_URL].strip())
    if found is None:
        return None
    place = found["authority"].rpartition("@")[2].lower()
    if place.startswith("["):
        return _bracketed(place)
    host, _, port = place.partition(":")
    host = host.removesuffix(".")
    if len(host) > MAX_HOST or not _NAME.fullmatch(host) or not _PORT.fullmatch(port):
        return None
    return host


def _bracketed(place: str) -> str | None:
    address = place[1:].partition("]")[0]
    return str(_address(address)) if _address(address) else None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


@functools.cache
def _country_endings() -> frozenset[str]:
    return frozenset(str(document("public_suffixes")["country"]).split())


@functools.cache
def _hosting_endings() -> frozenset[str]:
    return frozenset(str(document("public_suffixes")["hosting"]).split())


def registrable_domain(host: str) -> str:
    """The part of a host that somebody registered: the last two labels, or three.

    Three under a shipped list of endings with two labels (``co.uk``, ``com.au``,
    ``myshopify.com``); an address and a single label are returned unchanged. Endings not on
    the list are taken to have one label.

    >>> registrable_domain("checkout.shop.example.co.uk")
    'example.co.uk'
    >>> registrable_domain("10.0.0.1")
    '10.0.0.1'
    """
    host = host.strip().lower().removesuffix(".")
    labels = host.split(".")
    two = ".".join(labels[-2:])
    if len(labels) <= len(two.split(".")) or _address(host):
        return host
    if two in _country_endings() or two in _hosting_endings():
        return ".".join(labels[-3:])
    return two


def _ending_labels(labels: list[str]) -> int:
    """How many labels at the right stand for the ``*`` of ``google.*``; 0 if none may."""
    two = ".".join(labels[-2:])
    if two in _country_endings():
        return 2
    if two in _hosting_endings():
        return 0
    last = labels[-1]
    country = len(last) == _COUNTRY_LETTERS and last.isalpha()
    return 1 if country or last in GENERIC else 0


class HostIndex(Generic[T]):
    """What the longest matching entry says of a host.

    Args:
        mapping: From a host, which covers its subdomains, or from a host whose ending is
            left open as in ``google.*``, to anything.

    >>> index = HostIndex({"google.*": "search", "mail.google.com": "mail", "t.co": "social"})
    >>> index.lookup("www.google.co.uk"), index.lookup("mail.google.com")
    ('search', 'mail')
    >>> index.lookup("walmart.com"), index.lookup("google.com.evil.example")
    (None, None)
    """

    def __init__(self, mapping: Mapping[str, T]) -> None:
        names = {name.strip().lower(): value for name, value in mapping.items()}
        self._exact = {k: v for k, v in names.items() if not k.endswith(WILDCARD)}
        self._open = {k.removesuffix(WILDCARD): v for k, v in names.items() if k.endswith(WILDCARD)}

    def lookup(self, host: str | None) -> T | None:
        """The value of the longest entry that covers the host; ``None`` where none does."""
        if not host or len(host) > MAX_HOST:
            return None
        labels = host.lower().removesuffix(".").split(".")
        ending = _ending_labels(labels) if self._open else 0
        stem = labels[: len(labels) - ending] if ending else []
        for start in range(len(labels)):
            found = self._exact.get(".".join(labels[start:]))
            if found is None and start < len(stem):
                found = self._open.get(".".join(stem[start:]))
            if found is not None:
                return found
        return None


@functools.cache
def load_payment_hosts() -> frozenset[str]:
    """Hosts a shopper leaves for during checkout and returns from; each covers its subdomains.

    Payment providers, the pages where a bank checks its customer, and sign-in pages. They are
    never the source of a visit.
    """
    tree = document("payment_hosts")
    return frozenset(
        host for group in ("payment", "bank_check", "sign_in") for host in str(tree[group]).split()
    )


def returns_index(own: Iterable[str], payment: Iterable[str]) -> HostIndex[bool]:
    """Hosts that shoppers only come back from: the shop's further ones and payment hosts.

    Args:
        own: Further hosts of the shop.
        payment: Payment hosts beyond the shipped list.
    """
    return HostIndex(dict.fromkeys([*sorted(load_payment_hosts()), *payment, *own], True))


def is_no_source(referrer: str | None, page: str | None, returns: HostIndex[bool]) -> bool:
    """Whether a visit from one host to another comes from nowhere new.

    That is so between hosts of one registrable domain, and from a host shoppers come back from.

    >>> returns = returns_index(own=["checkout.example.net"], payment=[])
    >>> is_no_source("pay.shop.example.com", "www.example.com", returns)
    True
    >>> [is_no_source(host, "www.example.com", returns) for host in ("www.paypal.com", "a.example")]
    [True, False]
    """
    if referrer is None:
        return False
    if page is not None and registrable_domain(referrer) == registrable_domain(page):
        return True
    return bool(returns.lookup(referrer))


@functools.cache
def _internal_names() -> tuple[HostIndex[bool], frozenset[str]]:
    tree = document("internal_hosts")
    suffixes = dict.fromkeys(str(tree["suffixes"]).split(), True)
    return HostIndex(suffixes), frozenset(str(tree["first_labels"]).split())


def internal_host(host: str) -> bool:
    """Whether a host is where the shop's own people try things.

    Private and loopback addresses, names no stranger can reach (``localhost``, ``*.local``),
    tunnels (``*.ngrok.io``), and staging hosts by their first label.

    >>> internal_host("127.0.0.1"), internal_host("staging-2.example.com"), internal_host("dev.to")
    (True, True, False)
    """
    host = host.strip().lower().removesuffix(".")
    address = _address(host)
    if address is not None:
        return address.is_private or address.is_loopback or address.is_link_local
    suffixes, first_labels = _internal_names()
    if suffixes.lookup(host):
        return True
    first = host.partition(".")[0].partition("-")[0]
    return first in first_labels and host != registrable_domain(host)
