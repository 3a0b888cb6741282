"""Rules in YAML: what is broken or unknown is refused where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallymark.check.own.parameters import VALUE_CHECKS
from tallymark.check.rules import CHECKS, FILE_CHECKS, HISTORY_CHECKS, refuse_unknown
from tallymark.config import CheckRules, load
from tallymark.errors import ConfigError
from tests.check.judging import RULES

HEAD = "version: 1\nrules:\n"


def _loaded(tmp_path: Path, text: str) -> CheckRules:
    path = tmp_path / "check.yml"
    path.write_text(text, encoding="utf-8")
    rules = load(CheckRules, path)
    refuse_unknown(rules, str(path))
    return rules


@pytest.mark.parametrize(
    ("line", "what", "fix"),
    [
        ("- {id: a, check: colum_renamed, severity: P1}", "unknown check 'colum_renamed'",
         "did you mean 'column_renamed'?"),
        ("- {id: a, check: zzzz, severity: P1}", "unknown check 'zzzz'", "known checks:"),
        ("- {id: a, check: file_day, severity: P1, treshold: 1}", "unknown key 'treshold'",
         "did you mean 'threshold'?"),
        ("- {id: a, check: client_missing, severity: P1, action: quarantine_rows}",
         "cannot quarantine rows", "action: warn"),
        ("- {id: a, check: file_day, severity: P1, column: client_id}",
         "does nothing with 'column'", "leave it out"),
        ("- {id: a, check: file_day, severity: P1, expression: a > 1}",
         "does nothing with 'expression'", "leave it out"),
    ],
)  # fmt: skip
def test_rules_that_say_something_unknown(tmp_path: Path, line: str, what: str, fix: str) -> None:
    """What a rule says and no check does is refused with the likely cure, never skipped."""
    with pytest.raises(ConfigError, match=r"check\.yml") as caught:
        _loaded(tmp_path, f"{HEAD}  {line}\n")
    assert what in caught.value.what
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"{HEAD}  - {{id: a, check: [}}\n", ":3:"),
        (f"{HEAD}  - {{id: a, check: file_day, severity: P9}}\n", ":3:"),
        (f"{HEAD}  - {{id: a, check: file_day, severity: P1, threshold: much}}\n", ":3:"),
        (f"{HEAD}  - {{id: a, check: file_day, severity: P1, action: delete}}\n", ":3:"),
        (HEAD + "  - {id: a, check: file_day, severity: P1}\n" * 2, "given twice"),
        ("rules: [", "is not YAML"),
        ("version: 2\nrules: []\n", ":1:1"),
        ("- a\n- b\n", ":1:1"),
    ],
)  # fmt: skip
def test_broken_rules_are_located(tmp_path: Path, text: str, place: str) -> None:
    """Broken YAML and wrong values say file, line and column."""
    with pytest.raises(ConfigError) as caught:
        _loaded(tmp_path, text)
    assert place in str(caught.value)
    assert str(tmp_path / "check.yml") in caught.value.where


def test_the_shipped_rules_name_every_check_once() -> None:
    """Every check ships with a rule, and no rule names a check that is not there."""
    refuse_unknown(RULES, "shipped")
    named = [one.check for one in RULES.rules]
    # Which column or what expression is for the shop to say.
    said = {"column", "columns", "expression"}
    ready = [name for name, keys in VALUE_CHECKS.items() if not keys & said]
    assert sorted(named) == sorted([*CHECKS, *FILE_CHECKS, *HISTORY_CHECKS, *ready])
