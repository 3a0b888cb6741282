"""Imports: one way, declared, and light where every command passes."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "tallymark"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
STAGES = {"check", "build", "monitor", "report", "demo"}
HEAVY = {
    *("altair", "duckdb", "numpy", "pandas", "pyarrow", "pydantic", "rich", "ruamel", "scipy"),
    *("sqlglot", "typst", "vl_convert"),
}
# Where the name that is imported is not the name that is installed.
INSTALLED_AS = {
    "jsonschema_rs": "jsonschema-rs",
    "ruamel": "ruamel.yaml",
    "vl_convert": "vl-convert-python",
    "ua_parser": "ua-parser",
}


def _law() -> list[str]:
    contracts = SETTINGS["tool"]["importlinter"]["contracts"]
    layers: list[str] = next(one["layers"] for one in contracts if one["id"] == "law")
    return layers


def _declared() -> set[str]:
    listed = SETTINGS["project"]["dependencies"]
    return {re.split(r"[\[<>=!~; ]", one, maxsplit=1)[0].lower() for one in listed}


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_the_law_knows_every_module() -> None:
    """Every module at the top of the package has its place in the law, and the reverse."""
    there = {path.stem for path in SOURCE.glob("*.py")} - {"__init__", "__main__"}
    there |= {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    placed = [name for layer in _law() for name in re.split(r"\s*[|:]\s*", layer)]
    assert sorted(placed) == sorted(there)


def test_the_stages_are_independent_in_the_law() -> None:
    """The five stages stand side by side with bars, which forbid any import between them."""
    assert STAGES in [set(re.split(r"\s*\|\s*", layer)) for layer in _law()]


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_stages_never_import_each_other(stage: str) -> None:
    """Read from the sources, without the tool that enforces it: no stage names another."""
    for path in sorted((SOURCE / stage).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        others = "|".join(sorted(STAGES - {stage}))
        found = re.findall(rf"^\s*(?:from|import) tallymark\.(?:{others})\b", text, re.MULTILINE)
        assert not found, f"{path.relative_to(SOURCE)}: {found}"


def test_every_import_is_declared_and_used() -> None:
    """pyproject.toml names exactly the packages that the source imports."""
    imported = set().union(*(_imported(path) for path in SOURCE.rglob("*.py")))
    foreign = imported - set(sys.stdlib_module_names) - {"tallymark"}
    # The time zone data is read by the standard library, which does not import it by name.
    needed = {INSTALLED_AS.get(name, name) for name in foreign} | {"tzdata"}
    assert needed == _declared()


def test_importing_the_command_line_is_light() -> None:
    """``tallymark --help`` pays for nothing that only a stage needs."""
    code = "import json, sys, tallymark.cli; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & HEAVY
    own = {name for name in json.loads(done.stdout) if name.startswith("tallymark.")}
    assert not own & {f"tallymark.{stage}" for stage in STAGES}
