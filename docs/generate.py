"""Write the generated pages of the documentation, or check that they are fresh.

``python -m docs.generate`` writes; ``--check`` writes nothing, names every stale page and exits
with 1. Nothing here is a second source of truth: commands come from the command line itself,
settings from the configuration models, tables from the files beside the SQL, the shape of the
reports from the dataclasses, and the architecture diagram from the import law in pyproject.toml.
It also writes what the package carries to start faster: its YAML as JSON, and the graph of models.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import inspect
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from ruamel.yaml import YAML

from docs.blocks import code, first_words, page, table
from docs.commands import cli_page
from docs.settings import SETTINGS, configuration_page
from tallymark import results
from tallymark.build.credit import credit_parameters
from tallymark.build.descriptions import DESCRIPTIONS
from tallymark.build.graph import GRAPH, load_models, reads
from tallymark.build.sessions import session_parameters
from tallymark.config import CheckRules, Config, MonitorRules, load
from tallymark.monitor.prometheus.alerts import prometheus_files
from tallymark.monitor.prometheus.families import FAMILIES
from tallymark.monitor.prometheus.grafana import grafana_files
from tallymark.monitor.prometheus.text import MOST
from tallymark.package import COMPILED, shipped

__all__ = ["import_law", "pages", "stale"]

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "tallymark"
REPORTS: tuple[tuple[str, str, type], ...] = (
    ("dq_report.json", "dq_report", results.CheckResult),
    ("monitoring_report.json", "monitoring_report", results.MonitorResult),
)
# Reports whose schema is written by hand, beside the code that writes them, and stricter.
PUBLISHED = ("dq_report",)


# ---------------------------------------------------------------- reference/rules.md


def rules_page() -> str:
    """The rules that apply when a shop brings none of its own."""
    check = load(CheckRules, None, "rules/check.yml")
    monitor = load(MonitorRules, None, "rules/monitor.yml")
    gate = [
        [code(rule.id), rule.severity, code(rule.action), rule.why, rule.fix]
        for rule in check.rules
        if rule.enabled
    ]
    watch = [
        [code(rule.id), rule.layer, rule.severity, code(rule.metric or ""), rule.why, rule.fix]
        for rule in monitor.rules
        if rule.enabled
    ]
    return page(
        "Shipped rules",
        "`tallymark init` writes these into the project, where they can be changed; the keys are "
        "in [Configuration](configuration.md).",
        "## The gate: one delivery at a time",
        table(("rule", "severity", "action", "why", "fix"), gate),
        "## The watch: day against day",
        table(("rule", "layer", "severity", "metric", "why", "fix"), watch),
    )


# ---------------------------------------------------------------- reference/tables.md


def _tests(tests: Iterable[object]) -> str:
    said = []
    for test in tests:
        if isinstance(test, Mapping):
            said += [f"{code(name)} {code(value)}" for name, value in test.items()]
        else:
            said.append(code(str(test)))
    return ", ".join(said)


def _model(path: Path) -> list[str]:
    model = YAML(typ="safe").load(path.read_text(encoding="utf-8")) or {}
    columns = model.get("columns") or ()
    grain = ", ".join(code(column) for column in model.get("grain") or ())
    blocks = [f"### `{path.stem}`", str(model.get("description", ""))]
    if grain:
        blocks.append(f"One row per {grain}.")
    if columns:
        rows = [
            [code(one["name"]), one.get("description", ""), _tests(one.get("tests") or ())]
            for one in columns
        ]
        blocks.append(table(("column", "meaning", "tests"), rows))
    return blocks


def tables_page() -> str:
    """Every table and column, from the file beside each SQL model."""
    order = {"marts": 0, "metrics": 1, "staging": 2, "validation": 3}
    files = sorted(
        (PACKAGE / "models").glob("*/*.yml"),
        key=lambda path: (order.get(path.parent.name, len(order)), path.as_posix()),
    )
    blocks: list[str] = [
        (
            "How the words are meant: [definitions](../explanation/definitions.md). How to query: "
            "[read the warehouse](../how-to/read-the-warehouse.md)."
        )
    ]
    folder = ""
    for path in files:
        if path.parent.name != folder:
            folder = path.parent.name
            blocks.append(f"## {folder}")
        blocks += _model(path)
    return page("Tables", *blocks)


# ---------------------------------------------------------------- reference/report-schemas.md


class _AsWritten(GenerateJsonSchema):
    """JSON Schema of what the reports hold: money is written as a number, dates as text."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Decimals are written as JSON numbers."""
        del schema
        return {"type": "number"}


def _report_schema(name: str, slug: str, kind: type) -> dict[str, Any]:
    if slug in PUBLISHED:
        strict: dict[str, Any] = json.loads(shipped(f"templates/{slug}.schema.json"))
        return strict
    schema = TypeAdapter(kind).json_schema(schema_generator=_AsWritten)
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("additionalProperties", None)
        # A key without a value is left out of the file, so that only the others are required.
        required = [key for key in part.get("required", ()) if not _nullable(part, key)]
        if "required" in part:
            part["required"] = required
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": name}


def _nullable(schema: Mapping[str, Any], key: str) -> bool:
    return {"type": "null"} in schema["properties"][key].get("anyOf", ())


def _attributes(kind: type) -> dict[str, str]:
    # An incident says of itself that it has every key of a finding.
    described = (results.Finding, kind) if kind is results.Incident else (kind,)
    return {
        name: text.replace("``", "`")
        for part in described
        for name, text in re.findall(r"^ {4}(\w+): (.+)$", inspect.getdoc(part) or "", re.MULTILINE)
    }


def _shape(kind: type) -> list[str]:
    meaning = _attributes(kind)
    rows = []
    for field in dataclasses.fields(kind):
        optional = (
            field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING
            or "None" in str(field.type)
        )
        always = "" if optional else "always"
        rows.append([code(field.name), code(str(field.type)), always, meaning.get(field.name, "")])
    about = re.sub(r":class:`(\w+)`", r"`\1`", first_words(kind.__doc__))
    written = table(("key", "value", "written", "meaning"), rows)
    return [f"### {kind.__name__}", about, written]


def _choices(values: type[enum.StrEnum]) -> str:
    return ", ".join(code(str(value)) for value in values)


def report_page() -> str:
    """The machine-readable reports: their keys, and links to their JSON Schemas."""
    inner = (results.DeliveryReport, results.Finding, results.Incident)
    blocks = [
        (
            "Keys that have no value are left out. Times are ISO 8601 in UTC, money is a number in "
            "the shop's currency, shares run from 0 to 1."
        ),
        (
            f"Severity is one of {_choices(results.Severity)}; status one of "
            f"{_choices(results.Status)}; verdict one of {_choices(results.Verdict)}."
        ),
    ]
    for name, slug, kind in REPORTS:
        link = f"JSON Schema: [{slug}.schema.json](schemas/{slug}.schema.json)"
        blocks += [f"## {name}", link, *_shape(kind)]
    blocks.append("## Parts of both")
    for kind in inner:
        blocks += _shape(kind)
    return page("Reports as JSON", *blocks)


# ---------------------------------------------------------------- reference/incidents.md


def incidents_page() -> str:
    """What the simulator can do to a made shop's files, and what can be set."""
    from tallymark.demo.planting import incident_kinds  # noqa: PLC0415 -- loads numpy

    rows = [
        (
            code(name),
            kind.summary,
            "<br>".join(
                f"{code(key)}{f' = {code(one.default)}' if one.default else ''}: {one.meaning}"
                for key, one in kind.details.items()
            ),
        )
        for name, kind in incident_kinds().items()
    ]
    return page(
        "Incidents of the simulator",
        "`tallymark demo make shop --incident 'NAME@DAY[..DAY][:key=value,...]'` plants these in "
        "a made shop. A day is its number, from 1, or a date. `truth/truth.json` then says what "
        "was touched: kind, days, first and last time, rows, and further facts.",
        table(("incident", "what happens", "what can be set, with its default"), rows),
    )


# ---------------------------------------------------------------- reference/metrics.md


def metrics_page() -> str:
    """Every metric for Prometheus, from the list by which they are written, and every alert."""
    rows = [
        [
            code(f"{one.name}_total" if one.counter else one.name),
            one.help,
            one.unit,
            ", ".join(code(label) for label in one.labels),
        ]
        for one in FAMILIES
    ]
    rules = YAML(typ="safe").load(_monitoring()[ROOT / "prometheus" / "tallymark.rules.yml"])
    alerts = [
        [code(one["alert"]), one["labels"]["severity"], code(one["expr"]), one["for"]]
        for group in rules["groups"]
        for one in group["rules"]
        if "alert" in one
    ]
    return page(
        "Metrics for Prometheus",
        "What `tallymark export prometheus` writes and serves. Every series has the label `shop` "
        "besides those listed. A number is that of the latest delivered day, as it was known at "
        "its end; what is not known is absent, and never zero. A label has at most "
        f"{MOST} values; what is beyond them is in `other`. How to use it: "
        "[watch with Prometheus and Grafana](../how-to/watch-with-prometheus-and-grafana.md).",
        table(("metric", "meaning", "unit", "labels"), rows),
        "## Alerts",
        "From `prometheus/tallymark.rules.yml`, which `tallymark export rules` writes.",
        table(("alert", "severity", "when", "for"), alerts),
    )


def _monitoring() -> dict[Path, str]:
    """The dashboard and the alerts, with the shipped rules, as they lie in the repository."""
    rules = load(MonitorRules, None, "rules/monitor.yml")
    made = {ROOT / "grafana" / name: text for name, text in grafana_files(rules).items()}
    return made | {ROOT / "prometheus" / name: one for name, one in prometheus_files(rules).items()}


# ---------------------------------------------------------------- explanation/architecture.md


def import_law() -> list[list[str]]:
    """The layers of the import law, highest first, from pyproject.toml."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["id"] == "law")
    return [re.split(r"\s*[|:]\s*", layer) for layer in layers]


def _law_diagram() -> str:
    lines = ["```mermaid", "flowchart TD"]
    law = import_law()
    for number, layer in enumerate(law):
        lines.append(f'    subgraph layer{number}[" "]')
        lines.append("        direction LR")
        lines += [f"        {name}[{name}]" for name in layer]
        lines.append("    end")
    lines += [f"    layer{number} --> layer{number + 1}" for number in range(len(law) - 1)]
    return "\n".join([*lines, "```"])


def architecture_page() -> str:
    """The hand-written page with its diagram drawn anew."""
    text = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    begin, end = "<!-- import law: generated -->", "<!-- end of import law -->"
    before, rest = text.split(begin, 1)
    return f"{before}{begin}\n\n{_law_diagram()}\n\n{end}{rest.split(end, 1)[1]}"


# ---------------------------------------------------------------- all of them


def _json(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def pages() -> dict[Path, str]:
    """Every generated file with the text it ought to have."""
    makers: dict[str, Callable[[], str]] = {
        "explanation/architecture.md": architecture_page,
        "reference/cli.md": cli_page,
        "reference/configuration.md": configuration_page,
        "reference/incidents.md": incidents_page,
        "reference/metrics.md": metrics_page,
        "reference/report-schemas.md": report_page,
        "reference/rules.md": rules_page,
        "reference/tables.md": tables_page,
    }
    made = {DOCS / name: make() for name, make in makers.items()}
    schemas = DOCS / "reference" / "schemas"
    for _, slug, model in SETTINGS:
        schema = {"$schema": GenerateJsonSchema.schema_dialect, **model.model_json_schema()}
        made[schemas / f"{slug}.schema.json"] = _json(schema)
    for name, slug, kind in REPORTS:
        made[schemas / f"{slug}.schema.json"] = _json(_report_schema(name, slug, kind))
    made |= _monitoring()
    made[PACKAGE / COMPILED] = _json(_shipped_trees())
    made[PACKAGE / "models" / GRAPH] = _json(_what_models_read())
    made[PACKAGE / "models" / DESCRIPTIONS] = _json(_what_stands_beside_models())
    return made


# ---------------------------------------------------------------- what the package carries


def _shipped_trees() -> dict[str, Any]:
    """Every shipped YAML file that is read at run time as plain data, and of which text."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.yml")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("models/"):
            text = path.read_text(encoding="utf-8")
            digest = hashlib.sha256(text.encode()).hexdigest()
            found[name] = {"sha256": digest, "tree": YAML(typ="safe", pure=True).load(text)}
    return found


def _what_models_read() -> dict[str, list[str]]:
    """The tables that each shipped model reads, from its SQL."""
    values = {"lookback_ms": "1", "currency": "'USD'", "run": "''"}
    values |= session_parameters(Config()) | credit_parameters(Config())
    models = load_models(None)
    return {
        name: sorted(reads(dataclasses.replace(model, reads=None), values))
        for name, model in sorted(models.items())
    }


def _what_stands_beside_models() -> dict[str, Any]:
    """The descriptions of shipped models, by table."""
    return {
        path.stem: YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        for path in sorted((PACKAGE / "models").glob("*/*.yml"), key=lambda path: path.stem)
    }


def stale() -> list[Path]:
    """The generated files that are missing or differ from what they ought to be."""
    return [
        path
        for path, text in sorted(pages().items())
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with ``--check`` say which are stale; returns the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python -m docs.generate [--check]", file=sys.stderr)
        return 2
    if arguments:
        found = stale()
        for path in found:
            print(f"{path.relative_to(ROOT)} is stale: run `make docs`", file=sys.stderr)
        return 1 if found else 0
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
