"""The Python in the documentation runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.build.shop import HOUR, Shop, order, view

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"


def test_the_page_of_the_python_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every block, one after the other, in a folder with a shop."""
    shop = Shop(tmp_path / "shop")
    shop.deliver(0, [view(HOUR), order(2 * HOUR)])
    (shop.home / "tallymark.yml").write_text("input: raw\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    text = (PAGES / "use-it-from-python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "use-it-from-python.md", "exec"), names)  # noqa: S102 -- our own page
    assert capsys.readouterr().out.startswith("1 20")
    assert (tmp_path / "sql" / "README.md").is_file()
    assert len(blocks) >= 4


def test_the_model_of_the_page_on_models(tmp_path: Path) -> None:
    """The SQL and the description shown there build and hold."""
    shop = Shop(tmp_path)
    shop.deliver(0, [view(HOUR), order(2 * HOUR)])
    text = (PAGES / "write-your-own-models.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^```(sql|yaml)\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    shop.model("mart_days", shown["sql"])
    (shop.home / "models" / "mart_days.yml").write_text(shown["yaml"], encoding="utf-8")
    assert shop.build().tables["mart_days"] == 2
