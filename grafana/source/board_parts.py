"""What the dashboards are made of: panels of one look, the variables at the top, the links between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from board_queries import series, total
from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from stream.telemetry.catalogue import Metric

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="$datasource")
TAG = "tray-stream"
OF_NAMESPACE = 'namespace=~"$namespace"'
OF_JOB = f'{OF_NAMESPACE}, job=~"$job"'
KEPT = "${datasource:queryparam}&${namespace:queryparam}&${job:queryparam}&${__url_time_range}"
"""What a link to another dashboard takes along."""
PanelBuilder = Builder[model.Panel]
GREEN, YELLOW, ORANGE, RED, BLUE, PURPLE = "green", "yellow", "orange", "red", "blue", "purple"
TRANSPARENT = "transparent"
COLOURS = {
    "{{outcome}}": {"delivered": GREEN, "rejected": ORANGE, "expired": RED, "stale": YELLOW, "avoided": PURPLE},
    "{{settlement}}": {
        "delivered": GREEN,
        "filtered": BLUE,
        "dead_lettered": ORANGE,
        "abandoned": YELLOW,
        "avoided": PURPLE,
    },
    "{{result}}": {"ok": GREEN, "retried": YELLOW, "dropped": YELLOW, "failed": RED},
    "{{code}}": {"/^2/": GREEN, "/^[34]/": ORANGE, "/^5/": RED, "/^[a-z]/": PURPLE},
}
"""By legend: what a series of this name (or, between slashes, of such a name) looks like on every dashboard."""
Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from this value on (None: from below everything) this colour."""
YES_OR_NO: list[model.ValueMapping] = [
    model.ValueMap(
        {
            "0": model.ValueMappingResult(text="no", color=RED, index=0),
            "1": model.ValueMappingResult(text="yes", color=GREEN, index=1),
        }
    )
]
OPEN_OR_CLOSED: list[model.ValueMapping] = [
    model.ValueMap(
        {
            "0": model.ValueMappingResult(text="failing", color=RED, index=0),
            "1": model.ValueMappingResult(text="open", color=GREEN, index=1),
        }
    )
]
PAUSED_OR_NOT: list[model.ValueMapping] = [
    model.ValueMap(
        {
            "0": model.ValueMappingResult(text="no", color=TRANSPARENT, index=0),
            "1": model.ValueMappingResult(text="paused", color=ORANGE, index=1),
        }
    )
]


@dataclass(frozen=True)
class Query:
    """One query of a panel; `legend` names its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Column:
    """One query of a table, and how its column looks."""

    title: str
    expr: str
    unit: str = "short"
    steps: Steps = ()
    mappings: list[model.ValueMapping] = field(default_factory=list)


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 8,
    stacked: bool = False,
    steps: Steps = (),
    none: str = "",
) -> timeseries.Panel:
    """Lines over time; `steps` draws limits into it; `none` is shown when there are no lines."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .span(width)
        .height(8)
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .line_width(1.5)
        .fill_opacity(35 if stacked else 8)
        .show_points(looks.VisibilityMode.NEVER)
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING))
        .targets([_target(query, ref) for ref, query in _numbered(queries)])
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    if steps:
        panel.thresholds(_thresholds(steps))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(looks.GraphTresholdsStyleMode.DASHED))
    for query in queries:
        for name, colour in COLOURS.get(query.legend, {}).items():
            override = panel.override_by_regexp if name.startswith("/") else panel.override_by_name
            override(name, [model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})])
    return panel.no_value(none) if none else panel


def by_group(
    title: str, description: str, metric: Metric, unit: str = "short", width: int = 8, stacked: bool = False
) -> timeseries.Panel:
    """A line over time for each consumer group: the sum of a gauge over its processes."""
    return graph(
        title, description, unit, Query(total(series(metric), "group"), "{{group}}"), width=width, stacked=stacked
    )


def _legend() -> common.VizLegendOptions:
    """Each series with its last and largest value, largest last value first."""
    return (
        common.VizLegendOptions()
        .display_mode(looks.LegendDisplayMode.TABLE)
        .placement(looks.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
        .sort_by("Last *")
        .sort_desc(True)
    )


def number(
    title: str,
    description: str,
    unit: str,
    expr: str,
    steps: Steps,
    *,
    none: str = "",
    legend: str = "",
    width: int = 4,
) -> stat.Panel:
    """One number now, on the colour of its threshold; `none` is shown when there is no value."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .decimals(0)
        .span(width)
        .height(4)
        .color_mode(looks.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(looks.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_thresholds(steps))
        .targets([_target(Query(expr, legend), "A").instant()])
    )
    return panel.no_value(none) if none else panel


def timeline(
    title: str, description: str, query: Query, mappings: list[model.ValueMapping], *, width: int
) -> statetimeline.Panel:
    """A band for each series that shows since when it has been in which state."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit("none")
        .span(width)
        .height(8)
        .mappings(mappings)
        .thresholds(_thresholds([(None, RED), (1, GREEN)]))
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .row_height(0.8)
        .fill_opacity(80)
        .show_value(looks.VisibilityMode.NEVER)
        .merge_values(True)
        .targets([_target(query, "A")])
    )


def listing(
    title: str,
    description: str,
    labels: Mapping[str, str],
    *columns: Column,
    sort: tuple[str, bool] | None = None,
    width: int = 24,
    height: int = 8,
    links: Mapping[str, str] | None = None,
) -> table.Panel:
    """A row for each set of `labels` (label → heading) with a column for each query; sorted by (heading, downwards).

    `links`: where a click on the cells of a heading leads.
    """
    by_ref = list(_numbered(columns))
    headings = dict(labels) | {f"Value #{ref}": column.title for ref, column in by_ref}
    if len(columns) == 1:  # then the column is not numbered
        headings |= {"Value": columns[0].title}
    hidden = {name: True for name in ("Time", "__name__", "job", "instance", "alertstate") if name not in labels}
    order = {name: index for index, name in enumerate(headings)}
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit("short")
        .span(width)
        .height(height)
        .cell_height(looks.TableCellHeight.SM)
        .no_value("–")  # noqa: RUF001 - a dash in an empty cell
        .targets([_target(Query(column.expr), ref).instant().format(PromQueryFormat.TABLE) for ref, column in by_ref])
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={"excludeByName": hidden, "renameByName": headings, "indexByName": order},
            )
        )
    )
    if sort is not None:
        panel.sort_by([common.TableSortByFieldState().display_name(sort[0]).desc(sort[1])])
    for column in columns:
        panel.override_by_name(column.title, list(_column_look(column)))
    for heading, url in (links or {}).items():
        link = {"title": "Look closer", "url": url, "targetBlank": False}
        panel.override_by_name(heading, [model.DynamicConfigValue("links", [link])])
    return panel


def _column_look(column: Column) -> Iterable[model.DynamicConfigValue]:
    yield model.DynamicConfigValue("unit", column.unit)
    if column.mappings:
        yield model.DynamicConfigValue("mappings", column.mappings)
    if column.steps:
        yield model.DynamicConfigValue("thresholds", _thresholds(column.steps).build())
    if column.steps or column.mappings:
        yield model.DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"})


def board(title: str, uid: str, description: str, *, by_workflow: bool) -> dashboard.Dashboard:
    """An empty dashboard with the links to the others and the variables, one of them for workflows if asked."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .refresh("10s")
        .time("now-1h", "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("tray-stream")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("namespace", "label_values(tray_build_info, namespace)").all_value(".*"))
        .with_variable(_variable("job", f"label_values(tray_build_info{{{OF_NAMESPACE}}}, job)"))
        .with_variable(_variable("instance", f"label_values(tray_build_info{{{OF_JOB}}}, instance)"))
        .with_variable(_variable("group", f"label_values(tray_open_bytes{{{OF_JOB}}}, group)"))
    )
    if by_workflow:
        query = f'label_values(tray_gate_open{{{OF_JOB}, group=~"$group"}}, workflow)'
        made.with_variable(_variable("workflow", query))
    return made


def _variable(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .query(query)
        .datasource(DATASOURCE)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _target(query: Query, ref: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).ref_id(ref).datasource(DATASOURCE)
    return target.legend_format(query.legend) if query.legend else target


def _numbered(parts: Sequence[Any]) -> Iterable[tuple[str, Any]]:
    """Each part with its reference, A, B, C …"""
    return ((chr(ord("A") + index), part) for index, part in enumerate(parts))


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    listed = [model.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(listed)
