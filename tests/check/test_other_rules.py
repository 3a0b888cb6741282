"""A check by other rules than the project's: it judges, and leaves the project as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallymark.package import shipped
from tallymark.project import Project
from tests.build.shop import Shop
from tests.check.test_release import ROWS, _adds_up, _filled, _open, _project


@pytest.mark.parametrize("lax", [True, False])
def test_trying_other_rules_hides_nothing(tmp_path: Path, *, lax: bool) -> None:
    """A check by other rules judges and keeps no verdict: the next build puts the list right."""
    shop = _filled(Shop(tmp_path / "shop"))
    plain = shipped("rules/check.yml")
    strict = (
        f"{plain}  - {{id: no_cart, check: expression, severity: P2, action: quarantine_rows,\n"
        "     expression: event_name <> 'product_added_to_cart'}\n"
    )
    rules, tried = shop.home / "rules" / "check.yml", tmp_path / "tried.yml"
    rules.parent.mkdir()
    rules.write_text(strict if lax else plain, encoding="utf-8")
    tried.write_text(plain if lax else strict, encoding="utf-8")
    shop.build()
    before = _open(shop)
    assert ((ROWS, "no_cart", 1) in before) is lax
    Project.open(shop.home, source=str(shop.raw), rules=tried).check()
    assert ((ROWS, "no_cart", 1) in _open(shop)) is not lax
    assert not shop.build().rebuilt
    assert _open(shop) == before
    assert _project(shop).check(keep=True).judged_now == 0
    _adds_up(shop)
