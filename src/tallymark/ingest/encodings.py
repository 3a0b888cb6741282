"""Bytes that are no UTF-8 text: whether they are text at all, and in which encoding they may be.

Nothing is guessed that the bytes do not allow: of an old encoding of one byte a letter only the
western European one is told apart, by letters that stand alone among ASCII ones.
"""

from __future__ import annotations

import re
from collections import Counter

__all__ = ["NOT_UTF8", "Undecoded", "binary", "decoded", "named", "spelled", "unspelled"]

NOT_UTF8 = "the line is not UTF-8"  # how the reason of such a line begins

# C0 controls that no text has; tabs, line ends, form feeds, escapes and the separators that old
# databases put between values (1 to 3, 28 to 31) are not among them.
_CONTROL = re.compile(rb"[\x00\x04-\x08\x0b\x0e-\x1a\x7f]")
# Random bytes hold five of them in each such block, of 21 kinds. Of a text that was damaged only
# some blocks hold any, or all hold the same one.
_BLOCK, _BLOCKS = 64, 0.5
_CONTROL_KINDS = 5
# Fewer kinds are enough where much is no UTF-8 either; so are NUL bytes all over, in some blocks.
_FEW_KINDS, _UNDECODED_SHARE = 3, 0.1
_NUL_SHARE, _NUL_BLOCKS = 0.05, 8
_CUT = 3  # bytes of a character that the end of the head may have cut

_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_LOST = "\ufffd"  # stands where a character was lost
_JOINERS = "\u200c\u200d"  # have no width and shape the letters beside them
_ASCII = 0x80
_PASSED = re.compile("[\udc80-\udcff]")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U(000[0-9a-f]{5}))")
_HIGH = re.compile(rb"[\x80-\xff]+")
_NOT_WESTERN = frozenset(b"\x81\x8d\x8f\x90\x9d")  # what Windows-1252 gives no meaning
_ONLY_WINDOWS = range(0x80, 0xA0)
_LETTERS = frozenset(range(0xC0, 0x100)) - {0xD7, 0xF7} | frozenset(
    b"\x8a\x8c\x8e\x9a\x9c\x9e\x9f\xaa\xba\xb5"
)
_PUNCTUATION = frozenset(
    b"\x80\x82\x84\x85\x91\x92\x93\x94\x96\x97\x99\xa0\xa3\xa7\xa9\xab\xae\xb0\xb4\xbb"
)
_MOST = 0.9  # share of the evidence that must speak for a guess
_ALONE = 2  # so many such letters in a row are usual in western European words, more are not
_LOOKED_AT = 10_000  # lines that a guess rests on
_LONGEST = 65_536  # bytes of one line that are looked at


def binary(start: bytes) -> bool:
    """Whether the first bytes of a file are no text in any encoding that has ASCII in it.

    Args:
        start: Some kilobytes; holes of NUL bytes taken out.
    """
    blocks = [start[at : at + _BLOCK] for at in range(0, len(start), _BLOCK)]
    if sum(_CONTROL.search(one) is not None for one in blocks) < max(1, _BLOCKS * len(blocks)):
        return False
    controls = Counter(_CONTROL.findall(start))
    if len(controls) >= _CONTROL_KINDS:
        return True
    if len(blocks) >= _NUL_BLOCKS and controls[b"\0"] > _NUL_SHARE * len(start):
        return True
    whole = start[:-_CUT].decode("utf-8", errors="surrogateescape")
    bad = len(_PASSED.findall(whole))
    return len(controls) >= _FEW_KINDS and bad > _UNDECODED_SHARE * len(start)


def decoded(text: str) -> bool:
    """Whether no byte of a text came through its decoder as it was, as a surrogate."""
    return _PASSED.search(text) is None


def named(text: str) -> str:
    r"""Text from a decoder that let bytes pass as surrogates, with those bytes spelled out.

    >>> named(b"Stra\xdfe".decode("utf-8", errors="surrogateescape"))
    'Stra\\xdfe'
    """
    raw = text.encode("utf-8", errors="surrogateescape")
    return raw.decode("utf-8", errors="backslashreplace")


def spelled(text: str) -> str:
    r"""Text from outside with what nobody sees, or a terminal acts on, as escapes.

    >>> spelled("page\x07")
    'page\\x07'
    """
    if text.isprintable() and _LOST not in text:
        return text
    return "".join(
        one if (one.isprintable() and one != _LOST) or one in _JOINERS
        else one.encode("ascii", errors="backslashreplace").decode() if ord(one) >= _ASCII
        else f"\\x{ord(one):02x}"
        for one in text
    )  # fmt: skip


def unspelled(text: str) -> str:
    r"""What a text was before it was spelled; itself, if it has no such escapes.

    >>> unspelled("page\\x07") == "page\x07", unspelled("C:\\new")
    (True, 'C:\\new')
    """
    told = _ESCAPE.sub(lambda one: chr(int(one[one.lastindex or 0], 16)), text)
    return told if spelled(told) == text else text


class Undecoded:
    """Lines that are not UTF-8: how many, and what their bytes have in common.

    Attributes:
        lines: How many there are.
    """

    def __init__(self) -> None:
        self.lines = 0
        self._bytes: Counter[int] = Counter()
        self._runs = self._alone = self._characters = 0

    def add(self, line: bytes) -> None:
        """Look at one such line."""
        self.lines += 1
        if self.lines > _LOOKED_AT:
            return
        line = line[:_LONGEST]
        self._characters += len(_UTF8.findall(line))
        for run in _HIGH.findall(_UTF8.sub(b"", line)):
            self._runs += 1
            self._alone += len(run) <= _ALONE
            self._bytes.update(run)

    @property
    def guess(self) -> str:
        """The encoding that the lines are probably in; empty if their bytes do not tell."""
        total = self._bytes.total()
        if not total or self._characters > (1 - _MOST) * self._runs:
            return ""
        if not _NOT_WESTERN.isdisjoint(self._bytes) or self._alone < _MOST * self._runs:
            return ""
        if sum(self._bytes[one] for one in _LETTERS | _PUNCTUATION) < _MOST * total:
            return ""
        windows = any(one in self._bytes for one in _ONLY_WINDOWS)
        return "Windows-1252" if windows else "Latin-1 / Windows-1252"

    def told(self) -> str:
        """What they probably are, as the end of a sentence about text that is not UTF-8."""
        if self.guess:
            return f", probably {self.guess}"
        if self._characters > (1 - _MOST) * self._runs:
            return "; some characters are, others are cut or of another encoding"
        return ""
