"""User agents of people's devices and of crawlers, as browsers and crawlers really write them.

A template is expanded over its versions, newest and commonest first, into a few hundred
distinct values with weights.
"""

from __future__ import annotations

__all__ = ["BOTS", "BROWSERS"]

_CHROME = tuple(f"{major}.0.0.0" for major in (143, 142, 141, 140, 138, 135, 131, 126, 120, 109))
_CRIOS = ("143.0.7499.92", "142.0.7444.128", "141.0.7390.69", "140.0.7339.101", "138.0.7204.156")
_SAFARI = ("26.1", "26.0", "18.6", "18.5", "18.3.1", "17.6", "17.4.1", "16.6")
_MAC_SAFARI = ("26.1", "26.0.1", "18.6", "18.5", "17.6", "17.3", "16.6", "15.6.1")
_FIREFOX = ("145.0", "144.0", "143.0", "140.0", "128.0", "115.0")
_SAMSUNG = ("29.0", "28.0", "27.0", "25.0")
_IOS = ("18_6_2", "18_6", "18_5", "18_3_1", "17_7_2", "17_5_1", "16_7_11")
_FB = ("539.0.0.54.103", "537.0.0.41.99", "532.0.0.37.106", "521.1.0.36.107")
_IG = ("408.0.0.37.68", "405.1.0.44.67", "399.0.0.42.66", "388.0.0.31.88")
_GSA = ("397.0.836500703", "394.0.830190622", "388.0.811331708")
_EDGE = ("143.0.0.0", "142.0.0.0", "141.0.0.0", "139.0.0.0")
_OPERA = ("124.0.0.0", "122.0.0.0", "119.0.0.0")
_DDG = ("26", "18", "17")

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_CRAWLER = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible;"
_WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT}"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_DROID = f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT}"
_IPHONE_18 = f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {_APPLE}"
_WEBVIEW = f"{_WEBKIT} Version/4.0 Chrome/142.0.7444.171 Mobile Safari/537.36"


def _android(model: str, release: int) -> str:
    return (
        f"Mozilla/5.0 (Linux; Android {release}; {model}) {_WEBKIT} Chrome/{{v}} Mobile"
        " Safari/537.36"
    )


def _facebook(model: str, release: int, build: str) -> str:
    return (
        f"Mozilla/5.0 (Linux; Android {release}; {model} Build/{build}; wv) {_WEBVIEW}"
        " [FB_IAB/FB4A;FBAV/{v};]"
    )


# (template, weight, versions); the version stands where {v} is.
_TEMPLATES: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    (f"{_IPHONE_18} Version/{{v}} Mobile/15E148 Safari/604.1", 24, _SAFARI),
    (
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS {v} like Mac OS X) AppleWebKit/605.1.15"
            " (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1"
        ),
        7,
        _IOS,
    ),
    (f"{_IPHONE_18} CriOS/{{v}} Mobile/15E148 Safari/604.1", 5, _CRIOS),
    (f"{_IPHONE_18} GSA/{{v}} Mobile/15E148 Safari/604.1", 3, _GSA),
    (f"{_IPHONE_18} FxiOS/{{v}} Mobile/15E148 Safari/605.1.15", 0.4, _FIREFOX),
    (f"{_IPHONE_18} EdgiOS/{{v}} Version/18.0 Mobile/15E148 Safari/604.1", 0.3, _EDGE),
    (f"{_IPHONE_18} Version/26.0 Mobile/15E148 Safari/604.1 Ddg/{{v}}", 0.6, _DDG),
    (
        (
            f"{_IPHONE_18} Mobile/22G100 [FBAN/FBIOS;FBAV/{{v}};FBBV/801;FBDV/iPhone15,3;"
            "FBMD/iPhone;FBSN/iOS;FBSV/18.6;FBSS/3;FBID/phone;FBLC/en_US;FBOP/5]"
        ),
        2.4,
        _FB,
    ),
    (
        (
            f"{_IPHONE_18} Mobile/22G100 Instagram {{v}} (iPhone16,1; iOS 18_6; en_US; en;"
            " scale=3.00; 1179x2556)"
        ),
        3,
        _IG,
    ),
    (f"{_IPHONE_18} Mobile/15E148 [Pinterest/iOS]", 0.4, ()),
    (f"{_DROID} Chrome/{{v}} Mobile Safari/537.36", 11, _CHROME),
    (f"{_DROID} SamsungBrowser/{{v}} Chrome/136.0.0.0 Mobile Safari/537.36", 2.5, _SAMSUNG),
    (f"{_DROID} Chrome/141.0.0.0 Mobile Safari/537.36 EdgA/{{v}}", 0.3, _EDGE),
    (f"{_DROID} Chrome/141.0.0.0 Mobile Safari/537.36 OPR/{{v}}", 0.3, _OPERA),
    (_android("Pixel 8", 15), 0.5, _CHROME),
    (_android("Pixel 7a", 14), 0.4, _CHROME),
    (_android("SM-S918B", 14), 0.5, _CHROME),
    (_android("SM-A546E", 14), 0.5, _CHROME),
    (_android("SM-G991U", 13), 0.4, _CHROME),
    (_android("motorola edge 40", 13), 0.2, _CHROME),
    (_android("2201117TG", 12), 0.2, _CHROME),
    ("Mozilla/5.0 (Android 15; Mobile; rv:{v}) Gecko/{v} Firefox/{v}", 0.5, _FIREFOX),
    (_facebook("SM-S928U", 15, "AP3A.240905.015.A2"), 0.8, _FB),
    (_facebook("Pixel 9", 16, "BP2A.250605.031"), 0.4, _FB),
    (_facebook("SM-A156U", 14, "UP1A.231005.007"), 0.4, _FB),
    (
        (
            f"Mozilla/5.0 (Linux; Android 15; Pixel 8 Build/BP1A.250505.005; wv) {_WEBVIEW}"
            " Instagram {v} Android (35/15; 420dpi; 1080x2205; Google; Pixel 8; shiba; en_US)"
        ),
        0.8,
        _IG,
    ),
    (f"{_WINDOWS} Chrome/{{v}} Safari/537.36", 12, _CHROME),
    (f"{_WINDOWS} Chrome/142.0.0.0 Safari/537.36 Edg/{{v}}", 4, _EDGE),
    (f"{_WINDOWS} Chrome/141.0.0.0 Safari/537.36 OPR/{{v}}", 0.6, _OPERA),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{v}) Gecko/20100101 Firefox/{v}", 2, _FIREFOX),
    (f"{_MAC} {_APPLE} Version/{{v}} Safari/605.1.15", 6, _MAC_SAFARI),
    (f"{_MAC} {_WEBKIT} Chrome/{{v}} Safari/537.36", 6, _CHROME),
    (f"{_MAC} {_WEBKIT} Chrome/142.0.0.0 Safari/537.36 Edg/{{v}}", 0.5, _EDGE),
    (f"{_MAC} {_APPLE} Version/18.3 Safari/605.1.15 Ddg/{{v}}", 0.3, _DDG),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:{v}) Gecko/20100101 Firefox/{v}",
        0.9,
        _FIREFOX,
    ),
    (
        (
            "Mozilla/5.0 (iPad; CPU OS {v} like Mac OS X) AppleWebKit/605.1.15"
            " (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1"
        ),
        1.2,
        _IOS,
    ),
    (
        (
            f"Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) {_APPLE} CriOS/{{v}} Mobile/15E148"
            " Safari/604.1"
        ),
        0.4,
        _CRIOS,
    ),
    (f"Mozilla/5.0 (X11; Linux x86_64) {_WEBKIT} Chrome/{{v}} Safari/537.36", 0.7, _CHROME),
    ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:{v}) Gecko/20100101 Firefox/{v}", 0.3, _FIREFOX),
    (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_WEBKIT} Chrome/{{v}} Safari/537.36", 1, _CHROME),
    (
        f"Mozilla/5.0 (Linux; Android 14; SM-X710) {_WEBKIT} Chrome/{{v}} Safari/537.36",
        0.4,
        _CHROME,
    ),
    (
        (
            f"Mozilla/5.0 (Linux; Android 11; KFTRWI) {_WEBKIT} Silk/{{v}} like Chrome/140.0.0.0"
            " Safari/537.36"
        ),
        0.2,
        ("140.3.1", "138.9.2"),
    ),
)

_FADE = 0.62
"""Each older version has this share of the next newer one's users."""


def _expanded() -> tuple[tuple[str, float], ...]:
    weights: dict[str, float] = {}
    for template, weight, versions in _TEMPLATES:
        shares = [_FADE**age for age in range(max(1, len(versions)))]
        for version, share in zip(versions or ("",), shares, strict=True):
            agent = template.replace("{v}", version)
            weights[agent] = weights.get(agent, 0.0) + weight * share / sum(shares)
    return tuple(weights.items())


BROWSERS: tuple[tuple[str, float], ...] = _expanded()
"""Distinct user agents of people's browsers and apps, with relative weights."""

BOTS: tuple[tuple[str, float], ...] = (
    (
        (
            f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) {_WEBKIT}"
            " Chrome/142.0.7444.171 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
        ),
        24,
    ),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 6),
    (
        (
            f"{_CRAWLER} bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76"
            " Safari/537.36"
        ),
        14,
    ),
    ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", 9),
    ("Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)", 7),
    ("Mozilla/5.0 (compatible; MJ12bot/v2.0.2; http://mj12bot.com/)", 3),
    ("Mozilla/5.0 (compatible; DotBot/1.2; +https://opensiteexplorer.org/dotbot)", 2),
    ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", 3),
    (f"{_CRAWLER} GPTBot/1.2; +https://openai.com/gptbot)", 9),
    (
        (
            f"{_CRAWLER} Amazonbot/0.1; +https://developer.amazon.com/support/amazonbot)"
            " Chrome/119.0.6045.214 Safari/537.36"
        ),
        5,
    ),
    ("Mozilla/5.0 (compatible; PetalBot;+https://webmaster.petalsearch.com/site/petalbot)", 3),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", 8),
    ("Mozilla/5.0 (compatible; Pinterestbot/1.0; +http://www.pinterest.com/bot.html)", 3),
    (
        f"Mozilla/5.0 (X11; Linux x86_64) {_WEBKIT} HeadlessChrome/138.0.0.0 Safari/537.36",
        2,
    ),
    (
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) {_APPLE}"
            " Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)"
        ),
        4,
    ),
)
"""User agents of crawlers that run a page's scripts, with relative weights."""
