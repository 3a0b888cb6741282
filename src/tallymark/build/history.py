"""Small tables that keep of each day what later days need, so that its events need not be read.

A build publishes them beside the others, by date like them:

- ``int_client_days``: the clients of a day, their first and last moment in it, and whether any
  event of theirs came on time. Who was here before, and on which days, is asked of it.
- ``int_order_events``: the landed rows of purchases, refunds and cancellations, each with its
  transaction id. What an order is depends on all others of its id, however old.
- ``int_person_emails``: which client gave which e-mail (its hash), which makes persons.
- ``int_price_votes``: of orders, how many add up with prices of one unit, less those that add up
  with prices of a line. The majority of all orders decides how lines are read.
"""

from __future__ import annotations

from tallymark.build.running import KNOWN
from tallymark.engine.duckdb import DuckEngine

__all__ = [
    "CLIENT_DAYS",
    "EMAILS",
    "NEW_CURRENCY",
    "ON_TIME",
    "ORDER_EVENTS",
    "PRICES_TURNED",
    "STEPS_OF_ORDERS",
    "VOTES",
    "client_days",
    "keep",
    "order_events",
]

CLIENT_DAYS = "int_client_days"
ORDER_EVENTS = "int_order_events"
EMAILS = "int_person_emails"
VOTES = "int_price_votes"
STEPS_OF_ORDERS = "('purchase', 'refund', 'cancellation')"
# Why a build of some days, whose orders tell this, becomes one of all.
PRICES_TURNED = "the prices of order lines are read otherwise now"
NEW_CURRENCY = "orders came in a currency that no order had before"
ON_TIME = "coalesce(delivery_date <= event_date, true)"
_CLIENT_DAYS_ON_TIME = (
    "select event_date as date, client_key, min(event_ms) as first_ms, max(event_ms) as last_ms, "
    "true as on_time from int_session_events group by event_date, client_key"
)


def client_days(landed: str) -> str:
    """SQL of the clients of each day in landed rows."""
    return (
        "select event_date as date, client_key, min(event_ms) as first_ms, "
        f"max(event_ms) as last_ms, bool_or({ON_TIME}) as on_time from {landed} "
        "where rejected = 0 and client_id is not null group by event_date, client_key"
    )


def order_events(landed: str, identity: str) -> str:
    """SQL of the rows of orders, with what their identity found in them."""
    return (
        "select rows.event_date as date, rows.*, identity.transaction_id, identity.is_refund, "
        "case when identity.delivered_revenue <> 0 then upper(identity.delivered_currency) end "
        f"as stated_currency from {landed} as rows inner join {identity} as identity "
        "on rows.event_id = identity.event_id where rows.rejected = 0"
    )


def keep(engine: DuckEngine, *, known: bool, whole: bool = False) -> None:
    """Make the tables out of those of a build.

    Args:
        engine: It has run the models.
        known: Whether the models ran for what was known on the day, too.
        whole: Whether they ran over all days: then the events of sessions are all there are.
    """
    # An exact repeat, which no session counts, is of the moment of the row that it repeats.
    clients = _CLIENT_DAYS_ON_TIME if whole and not known else client_days("landed")
    engine.execute(f"create or replace table {CLIENT_DAYS} as {clients}")
    orders = order_events(
        f"(select * from landed where step in {STEPS_OF_ORDERS})", "int_order_identity"
    )
    engine.execute(f"create or replace table {ORDER_EVENTS} as {orders}")
    if known:
        votes = (
            "select date, coalesce(final.votes, 0) as votes, coalesce(known.votes, 0) as "
            f"known_votes from main.price_votes as final full outer join {KNOWN}.price_votes "
            "as known using (date)"
        )
    else:
        votes = "select date, votes, votes as known_votes from price_votes"
    engine.execute(f"create or replace table {VOTES} as {votes}")
