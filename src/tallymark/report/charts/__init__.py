"""The charts, as data in and Vega-Lite out, so that page, PDF and dashboard share one spec.

Specs are plain dicts, checked in the tests by Vega-Lite itself: Altair would add most of a second
and nothing that four charts need. Titles are text of the page, not of the chart.
"""

from __future__ import annotations

from tallymark.report.charts.credit import credit
from tallymark.report.charts.daily import conversion, coverage, daily_revenue, usual_range
from tallymark.report.charts.frame import Chart, svg
from tallymark.report.charts.funnel import funnel

__all__ = [
    "Chart",
    "conversion",
    "coverage",
    "credit",
    "daily_revenue",
    "funnel",
    "svg",
    "usual_range",
]
