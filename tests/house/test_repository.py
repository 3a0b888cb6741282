"""The repository itself: lock, Makefile, licence, changelog, and nothing of one machine."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tallymark

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements" / "dev.lock").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TEXT = {".py", ".sql", ".yml", ".typ", ".toml", ".lock", ".md", ".json"}
HOMES = r"""["'`\s=(](?:/home/|/root/|/Users/|/tmp/)[\w.-]"""


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower().replace(".", "-")


def test_the_lock_names_no_index_and_no_machine() -> None:
    """The lock holds names, versions and hashes: where to fetch from is the user's business."""
    assert not re.search(r"https?:|file:|--(?:extra-)?index|--find-links|--trusted-host", LOCK)


def test_the_lock_holds_every_dependency_with_hashes() -> None:
    """Each declared package is pinned, and each pin has at least one hash."""
    pinned = re.findall(r"^([\w.-]+)==\S+.*\\\n    --hash=sha256:[0-9a-f]{64}", LOCK, re.MULTILINE)
    listed = [*SETTINGS["project"]["dependencies"], *SETTINGS["dependency-groups"]["dev"]]
    assert {_name(one) for one in listed} <= set(pinned)
    assert len(pinned) == len(re.findall(r"^[\w.-]+==", LOCK, re.MULTILINE))


def test_the_build_needs_only_what_is_locked() -> None:
    """Installing the package after the lock fetches nothing: its builder is in the lock."""
    for one in SETTINGS["build-system"]["requires"]:
        assert re.search(rf"^{_name(one)}==", LOCK, re.MULTILINE)


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench", "docs", "clean"])
def test_make_has_and_explains_the_target(target: str) -> None:
    """The promised targets are there, and ``make help`` has a line for each."""
    assert re.search(rf"^{target}:.*## \S", MAKEFILE, re.MULTILINE)
    assert target in re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[0].split()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_refuses_an_old_python_in_a_sentence(tmp_path: Path) -> None:
    """With a Python below 3.11 the first thing one reads is what is needed, and nothing is made."""
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    place = tmp_path / "venv"
    done = subprocess.run(
        [str(shutil.which("make")), "test", f"PYTHON={old}", f"VENV={place}"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "needs Python 3.11 or newer" in done.stderr
    assert not place.exists()


def test_ci_runs_lint_and_tests() -> None:
    """What a merge must pass is executable and calls the two targets."""
    script = ROOT / ".ci" / "run"
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert re.findall(r"^make .*?(\w+)$", text, re.MULTILINE) == ["lint", "test"]
    if sys.platform != "win32":
        assert os.access(script, os.X_OK)


def test_the_licence_is_apache() -> None:
    """The full text of the licence that pyproject.toml names is in LICENSE."""
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert SETTINGS["project"]["license"] == "Apache-2.0"
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_changelog_knows_the_version() -> None:
    """The version of the package has its section, below the one for what is not released."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert heads[0] == "Unreleased"
    assert heads[1] == tallymark.__version__


def test_the_package_says_what_it_is() -> None:
    """The docstring of the package and the description of the project are one sentence."""
    assert (tallymark.__doc__ or "").startswith(SETTINGS["project"]["description"])


def test_the_package_ships_its_types() -> None:
    """The marker that lets other projects use the types is in the package."""
    assert "Typing :: Typed" in SETTINGS["project"]["classifiers"]
    assert (ROOT / "src" / "tallymark" / "py.typed").is_file()


def test_no_source_is_ignored() -> None:
    """No pattern of .gitignore hides source: ``build`` and ``report`` are packages here."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    folders = {path.name for path in (ROOT / "src" / "tallymark").rglob("*") if path.is_dir()}
    unanchored = {line.strip("/") for line in lines if line and not line.startswith(("#", "/"))}
    assert not unanchored & (folders - {"__pycache__"})


def test_no_folder_of_tests_is_passed_over(pytestconfig: pytest.Config) -> None:
    """Folders of some names, `build` among them, are left out unless pytest is told otherwise."""
    left_out = pytestconfig.getini("norecursedirs")
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")}
    passed_over = {
        folder.as_posix()
        for folder in folders
        if any(fnmatch.fnmatch(part, one) for part in folder.parts for one in left_out)
    }
    assert passed_over == set()


@pytest.mark.parametrize("folder", ["src", "tests", "docs", "bench", "requirements", ".ci", "."])
def test_nothing_names_a_place_on_somebodys_machine(folder: str) -> None:
    """No file holds an absolute path of the machine that it was written on."""
    pattern = re.compile(f"{HOMES}|{re.escape(str(ROOT))}/")
    files = (ROOT / folder).glob("*") if folder == "." else (ROOT / folder).rglob("*")
    for path in sorted(files):
        if path.suffix not in TEXT or "__pycache__" in path.parts or path == Path(__file__):
            continue
        found = pattern.search(path.read_text(encoding="utf-8", errors="replace"))
        assert found is None, f"{path.relative_to(ROOT)}: {found}"
