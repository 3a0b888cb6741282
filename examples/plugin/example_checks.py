"""Two checks of our own. Each is a function of a delivery's rows and the rule that names it."""

from __future__ import annotations

from collections.abc import Iterator

from tallymark.check.plugins import Rows
from tallymark.check.rules import Hit
from tallymark.config import CheckRule


def paths_too_deep(rows: Rows, rule: CheckRule) -> Iterator[Hit]:
    """Pages with more levels in their path than the rule's `max`: often a link that grows."""
    most = int(rule.max or 8)
    ((bad, all_rows),) = rows.query(
        "select count(case when len(string_split(page_url, '/')) - 3 > ? then 1 end), count(*) "
        "from rows",
        [most],
    )
    if bad:
        yield Hit(
            message=f"{bad:,} of {all_rows:,} pages have more than {most} levels in their path",
            rows=bad,
            share=bad / all_rows,
            fix="look for a relative link that repeats a part of the path",
        )


def one_client_many_agents(rows: Rows, rule: CheckRule) -> Iterator[Hit]:
    """Clients with more user agents in a day than the rule's `max`: an id that is shared."""
    most = int(rule.max or 5)
    ((clients,),) = rows.query(
        "select count(*) from (select client_id from rows where client_id is not null "
        "group by client_id having count(distinct user_agent) > ?)",
        [most],
    )
    if clients:
        yield Hit(
            message=f"{clients:,} client ids came with more than {most} user agents each",
            evidence={"clients": clients, "user_agents": most},
        )
