"""User agents: device, browser, system, and whether a program wrote it."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ua_parser import Device, Parser
from ua_parser.core import Matcher
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

from tallymark.classify.shipped import document, table

__all__ = ["Agent", "classify_agents"]

MAX_AGENT = 1024
"""Characters of an agent that are read; real ones have less than 500."""
MAX_BOT_NAME = 40
OTHER = "Other"
_OTHER_BOT = "other"
_COMMON = 32  # patterns of devices
_SPIDER = "Spider"
"""The device that the user agent parser gives to crawlers."""


@dataclass(frozen=True, slots=True)
class Agent:
    """What one user agent says of itself; a claim, not a proof.

    Attributes:
        device: ``desktop``, ``mobile``, ``tablet``, ``bot`` or ``other``.
        browser: The family, such as ``Chrome``; the bot's name for bots; ``Other`` if unknown.
        os: The system, such as ``iOS``; ``Other`` if unknown.
        is_bot: Whether a program fetched the page without a person looking at it.
        bot_name: Its name, if it is a bot.
        bot_category: What it is for, if it is a bot: ``search``, ``ai``, ``ads``, ``preview``,
            ``seo``, ``archive``, ``monitoring``, ``test``, ``script``, ``scanner``, ``feed`` or
            ``other``.
    """

    device: str
    browser: str
    os: str
    is_bot: bool
    bot_name: str | None
    bot_category: str | None = None


@functools.cache
def _parser() -> Parser:
    """Browsers, systems, and the crawlers that are looked for before all devices.

    Of devices nothing else is asked, and their patterns are most of what is to be compiled.
    """
    browsers, systems, devices = load_lazy_builtins()
    return Parser(Resolver((browsers, systems, list(itertools.takewhile(_crawls, devices)))))


@functools.cache
def _late_crawlers() -> Parser:
    """Crawlers that count only where no pattern of a device before them fits."""
    late = itertools.dropwhile(_crawls, load_lazy_builtins()[2])
    return Parser(Resolver(([], [], [one for one in late if _crawls(one)])))


@functools.cache
def _common_devices() -> Parser:
    """The last devices before those crawlers: general patterns, which fit most people's."""
    devices = load_lazy_builtins()[2]
    people = itertools.dropwhile(_crawls, devices)
    known = list(itertools.takewhile(lambda one: not _crawls(one), people))
    return Parser(Resolver(([], [], known[-_COMMON:])))


@functools.cache
def _all_devices() -> Parser:
    return Parser(Resolver(([], [], load_lazy_builtins()[2])))


def _crawls(matcher: Matcher[Device]) -> bool:
    return getattr(matcher, "family", None) == _SPIDER


def _is_crawler(text: str, device: Device | None) -> bool:
    """Whether the parser of user agents, with all its devices, takes it for a crawler."""
    if device is None and _late_crawlers().parse_device(text) is not None:
        # A device that is found first is enough; to prepare the patterns of all takes long.
        device = _common_devices().parse_device(text) or _all_devices().parse_device(text)
    return device is not None and device.family == _SPIDER


@dataclass(frozen=True, slots=True)
class _BotRules:
    names: tuple[tuple[str, tuple[str, ...]], ...]
    words: re.Pattern[str]
    hints: tuple[str, ...]

    def name(self, text: str) -> str | None:
        """The bot's name if the agent, in lower case, is one.

        Plain substrings first and patterns only behind a hint: an alternation of all of them
        costs a hundred times as much per agent.
        """
        for name, tokens in self.names:
            for token in tokens:
                if token in text:
                    return name
        if any(hint in text for hint in self.hints):
            found = self.words.search(text)
            if found is not None:
                return _word_around(text, found.start())
        return None


_BOT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_FIRST_PRODUCT = re.compile(
    r"compatible; *([a-z0-9][a-z0-9._-]*)|^(?!mozilla)([a-z0-9][a-z0-9._-]*)"
)


def _word_around(text: str, place: int) -> str:
    """The word a pattern hit, which is the name most bots give themselves.

    Where the pattern hit an address, the first product that is not a browser's.
    """
    start = place
    while start and (text[start - 1].isalnum() or text[start - 1] in "-_."):
        start -= 1
    found = _FIRST_PRODUCT if text.startswith("+http", place) else _BOT_NAME
    word = found.search(text) if found is _FIRST_PRODUCT else found.search(text, start)
    name = (word[word.lastindex or 0] if word else "bot")[:MAX_BOT_NAME].strip("._-")
    return name or "bot"


@functools.cache
def _bot_rules() -> _BotRules:
    tree = document("bots")
    names = tuple(
        (name, tuple(token.strip() for token in tokens.split("|")))
        for name, tokens in table(tree["names"]).items()
    )
    words = re.compile("|".join(f"(?:{pattern})" for pattern in tree["patterns"]))
    return _BotRules(names, words, tuple(tree["hints"].split()))


@functools.cache
def _categories() -> dict[str, str]:
    """What each named bot is for."""
    return {
        name.strip(): category
        for category, names in table(document("bots")["categories"]).items()
        for name in names.split("|")
    }


def _bot(name: str) -> Agent:
    return Agent(
        "bot", name, OTHER, is_bot=True, bot_name=name,
        bot_category=_categories().get(name, _OTHER_BOT),
    )  # fmt: skip


@functools.cache
def _devices() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((row["device"], re.compile(row["like"])) for row in document("agents")["devices"])


@functools.cache
def _renamed(what: str) -> dict[str, str]:
    return table(document("agents")[what])


def classify_agents(values: Sequence[str]) -> list[Agent]:
    """Classify distinct user agents, in their order.

    Never raises for what an agent contains: it is cut to 1,024 characters, and bytes that are
    no text are replaced. An empty agent is ``other`` and no bot, since nothing says so.
    """
    return [_classify(value) for value in values]


def _classify(value: str) -> Agent:
    # A lone surrogate cannot be handed to the parser, which wants UTF-8.
    text = (value or "")[:MAX_AGENT].encode("utf-8", "replace").decode("utf-8").strip()
    if not text:
        return Agent("other", OTHER, OTHER, is_bot=False, bot_name=None)
    lower = text.lower()
    bot = _bot_rules().name(lower)
    if bot is not None:
        return _bot(bot)
    parsed = _parser().parse(text)
    browser = parsed.user_agent.family if parsed.user_agent else OTHER
    if _is_crawler(text, parsed.device):
        return _bot(browser if browser != OTHER else _SPIDER)
    system = parsed.os.family if parsed.os else OTHER
    device = next((name for name, like in _devices() if like.search(lower)), "other")
    return Agent(
        device,
        _renamed("browsers").get(browser, browser),
        _renamed("systems").get(system, system),
        is_bot=False,
        bot_name=None,
    )
