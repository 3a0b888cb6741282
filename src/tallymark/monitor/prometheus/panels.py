"""Panels of a Grafana dashboard as plain data, in the classic model (schema version 42).

Only what differs from Grafana's own defaults is said. Shapes: Grafana's documentation of the
dashboard JSON model, and of each kind of panel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "COLUMNS", "COUNT", "DAY", "MONEY", "PAGE", "RATIO", "SECONDS", "STATUS", "Panel", "Query",
    "Unit", "laid_out", "link", "steps",
]  # fmt: skip

COLUMNS = 24  # of Grafana's grid
PAGE = "The morning page"
Json = dict[str, Any]
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_ROW_HEIGHT = 1
_GREEN, _YELLOW, _RED, _BLUE = "green", "yellow", "red", "blue"


@dataclass(frozen=True, slots=True)
class Query:
    """A question to Prometheus.

    Attributes:
        expr: PromQL; ``$shop`` and ``$model`` are variables of the dashboard.
        legend: How its series are called; ``{{label}}`` is filled in.
        name: A fixed name of a series that is drawn as the band of what is expected.
    """

    expr: str
    legend: str
    band: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """How numbers are shown.

    Attributes:
        name: Grafana's id of the unit.
        decimals: How many; None leaves it to Grafana.
        least: Smallest value of an axis or gauge.
        most: Largest.
        mappings: Texts and colours in place of numbers.
    """

    name: str
    decimals: int | None = None
    least: float | None = None
    most: float | None = None
    mappings: tuple[tuple[int, str, str], ...] = ()


COUNT = Unit("short", 0, 0)
MONEY = Unit("short", 2)
RATIO = Unit("percentunit", 1, 0, 1)
SECONDS = Unit("s", 1)
DAY = Unit("time:YYYY-MM-DD")
STATUS = Unit(
    "none", 0, 0, 2, ((0, "GREEN", _GREEN), (1, "YELLOW", _YELLOW), (2, "RED", _RED))
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        kind: Grafana's id of the panel: ``stat``, ``timeseries``, ``bargauge``, ``table``.
        width: Columns of the grid.
        height: Grid units.
        limits: Thresholds: from which value on which colour.
        stacked: Series on top of each other: ``normal`` or ``percent``.
        columns: Of a table: names of fields, and what they are called.
        units: Units of single fields or series, by their name.
        page: A link to a page, if there is one.
    """

    title: str
    about: str
    kind: str
    queries: tuple[Query, ...]
    unit: Unit
    width: int
    height: int = 8
    limits: tuple[tuple[float | None, str], ...] = ((None, _BLUE),)
    stacked: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)

    def as_json(self, number: int, x: int, y: int, page: str) -> Json:
        """The panel with its id, at its place."""
        table = self.kind == "table"
        found: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.about,
            "datasource": dict(_SOURCE),
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {"defaults": self._defaults(), "overrides": self._overrides()},
            "options": self._options(),
            "targets": [
                {
                    "refId": chr(ord("A") + place),
                    "datasource": dict(_SOURCE),
                    "editorMode": "code",
                    "expr": one.expr,
                    "legendFormat": one.legend,
                    "format": "table" if table else "time_series",
                    # What is shown is the latest; only a graph needs what was before.
                    "instant": self.kind != "timeseries",
                    "range": self.kind == "timeseries",
                }
                for place, one in enumerate(self.queries)
            ],
        }
        if table:
            found["transformations"] = self._transformations()
        if page:
            found["links"] = [link(PAGE, page, "external link")]
        return found

    def _defaults(self) -> Json:
        found: Json = {
            **_shown(self.unit),
            "color": {"mode": "thresholds"},
            "thresholds": {
                "mode": "absolute",
                "steps": [{"color": colour, "value": value} for value, colour in self.limits],
            },
        }
        if self.kind == "timeseries":
            found["color"] = {"mode": "palette-classic"}
            found["custom"] = self._drawn()
        return found

    def _drawn(self) -> Json:
        """A day's number holds until the next one comes, so lines are steps."""
        return {
            "drawStyle": "line",
            "lineInterpolation": "stepAfter",
            "lineWidth": 1 if self.stacked else 2,
            "fillOpacity": 40 if self.stacked else 0,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"group": "A", "mode": self.stacked or "none"},
            "thresholdsStyle": {"mode": "line" if len(self.limits) > 1 else "off"},
        }

    def _overrides(self) -> list[Json]:
        found = [
            _override(name, {"id": key, "value": value})
            for name, unit in self.units.items()
            for key, value in _shown(unit).items()
        ]
        low = next((one.legend for one in self.queries if one.band == "low"), "")
        for one in self.queries:
            if one.band:
                found.append(_override(one.legend, *_BAND))
            if one.band == "high":
                found.append(
                    _override(
                        one.legend,
                        {"id": "custom.fillBelowTo", "value": low},
                        {"id": "custom.fillOpacity", "value": 12},
                    )
                )
        return found

    def _options(self) -> Json:
        reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        if self.kind == "stat":
            return {
                "reduceOptions": reduced,
                "colorMode": "background" if len(self.limits) > 1 else "value",
                "graphMode": "none",
                "justifyMode": "auto",
                "orientation": "auto",
                "textMode": "auto",
            }
        if self.kind == "bargauge":
            return {
                "reduceOptions": reduced,
                "displayMode": "gradient",
                "orientation": "horizontal",
                "showUnfilled": True,
                "valueMode": "color",
            }
        if self.kind == "table":
            return {"showHeader": True, "cellHeight": "sm"}
        return {
            "legend": {"calcs": ["lastNotNull"], "displayMode": "table", "placement": "bottom",
                       "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }  # fmt: skip

    def _transformations(self) -> list[Json]:
        """One row per series: the queries side by side, the columns in our order."""
        return [
            {"id": "merge", "options": {}},
            {
                "id": "filterFieldsByName",
                "options": {"include": {"names": list(self.columns)}},
            },
            {
                "id": "organize",
                "options": {
                    "excludeByName": {},
                    "indexByName": {name: place for place, name in enumerate(self.columns)},
                    "renameByName": dict(self.columns),
                },
            },
        ]


_BAND = (
    {"id": "color", "value": {"fixedColor": "text", "mode": "fixed"}},
    {"id": "custom.lineWidth", "value": 0},
)


def steps(*limits: float, rising: bool = True) -> tuple[tuple[float | None, str], ...]:
    """Thresholds from green to red, through yellow if there are two limits.

    >>> steps(0.9, 0.99, rising=False)
    ((None, 'red'), (0.9, 'yellow'), (0.99, 'green'))
    """
    colours = (_GREEN, _YELLOW, _RED) if len(limits) > 1 else (_GREEN, _RED)
    ordered = colours if rising else colours[::-1]
    return tuple(zip((None, *limits), ordered, strict=True))


def link(title: str, url: str, icon: str) -> Json:
    """A link of a panel or of the dashboard."""
    return {
        "type": "link", "title": title, "icon": icon, "url": url, "targetBlank": True,
        "asDropdown": False, "includeVars": False, "keepTime": False, "tags": [], "tooltip": "",
    }  # fmt: skip


def _shown(unit: Unit) -> Json:
    found: Json = {"unit": unit.name}
    for key, value in (("decimals", unit.decimals), ("min", unit.least), ("max", unit.most)):
        if value is not None:
            found[key] = value
    if unit.mappings:
        options = {
            str(value): {"index": place, "text": text, "color": colour}
            for place, (value, text, colour) in enumerate(unit.mappings)
        }
        found["mappings"] = [{"type": "value", "options": options}]
    return found


def _override(name: str, *properties: Mapping[str, Any]) -> Json:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [dict(one) for one in properties],
    }


def laid_out(rows: Iterable[tuple[str, Sequence[Panel]]], *, page: str = "") -> list[Json]:
    """Rows of panels, from left to right and down, with ids and places.

    Args:
        rows: The title of each row, and its panels.
        page: A link that every panel of the first row and of each table carries.
    """
    found: list[Json] = []
    y = 0
    for title, panels in rows:
        found.append(
            {
                "id": len(found) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "gridPos": {"h": _ROW_HEIGHT, "w": COLUMNS, "x": 0, "y": y},
                "panels": [],
            }
        )
        y += _ROW_HEIGHT
        first, x, tallest = y == _ROW_HEIGHT, 0, 0
        for panel in panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            link = page if first or panel.kind == "table" else ""
            found.append(panel.as_json(len(found) + 1, x, y, link))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return found
