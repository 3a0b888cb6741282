"""The descriptions beside the models, held against the tables that a build makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tallymark.build.builder import Builder
from tallymark.build.graph import load_models
from tallymark.build.steps import STEPS
from tests.build.shop import HOUR, Shop, order, view

FOLDER = Path(__file__).resolve().parents[2] / "src" / "tallymark" / "models"
MODELS = load_models(None).values()
MADE = sorted({*STEPS, *(one.name for one in MODELS if one.kind != "validation")})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, str]]]:
    """Names and types of the columns of every table, taken just before they are published."""
    found: dict[str, list[tuple[str, str]]] = {}
    validate = Builder._validate

    def look(self: Builder, **_: bool) -> None:
        found.update({name: self.engine.columns(name) for name in MADE})
        validate(self)

    shop = Shop(tmp_path_factory.mktemp("columns"))
    shop.deliver(0, [view(HOUR), order(2 * HOUR)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Builder, "_validate", look)
        patch.setattr(Builder, "_unread", lambda _: frozenset())
        shop.build()
    return found


@pytest.mark.parametrize("name", MADE)
def test_described_columns_are_those_of_the_table(
    made: dict[str, list[tuple[str, str]]], name: str
) -> None:
    """The same names in the same order."""
    path = next(FOLDER.rglob(f"{name}.yml"))
    described = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    assert [column["name"] for column in described["columns"]] == [one for one, _ in made[name]]


@pytest.mark.parametrize("name", MADE)
def test_money_is_decimal_and_times_have_no_zone(
    made: dict[str, list[tuple[str, str]]], name: str
) -> None:
    """Money is never a float, and times are plain UTC timestamps."""
    for column, kind in made[name]:
        assert kind != "HUGEINT", column
        assert "TIME ZONE" not in kind, column
        if "revenue" in column or column.startswith(("amount", "known_numerator", "numerator")):
            assert kind.startswith("DECIMAL"), column
        if kind in {"DOUBLE", "FLOAT"}:
            assert column in {"value", "known_value"}
