"""What a rule says to its check: refused where it stands, with the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallymark.check.rules import refuse_unknown
from tallymark.config import CheckRules, load
from tallymark.errors import ConfigError
from tests.cli.calling import call, delivery

HEAD = "rules:\n  - id: one\n    severity: P1\n"

WRONG = [
    ("check: nuls\n    column: client_id", 4, "unknown check 'nuls'", "did you mean 'nulls'?"),
    ("check: nulls", 4, "names no column", "say `column: ...`"),
    ("check: nulls\n    column: clientid", 5, "unknown column 'clientid'",
     "did you mean 'client_id'?"),
    ("check: nulls\n    column: client_id\n    values: [a]", 6, "nulls does nothing with 'values'",
     "leave it out"),
    ("check: nulls\n    column: client_id\n    threshold: 5", 6,
     "threshold 5 is no share between 0 and 1", "write 0.05 for 5 %; for a number of rows"),
    ("check: nulls\n    column: client_id\n    threshold: -1", 6, "threshold -1 is below 0", ""),
    ("check: nulls\n    column: client_id\n    threshold: .nan", 6, "threshold nan is below 0", ""),
    ("check: nulls\n    column: client_id\n    threshold: 500", 6, "is no share", "write 0.05"),
    ("check: nulls\n    column: client_id\n    threshold: 1.5\n    unit: rows", 6,
     "threshold 1.5 is no number of rows", ""),
    ("check: nulls\n    column: client_id\n    unit: rows", 6, "has a unit but no threshold", ""),
    ("check: nulls\n    column: client_id\n    unit: percent", 6, "should be 'share'", ""),
    ("check: client_missing\n    threshold: 5", 5, "threshold 5 is no share", "write 0.05 for 5 %"),
    ("check: client_missing\n    unit: rows", 5, "client_missing does nothing with 'unit'", ""),
    ("check: event_name_missing\n    action: warn", 5, "is about rows that cannot be let in",
     "say action: quarantine_rows"),
    ("check: order_test\n    threshold: -3", 5, "threshold -3 is below 0", ""),
    ("check: nulls\n    column: revenue\n    event: purchas", 6,
     "the contract has no event 'purchas'", "did you mean 'purchase'?"),
    ("check: pattern\n    column: client_id", 4, "names no pattern", "say `pattern: ...`"),
    ("check: pattern\n    column: client_id\n    pattern: '('", 6, "is no RE2 pattern: missing )",
     ""),
    ("check: pattern\n    column: client_id\n    pattern: '(?=a)b'", 6, "is no RE2 pattern",
     "look-around"),
    ("check: allowed\n    column: client_id", 4, "names no values", ""),
    ("check: allowed\n    column: client_id\n    values: []", 4, "names no values", ""),
    ("check: range\n    column: revenue", 4, "names no limit", "say `min: ...` or `max: ...`"),
    ("check: range\n    column: revenue\n    min: low", 6, "min is 'low', and a number is", ""),
    ("check: range\n    column: revenue\n    min: 5\n    max: 3", 6, "min 5 is above max 3", ""),
    ("check: range\n    column: timestamp\n    max: soon", 6, "'soon' is no day or time", ""),
    ("check: length\n    column: page_url\n    max: -3", 6, "max is -3.0, and a length is", ""),
    ("check: compound_key", 4, "names no columns", ""),
    ("check: compound_key\n    columns: [client_id, timestmp]", 5, "unknown column 'timestmp'",
     "did you mean 'timestamp'?"),
    ("check: expression", 4, "names no expression", "expression: revenue < 10000"),
    ("check: expression\n    expression: revenu < 3", 5, "unknown column 'revenu' at character 1",
     "did you mean 'revenue'?"),
    ("check: expression\n    expression: revenue <", 5, "the expression cannot be read", ""),
    ("check: expression\n    expression: read_csv('/etc/passwd') = client_id", 5,
     "the function read_csv() is not allowed", ""),
    ("check: expression\n    expression: revenue > (select 1)", 5, "a query is not allowed", ""),
    ("check: unique\n    column: client_id\n    action: quarantine_rows", 6,
     "unique cannot quarantine rows", "rows are kept out by"),
    ("check: nulls\n    column: client_id\n    action: quarantine_rows\n    threshold: 0.1", 7,
     "keeps rows out from the first one on", "leave it out, or say action: warn"),
    ("check: nulls\n    column: clientid\n    enabled: false", 5, "unknown column 'clientid'", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "what", "fix"), WRONG)
def test_a_mistake_is_refused_where_it_stands(
    tmp_path: Path, text: str, line: int, what: str, fix: str
) -> None:
    """The message names the rule, file, line and column, and what would be right."""
    path = tmp_path / "check.yml"
    path.write_text(f"{HEAD}    {text}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        refuse_unknown(load(CheckRules, path), str(path))
    assert caught.value.where == f"{path}:{line}:5"
    assert what in caught.value.what
    assert fix in caught.value.fix


def test_the_command_refuses_before_it_reads(tmp_path: Path) -> None:
    """``check --rules`` says one sentence with the place, exits with 2 and writes nothing."""
    delivery(tmp_path / "raw" / "events_20310505.csv")
    rules = tmp_path / "rules.yml"
    rules.write_text(f"{HEAD}    check: expression\n    expression: system('x') > 2\n", "utf-8")
    said = call(
        "check", "--input", tmp_path / "raw", "--rules", rules, "--output", tmp_path / "out"
    )
    assert said.code == 2
    assert said.err.startswith(
        f"tallymark: {rules}:5:5: rule 'one': the function system() is not allowed in an expression"
    )
    assert not (tmp_path / "out").exists()


def test_columns_of_the_own_contract_are_known(tmp_path: Path) -> None:
    """Rules are read with the shop's contract: its names are known and the shipped ones are not."""
    shop = tmp_path / "shop"
    delivery(shop / "raw" / "events_20310505.csv")
    contract = "columns:\n" + "".join(
        f"  - {{name: {name}, role: {role}, kind: text, aliases: [{role}]}}\n"
        for name, role in (
            ("who", "client_id"), ("page", "page_url"), ("moment", "timestamp"),
            ("what", "event_name"),
        )
    )  # fmt: skip
    for name, text in (
        ("contracts/events.yml", contract),
        ("rules/check.yml", f"{HEAD}    check: nulls\n    column: referrer\n"),
    ):
        (shop / name).parent.mkdir(parents=True)
        (shop / name).write_text(text, encoding="utf-8")
    said = call("check", "--project", shop, "--input", shop / "raw")
    assert said.code == 2
    assert "rules/check.yml:5:5: rule 'one': unknown column 'referrer'" in said.err
    path = shop / "rules/check.yml"
    path.write_text(
        path.read_text("utf-8").replace("nulls", "length").replace("referrer", "who\n    min: 50"),
        "utf-8",
    )
    said = call("check", "--project", shop, "--input", shop / "raw")
    assert said.code == 1
    assert "in 12 of 12 rows (100.0%) who has not at least 50 characters" in (
        (shop / "reports" / "dq_report.json").read_text("utf-8")
    )
