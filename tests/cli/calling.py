"""Calling the command line as a user does, and looking at what it says."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallymark import cli

__all__ = ["HEADER", "Said", "call", "contents", "delivery", "project", "start"]

HEADER = "client_id,page_url,referrer,timestamp,event_name,event_data,user_agent"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said, and the code it ended with."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The JSON on standard output."""
        return json.loads(self.out)


def call(*arguments: object, **variables: str) -> Said:
    """Run the command line in this process, up to the exit code.

    Args:
        *arguments: The words after ``tallymark``.
        **variables: Environment variables to set.
    """
    out, err = io.StringIO(), io.StringIO()
    words = ["tallymark", *map(str, arguments)]
    with (
        _set(sys, "argv", words),
        _environment(variables),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = cli._run()
        except SystemExit as ended:
            code = int(ended.code or 0)
    said = Said(code, out.getvalue(), err.getvalue())
    assert code in {0, 1, 2}, said
    assert "Traceback" not in said.out + said.err
    assert "internal error" not in said.err, said.err
    if code == 2:
        # One sentence, and what to do.
        assert not said.out
        assert said.err.startswith("tallymark: ")
        assert len(said.err.splitlines()) <= 2, said.err
    return said


def start(*arguments: object, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    words = [sys.executable, "-W", "error", "-m", "tallymark", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, **settings)


@contextlib.contextmanager
def _set(holder: Any, name: str, value: object) -> Iterator[None]:
    before = getattr(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        setattr(holder, name, before)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def delivery(path: Path, day: str = "2031-05-05", rows: int = 12, header: str = HEADER) -> Path:
    """Write a sound delivery of one day: page views of a few clients, one every two hours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(f"{header}\n")
        writer = csv.writer(stream, lineterminator="\n")
        for row in range(rows):
            writer.writerow(
                [f"client-{row % 5}", "https://www.lamps.example/", "https://www.google.com/",
                 f"{day}T{row * 2 % 24:02d}:30:00.000Z", "page_viewed", "", AGENT]
            )  # fmt: skip
    return path


def project(folder: Path, **files: str) -> Path:
    """Write a project folder; names spell ``/`` as two underscores and leave the ending out."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
