"""The incidents as the ledger keeps them: JSON beside the judged days, and a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tallymark.engine.warehouse import Warehouse
from tallymark.errors import WarehouseError
from tallymark.results import Incident, Layer, Severity, to_json

__all__ = ["TABLE", "kept_incidents", "ledger_table", "load_incidents"]

TABLE = "ledger_incidents"
_TEXTS = ("key", "id", "layer", "severity", "state", "message", "since", "opened", "resolved",
          "muted_until", "decision", "rule", "metric", "owner", "fix", "runbook",
          "money_formula")  # fmt: skip


def kept_incidents(incidents: Sequence[Incident], day: str) -> str:
    """The incidents up to a judged day as JSON: same incidents, same bytes."""
    return to_json({"day": day, "incidents": list(incidents)})


def ledger_table(found: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, Sequence[Any]]]:
    """One row per incident, as columns: type and values."""
    table: dict[str, tuple[str, Sequence[Any]]] = {
        name: ("varchar", [one.get(name) for one in found]) for name in _TEXTS
    }
    table["money_at_risk"] = ("decimal(18, 2)", [_money(one) for one in found])
    table["findings"] = ("varchar", [json.dumps(one.get("findings", [])) for one in found])
    table["evidence"] = ("varchar", [json.dumps(one.get("evidence", {})) for one in found])
    return table


def _money(one: Mapping[str, Any]) -> Decimal | None:
    value = one.get("money_at_risk")
    return None if value is None else Decimal(str(value)).quantize(Decimal("0.01"))


def load_incidents(warehouse: Warehouse) -> tuple[str, list[Incident]]:
    """The latest judged day, and every incident up to it, as the last run kept them.

    Raises:
        WarehouseError: The watch has never run here, or what it kept cannot be read.
    """
    try:
        kept = warehouse.judgement("incidents")
        if kept is None:
            raise WarehouseError(
                "the watch has kept no incidents here", where=str(warehouse.root),
                fix="run `tallymark run` or `tallymark monitor` first",
            )  # fmt: skip
        return str(kept["day"]), [_incident(one) for one in kept["incidents"]]
    except (ValueError, KeyError, TypeError) as error:
        raise WarehouseError(
            f"the kept incidents cannot be read: {type(error).__name__}",
            where=str(warehouse.root / "ledger" / "days" / "incidents.json"),
            fix="delete that file; the next run makes it anew",
        ) from error


def _incident(record: Mapping[str, Any]) -> Incident:
    given = dict(record)
    given["layer"], given["severity"] = Layer(given["layer"]), Severity(given["severity"])
    if given.get("money_at_risk") is not None:
        given["money_at_risk"] = _money(given)
    return Incident(**given)
