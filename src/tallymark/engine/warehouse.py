"""The warehouse on disk: immutable Parquet files, a small catalog swapped in whole, a ledger.

``tallymark.duckdb`` holds no data: views over explicit lists of Parquet files, and the ledger's
tables. It is written aside and put in place by one rename, so a reader sees all of a run or
nothing of it, and a killed run leaves the last good state. Our own readers take the relative
paths from its ``_files`` table, so that a warehouse can be moved.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from tallymark.engine.base import NO_FOLDERS, exact, identifier, literal
from tallymark.engine.digest import file_digest
from tallymark.engine.duckdb import DuckEngine, spare
from tallymark.engine.outcome import recorded
from tallymark.engine.parts import Part, from_row, relation, to_row
from tallymark.errors import WarehouseBusyError, WarehouseError

__all__ = [
    "CATALOG", "EXPORTED", "FORMAT", "FRONT", "Publication", "Warehouse", "write_atomically",
]  # fmt: skip

CATALOG = "tallymark.duckdb"
FRONT = ".withheld"  # where the catalog lies that readers do not see yet, if there is one
FORMAT = "2"
EXPORTED = ("fct_sessions", "fct_orders", "fct_attribution")
# Stands for the folder in the text of a view; no path holds it: Unicode gives it no meaning.
HERE = "\ufdd0"
_NAMED = f"select unnest(regexp_extract_all(sql, '{HERE}([^'']+)', 1)) from cat._views"
_STORAGE = "v1.4.0"  # the newest file format that tools built on DuckDB 1.x can open


def write_atomically(path: Path, text: str | bytes) -> None:
    """Write a file so that a reader, or a kill, sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two threads may write the same file: what two deliveries with the same bytes hold.
    aside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        aside.write_bytes(text.encode() if isinstance(text, str) else text)
        aside.replace(path)
    except OSError as error:
        # Of what could not be written the system names nothing.
        error.filename = error.filename or str(path)
        raise
    finally:
        aside.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What appears at once: files by table, views by SQL, ledger tables, facts about the run.

    A table is the rows of all its parts; a path alone is a part of which all rows show.
    """

    files: Mapping[str, Sequence[Path | Part]]
    views: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, tuple[str, Sequence[Any]]]] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)


class Warehouse:
    """A warehouse folder: reading it, and publishing into it.

    Args:
        root: The folder. It may not exist yet for a writer. A folder that holds only exported
            ``fct_*.csv`` or ``fct_*.parquet`` files can be read too.
        front: Where catalog and exports are, if they are withheld from readers.
    """

    def __init__(self, root: Path, *, front: Path | None = None) -> None:
        self.root = root
        self.front = front or root

    @property
    def catalog(self) -> Path:
        """The catalog file, whether or not it is there yet."""
        return self.front / CATALOG

    @property
    def withheld(self) -> bool:
        """Whether this is what readers do not see yet."""
        return self.front != self.root

    @property
    def data(self) -> Path:
        """The folder of Parquet files."""
        return self.root / "data"

    @property
    def scratch(self) -> Path:
        """The folder of unfinished work; whatever a killed run left there is worthless."""
        return self.root / ".scratch"

    # ------------------------------------------------------------ reading

    def meta(self) -> dict[str, str]:
        """Facts of the last publication; empty before the first."""
        if not self.catalog.is_file():
            return {}
        with _attached(self.catalog) as connection:
            found = connection.execute("select key, value from cat._meta").fetchall()
        return dict(found)

    def parts(self) -> dict[str, list[Part]]:
        """The parts of every table of the last publication; empty before the first."""
        if not self.catalog.is_file():
            return {}
        with _attached(self.catalog) as connection:
            return _listed(DuckEngine(connection=connection), self.root)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the tables of the last catalog, which it calls ``cat.x``."""
        with _attached(self.catalog) as connection:
            return connection.execute(sql).fetchall()

    def open(
        self,
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
        without: AbstractSet[str] = frozenset(),
    ) -> DuckEngine:
        """An engine in which every table of the warehouse is a view or a table.

        Args:
            memory_limit: As for an engine.
            threads: As for an engine.
            without: Views that are not asked for anything: making some takes long.

        Raises:
            WarehouseError: Nothing to read there, or written by another version.
        """
        engine = DuckEngine(memory_limit=memory_limit, threads=threads)
        if self.catalog.is_file():
            self._open_catalog(engine, without)
        elif self.exports():
            self._open_exports(engine)
        else:
            engine.close()
            raise WarehouseError(
                "no warehouse here", where=str(self.root), fix="run `tallymark build` first"
            )
        return engine

    def exports(self) -> dict[str, Path]:
        """Exported tables lying in the folder, by table name."""
        found: dict[str, Path] = {}
        for table in EXPORTED:
            for ending in ("csv", "parquet"):
                path = self.front / f"{table}.{ending}"
                if path.is_file():
                    found[table] = path
        return found

    def _open_catalog(self, engine: DuckEngine, without: AbstractSet[str]) -> None:
        try:
            engine.execute(f"attach {literal(str(self.catalog))} as cat (read_only)")
            self._copy_catalog(engine, without)
            engine.execute("detach cat")
        except duckdb.Error as error:
            engine.close()
            raise _unreadable(self.catalog, error) from error
        except WarehouseError:
            engine.close()
            raise

    def _copy_catalog(self, engine: DuckEngine, without: AbstractSet[str]) -> None:
        """Make the attached catalog's tables and views anew, where the folder is now."""
        kept = dict(engine.rows("select key, value from cat._meta"))
        if kept.get("format") != FORMAT:
            raise WarehouseError(
                f"written in format {kept.get('format')!r}, this program reads {FORMAT!r}",
                where=str(self.catalog),
                fix="delete the folder and run `tallymark run` again",
            )
        files = _listed(engine, self.root)
        lost = [part.path for parts in files.values() for part in parts if not part.path.is_file()]
        if lost:
            raise WarehouseError(
                f"{len(lost)} data files of the catalog are gone",
                where=str(lost[0]),
                fix="delete the catalog and run `tallymark run` again",
            )
        for name, parts in files.items():
            engine.execute(f"create or replace view {identifier(name)} as {relation(parts)}")
        views = engine.rows("select name, sql from cat._views order by ordinal")
        for (name,) in engine.rows("select name from cat._tables order by name"):
            engine.execute(
                f"create table {identifier(name)} as select * from cat.{identifier(name)}"
            )
        for name, sql in (view for view in views if view[0] not in without):
            here = sql.replace(HERE, self._spelled_root())
            engine.execute(f"create view {identifier(name)} as {here}")

    def _spelled_root(self) -> str:
        """The folder as it stands at the start of a path in SQL."""
        return literal(f"{exact(self.root.resolve())}/")[1:-1]

    def _open_exports(self, engine: DuckEngine) -> None:
        for name, path in self.exports().items():
            reader = "read_parquet" if path.suffix == ".parquet" else "read_csv"
            engine.execute(
                f"create view {identifier(name)} as "
                f"select * from {reader}({literal(exact(path))}, {NO_FOLDERS})"
            )

    # ------------------------------------------------------------ writing

    @contextmanager
    def hold(self, command: str) -> Iterator[None]:
        """Hold the warehouse for writing; a second holder is told who has it.

        Raises:
            WarehouseBusyError: Another process holds it.
            WarehouseError: The folder cannot be written.
        """
        from filelock import FileLock, Timeout  # noqa: PLC0415 -- readers do not need it

        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / ".lock", timeout=0)
            lock.acquire()
        except Timeout:
            raise WarehouseBusyError(
                f"another run holds this warehouse ({self._holder()})",
                where=str(self.root),
                fix="wait for it to end, then run again; nothing was changed",
            ) from None
        except OSError as error:
            raise WarehouseError(
                f"cannot be written: {error.strerror}",
                where=str(self.root),
                fix="choose a folder that can be written, with --output or --warehouse",
            ) from error
        holder = self.root / ".lock.holder"
        try:
            since = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            write_atomically(holder, f"`tallymark {command}`, process {os.getpid()}, since {since}")
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir(parents=True)
            with recorded(self.root, command, write_atomically):
                yield
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)
            holder.unlink(missing_ok=True)
            lock.release()

    def _holder(self) -> str:
        try:
            return (self.root / ".lock.holder").read_text(encoding="utf-8")
        except OSError:
            return "it did not say which"

    def keep(self, table: str, aside: Path) -> Path:
        """Move a finished Parquet file to its place, named by its content; returns the place."""
        place = self.data / table / f"{file_digest(aside)[:20]}.parquet"
        place.parent.mkdir(parents=True, exist_ok=True)
        aside.replace(place)
        return place

    def publish(self, publication: Publication, *, generations: int) -> None:
        """Make everything of a publication visible by one rename, then tidy up.

        The last ``generations`` catalogs stay under ``catalogs/``; files that none of them and
        no ledger entry names are removed.
        """
        aside = self.scratch / CATALOG
        aside.unlink(missing_ok=True)
        with spare(aside, write=f"(storage_version '{_STORAGE}')") as connection:
            connection.execute("use cat")
            self._write_catalog(DuckEngine(connection=connection), publication)
        number = 1 + max((int(path.stem) for path in self._generations()), default=0)
        kept = self.root / "catalogs" / f"{number:06d}.duckdb"
        kept.parent.mkdir(exist_ok=True)
        # Both in place by a rename: a kill leaves no part of a catalog anywhere.
        copy = self.scratch / "generation.duckdb"
        shutil.copyfile(aside, copy)
        copy.replace(kept)
        aside.replace(self.catalog)
        for old in self._generations()[:-generations]:
            old.unlink()
        self._remove_orphans()

    def _write_catalog(self, engine: DuckEngine, publication: Publication) -> None:
        engine.execute("create table _meta (key varchar, value varchar)")
        for key, value in sorted({**publication.meta, "format": FORMAT}.items()):
            engine.execute("insert into _meta values (?, ?)", [key, value])
        engine.execute(
            "create table _files (ordinal integer, table_name varchar, path varchar, role varchar, "
            "date_column varchar, dates varchar, hidden varchar)"
        )
        engine.execute("create table _views (ordinal integer, name varchar, sql varchar)")
        engine.execute("create table _tables (name varchar)")
        ordinal = 0
        for name, given in publication.files.items():
            parts = [Part(path=one) if isinstance(one, Path) else one for one in given]
            for part in parts:
                ordinal += 1
                row = to_row(part, self.root)
                engine.execute("insert into _files values (?, ?, ?, ?, ?, ?, ?)",
                               [ordinal, name, *row])  # fmt: skip
            absolute = [replace(part, path=part.path.resolve()) for part in parts]
            engine.execute(f"create view {identifier(name)} as {relation(absolute)}")
        for name, columns in publication.tables.items():
            engine.execute("insert into _tables values (?)", [name])
            spec = ", ".join(f"{identifier(one)} {kind}" for one, (kind, _) in columns.items())
            engine.execute(f"create table {identifier(name)} ({spec})")
            picks = ", ".join(f"unnest(cast(? as {kind}[]))" for kind, _ in columns.values())
            engine.execute(
                f"insert into {identifier(name)} select {picks}",
                [list(given) for _, given in columns.values()],
            )
        for ordinal, (name, sql) in enumerate(publication.views.items()):
            movable = sql.replace(self._spelled_root(), HERE)
            engine.execute("insert into _views values (?, ?, ?)", [ordinal, name, movable])
            engine.execute(f"create view {identifier(name)} as {sql}")

    def _generations(self) -> list[Path]:
        found = (self.root / "catalogs").glob("*.duckdb")
        return sorted(path for path in found if path.stem.isdecimal())

    def _remove_orphans(self) -> None:
        wanted = {entry["file"] for entry in self.deliveries() if entry.get("file")}
        # What readers see, and what is withheld from them, whichever of the two this one is.
        both = (self.root / CATALOG, self.root / FRONT / CATALOG)
        for catalog in {*self._generations(), *(path for path in both if path.is_file())}:
            try:
                with _attached(catalog) as connection:
                    found = connection.execute("select path from cat._files").fetchall()
                    # Going back needs the landed files that its views name, too.
                    found += connection.execute(_NAMED).fetchall()
            except WarehouseError:
                # What it needs is unknown, so nothing goes; it ages out like any generation.
                return
            wanted.update(row[0] for row in found)
        # By text: making a path of each file of a year takes longer than looking them all up.
        kept = {str(self.root / name) for name in wanted}
        for folder, _, names in os.walk(self.data):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118 -- see above
                if name.endswith(".parquet") and path not in kept:
                    Path(path).unlink()

    # ------------------------------------------------------------ the ledger

    def deliveries(self) -> list[dict[str, Any]]:
        """The current judgement of every delivery, as plain JSON, ordered by date and key."""
        entries = []
        for path in sorted((self.root / "ledger" / "deliveries").glob("*.json")):
            try:
                entries.append(_entry(path.read_text(encoding="utf-8")))
            except (OSError, ValueError) as error:
                raise WarehouseError(
                    f"a ledger entry cannot be read: {error}",
                    where=str(path),
                    fix="delete that file; the delivery will be judged again",
                ) from error
        return sorted(entries, key=lambda entry: (entry["date"] or "", entry["delivery"]))

    def record(self, entry: Mapping[str, Any]) -> None:
        """Keep the judgement of one delivery; a new judgement replaces the old one."""
        name = hashlib.sha256(str(entry["delivery"]).encode()).hexdigest()[:20]
        text = json.dumps(entry, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        write_atomically(self.root / "ledger" / "deliveries" / f"{name}.json", text)

    def judged_days(self) -> list[str]:
        """The days the watch has judged, oldest first, ISO 8601."""
        found = (self.root / "ledger" / "days").glob("*-*-*.json")
        return sorted(path.stem for path in found)

    def judgement(self, day: str) -> dict[str, Any] | None:
        """What the watch said of a day (its monitoring report as JSON), or None.

        Raises:
            ValueError: What is kept cannot be read.
        """
        path = self.root / "ledger" / "days" / f"{day}.json"
        if not path.is_file():
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            msg = "no object"
            raise ValueError(msg)  # noqa: TRY004 -- of a file's content, as all that is wrong with it
        return found

    def sound_judgement(self, day: str) -> dict[str, Any]:
        """What the watch said of a day; nothing where that is not there or cannot be read."""
        try:
            return self.judgement(day) or {}
        except ValueError:
            return {}

    def is_judged(self, day: str) -> bool:
        """Whether what the watch said of a day is there, to its end."""
        try:
            return (self.root / "ledger" / "days" / f"{day}.json").read_bytes().endswith(b"}\n")
        except OSError:
            return False

    def record_judgement(self, day: str, report: str) -> None:
        """Keep what the watch said of a day."""
        write_atomically(self.root / "ledger" / "days" / f"{day}.json", report)


def _entry(text: str) -> dict[str, Any]:
    """An entry of the ledger; a ``ValueError`` if it is none."""
    found = json.loads(text)
    if not isinstance(found, dict) or not {"delivery", "date"} <= set(found):
        msg = "it speaks of no delivery"
        raise ValueError(msg)
    entry: dict[str, Any] = found
    return entry


def _listed(engine: DuckEngine, root: Path) -> dict[str, list[Part]]:
    files: dict[str, list[Part]] = {}
    for name, *row in engine.rows(
        "select table_name, path, role, date_column, dates, hidden from cat._files order by ordinal"
    ):
        files.setdefault(name, []).append(from_row(row, root))
    return files


@contextmanager
def _attached(catalog: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        with spare(catalog) as connection:
            yield connection
    except duckdb.Error as error:
        raise _unreadable(catalog, error) from error


def _unreadable(catalog: Path, error: duckdb.Error) -> WarehouseError:
    return WarehouseError(
        f"the catalog cannot be read: {str(error).splitlines()[0]}",
        where=str(catalog),
        fix="delete it and run `tallymark build` again; the data files stay",
    )
