"""Incidents of whole files: cut off, delivered late, or delivered twice."""

from __future__ import annotations

import shutil
import zlib

from tallymark.demo.render import iso
from tallymark.demo.scene import NOTHING, Parcel, Scene, Stage, Touched, incident, span
from tallymark.demo.season import DAY_MS, HOUR_MS
from tallymark.demo.specs import Detail, a_choice, a_count, a_share

__all__: list[str] = []

_EARLIEST_CUT, _LATEST_CUT = 0.15, 0.85
_DUE_HOUR = 6
"""A day's file usually comes so many hours after the day has ended."""
_NAME, _DAY = "name", "day"


@incident(
    Stage.BYTES,
    share=Detail("", a_share, "share of the file that is kept; by default any from 0.15 to 0.85"),
)
def truncated_file(scene: Scene) -> Touched:
    """The file's bytes end in the middle of a row, or of the compressed data."""
    parcel = scene.parcel
    if parcel is None:
        return NOTHING
    given = scene.details["share"]
    share = a_share(given) if given else float(scene.chance.uniform(_EARLIEST_CUT, _LATEST_CUT))
    path = parcel.file()
    content = path.read_bytes()
    at = max(1, min(len(content) - 2, round(share * len(content))))
    if path.suffix in {".csv", ".jsonl"}:
        while b"\n" in content[at - 1 : at + 1]:  # between two rows, or a line feed short of it
            at -= 1
    kept = content[:at]
    path.write_bytes(kept)
    whole = max(0, _readable(path.suffix, kept).count(b"\n") - (path.suffix != ".jsonl"))
    lost = scene.table.ms[whole:]
    parcel.entry["rows"] = whole
    facts = {"file": path.name, "bytes": len(kept), "of_bytes": len(content), "whole_rows": whole}
    return span(lost, facts)


def _readable(suffix: str, kept: bytes) -> bytes:
    """What can still be unpacked."""
    if suffix == ".gz":
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(kept)
    if suffix == ".zst":
        import zstandard  # noqa: PLC0415 -- only compressed deliveries need it

        return zstandard.ZstdDecompressor().decompressobj().decompress(kept)
    return b"" if suffix == ".parquet" else kept


@incident(
    Stage.BYTES,
    after=Detail("30", a_count, "hours after the end of the day at which the file comes"),
)
def delivered_late(scene: Scene) -> Touched:
    """The file is sound, but comes long after it was due."""
    if scene.parcel is None:
        return NOTHING
    end = scene.midnight + DAY_MS
    arrival = end + a_count(scene.details["after"]) * HOUR_MS
    due = end + _DUE_HOUR * HOUR_MS
    return Touched(
        len(scene.table),
        due,
        arrival,
        {"file": scene.parcel.file().name, "due": iso(due), "arrival": iso(arrival)},
    )


@incident(
    Stage.BYTES,
    under=Detail(
        _NAME, a_choice((_NAME, _DAY)), "today's again under another name, or yesterday's today"
    ),
)
def delivered_twice(scene: Scene) -> Touched:
    """The same bytes come twice: again under another name, or yesterday's under today's."""
    parcel = scene.parcel
    if parcel is None:
        return NOTHING
    path = parcel.file()
    if scene.details["under"] == _NAME:
        stem, _, ending = path.name.partition(".")
        copy = path.with_name(f"{stem}_2.{ending}")
        shutil.copyfile(path, copy)
        parcel.more.append(parcel.entry | {"path": f"raw/{copy.name}"})
        facts = {"file": copy.name, "same_as": path.name}
        return span(scene.table.ms, facts)
    return _yesterday_again(scene, parcel)


def _yesterday_again(scene: Scene, parcel: Parcel) -> Touched:
    """Yesterday's bytes stand under today's name; today's rows never come."""
    if not parcel.earlier:
        return NOTHING
    before, path = parcel.earlier[-1], parcel.file()
    shutil.copyfile(parcel.file(before), path)
    rows = int(before["rows"])
    lost = len(scene.table)
    parcel.entry.update(rows=rows, columns=before["columns"])
    facts = {"file": path.name, "same_as": parcel.file(before).name, "rows_lost": lost}
    return Touched(rows, scene.midnight, scene.midnight + DAY_MS, facts)
