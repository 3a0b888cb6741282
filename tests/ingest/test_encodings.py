"""What is text, and in which encoding: a guess only where the bytes allow one."""

from __future__ import annotations

import random

import pytest

from tallymark.ingest.encodings import Undecoded, binary, named

GERMAN = "Größe, Fußgängerübergang, Mädchen für Äpfel"
FRENCH = "déjà vu, façade, où êtes-vous, naïveté"
RUSSIAN = "Москва, белые ночи, городской парк"
GREEK = "Αθήνα, καλημέρα, θάλασσα"
JAPANESE = "東京の天気は晴れ、気温は二十度"
CHINESE = "北京今天天气晴朗气温二十度"


def _guess(*lines: bytes) -> str:
    seen = Undecoded()
    for line in lines:
        seen.add(line)
    assert seen.lines == len(lines)
    return seen.guess


@pytest.mark.parametrize("text", [GERMAN, FRENCH])
def test_western_european_text_is_named(text: str) -> None:
    """Letters that stand alone among ASCII ones; a curly quote or a euro sign is Windows'."""
    assert _guess(text.encode("latin-1")) == "Latin-1 / Windows-1252"
    assert _guess(f"„{text}“ 5 €".encode("cp1252")) == "Windows-1252"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (GREEK, "cp1253"), (JAPANESE, "shift-jis"),
     (JAPANESE, "euc-jp"), (CHINESE, "gb18030")],
)  # fmt: skip
def test_other_encodings_are_not_guessed(text: str, encoding: str) -> None:
    """Whole words of high bytes are of some other encoding; which one is not told."""
    assert _guess(text.encode(encoding)) == ""


def test_utf8_that_was_cut_is_no_latin1() -> None:
    """A value cut in the middle of a character leaves others whole."""
    seen = Undecoded()
    for size in range(12, 30):
        seen.add("Größe für Mädchen".encode()[:size] + b"\xc3,x")
    assert seen.guess == ""
    assert "cut" in seen.told()


def test_random_bytes_are_binary() -> None:
    """Of any length worth a file, whatever the seed."""
    for seed in range(200):
        made = random.Random(seed)  # noqa: S311 -- no secret
        assert binary(made.randbytes(made.randrange(150, 4096)))


def test_numbers_of_a_machine_are_binary() -> None:
    """Small numbers of four bytes each: NUL bytes all over."""
    assert binary(b"".join(number.to_bytes(4, "little") for number in range(300, 900)))


@pytest.mark.parametrize("text", [GERMAN, FRENCH, RUSSIAN, GREEK, JAPANESE, CHINESE, "😀 " * 20])
@pytest.mark.parametrize("cut", range(4))
def test_text_of_any_script_is_text(text: str, cut: int) -> None:
    """In UTF-8, cut in the middle of a character as well."""
    raw = (text * 40).encode()
    assert not binary(raw[: len(raw) - cut])


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(GERMAN, "latin-1"), (FRENCH, "cp1252"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"),
     (GREEK, "cp1253"), (JAPANESE, "shift-jis"), (JAPANESE, "euc-jp"), (CHINESE, "gb18030")],
)  # fmt: skip
def test_text_of_an_old_encoding_is_text(text: str, encoding: str) -> None:
    """It may be unreadable to us; binary it is not."""
    assert not binary((f"client_id,page_url\n1,{text}\n" * 40).encode(encoding))


def test_damage_does_not_make_text_binary() -> None:
    """A stray control character, some NUL bytes, the separators of old databases."""
    text = b"client_id,page_url,referrer\nc-1,https://www.lamps.example/,\n" * 20
    assert not binary(text.replace(b"c-1", b"c\0-1"))
    assert not binary(text.replace(b",", b"\x01").replace(b"\n", b"\x1e"))
    assert not binary(text.replace(b"lamps", b"l\x07amps"))
    assert not binary(b"")


def test_bytes_are_spelled_out() -> None:
    """What is no text in a name is shown byte by byte; the rest stays."""
    assert named("Größe") == "Größe"
    assert named(GERMAN.encode("latin-1").decode("utf-8", "surrogateescape")).startswith("Gr\\xf6")
