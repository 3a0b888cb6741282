"""The gate sees what the simulator plants, and says nothing of a sound shop: bench, in small."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bench import gate_incidents, gate_renames
from tallymark.config import load
from tallymark.contract import Contract

KINDS = (
    "ids_lost",
    "columns_renamed",
    "revenue_zero",
    "item_price_null",
    "page_view_double_fired",
    "half_file",
)
SEED = 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_incident_is_found(kind: str, tmp_path: Path) -> None:
    """It is named, with its day, its hour if it has one, and about its number of rows."""
    case = gate_incidents.cases()[kind]
    outcome = gate_incidents.judge(gate_incidents.planted(case, SEED, tmp_path))
    assert (outcome.found, outcome.day, outcome.hour, outcome.near) == (True,) * 4, outcome.told
    assert not outcome.extras


def test_nothing_is_found_in_a_sound_shop() -> None:
    """Ten sound days give nothing from P2 up."""
    assert gate_incidents.sound(SEED, days=10) == []


def test_renames_are_named_and_nothing_else_is() -> None:
    """Renamed columns are named by their new names; sound deliveries have none."""
    data = YAML(typ="safe").load(gate_renames.NAMES.read_text(encoding="utf-8"))
    contract = load(Contract, None, "contracts/events.yml")
    bad = [gate_renames.renamed(seed, data["development"], data["extra"]) for seed in range(20)]
    good = [gate_renames.sound(seed, data["extra"], contract) for seed in range(30)]
    for cases in (bad, good):
        tallies = gate_renames.measure(list(enumerate(cases)), contract, misses=True)
        assert sum(one.right for one in tallies.values()) == len(cases)


def test_the_lists_of_names_have_no_name_in_common() -> None:
    """No name of the judgement is one of development, and each role has a dozen in each."""
    data = YAML(typ="safe").load(gate_renames.NAMES.read_text(encoding="utf-8"))
    for role, names in data["development"].items():
        assert len(set(names)) == len(set(data["judgement"][role])) == 12
        assert not set(names) & set(data["judgement"][role])
