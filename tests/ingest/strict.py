"""A strict parser of RFC 4180, independent of the product's readers."""

from __future__ import annotations

__all__ = ["parsed"]


def parsed(line: bytes, delimiter: str) -> list[str] | None:
    """The values of one record by the letter of RFC 4180; None if it is none."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    values: list[str] = []
    at = 0
    while True:
        value, at = _quoted(text, at) if text[at : at + 1] == '"' else _plain(text, at, delimiter)
        if value is None:
            return None
        values.append(value)
        if at == len(text):
            return values
        if text[at] != delimiter:
            return None
        at += 1


def _plain(text: str, at: int, delimiter: str) -> tuple[str | None, int]:
    stop = text.find(delimiter, at)
    stop = len(text) if stop < 0 else stop
    value = text[at:stop]
    return (None if any(mark in value for mark in '"\r\n\ufeff') else value), stop


def _quoted(text: str, at: int) -> tuple[str | None, int]:
    at += 1
    found: list[str] = []
    while (stop := text.find('"', at)) >= 0:
        found.append(text[at:stop])
        if text[stop + 1 : stop + 2] != '"':
            value = "".join(found)
            return (None if value.startswith("\ufeff") else value), stop + 1
        found.append('"')
        at = stop + 2
    return None, len(text)
