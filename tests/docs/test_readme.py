"""What the README shows is what a new user sees: its transcript, and its picture of the brief.

``README_TRANSCRIPT=write python -m pytest tests/docs/test_readme.py`` renews both.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from tallymark.project import Project
from tallymark.report import summary
from tallymark.report.judgement import read
from tallymark.report.numbers import compute

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
SHOWN = re.compile(r"(<!-- demo: .*? -->\n```text\n)(.*?)(```)", re.DOTALL)
PICTURE = re.compile(r"!\[[^\]]*\]\((\S*executive-summary\.png)\)")
RENEW = "README_TRANSCRIPT=write python -m pytest tests/docs/test_readme.py renews it"
DOTS = 75  # to the inch
PNG = b"\x89PNG\r\n\x1a\n"
MARK = b"Source"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the demo's shop, and what `tallymark demo` printed on 80 columns."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "tallymark", "demo"],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return folder / "demo-shop", "\n".join(lines).strip("\n") + "\n"


def _renewing() -> bool:
    return os.environ.get("README_TRANSCRIPT") == "write"


def test_the_transcript_is_what_the_demo_prints(demo: tuple[Path, str]) -> None:
    """The first screen of the README is the demo's."""
    _, printed = demo
    text = README.read_text(encoding="utf-8")
    found = SHOWN.search(text)
    assert found is not None, "the README has no block for the demo"
    if _renewing():
        README.write_text(text[: found.start(2)] + printed + text[found.end(2) :], encoding="utf-8")
        return
    assert found[2] == printed, RENEW


# ---------------------------------------------------------------- the picture


def _brief(shop: Path) -> tuple[dict[str, Any], Any]:
    """All that the demo's page says and draws, and the last day of its data."""
    project = Project.open(shop)
    warehouse = project._warehouse()
    engine = warehouse.open(threads=1)
    numbers = compute(engine, currency=project.config.shop.currency, through=None)
    judgement = read(warehouse, engine, through=None)
    engine.close()
    return summary._page(numbers, judgement, project.config), numbers.last


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _marked(png: bytes, source: str) -> bytes:
    """The picture with a text chunk, right after its header, that says what it was drawn from."""
    head = len(PNG) + 25
    return png[:head] + _chunk(b"tEXt", MARK + b"\0" + source.encode()) + png[head:]


def _mark(png: bytes) -> str:
    """What a picture says it was drawn from."""
    place = len(PNG)
    while place < len(png):
        (size,) = struct.unpack_from(">I", png, place)
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        if kind == b"tEXt" and data.startswith(MARK + b"\0"):
            return data[len(MARK) + 1 :].decode()
        place += size + 12
    return ""


def test_the_picture_is_that_of_the_brief(demo: tuple[Path, str]) -> None:
    """The README's picture was drawn from the page that the demo writes today, to the letter."""
    shop, _ = demo
    found = PICTURE.search(README.read_text(encoding="utf-8"))
    assert found is not None, "the README has no picture of the brief"
    page, last = _brief(shop)
    template = importlib.resources.files("tallymark").joinpath("templates/executive-summary.typ")
    said = json.dumps(page, ensure_ascii=False, sort_keys=True).encode()
    source = hashlib.sha256(said + template.read_bytes()).hexdigest()
    picture = ROOT / found[1]
    if _renewing():
        picture.write_bytes(_marked(summary._render(page, last, dots=DOTS), source))
        return
    assert _mark(picture.read_bytes()) == source, f"the picture shows an older brief; {RENEW}"
