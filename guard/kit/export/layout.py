"""Panels → the JSON that Grafana imports (schema version 39, Grafana 10.4 and newer).

A panel says what it shows; where it stands on the grid of 24 columns and its number are counted here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

SCHEMA: Final = 39
COLUMNS: Final = 24
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

Kind: TypeAlias = Literal["stat", "timeseries", "bargauge", "state-timeline", "table", "heatmap"]


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and what its series are called. `now`: one value, not a range."""

    expr: str
    legend: str = ""
    now: bool = False
    form: Literal["time_series", "table", "heatmap"] = "time_series"


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `steps`: (from this value on, colour); `words`: value → (text, colour)."""

    kind: Kind
    title: str
    description: str
    queries: Sequence[Query]
    width: int = 8
    height: int = 8
    unit: str = "short"
    most: float | None = None
    stacked: bool = False
    steps: Sequence[tuple[float, str]] = ()
    words: Mapping[str, tuple[str, str]] | None = None
    text: Literal["value", "name", "value_and_name"] = "value"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels about one matter."""

    title: str
    panels: Sequence[Panel]


def placed(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The panels in reading order, each with its number and its place."""
    documents: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        grid = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        documents.append(
            {"id": len(documents) + 1, "type": "row", "title": row.title, "collapsed": False, "gridPos": grid, "panels": []}
        )
        top, left, tallest = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            grid = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            documents.append({"id": len(documents) + 1, "gridPos": grid, **_panel(panel)})
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    return documents


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "targets": [_target(query, chr(ord("A") + index)) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind](panel),
    }


def _target(query: Query, letter: str) -> dict[str, Any]:
    return {
        "refId": letter,
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": query.form,
        "instant": query.now,
        "range": not query.now,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"value": None, "color": "green"}]
    steps += [{"value": value, "color": colour} for value, colour in panel.steps]
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "color": {"mode": "palette-classic" if panel.kind in ("timeseries", "bargauge") else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": _CUSTOM[panel.kind](panel),
    }
    if panel.kind != "table":
        defaults["min"] = 0
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.words is not None:
        options = {value: {"text": text, "color": colour, "index": at} for at, (value, (text, colour)) in _numbered(panel)}
        defaults["mappings"] = [{"type": "value", "options": options}]
    return defaults


def _numbered(panel: Panel) -> Iterable[tuple[int, tuple[str, tuple[str, str]]]]:
    return enumerate((panel.words or {}).items())


_CUSTOM: Final[Mapping[Kind, Any]] = {
    "stat": lambda _: {},
    "bargauge": lambda _: {},
    "table": lambda _: {},
    "heatmap": lambda _: {},
    "state-timeline": lambda _: {"fillOpacity": 80, "lineWidth": 0},
    "timeseries": lambda panel: {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 40 if panel.stacked else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if panel.steps else "off"},
    },
}
_LEGEND: Final = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
_LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: Final[Mapping[Kind, Any]] = {
    "stat": lambda panel: {
        "reduceOptions": _LAST, "textMode": panel.text, "colorMode": "background", "graphMode": "none",
        "justifyMode": "auto", "orientation": "auto",
    },
    "bargauge": lambda _: {
        "reduceOptions": _LAST, "orientation": "horizontal", "displayMode": "basic", "valueMode": "text",
        "showUnfilled": True, "minVizHeight": 10, "minVizWidth": 8,
    },
    "table": lambda _: {"showHeader": True, "cellHeight": "sm"},
    "state-timeline": lambda _: {
        "showValue": "auto", "rowHeight": 0.9, "mergeValues": True, "legend": _LEGEND,
        "tooltip": {"mode": "single", "sort": "none"},
    },
    "timeseries": lambda _: {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "heatmap": lambda _: {
        "calculate": False, "cellGap": 1, "rowsFrame": {"layout": "auto"}, "showValue": "never",
        "filterValues": {"le": 1e-9},
        "color": {
            "mode": "scheme", "scheme": "Oranges", "steps": 64, "fill": "orange", "reverse": False, "exponent": 0.5
        },
        "yAxis": {"axisPlacement": "left"}, "legend": {"show": True}, "tooltip": {"show": True, "yHistogram": False},
        "exemplars": {"color": "orange"},
    },
}  # fmt: skip
