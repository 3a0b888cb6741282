"""What a build would refuse, or find out only on its way: a rehearsal asks it beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tallymark.build.graph import Model, ordered, reads
from tallymark.build.history import (
    NEW_CURRENCY,
    ON_TIME,
    ORDER_EVENTS,
    PRICES_TURNED,
    STEPS_OF_ORDERS,
    VOTES,
)
from tallymark.build.model_tests import demands
from tallymark.build.money import mixed
from tallymark.build.orders import make_orders
from tallymark.build.plan import Plan, Planner, dates
from tallymark.build.steps import SOURCES, STEPS, Context
from tallymark.ingest.landing_sql import landed_view
from tallymark.ingest.payloads import parse_order

__all__ = ["foresee_models", "foresee_orders", "turned"]


def foresee_models(
    models: Mapping[str, Model], parameters: Mapping[str, str], own: Path | None
) -> None:
    """Refuse models that no build would run, as far as their text and names tell.

    Args:
        models: All models.
        parameters: The named parameters of models, as SQL.
        own: The folder of the shop's models.

    Raises:
        ModelError: One is no select, reads what nothing makes, or stands in a circle; or a file of
            tests is named after no table.
        ConfigError: A file of tests says something unknown.
    """
    needs: dict[str, Sequence[str]] = {name: step.reads for name, step in STEPS.items()}
    runnable = [model for model in models.values() if model.kind != "validation"]
    ordered(runnable, needs, SOURCES, parameters)
    for model in models.values():
        if model.kind == "validation":
            reads(model, parameters)
    demands(models, own)


def foresee_orders(context: Context, paths: Sequence[Path]) -> None:
    """Refuse orders in several currencies without rates, in all landed files of a build.

    Raises:
        ConfigError: Naming the currencies and the setting.
    """
    rows = context.engine.rows(
        f"select distinct payload from ({landed_view(paths, {})}) "
        f"where rejected = 0 and step in {STEPS_OF_ORDERS}"
    )
    mixed([parse_order(row[0], context.contract.payload) for row in rows], context.config)


def turned(planner: Planner, plan: Plan) -> str:
    """Why the days of a plan would not do, as their orders tell; empty if they do.

    A build of these days finds the same once it has made them.
    """
    engine = planner.engine
    some = dates(plan.why)
    for known, column in enumerate(("votes", "known_votes")):
        before, others = engine.rows(
            f"select (select coalesce(sum({column}), 0) from old.{VOTES}), "
            f"(select coalesce(sum({column}), 0) from old.{VOTES} where date not in {some})"
        )[0]
        if (before >= 0) != (others + _votes(planner, plan, known=bool(known)) >= 0):
            return PRICES_TURNED
    stated = f"select stated_currency from old.{ORDER_EVENTS} where stated_currency is not null"
    strange = engine.rows(
        f"select stated_currency from plan.orders where date in {some} "
        f"and stated_currency is not null except {stated}"
    )
    if strange and engine.rows(f"{stated} limit 1"):
        return NEW_CURRENCY
    return ""


def _votes(planner: Planner, plan: Plan, *, known: bool) -> int:
    """What the orders of the days say of item prices; only those that came on time, if asked."""
    engine, context = planner.engine, planner.context
    late = f"and {ON_TIME}" if known else ""
    engine.execute("create schema foreseen")
    engine.execute("set search_path = 'foreseen,main'")
    try:
        engine.execute(
            "create view landed as select * exclude (date, transaction_id, is_refund, "
            f"stated_currency) from plan.orders where date in {dates(plan.why)} {late}"
        )
        make_orders(engine, context.config, context.contract, planner.votes(plan.days)[known])
        return int(engine.rows("select coalesce(sum(votes), 0) from price_votes")[0][0])
    finally:
        engine.execute("set search_path = 'main'")
        engine.execute("drop schema foreseen cascade")
