"""Compiling: what is written, that SQL and Python agree on channels, and what is refused."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tallymark.build import compiling
from tallymark.build.channel_sql import channel_seeds
from tallymark.build.compiling import compile_models, compiled_models, write_compiled
from tallymark.build.readme import DIFFERENT, PROVEN
from tallymark.channel_rules import ChannelRule, ChannelSettings
from tallymark.classify.channels import Channels, Landing
from tallymark.classify.hosts import is_no_source, returns_index
from tallymark.config import Config, Sessions
from tallymark.contract import Contract, load_contract
from tallymark.engine.base import identifier
from tallymark.engine.render import ENGINES, Dialect, render
from tallymark.errors import ModelError, UsageError
from tests.build.shop import HOUR, Shop, order, view
from tests.cli.calling import call

NOWHERE = Path("nowhere")
NINE = {
    "row_conservation", "session_boundaries", "unique_grain", "order_identity", "revenue",
    "credit", "windows", "references", "freshness",
}  # fmt: skip
OWN = ChannelSettings(
    rules=(
        ChannelRule(id="radio", channel="Audio", source=("radio*",)),
        ChannelRule(id="spring", channel="Display", campaign=("*spring*",), medium=("banner",)),
        ChannelRule(id="bank", channel="Referral", referrer=("paypal.com",)),
        ChannelRule(id="ads", channel="Paid Other", click_id=("gclid",), source=("deals",)),
    ),
    sources={"social": {"pinboard": ("pinboard.example", "pins")}, "search": {"bing": ()}},
)
SOURCES = (
    None, "google", "Google", "facebook", "t.co", "newsletter", "radio one", "pins", "deals",
    "https://www.youtube.com/watch", "www.google.co.uk", "(direct)", "email", "chatgpt.com",
    "walmart.com", "google.com.evil.example", "shop.pinterest.fr", "  bing ",
)  # fmt: skip
MEDIUMS = (
    None, "cpc", "organic", "referral", "email", "social", "banner", "video", "push", "affiliate",
    "(none)", "paid_social", "retargeting", "something",
)  # fmt: skip
CAMPAIGNS = (None, "Spring Sale", "cross-network", "shopping week", "(not set)")
CLICKS = (None, "gclid", "fbclid", "msclkid", "ScCid", "mc_eid")
REFERRERS = (
    None, "www.google.de", "m.facebook.com", "www.paypal.com", "lamps.example", "pay.lamps.example",
    "news.example", "www.news.example", "com.pinterest", "pinboard.example", "chatgpt.com",
    "127.0.0.1", "localhost", "shop.myshopify.com", "google.com.evil.example", "mail.google.com",
)  # fmt: skip
COLUMNS = (
    "traffic_key", "utm_source", "utm_medium", "utm_campaign", "click_id_kind", "partner",
    "referrer_host", "page_host", "landing_seen", "referrer_collected",
)  # fmt: skip
PAGE_HOST = "www.lamps.example"


def _landings() -> list[tuple[Any, ...]]:
    """A few thousand ways to land: tags with and without click ids, clicks, referrers alone."""
    tags = itertools.product(SOURCES, MEDIUMS, CAMPAIGNS)
    tagged = [
        (*tag, CLICKS[number % len(CLICKS)], (None, "awin")[number % 7 == 0],
         REFERRERS[number % len(REFERRERS)], True, True)
        for number, tag in enumerate(tags)
    ]  # fmt: skip
    alone = [
        (None, None, None, click, partner, referrer, seen, collected)
        for click in CLICKS
        for partner in (None, "awin")
        for referrer in REFERRERS
        for seen, collected in ((True, True), (False, True), (True, False))
    ]
    rows = [*tagged, *alone]
    return [(number, *row[:6], PAGE_HOST, *row[6:]) for number, row in enumerate(rows)]


@pytest.mark.parametrize("channels", [ChannelSettings(), OWN], ids=["shipped", "own"])
def test_channels_in_sql_are_those_of_python(channels: ChannelSettings) -> None:
    """On thousands of landings the compiled rules say what the rules in Python say."""
    config = Config(channels=channels)
    landings = _landings()
    connection = duckdb.connect(":memory:")
    for name, seed in channel_seeds(config).items():
        connection.execute(compiling._seed("duckdb", name, *seed).text)
    kinds = ("bigint", *["varchar"] * 7, "boolean", "boolean")
    listed = ", ".join(f"unnest(cast(? as {kind}[])) as {identifier(name)}"
                       for name, kind in zip(COLUMNS, kinds, strict=True))  # fmt: skip
    connection.execute(
        f"create table int_landings as select {listed}",
        [list(column) for column in zip(*landings, strict=True)],
    )
    sql = render(compiled_models(config, load_contract(None))["dim_traffic"].sql, "duckdb")
    found = {row[0]: row[1:] for row in connection.execute(sql).fetchall()}
    rules = Channels.of_shop(channels)
    returns = returns_index((), ())
    for row in landings:
        key, source, medium, campaign, click, partner, referrer, page, seen, collected = row
        wanted = rules.classify(
            Landing(
                utm_source=source, utm_medium=medium, utm_campaign=campaign, click_id=click,
                partner=partner, referrer_host=referrer,
                own=is_no_source(referrer, page, returns), landing_seen=seen,
                referrer_collected=collected,
            )
        )  # fmt: skip
        told = (
            wanted.source, wanted.medium, wanted.campaign, wanted.channel, wanted.rule,
            wanted.inherits,
        )  # fmt: skip
        assert found[key] == told, row
    assert len(found) == len(landings) > 1500


def test_what_is_written(tmp_path: Path) -> None:
    """Numbered files in the order they run, the nine kinds of validation, seeds and a page."""
    output = tmp_path / "sql"
    config = Config()
    found = write_compiled("snowflake", config, load_contract(None), own=NOWHERE, output=output)
    files = sorted(path.name for path in output.iterdir() if path.suffix == ".sql")
    assert [f"{number:02d}" for number in range(1, len(files) + 1)] == [
        name.split("_")[0] for name in files
    ]
    assert files[0].endswith("_setup.sql")
    assert files[-1].endswith("_validate_all.sql")
    assert set(found.validations) >= NINE
    tables = list(found.tables)
    for before, after in itertools.pairwise(
        ["seed_sources", "landed", "int_sessions", "dim_traffic", "fct_sessions", "fct_attribution",
         "metrics_daily"]
    ):  # fmt: skip
        assert tables.index(before) < tables.index(after)
    page = (output / "README.md").read_text(encoding="utf-8")
    assert all(name in page for name in files)
    assert PROVEN["snowflake"] in page
    assert all(one in page for one in DIFFERENT)
    text = (output / files[-2]).read_text(encoding="utf-8")
    assert text.startswith("-- One row per ")
    assert (output / "seeds" / "seed_user_agents.csv").read_text().count("\n") == 1
    written = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    (output / "stale.sql").write_text("old")
    write_compiled("snowflake", config, load_contract(None), own=NOWHERE, output=output)
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == written


def test_every_engine_has_its_words() -> None:
    """What was run and what was not is said of each."""
    assert set(PROVEN) == set(ENGINES)
    assert "not executed" in PROVEN["bigquery"]
    assert "not executed on Snowflake" in PROVEN["snowflake"]


def test_own_models_and_user_agents_come_along(tmp_path: Path) -> None:
    """The shop's models are compiled too; its classified user agents become the seed."""
    shop = Shop(tmp_path)
    shop.deliver(0, [view(HOUR)])
    shop.model("mart_days", "select session_date, count(*) as n from fct_sessions group by all")
    shop.build()
    said = call("compile", "--engine", "spark", "--project", shop.home, "--output", tmp_path / "o")
    assert said.code == 0
    assert "validations." in said.out.splitlines()[0]
    assert any(path.name.endswith("_mart_days.sql") for path in (tmp_path / "o").iterdir())
    seed = (tmp_path / "o" / "seeds" / "seed_user_agents.csv").read_text(encoding="utf-8")
    assert ",desktop,Chrome,Windows,false," in seed


def test_own_models_beyond_the_subset_are_named(tmp_path: Path) -> None:
    """What another engine may not know, or take differently, is said by command and page."""
    (tmp_path / "models").mkdir()
    odd = "select median(revenue) as m, max(revenue)::double as d from fct_orders -- list(x)"
    plain = "select sum(revenue) as total from fct_orders"
    for name, sql in (("mart_a", odd), ("mart_b", plain)):
        (tmp_path / "models" / f"{name}.sql").write_text(sql)
    out = tmp_path / "sql"
    said = call("compile", "--engine", "bigquery", "--project", tmp_path, "--output", out)
    told = "models/mart_a.sql uses ::, median"
    assert [line for line in said.out.splitlines() if "mart_" in line] == [
        f"not of the portable subset: {told}"
    ]
    assert f"- {told}." in (out / "README.md").read_text(encoding="utf-8")


def test_settings_that_sql_does_not_say(tmp_path: Path) -> None:
    """They are told by the command and on the page."""
    (tmp_path / "tallymark.yml").write_text("sessions: {break_on_campaign: true, cap_hours: 24}\n")
    said = call("compile", "--engine", "bigquery", "--project", tmp_path, "--output",
                tmp_path / "sql", "--json")  # fmt: skip
    assert len(said.data["left_out"]) == 2
    assert said.data["engine"] == "bigquery"
    page = (tmp_path / "sql" / "README.md").read_text(encoding="utf-8")
    assert "- sessions.cap_hours: long sessions are not cut." in page


def test_midnight_breaks_are_said() -> None:
    """That setting has a form in SQL."""
    config = Config(sessions=Sessions(break_at_midnight=True))
    made = compiled_models(config, load_contract(None))["int_breaks"].sql
    assert "event_date <> before" in made
    assert render(made, "spark")


def test_a_folder_of_somebody_else_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written where other files are."""
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.setattr(compiling, "compile_models", lambda *_, **__: ([], [], []))
    with pytest.raises(UsageError, match="did not write"):
        write_compiled("spark", Config(), load_contract(None), own=NOWHERE, output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """It is left as it is."""
    note = tmp_path / "notes.txt"
    note.write_text("mine")
    with pytest.raises(UsageError, match="this is no folder"):
        write_compiled("spark", Config(), load_contract(None), own=NOWHERE, output=note)
    assert note.read_text() == "mine"


def test_a_payload_key_that_is_no_word(tmp_path: Path) -> None:
    """A path into JSON needs plain words."""
    contract = load_contract(None)
    odd = contract.payload.model_copy(update={"revenue": "total price"})
    with pytest.raises(ModelError, match="'total price' cannot be said"):
        compile_models(
            "spark", Config(), contract.model_copy(update={"payload": odd}), own=tmp_path
        )


def _named(names: dict[str, str]) -> Contract:
    """The shipped contract with other names of columns, by role."""
    contract = load_contract(None)
    columns = tuple(
        one.model_copy(update={"name": names.get(one.role or "", one.name)})
        for one in contract.columns
    )
    return contract.model_copy(update={"columns": columns})


def test_columns_are_those_of_the_contract() -> None:
    """A column of another name, or one that needs quotes, is read under that name."""
    named = _named({"client_id": "visitor id"})
    text = compiled_models(Config(), named)["landed"].sql
    assert 'raw_events."visitor id"' in text
    assert "`visitor id` STRING" in compiling._setup("bigquery", named).text
    assert '"visitor id" VARCHAR' in compiling._setup("snowflake", named).text


@pytest.mark.parametrize(("role", "name"), [("client_id", "delivery"), ("referrer", "Page_URL")])
def test_raw_columns_of_one_name_are_refused(role: str, name: str) -> None:
    """A column called as one that is kept beside the delivered ones, or as another in capitals."""
    with pytest.raises(ModelError, match=f"{name} of raw_events would have one name"):
        compile_models("snowflake", Config(), _named({role: name}), own=NOWHERE)


def test_names_that_need_quotes_have_them(tmp_path: Path) -> None:
    """Quotes in a name, a word that engines keep for themselves, and letters that one refuses."""
    names = {
        "client_id": 'the "id"', "page_url": "a`b", "referrer": "order", "event_name": "\u00e9v",
        "timestamp": "TimeStamp",
    }  # fmt: skip
    named = _named(names)
    setup = compiling._setup("duckdb", named).text
    connection = duckdb.connect(":memory:")
    connection.execute(setup)
    found = connection.execute("select column_name from (describe raw_events)").fetchall()
    assert [row[0] for row in found][2:7] == [
        names["client_id"], names["page_url"], names["referrer"], names["timestamp"],
        names["event_name"],
    ]  # fmt: skip
    everywhere: dict[Dialect, tuple[str, ...]] = {
        "spark": ('`the "id"`', "`a``b`", "`order`", "`\u00e9v`"),
        "snowflake": ('"the ""id"""', '"a`b"', '"order"', '"\u00e9v"'),
    }
    for engine, quoted in everywhere.items():
        write_compiled(engine, Config(), named, own=NOWHERE, output=tmp_path / engine)
        files = sorted((tmp_path / engine).glob("*.sql"))
        landed = next(one for one in files if one.name.endswith("_landed.sql")).read_text("utf-8")
        made = files[0].read_text("utf-8")
        assert all(f"raw_events.{one}" in landed and f" {one} " in made for one in quoted)
        assert "raw_events.TimeStamp" in landed
    page = (tmp_path / "spark" / "README.md").read_text("utf-8")
    assert '`the "id"`, `a``b`, `order`, TimeStamp, `\u00e9v`, event_data, user_agent\n' in page


def test_the_page_can_be_followed_on_duckdb(tmp_path: Path) -> None:
    """What it says of loading and of settings runs, and makes the orders of a build."""
    shop = Shop(tmp_path / "shop")
    shop.deliver(0, [view(HOUR), order(HOUR + 1), order(HOUR + 2, "bob", number="L-2")])
    shop.build()
    shop.project().compile("duckdb", tmp_path / "sql")
    page = (tmp_path / "sql" / "README.md").read_text("utf-8")
    load = page.split("```sql\n", 1)[1].split("```", 1)[0]
    load = load.replace("'raw/", f"'{shop.raw}/").replace("'seeds/", f"'{tmp_path}/sql/seeds/")
    settings = page.split('-cmd "', 1)[1].split('"', 1)[0]
    setup, *rest = sorted((tmp_path / "sql").glob("*.sql"))
    connection = duckdb.connect(":memory:")
    for text in (setup.read_text("utf-8"), load, settings):
        connection.execute(text)
    for path in rest:
        connection.execute(path.read_text("utf-8"))
    sql = "select transaction_id, revenue, session_id from fct_orders order by 1"
    assert connection.execute(sql).fetchall() == shop.rows(sql)
    assert connection.execute("select count(browser) from seed_user_agents").fetchone() == (1,)


def test_bigquery_has_tables_alone(tmp_path: Path) -> None:
    """A view there must say its dataset, and is not copied with the tables."""
    write_compiled("bigquery", Config(), load_contract(None), own=NOWHERE, output=tmp_path / "sql")
    assert not any("VIEW" in one.read_text("utf-8") for one in (tmp_path / "sql").glob("*.sql"))
