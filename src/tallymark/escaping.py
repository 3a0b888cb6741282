"""Text from outside made harmless for Markdown, and for the HTML that is made of it."""

from __future__ import annotations

import re

__all__ = ["code", "escaped", "linked", "plain", "rich"]

# Control characters, line and paragraph separators, changes of writing direction, half
# surrogate pairs, and what has no width.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
_MARKUP = re.compile(r"([\\*\[\]{}!|~$])")
# What no escape makes harmless everywhere: HTML, and a code span that somebody else opens.
_REPLACED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'"})
_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")  # inside a word it is no markup
_AFTER_LINK = re.compile(r"(?<=\\\])\(")
_AT_START = re.compile(r"^(?:[#+=-]|\d+[.)](?=\s|$))")
# A person or an issue that a forge would notify, kept apart by a character without width.
_MENTION = re.compile(r"([@#])(?=\w)")
_WORD_JOINER = "\u2060"
_BARE_LINK = re.compile(r"(?i)(?<=[a-z])(:)(?=//)|(?<=www)(\.)|(?<=mailto)(:)")
# Only what a browser opens as a page; and no character with which a link could end early.
_PAGE = re.compile(r"https?://[^\s<>\"'`|\\()]{1,2000}", re.IGNORECASE)


def plain(text: str) -> str:
    """Text on one line, without what a terminal or a reader would act on."""
    return " ".join(_CONTROL.sub(" ", text).split())


def escaped(text: str) -> str:
    r"""Text from data, harmless in Markdown and in the HTML made of it: no markup, no links.

    >>> escaped("[click](javascript:x) @team client_id")
    '\\[click\\]\\(javascript:x) @\u2060team client_id'
    """
    told = _MARKUP.sub(r"\\\1", plain(text).translate(_REPLACED))
    told = _UNDERSCORE.sub(r"\\_", told)
    told = _AFTER_LINK.sub(r"\\(", told)
    told = _MENTION.sub(rf"\1{_WORD_JOINER}", told)
    told = _BARE_LINK.sub(r"\\\1\2\3", told)
    return _AT_START.sub(lambda match: f"{match[0][:-1]}\\{match[0][-1]}", told)


def code(text: str) -> str:
    """Text as a code span, in which nothing has a meaning; a backtick becomes an apostrophe."""
    told = plain(text).replace("`", "'")
    return f"`{told}`" if told else ""


def rich(text: str) -> str:
    """A sentence of ours in which backticks mark what to type; all else is escaped."""
    parts = plain(text).split("`")
    if len(parts) % 2 == 0:
        return escaped(text)
    shown = [code(part) if index % 2 else _keeping_ends(part) for index, part in enumerate(parts)]
    return "".join(shown)


def _keeping_ends(part: str) -> str:
    """An escaped piece of a sentence, with the blank before and after it."""
    before, after = part[:1] == " ", part[-1:] == " " and len(part) > 1
    return f"{' ' if before else ''}{escaped(part)}{' ' if after else ''}"


def linked(url: str) -> str:
    """An address as a link if it is one of a page; else as text, which leads nowhere.

    >>> linked("https://wiki.example/runbook"), linked("javascript:alert(1)")
    ('<https://wiki.example/runbook>', 'javascript:alert(1)')
    """
    return f"<{url}>" if _PAGE.fullmatch(url) else escaped(url)
