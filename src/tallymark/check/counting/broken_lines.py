"""What the gate says about lines that are no rows: of another encoding, or damaged."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tallymark.check.counting import queries
from tallymark.check.counting.row_shares import MANY
from tallymark.check.counting.samples import BROKEN, NOT_TEXT
from tallymark.check.words import part
from tallymark.config import CheckRule, Severity
from tallymark.ingest.encodings import NOT_UTF8
from tallymark.ingest.header import Broken
from tallymark.ingest.landing import Landed

if TYPE_CHECKING:
    from tallymark.check.counting.facts import Facts

__all__ = ["broken_lines", "first_damaged", "refuse_encoding"]

_LOOKED_AT = 1000  # bad lines among which one is looked for that tells why
_HARDLY_ANY = 0.9  # share of lines that are not UTF-8 from which on the file is of another encoding


_CUT = "what is left of the row in whose middle the file ends is no row"
_WHOLE = "deliver the whole file again, under the same name"


def broken_lines(facts: Facts, rule: CheckRule) -> Iterator[dict[str, Any]]:
    """What there is to say, ready to become a hit: the encoding first, and apart."""
    total, other = facts.rows, facts.bad_lines - facts.undecoded
    if facts.undecoded:
        told = _not_utf8(facts.undecoded, total, facts.encoding)
        yield {
            **_weighed(facts, rule, facts.undecoded),
            "subject": "encoding",
            "message": f"{told} ({part(facts.undecoded / total)})",
            "where": NOT_TEXT,
            "fix": "export the file as UTF-8 and deliver it again; until then these rows are in "
            "quarantine/, byte for byte",
        }
    if other:
        yield {
            **_weighed(facts, rule, other),
            "message": _no_rows(other, total, facts.damaged),
            # What is left of the row in which a file ends says nothing of quoting.
            **({"message": _CUT, "fix": _WHOLE} if facts.cut and other == 1 else {}),
            "where": BROKEN,
        }


def first_damaged(landed: Landed) -> tuple[int, str] | None:
    """The first line that is no row although it is UTF-8, and why; of the first bad ones."""
    return next(
        ((number, reason) for number, reason, _ in itertools.islice(landed.bad_lines, _LOOKED_AT)
         if not reason.startswith(NOT_UTF8)),
        None,
    )  # fmt: skip


def _no_rows(lines: int, total: int, first: tuple[int, str] | None) -> str:
    """How many lines are no rows, and what is wrong with the first of them."""
    told = f"{lines:,} of {total:,} lines {'is no row' if lines == 1 else 'are no rows'}"
    if first is None:
        return f"{told}: broken quoting or width"
    number, reason = first
    return f"{told}; {'it is' if lines == 1 else 'the first is'} line {number:,}: {reason}"


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
    many = lines > 1 and share > MANY
    return {
        "rows": lines,
        "share": share,
        "severity": min(rule.severity, Severity.P1) if many else None,
        "evidence": {"doubt": facts.careful},
        # No query over the tables can tell the two apart.
        "query": queries.broken_lines(facts.delivery.key) if lines == facts.bad_lines else None,
    }
