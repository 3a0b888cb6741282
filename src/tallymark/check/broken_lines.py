"""What the gate says about lines that are no rows: of another encoding, or damaged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tallymark.check import queries
from tallymark.check.facts import Facts
from tallymark.check.samples import BROKEN, NOT_TEXT
from tallymark.config import CheckRule, Severity
from tallymark.ingest.header import Broken
from tallymark.ingest.landing import Landed

__all__ = ["broken_lines", "refuse_encoding"]

# Share of lines that are no rows from which on the day cannot be trusted; the watch's rule
# `quarantined_rows_many` says the same of all that was kept out.
_MANY = 0.1
_HARDLY_ANY = 0.9  # share of lines that are not UTF-8 from which on the file is of another encoding


def broken_lines(facts: Facts, rule: CheckRule) -> Iterator[dict[str, Any]]:
    """What there is to say, ready to become a hit: the encoding first, and apart."""
    total, other = facts.rows, facts.bad_lines - facts.undecoded
    if facts.undecoded:
        told = _not_utf8(facts.undecoded, total, facts.encoding)
        yield {
            **_weighed(facts, rule, facts.undecoded),
            "subject": "encoding",
            "message": f"{told} ({facts.undecoded / total:.1%})",
            "where": NOT_TEXT,
            "fix": "export the file as UTF-8 and deliver it again; until then these rows are in "
            "quarantine/, byte for byte",
        }
    if other:
        yield {
            **_weighed(facts, rule, other),
            "message": f"{other:,} of {total:,} lines are no rows: broken quoting or width",
            "where": BROKEN,
        }


def refuse_encoding(landed: Landed) -> None:
    """Refuse a delivery of which hardly a line is UTF-8: the few that are, are no sample of it.

    Raises:
        Broken: As a file of another encoding; what has landed of it is gone.
    """
    lines = landed.rows + len(landed.bad_lines)
    if landed.undecoded > 1 and landed.undecoded >= _HARDLY_ANY * lines:
        landed.path.unlink(missing_ok=True)
        raise Broken("file_encoding", _not_utf8(landed.undecoded, lines, landed.encoding))


def _not_utf8(lines: int, total: int, guess: str) -> str:
    return f"in {lines:,} of {total:,} lines the text is not UTF-8{guess}"


def _weighed(facts: Facts, rule: CheckRule, lines: int) -> dict[str, Any]:
    """What is said of any such lines; so many of them are an error, a single one never is."""
    share = lines / facts.rows
    many = lines > 1 and share > _MANY
    return {
        "rows": lines,
        "share": share,
        "severity": min(rule.severity, Severity.P1) if many else None,
        "evidence": {"doubt": facts.careful},
        # No query over the tables can tell the two apart.
        "query": queries.broken_lines(facts.delivery.key) if lines == facts.bad_lines else None,
    }
