"""Where visits come from: GA4's channel labels, and how each shows itself in page and referrer.

Each :class:`Way` is one honest manner in which a channel appears in a browser: the tags of the
landing page's URL and the referrer. A classifier that follows the documented rules recovers the
channel from these two alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from tallymark.demo.chance import Ints, pick, tokens

__all__ = ["BUYING", "CHANNELS", "FIRST_VISITS", "LATER_VISITS", "WAYS", "Way", "landings"]

# Channel: (share of first visits, share of later visits, inclination to buy).
_CHANNELS: dict[str, tuple[float, float, float]] = {
    "Direct": (0.130, 0.330, 1.15),
    "Cross-network": (0.050, 0.020, 0.80),
    "Paid Search": (0.270, 0.150, 1.10),
    "Paid Social": (0.170, 0.050, 0.55),
    "Display": (0.050, 0.040, 0.35),
    "Organic Social": (0.055, 0.015, 0.50),
    "Organic Search": (0.160, 0.150, 1.10),
    "Referral": (0.040, 0.015, 0.90),
    "AI Assistant": (0.015, 0.010, 1.30),
    "Email": (0.010, 0.150, 1.70),
    "Affiliates": (0.045, 0.045, 1.60),
    "SMS": (0.005, 0.025, 1.50),
}

CHANNELS: tuple[str, ...] = tuple(_CHANNELS)
"""The channels of the simulated shop, by their GA4 labels; visits hold indices into this."""
FIRST_VISITS: tuple[float, ...] = tuple(shares[0] for shares in _CHANNELS.values())
"""Weights of the channels for a client's first visit."""
LATER_VISITS: tuple[float, ...] = tuple(shares[1] for shares in _CHANNELS.values())
"""Weights of the channels for every later visit."""
BUYING: tuple[float, ...] = tuple(shares[2] for shares in _CHANNELS.values())
"""How much likelier than average a visit of each channel is to reach the cart."""


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """One manner in which a channel shows itself.

    Attributes:
        channel: Its GA4 label.
        weight: How common it is within the channel.
        query: Tags of the landing URL; ``{c}`` is a campaign, ``{t}`` a click id.
        referrers: What the browser may send; one is picked.
        token: Shape of the click id: ``url`` (url-safe), ``hex`` or nothing.
    """

    channel: str
    weight: float
    query: str
    referrers: tuple[str, ...] = ("",)
    token: str = ""


_CAMPAIGNS: tuple[str, ...] = (
    "spring_glow",
    "brand",
    "pendants-eu",
    "desk%20lamps",
    "new+arrivals",
    "winter_lights",
    "catalogue_a",
    "retarget_30d",
    "lookalike-2",
    "always_on",
)

_GOOGLE = "https://www.google.com/"
_SEARCH = (
    _GOOGLE,
    _GOOGLE,
    _GOOGLE,
    _GOOGLE,
    "https://www.bing.com/",
    "https://duckduckgo.com/",
    "android-app://com.google.android.googlequicksearchbox/",
    "https://www.google.de/",
)
_BLOGS = (
    "https://www.cosyrooms.example/",
    "https://lampenfreunde.example/best-desk-lamps",
    "https://thegreenhallway.example/2025/11/ten-pendants",
    "https://forum.rentersrefit.example/t/floor-lamps/418",
)
_COUPONS = ("", "", "https://www.dealbasket.example/", "https://codes.pennywise.example/lumenloft")
_FACEBOOK = ("https://m.facebook.com/", "http://m.facebook.com/", "https://l.facebook.com/")
_INSTAGRAM = ("https://l.instagram.com/", "")
_IMPACT = "irclickid={t}&irgwc=1&im_ref={t}&sharedid=guide"
_BARE_GOOGLE = "gad_source=1&gad_campaignid=2217340091&gbraid=0AAAAA-{t}&gclid=Cj0KCQ{t}"
_NEWS = "utm_source=newsletter"

WAYS: tuple[Way, ...] = (
    Way("Direct", 1, ""),
    Way(
        "Cross-network",
        1,
        "utm_source=google&utm_medium=cpc&utm_campaign=cross-network_{c}&gclid=Cj0KCQ{t}",
        (_GOOGLE, ""),
        "url",
    ),
    Way(
        "Paid Search",
        5,
        "utm_source=google&utm_medium=cpc&utm_campaign={c}&gclid=EAIaIQ{t}",
        (_GOOGLE, ""),
        "url",
    ),
    Way("Paid Search", 3, _BARE_GOOGLE, (_GOOGLE, "", ""), "url"),
    Way("Paid Search", 1, "gclid=Cj0KCQ{t}", (_GOOGLE, ""), "url"),
    Way(
        "Paid Search",
        0.7,
        "utm_source=bing&utm_medium=CPC&utm_campaign={c}&msclkid={t}",
        ("https://www.bing.com/",),
        "hex",
    ),
    Way("Paid Search", 0.5, "msclkid={t}", ("https://www.bing.com/", ""), "hex"),
    Way(
        "Paid Social",
        5,
        "utm_source=facebook&utm_medium=paid_social&utm_campaign={c}&fbclid=IwZXh0bg{t}",
        (*_FACEBOOK, ""),
        "url",
    ),
    Way(
        "Paid Social",
        3,
        "utm_source=instagram&utm_medium=cpc&utm_campaign={c}&utm_content=reel&fbclid=PAZXh0bg{t}",
        _INSTAGRAM,
        "url",
    ),
    Way(
        "Paid Social",
        1,
        "utm_source=tiktok&utm_medium=paid_social&utm_campaign={c}&ttclid=E.C.P.{t}",
        ("https://www.tiktok.com/", ""),
        "url",
    ),
    Way(
        "Display",
        2,
        "utm_source=criteo&utm_medium=display&utm_campaign={c}",
        ("", "https://news.morningpost.example/home"),
    ),
    Way("Display", 1, "utm_source=adnetwork&utm_medium=banner&utm_campaign={c}"),
    Way("Organic Social", 4, "fbclid=IwY2xjaw{t}", _FACEBOOK, "url"),
    Way("Organic Social", 2, "fbclid=PAQ0xDSw{t}", ("https://l.instagram.com/",), "url"),
    Way("Organic Social", 1, "", ("https://www.pinterest.com/", "https://www.reddit.com/")),
    Way("Organic Social", 1, "utm_source=instagram&utm_medium=social&utm_campaign=bio", _INSTAGRAM),
    Way("Organic Search", 1, "", _SEARCH),
    Way("Referral", 1, "", _BLOGS),
    Way("AI Assistant", 1, "", ("https://chatgpt.com/", "https://www.perplexity.ai/")),
    Way("Email", 5, f"{_NEWS}&utm_medium=email&utm_campaign={{c}}&_kx={{t}}", ("",), "url"),
    Way(
        "Email", 1, f"{_NEWS}&utm_medium=Email&utm_campaign={{c}}", ("", "https://mail.google.com/")
    ),
    Way("Affiliates", 4, _IMPACT, _COUPONS, "url"),
    Way("Affiliates", 2, "awc=20871_{t}", _COUPONS, "hex"),
    Way("Affiliates", 2, "cjevent={t}", _COUPONS, "hex"),
    Way("Affiliates", 1.5, f"{_IMPACT}&gad_source=1&gclid=Cj0KCQ{{t}}", _COUPONS, "url"),
    Way("Affiliates", 1, "awc=20871_{t}&gclid=EAIaIQ{t}", _COUPONS, "hex"),
    Way(
        "Affiliates",
        2,
        "utm_source=lampguide&utm_medium=affiliate&utm_campaign={c}&clickid={t}",
        _COUPONS,
        "hex",
    ),
    Way("SMS", 1, "utm_source=textline&utm_medium=sms&utm_campaign={c}"),
)

_TOKENS = {"": (0, False), "url": (38, False), "hex": (32, True)}
"""Length of each shape of click id, and whether it is hexadecimal."""


def landings(
    channels: Ints, pages: Sequence[str], chance: np.random.Generator
) -> tuple[list[str], list[str]]:
    """The landing URL and the referrer of each visit.

    Args:
        channels: Index into :data:`CHANNELS`, one per visit.
        pages: The landing page's URL without tags, one per visit.
        chance: Source of randomness.

    Returns:
        Full landing URLs with their tags, and referrers (empty for none), one per visit.
    """
    urls = list(pages)
    referrers = [""] * len(urls)
    for index, channel in enumerate(CHANNELS):
        visits = np.flatnonzero(channels == index)
        ways = [way for way in WAYS if way.channel == channel]
        chosen = pick(chance, [way.weight for way in ways], visits.size)
        for at, way in enumerate(ways):
            _show(way, visits[chosen == at].tolist(), urls, referrers, chance)
    return urls, referrers


def _show(
    way: Way,
    visits: list[int],
    urls: list[str],
    referrers: list[str],
    chance: np.random.Generator,
) -> None:
    """Write one way's tags and referrers into the lists, for the visits that came by it."""
    count = len(visits)
    sent = chance.integers(0, len(way.referrers), count).tolist()
    for visit, at in zip(visits, sent, strict=True):
        referrers[visit] = way.referrers[at]
    if not way.query:
        return
    campaigns = chance.integers(0, len(_CAMPAIGNS), count).tolist()
    length, hexadecimal = _TOKENS[way.token]
    clicks = tokens(chance, count, length, hexadecimal=hexadecimal)
    for visit, campaign, click in zip(visits, campaigns, clicks, strict=True):
        url = urls[visit]
        joint = "&" if "?" in url else "?"
        urls[visit] = f"{url}{joint}{way.query.format(c=_CAMPAIGNS[campaign], t=click)}"
