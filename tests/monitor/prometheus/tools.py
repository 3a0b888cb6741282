"""Debian's own programs for Prometheus, where they are installed or unpacked."""

from __future__ import annotations

import contextlib
import http
import http.client
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["fetch", "promtool", "running", "tool"]

_PATIENCE = 30.0  # seconds for a program to begin or a number to appear


def tool(name: str) -> str:
    """The path of a program, or a skipped test."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(
            f"{name} is not here: `apt-get install prometheus prometheus-node-exporter`, or put "
            "what `.ci/prometheus` unpacks on the PATH"
        )
    return found


def promtool(*words: object, text: str = "", home: Path | None = None) -> str:
    """What promtool says; it must be content."""
    done = subprocess.run(
        [tool("promtool"), *map(str, words)],
        input=text, capture_output=True, text=True, check=False, cwd=home,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


@contextlib.contextmanager
def running(*words: object, home: Path) -> Iterator[subprocess.Popen[str]]:
    """A program, ended with the block; what it says goes into a file of its folder."""
    with (home / "said.txt").open("w", encoding="utf-8") as said:
        process = subprocess.Popen(
            [str(one) for one in words], cwd=home, stdout=said, stderr=said, text=True
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def fetch(url: str, *, accept: str = "*/*", until: str = "") -> str:
    """The text at an address of this machine, asked for again until it is there."""
    end = time.monotonic() + _PATIENCE
    said = "nothing"
    place = urllib.parse.urlsplit(url)
    while time.monotonic() < end:
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=5)
        try:
            connection.request("GET", f"{place.path}?{place.query}", headers={"Accept": accept})
            answer = connection.getresponse()
            said = answer.read().decode()
            if answer.status == http.HTTPStatus.OK and until in said:
                return said
        except (OSError, http.client.HTTPException) as error:
            said = repr(error)
        finally:
            connection.close()
        time.sleep(0.1)
    pytest.fail(f"{url} gave no {until!r}: {said[:2000]}")
