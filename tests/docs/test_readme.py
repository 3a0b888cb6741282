"""What the README shows is what a new user sees."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
SHOWN = re.compile(r"(<!-- demo: .*? -->\n```text\n)(.*?)(```)", re.DOTALL)


def transcript(folder: Path) -> str:
    """What `tallymark demo` prints on a terminal of 80 columns, without trailing space."""
    done = subprocess.run(
        [sys.executable, "-m", "tallymark", "demo"],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def test_the_transcript_is_what_the_demo_prints(tmp_path: Path) -> None:
    """The first screen of the README is the demo's; README_TRANSCRIPT=write renews it."""
    printed = transcript(tmp_path)
    text = README.read_text(encoding="utf-8")
    found = SHOWN.search(text)
    assert found is not None, "the README has no block for the demo"
    if os.environ.get("README_TRANSCRIPT") == "write":
        README.write_text(text[: found.start(2)] + printed + text[found.end(2) :], encoding="utf-8")
        return
    assert found[2] == printed
