"""The landed rows of a day beside those of usual days, counted by page, agent and source.

One query for one question, and only where something was found: it reads the columns it needs, of
the files that hold those dates. What a stranger can make many of (pages, referrers, agents) is cut
to the values with the most rows; the rest is one more value.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from tallymark.engine.base import Engine
from tallymark.monitor.places import OTHERS
from tallymark.monitor.questions import Question
from tallymark.monitor.slices import Cell

__all__ = ["LandedRows"]

_PAGES = 24
_SECTIONS = 12
_AGENTS = 24
_SOURCES = 12
_LONGEST = 64  # characters of a value: who sends more wants to be cut
_CLICKS = "{clicks}"
_NEEDED = frozenset({"landed", "dim_user_agents"})

_BARE = "split_part(split_part(page_url, '?', 1), '#', 1)"
_FIRST = f"left(split_part({_BARE}, '/', 4), {_LONGEST})"
_SECOND = f"left(split_part({_BARE}, '/', 5), {_LONGEST})"
_HOST = (
    f"left(lower(coalesce(regexp_extract(referrer, "
    f"'^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]*)', 1), '')), {_LONGEST})"
)
_SOURCE = {
    "host": _HOST,
    "tag": "case when contains(page_url, 'utm_source=') then concat('utm:', left(lower("
    f"regexp_extract(page_url, '[?&]utm_source=([^&#]*)', 1)), {_LONGEST})) else {_HOST} end",
}
# Of a program its name says most; of a person's browser, where it runs.
_DEVICE = (
    "case when landed.user_agent is null then '' when agents.is_bot then 'bot' "
    "else coalesce(agents.device, 'other') end"
)
_SYSTEM = (
    "case when landed.user_agent is null then '' when agents.is_bot then 'bot' "
    "else coalesce(agents.os, 'other') end"
)
_AGENT = (
    "case when landed.user_agent is null then '' "
    "when agents.is_bot then coalesce(agents.bot_name, 'other bot') "
    "else concat(coalesce(agents.device, 'other'), ' ', coalesce(agents.browser, 'other')) end"
)
_SQL = """
with counted as materialized (
    select
        event_date = date '{day}' as today,
        coalesce({first}, '') as section,
        coalesce({second}, '') as page,
        {device} as device,
        {system} as system,
        {agent} as agent,
        coalesce({source}, '') as source,
        count(*) as amount,
        count(case when {filled} then 1 end) as filled
    from landed
    left join dim_user_agents as agents on landed.user_agent = agents.user_agent
    where event_date in ({dates})
        and coalesce(delivery_date, event_date) <= date '{day}'
        and rejected = 0
        and line_number % {every} = 0
        and ({among})
    group by all
),
{tops},
final as (
    select
        counted.today,
        coalesce(sections.section, '{others}') as section,
        coalesce(pages.page, '{others}') as page,
        case when agents.agent is null then '{others}' else counted.device end as device,
        case when agents.agent is null then '{others}' else counted.system end as system,
        coalesce(agents.agent, '{others}') as agent,
        coalesce(sources.source, '{others}') as source,
        counted.amount,
        counted.filled
    from counted
    left join sections on counted.section = sections.section
    left join pages on counted.section = pages.section and counted.page = pages.page
    left join agents on counted.device = agents.device and counted.system = agents.system
        and counted.agent = agents.agent
    left join sources on counted.source = sources.source
)
select
    section, page, device, system, agent, source,
    cast(sum(case when today then amount else 0 end) as bigint) as amount,
    cast(sum(case when today then filled else 0 end) as bigint) as filled,
    cast(sum(case when today then 0 else amount end) as bigint) as usual,
    cast(sum(case when today then 0 else filled end) as bigint) as usual_filled
from final
group by section, page, device, system, agent, source
order by section, page, device, system, agent, source
"""
_TOPS = (("sections", "section", _SECTIONS), ("pages", "section, page", _PAGES),
         ("agents", "device, system, agent", _AGENTS), ("sources", "source", _SOURCES))  # fmt: skip


@dataclass(frozen=True, slots=True)
class LandedRows:
    """The landed rows of an opened warehouse.

    Attributes:
        engine: In which ``landed`` and ``dim_user_agents`` can be read.
    """

    engine: Engine

    def there(self) -> bool:
        """Whether there are any: a folder of exported tables has none."""
        found = self.engine.rows("select table_name from information_schema.tables")
        return {row[0] for row in found} >= _NEEDED

    def cells(
        self, question: Question, day: dt.date, before: Sequence[dt.date], *, every: int = 1
    ) -> list[Cell]:
        """The rows of a day as they were known at its end, beside a mean day of some before it.

        Args:
            question: What is asked.
            day: The judged day.
            before: Usual days.
            every: Read only one line in so many of each delivery, and count it as one.
        """
        filled = question.filled or "false"
        if _CLICKS in filled:
            from tallymark.classify.clicks import CLICK_IDS  # noqa: PLC0415 -- rarely asked for

            filled = filled.replace(_CLICKS, f"({'|'.join(CLICK_IDS)})")
        sql = _SQL.format(
            day=day.isoformat(),
            dates=", ".join(f"date '{one.isoformat()}'" for one in sorted({day, *before})),
            first=_FIRST, second=_SECOND, device=_DEVICE, system=_SYSTEM, agent=_AGENT,
            source=_SOURCE[question.source], among=question.among, others=OTHERS,
            filled=filled, every=max(1, every),
            tops=",\n".join(_top(*one, days=len(before)) for one in _TOPS),
        )  # fmt: skip
        days = max(1, len(before))
        return [
            Cell(
                keys=_keys(*row[:6]), rows=row[6], filled=row[7],
                usual=row[8] / days, usual_filled=row[9] / days,
            )
            for row in self.engine.rows(sql)
        ]  # fmt: skip


def _top(name: str, keys: str, most: int, *, days: int) -> str:
    """The values with the most rows; one that is missing today weighs like those of all days."""
    weight = f"sum(amount + case when today then {max(1, days)} * (amount - filled) else 0 end)"
    return (
        f"{name} as (select {keys} from counted group by {keys} "
        f"order by {weight} desc, {keys} limit {most})"
    )


def _keys(
    section: str, page: str, device: str, system: str, agent: str, source: str
) -> tuple[tuple[str, str], ...]:
    if section == OTHERS:
        page = OTHERS
    parts = [
        ("section", section if section == OTHERS else f"/{section}"),
        ("device", device),
        ("system", system),
    ]
    if agent.startswith(f"{device} "):
        parts.append(("browser", agent.removeprefix(f"{device} ")))
    if page not in {"", OTHERS}:
        parts.append(("page", f"/{section}/{page}"))
    return (*parts, ("agent", agent), ("source", source))
