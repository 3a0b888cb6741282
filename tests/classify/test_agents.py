from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.classify.agents import MAX_BOT_NAME, Agent, classify_agents
from tallymark.classify.shipped import document, table

WIN = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15"
IPAD = "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15"
ANDROID = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko)"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


def one(value: str) -> Agent:
    """The answer for a single agent."""
    (agent,) = classify_agents([value])
    return agent


@pytest.mark.parametrize(
    ("value", "device", "browser", "system"),
    [
        (f"{WIN} {WEBKIT} Chrome/130.0.0.0 Safari/537.36", "desktop", "Chrome", "Windows"),
        (f"{WIN} {WEBKIT} Chrome/130.0.0.0 Safari/537.36 Edg/130.0", "desktop", "Edge", "Windows"),
        (f"{WIN[:-1]}; rv:130.0) Gecko/20100101 Firefox/130.0", "desktop", "Firefox", "Windows"),
        (
            f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
            "desktop",
            "Safari",
            "macOS",
        ),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/130.0.0.0 Safari/537.36",
            "desktop",
            "Chrome",
            "ChromeOS",
        ),
        (
            "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; Tablet PC 2.0; rv:11.0) like Gecko",
            "desktop",
            "IE",
            "Windows",
        ),
        (
            f"{IPHONE} (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
            "mobile",
            "Safari",
            "iOS",
        ),
        (
            f"{IPHONE} (KHTML, like Gecko) GSA/300.0.1 Mobile/15E148 Safari/604.1",
            "mobile",
            "Google App",
            "iOS",
        ),
        (
            f"{IPHONE} (KHTML, like Gecko) CriOS/130.0.1 Mobile/15E148 Safari/604.1",
            "mobile",
            "Chrome",
            "iOS",
        ),
        (
            f"{IPHONE} (KHTML, like Gecko) Mobile/21E219 [FBAN/FBIOS;FBAV/450.0;FBDV/iPhone14,5]",
            "mobile",
            "Facebook",
            "iOS",
        ),
        (
            f"{IPHONE} (KHTML, like Gecko) Mobile/21E219 Instagram 320.0.0.1",
            "mobile",
            "Instagram",
            "iOS",
        ),
        (
            f"{IPHONE} (KHTML, like Gecko) Mobile/21E219 [Pinterest/iOS]",
            "mobile",
            "Pinterest",
            "iOS",
        ),
        (f"{ANDROID} Chrome/130.0.0.0 Mobile Safari/537.36", "mobile", "Chrome", "Android"),
        (
            f"{ANDROID} SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36",
            "mobile",
            "Samsung Internet",
            "Android",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 9; CUBOT_X19) {WEBKIT} Chrome/110.0 Mobile Safari/537",
            "mobile",
            "Chrome",
            "Android",
        ),
        (
            f"{IPAD} (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1",
            "tablet",
            "Safari",
            "iOS",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 13; SM-X200) {WEBKIT} Chrome/120.0.0.0 Safari/537.36",
            "tablet",
            "Chrome",
            "Android",
        ),
    ],
)
def test_people(value: str, device: str, browser: str, system: str) -> None:
    """Browsers, in apps too, are people with a device, a browser and a system."""
    assert one(value) == Agent(device, browser, system, is_bot=False, bot_name=None)


@pytest.mark.parametrize(
    "value",
    [
        f"Mozilla/5.0 (SMART-TV; Linux; Tizen 6.5) {WEBKIT} SamsungBrowser/4.0 TV Safari/537.36",
        f"Mozilla/5.0 (Web0S; Linux/SmartTV) {WEBKIT} Chrome/87.0.0.0 Safari/537.36",
        "Mozilla/5.0 (PlayStation; PlayStation 5/8.00) AppleWebKit/605.1.15 (KHTML, like Gecko)",
        f"Mozilla/5.0 (Linux; Android 9; AFTMM) {WEBKIT} Silk/110.1 like Chrome/110.0 Safari/537",
    ],
)
def test_televisions_and_consoles_are_other(value: str) -> None:
    """What is neither computer, telephone nor tablet is other, and still a person."""
    agent = one(value)
    assert (agent.device, agent.is_bot) == ("other", False)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
        (
            f"{ANDROID} Chrome/130.0 Mobile Safari/537.36 (compatible; Googlebot/2.1)",
            "Googlebot",
        ),
        ("AdsBot-Google (+http://www.google.com/adsbot.html)", "AdsBot-Google"),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot"),
        ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "AhrefsBot"),
        (f"Mozilla/5.0 {WEBKIT}; compatible; GPTBot/1.2; +https://openai.com/gptbot", "GPTBot"),
        (f"Mozilla/5.0 {WEBKIT}; compatible; ClaudeBot/1.0; +x@anthropic.com", "ClaudeBot"),
        ("facebookexternalhit/1.1 (+http://www.facebook.com/x.php)", "facebookexternalhit"),
        (
            f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/120.0.0.0 Safari/537.36",
            "HeadlessChrome",
        ),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.31.0", "python-requests"),
        ("Go-http-client/2.0", "Go-http-client"),
        ("okhttp/4.12.0", "okhttp"),
        ("WhatsApp/2.23.20.0 A", "WhatsApp preview"),
        ("Mozilla/5.0 (compatible; AcmeBot/1.0)", "acmebot"),
        ("acme-crawler (test)", "acme-crawler"),
        ("Mozilla/5.0 (compatible; Looker/1.0; +https://looker.example/about)", "looker"),
        ("Looker/2 (+https://looker.example)", "looker"),
    ],
)
def test_bots(value: str, name: str) -> None:
    """Programs are bots under their name, those nobody has listed included."""
    found = dataclasses.replace(one(value), bot_category=None)
    assert found == Agent("bot", name, "Other", is_bot=True, bot_name=name)


@pytest.mark.parametrize("value", ["", "   ", "-", "false", "null", "Mozilla/5.0"])
def test_an_agent_that_says_nothing_is_other(value: str) -> None:
    """Silence is no evidence of a bot."""
    agent = one(value)
    assert (agent.device, agent.is_bot, agent.browser) == ("other", False, "Other")


@pytest.mark.parametrize(
    "value",
    [
        "A" * 5_000_000,
        "(" * 100_000,
        "Mozilla/5.0 " + "(;" * 50_000,
        "\ud800\udfff",
        "\x00" * 2_000,
        "Robert'); DROP TABLE events;--",
        "=cmd|' /C calc'!A0",
        "<script>alert('bot')</script>",
        "bot" * 10_000,
        "-" * 1_000 + "bot",
        "\u202ebot\u0000/1.0",
    ],
)
def test_hostile_agents(value: str) -> None:
    """Long, broken and malicious agents get an answer of bounded length."""
    agent = one(value)
    assert agent.device in {"desktop", "mobile", "tablet", "bot", "other"}
    assert len(agent.bot_name or "") <= MAX_BOT_NAME


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_text_keeps_order_and_shape(values: list[str]) -> None:
    """There is one consistent answer for each value, in the order asked."""
    agents = classify_agents(values)
    assert agents == [one(value) for value in values]
    for agent in agents:
        assert agent.is_bot == (agent.device == "bot") == (agent.bot_name is not None)


def test_beyond_the_limit_nothing_is_read() -> None:
    """What stands after 1,024 characters does not count."""
    person = f"{WIN} {WEBKIT} Chrome/130.0.0.0 Safari/537.36"
    assert one(person + " " * 1_024 + "Googlebot") == one(person)


def test_every_named_bot_has_one_category() -> None:
    """The list of categories names each bot once, and nobody else."""
    tree = document("bots")
    listed = [
        name.strip() for names in table(tree["categories"]).values() for name in names.split("|")
    ]
    assert sorted(listed) == sorted(table(tree["names"]))


@pytest.mark.parametrize(
    ("value", "category"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "search"),
        ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2)", "ai"),
        ("facebookexternalhit/1.1", "preview"),
        (f"{WIN} {WEBKIT} HeadlessChrome/130.0.0.0 Safari/537.36", "test"),
        ("curl/8.5.0", "script"),
        ("Pingdom.com_bot_version_1.4", "monitoring"),
        ("SomeUnheardOfBot/1.0", "other"),
        (f"{WIN} {WEBKIT} Chrome/130.0.0.0 Safari/537.36", None),
        ("", None),
    ],
)
def test_bots_have_a_category(value: str, category: str | None) -> None:
    """Search engines, assistants, previews, scripts: what a bot is for; nothing for people."""
    assert one(value).bot_category == category
