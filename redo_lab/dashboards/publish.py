"""The dashboard in W&B: views and report are made, or renewed where an earlier call has made them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import wandb
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr
from wandb_workspaces.reports.v2 import interface as wr
from wandb_workspaces.workspaces.internal import get_view_dict

from redo_lab.config import ConfigError
from redo_lab.dashboards.panels import (
    AXES,
    OUTCOMES,
    Bars,
    Importance,
    Lines,
    Media,
    Panel,
    Parallel,
    PatternLines,
    Scatter,
    Section,
    SummaryTable,
)
from redo_lab.dashboards.views import Dashboard, Filter, Report, View
from redo_lab.loggers.wandb import login

NAME_DIGITS = 11
"""W&B's own names of saved views have so many characters."""
MEAN: Final = "mean"
ERROR: Final = "stderr"
"""What is drawn of a group of runs."""
PANEL_WIDTH, PANEL_HEIGHT, PER_ROW = 8, 6, 3
"""Of a report's grid, which is 24 wide."""
MOST_RUNS = 1000
"""Drawn in a panel, W&B's own default is 10: groups would be means of the first ten runs."""


def check_login(entity: str | None) -> str:
    """The entity; ConfigError without one, or without a key on this machine."""
    if not entity:
        raise ConfigError("--entity: whose project is it? Give a team or a user of W&B (or --dry-run)")
    if (problem := login.problem()) is not None:
        raise ConfigError(f"{problem}; run `wandb login`, or --dry-run needs no account")
    return entity


def publish(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """The name and the address of each view, and of the report, as W&B has them; ConfigError where it refuses."""
    entity = check_login(dashboard.entity)
    try:
        for view in dashboard.views:
            saved = workspace(entity, dashboard.project, view)
            saved._internal_id = _view_id(entity, dashboard.project, saved)
            saved.save()
            yield view.name, saved.url
        page = report(entity, dashboard.project, dashboard.report)
        page.id = _report_id(entity, dashboard.project, page.title)
        page.save()
        yield page.title, page.url
    except (wandb.errors.Error, ValueError, OSError) as error:
        raise ConfigError(f"W&B says: {login.without_key(str(error).splitlines()[0])}") from error


def workspace(entity: str, project: str, view: View) -> ws.Workspace:
    """`view` as W&B's client has it, under a name that is always the same."""
    saved = ws.Workspace(
        entity=entity,
        project=project,
        name=view.name,
        sections=[_section(view, section) for section in view.sections],
        settings=ws.WorkspaceSettings(max_runs=MOST_RUNS),
        runset_settings=ws.RunsetSettings(
            filters=[_condition(each) for each in view.filters],
            groupby=[expr.Config(key) for key in view.grouping],
            pinned_columns=_columns(),
        ),
    )
    saved._internal_name = f"nw-{_digest(view.key)}-v"
    return saved


def report(entity: str, project: str, page: Report) -> wr.Report:
    """`page` as W&B's client has it."""
    blocks: list[wr.BlockTypes] = [wr.TableOfContents()]
    for view in page.parts:
        blocks.append(wr.H1(view.name))
        for section in view.sections:
            blocks += [wr.H2(section.name), _grid(view, section)]
    return wr.Report(entity=entity, project=project, title=page.title, blocks=blocks, width="fluid")


def _grid(view: View, section: Section) -> wr.PanelGrid:
    # Without entity and project a run set is of the report's own project.
    runs = wr.Runset(
        name=view.name,
        filters=[_condition(each) for each in view.filters],
        groupby=[f"config.{key}" for key in view.grouping],
        pinned_columns=_columns(),
    )
    runs._id = _digest(view.key, section.name)
    panels = [
        _panel(panel, _digest(view.key, section.name, panel.title), at) for at, panel in enumerate(section.panels)
    ]
    return wr.PanelGrid(runsets=[runs], panels=panels)


def _section(view: View, section: Section) -> ws.Section:
    panels = [
        _panel(panel, _digest(view.key, section.name, panel.title), at) for at, panel in enumerate(section.panels)
    ]
    return ws.Section(name=section.name, panels=panels, is_open=True)


def _panel(panel: Panel, identity: str, at: int) -> wr.PanelTypes:
    fresh = _unplaced(panel)
    assert not isinstance(fresh, wr.UnknownPanel)
    fresh._id = identity
    row, column = divmod(at, PER_ROW)
    fresh.layout = wr.Layout(x=column * PANEL_WIDTH, y=row * PANEL_HEIGHT, w=PANEL_WIDTH, h=PANEL_HEIGHT)
    return fresh


def _unplaced(panel: Panel) -> wr.PanelTypes:
    match panel:
        case Lines() | PatternLines():
            return _lines(panel)
        case Bars():
            return wr.BarPlot(
                title=panel.title,
                metrics=[panel.metric],
                groupby_aggfunc=MEAN,
                groupby_rangefunc=ERROR,
                max_runs_to_show=MOST_RUNS,
            )
        case Scatter():
            return wr.ScatterPlot(title=panel.title, x=_setting(panel.axis), y=wr.SummaryMetric(panel.metric))
        case Parallel():
            columns: list[wr.Config | wr.SummaryMetric] = [*map(_setting, panel.axes)]
            columns += [wr.SummaryMetric(metric) for metric in panel.metrics]
            return wr.ParallelCoordinatesPlot(
                title=panel.title, columns=[wr.ParallelCoordinatesPlotColumn(metric=each) for each in columns]
            )
        case Importance():
            return wr.ParameterImportancePlot(with_respect_to=panel.metric)
        case SummaryTable():
            return wr.WeavePanelSummaryTable(table_name=panel.key)
        case Media():
            return wr.MediaBrowser(title=panel.title, media_keys=list(panel.keys))


def _lines(panel: Lines | PatternLines) -> wr.LinePlot:
    return wr.LinePlot(
        title=panel.title,
        x=panel.over,
        y=list(panel.metrics) if isinstance(panel, Lines) else [],
        metric_regex=panel.pattern if isinstance(panel, PatternLines) else None,
        groupby_aggfunc=MEAN,
        groupby_rangefunc=ERROR,
        max_runs_to_show=MOST_RUNS,
    )


def _setting(axis: str) -> wr.Config:
    return wr.Config(f"axes.{axis}")


def _columns() -> list[str]:
    """Those of the table of runs."""
    return [
        "run:displayName",
        *(f"config:axes.value.{axis}" for axis in AXES),
        *(f"summary:{metric}" for metric in OUTCOMES),
    ]


def _condition(condition: Filter) -> expr.FilterExpr:
    metric = expr.Config(condition.key) if "." in condition.key else expr.Metric(condition.key)
    expression: expr.FilterExpr = expr.FilterExpr.create(condition.comparison, metric, condition.value)
    return expression


def _view_id(entity: str, project: str, view: ws.Workspace) -> str:
    """W&B's id of the view that an earlier call has made; empty if there is none."""
    name = view._internal_name.removeprefix("nw-").removesuffix("-v")
    try:
        return str(get_view_dict(entity, project, name)["id"])
    except ValueError as error:
        if str(error).startswith("Workspace"):
            return ""
        raise


def _report_id(entity: str, project: str, title: str) -> str:
    """W&B's id of the report that an earlier call has made; empty if there is none."""
    earlier = (page.id for page in wandb.Api().reports(f"{entity}/{project}") if page.display_name == title)
    return next(earlier, "")


def _digest(*words: str) -> str:
    return hashlib.sha256("/".join(words).encode()).hexdigest()[:NAME_DIGITS]
