"""How contracts change on disk: earlier versions kept, and a rename adopted."""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import io
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tallymark import decisions
from tallymark.config import load
from tallymark.contract import SHIPPED, Alias, Column, Contract, bumped, load_contract
from tallymark.engine.warehouse import Warehouse, write_atomically
from tallymark.errors import ConfigError, UsageError
from tallymark.package import shipped
from tallymark.yamltext import yaml_text

__all__ = ["Adopted", "adopt", "as_yaml", "keep_version", "resolve"]

VERSIONS = "versions"  # folder beside a contract, with the versions it had before
DECISION = "column_alias"
_WIDTH = 4096  # of a line of YAML: no line of a user's file is to be folded


# ---------------------------------------------------------------- versions


def keep_version(path: Path) -> Path | None:
    """Keep a contract as it stands in ``versions/`` beside it; None if there is no file.

    Two contracts that say the same version are kept side by side: nothing is replaced.
    """
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    name = quote(load(Contract, path).version, safe=" ")
    kept = path.parent / VERSIONS / f"{name}.yml"
    if kept.is_file() and kept.read_text(encoding="utf-8") != text:
        mark = hashlib.sha256(text.encode()).hexdigest()[:8]
        kept = kept.with_name(f"{name}+{mark}.yml")
    write_atomically(kept, text)
    return kept


def resolve(asked: str, path: Path) -> Contract:
    """The contract that a word of the command line means.

    Args:
        asked: A file; a version that the project's contract has or had; ``current``; ``shipped``.
        path: The project's contract.

    Raises:
        UsageError: There is no such file or version, or several contracts say that version.
        ConfigError: The contract is broken.
    """
    if Path(asked).is_file():
        return load_contract(Path(asked))
    if asked in {"current", "shipped"}:
        return load_contract(path if asked == "current" else None)
    files = sorted((path.parent / VERSIONS).glob("*.yml"))
    known = [load_contract(path), *(load_contract(file, beside=path.parent) for file in files)]
    found = [one for one in known if one.version == asked]
    if not found:
        versions = ", ".join(dict.fromkeys(one.version for one in known))
        raise UsageError(
            f"{asked!r} is neither a file nor a version of the contract",
            fix=f"give a file, `current`, `shipped`, or a version: {versions}",
        )
    if any(one != found[0] for one in found):
        raise UsageError(
            f"several contracts say version {asked!r}",
            where=str(path.parent / VERSIONS), fix="give one of its files instead",
        )  # fmt: skip
    return found[0]


def as_yaml(contract: Contract, head: str = "") -> str:
    """A contract as the YAML of its file, without what has its default; comments first."""
    whole = contract.model_dump(mode="json")
    tree = {"version": whole["version"], **contract.model_dump(mode="json", exclude_defaults=True)}
    # What the tables are made of is worth reading even where it is the default.
    tree |= {"events": whole["events"], "payload": whole["payload"]}
    return head + yaml_text(tree)


# ---------------------------------------------------------------- adopting a rename


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """Names that were agreed to, and where that was written.

    Attributes:
        aliases: Of each: ``column``, ``alias``, and ``since`` if the day is known.
        version: The contract's version now.
        contract: The contract's file.
        decision: The record of it.
        previous: The contract as it was, kept for `tallymark contract diff`.
    """

    aliases: Sequence[Mapping[str, str | None]]
    version: str
    previous_version: str
    contract: Path
    decision: Path
    previous: Path | None = None


def adopt(
    path: Path,
    pairs: Sequence[tuple[str, str]],
    *,
    decided_in: Path,
    warehouse: Path | None = None,
    since: dt.date | None = None,
    note: str | None = None,
) -> Adopted:
    """Agree that columns are delivered under new names, from now on and looking back.

    The contract's file keeps its comments and order; if the project has none, it gets the
    shipped one. Its version rises by :func:`tallymark.contract.bumped`.

    Args:
        path: The project's contract.
        pairs: Column of the contract and its further name, of each.
        decided_in: The project's folder of decisions.
        warehouse: The warehouse whose ledger knows since when a name is delivered.
        since: The first day of the names, if the ledger is not to say.
        note: Why, in the words of who decides.

    Raises:
        UsageError: A column is not in the contract, or a name is taken.
        ConfigError: The contract is broken.
    """
    before = load_contract(path)
    aliases = []
    told: list[tuple[Column, str, dt.date | None]] = []
    for old, new in pairs:
        column = _asked_for(before, old)
        _refuse_taken(before, column, new, [name for _, name, _ in told])
        day = since if since is not None else _first_day(warehouse, new)
        told.append((column, new, day))
        aliases.append({"column": column.name, "alias": new, "since": str(day) if day else None})
    source = path.read_text(encoding="utf-8") if path.is_file() else shipped(SHIPPED)
    version = bumped(before.version)
    text = _with_aliases(source, told, version)
    _refuse_loss(text, path, told, version)
    previous = keep_version(path)
    # The record comes first: if the power fails between, doing it again is harmless.
    facts: dict[str, Any] = {
        "aliases": [{key: one for key, one in pair.items() if one} for pair in aliases],
        "contract_version": version,
        "previous_version": before.version,
    }
    decision = decisions.append(decided_in, DECISION, facts | ({"note": note} if note else {}))
    write_atomically(path, text)
    return Adopted(
        aliases=aliases, version=version, previous_version=before.version, contract=path,
        decision=decision, previous=previous,
    )  # fmt: skip


def _asked_for(contract: Contract, name: str) -> Column:
    column = contract.by_name(name) or contract.by_role(name)
    if column is None:
        known = [one.name for one in contract.columns]
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        raise UsageError(
            f"the contract has no column {name!r}",
            fix=f"did you mean {close[0]!r}?" if close else f"its columns: {', '.join(known)}",
        )
    return column


def _refuse_taken(contract: Contract, column: Column, new: str, also: Sequence[str]) -> None:
    if not new.strip() or new != new.strip():
        raise UsageError(f"{new!r} is no name of a column", fix="give it without blanks around it")
    taken = contract.by_name(new)
    if taken is None and new not in also:
        return
    if taken is not None and taken.name == column.name:
        raise UsageError(
            f"{new!r} is a name of column {column.name} already", fix="nothing needs to be done"
        )
    raise UsageError(
        f"{new!r} is the name of another column",
        fix="a swap of two columns is no alias: have the files mended",
    )


def _first_day(warehouse: Path | None, name: str) -> dt.date | None:
    """The first day in the ledger whose delivery has a column of that name."""
    if warehouse is None or not warehouse.is_dir():
        return None
    days = [
        str(entry["date"])
        for entry in Warehouse(warehouse).deliveries()
        if entry["date"] and name in entry["columns"]
    ]
    return dt.date.fromisoformat(min(days)) if days else None


def _with_aliases(
    source: str, told: Sequence[tuple[Column, str, dt.date | None]], version: str
) -> str:
    """The text of a contract with more aliases and another version, and nothing else changed."""
    from ruamel.yaml import YAML  # noqa: PLC0415 -- 0.1 s that `tallymark --help` must not pay
    from ruamel.yaml.comments import CommentedMap, CommentedSeq  # noqa: PLC0415
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString  # noqa: PLC0415

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    offset = _offset(source)
    yaml.indent(mapping=2, sequence=offset + 2, offset=offset)
    tree = yaml.load(source)
    for column, plain, since in told:
        # YAML's plain style has no place for some characters; the quoted one escapes them.
        name = plain if plain.isprintable() else DoubleQuotedScalarString(plain)
        node = next(one for one in tree["columns"] if str(one["name"]).strip() == column.name)
        if not node.get("aliases"):
            listed = CommentedSeq()
            listed.fa.set_flow_style()
            if "aliases" in node:
                node["aliases"] = listed
            else:
                node.insert(list(node).index("name") + 1, "aliases", listed)
        if since is None:
            node["aliases"].append(name)
        else:
            # A day of its own: YAML would write one that is shared as an anchor.
            alias = CommentedMap({"name": name, "since": since.replace()})
            alias.fa.set_flow_style()
            node["aliases"].append(alias)
    given = DoubleQuotedScalarString(version)
    if "version" in tree:
        tree["version"] = given
    else:
        tree.insert(0, "version", given)
    written = io.StringIO()
    yaml.dump(tree, written)
    return written.getvalue()


def _offset(source: str) -> int:
    """How far the items of the columns are indented."""
    found = re.search(r"^columns:[^\n]*\n(?:[ \t]*(?:#[^\n]*)?\n)*( *)- ", source, re.MULTILINE)
    return len(found[1]) if found else 2


def _refuse_loss(
    text: str, path: Path, told: Sequence[tuple[Column, str, dt.date | None]], version: str
) -> None:
    """The new text must say what the old one said, and the aliases; else nothing is written."""
    before = load(Contract, path, SHIPPED)
    more: dict[str, list[str | Alias]] = {}
    for column, name, since in told:
        more.setdefault(column.name, []).append(Alias(name=name, since=since) if since else name)
    columns = [
        one.model_copy(update={"aliases": (*one.aliases, *more.get(one.name, ()))})
        for one in before.columns
    ]
    wanted = before.model_copy(update={"version": version, "columns": tuple(columns)})
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / path.name
        trial.write_text(text, encoding="utf-8")
        after = load(Contract, trial)
    if after.model_dump() != wanted.model_dump():
        raise ConfigError(
            "the alias cannot be written without changing something else",
            where=str(path), fix="add it to `aliases` of the column by hand",
        )  # fmt: skip
