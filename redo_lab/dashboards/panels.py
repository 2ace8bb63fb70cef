"""The panels of the dashboard and their sections; metrics are named by what the code that logs them calls them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from redo_lab.dashboards import keys
from redo_lab.runs import names

AXES = ("game", "agent", "network", "replay_ratio", "recycler", "regulariser", "scale", "seed")
"""The columns of the table of runs: the axes of a run of online RL that tell runs apart, and its seed."""

OUTCOMES = (
    names.FINAL_SCORE,
    names.BEST_SCORE,
    names.NORMALISED_SCORE,
    names.FINAL_DORMANT_PERCENT,
    names.FINAL_UPDATES_PER_S,
)
"""What a run's summary holds; columns of the table of runs, too."""

RUNTIME = "RelativeTime(Process)"
"""W&B's own clock."""


class Clock(Enum):
    """What curves are drawn over."""

    env_steps = "env_steps"
    updates = "updates"
    frames = "frames"


@dataclass(frozen=True)
class Lines:
    """Curves over a clock of `metrics`: the mean of each group of runs, and its standard error."""

    title: str
    metrics: tuple[str, ...]
    over: str


@dataclass(frozen=True)
class PatternLines:
    """Curves as `Lines`, of all metrics that match `pattern`, in the syntax that RE2 and JavaScript share."""

    title: str
    pattern: str
    over: str


@dataclass(frozen=True)
class Bars:
    """A number of the summary: the mean of each group of runs, and its standard error."""

    title: str
    metric: str


@dataclass(frozen=True)
class Scatter:
    """A dot a run: a number of its summary by an axis of its config."""

    title: str
    axis: str
    metric: str


@dataclass(frozen=True)
class Parallel:
    """A line a run through its axes and what came of it."""

    title: str
    axes: tuple[str, ...]
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Importance:
    """How much each setting says about `metric`."""

    title: str
    metric: str


@dataclass(frozen=True)
class SummaryTable:
    """A table that runs have logged under `key`."""

    title: str
    key: str


@dataclass(frozen=True)
class Media:
    """Pictures and pages that runs have logged under `keys`."""

    title: str
    keys: tuple[str, ...]


Panel = Lines | PatternLines | Bars | Scatter | Parallel | Importance | SummaryTable | Media


@dataclass(frozen=True)
class Section:
    """Panels under a heading."""

    name: str
    panels: tuple[Panel, ...]


def returns(over: Clock) -> Section:
    """How well the runs do, over each clock, `over` first."""
    clocks = [over, *(clock for clock in Clock if clock is not over)]
    evaluated = [
        Lines(f"evaluation return over {clock.value}", (names.EVALUATION_RETURN,), clock.value) for clock in clocks
    ]
    accuracy = (names.TRAIN_ACCURACY, names.TEST_ACCURACY)
    return Section(
        "Return",
        (
            *evaluated,
            Lines("training return", (names.TRAINING_RETURN,), over.value),
            Lines("train and test accuracy", accuracy, over.value),
            Lines("loss", (names.TRAIN_LOSS,), over.value),
        ),
    )


def dormancy(over: Clock) -> Section:
    """How many neurons are dormant, in total and by layer, and whether they stay so."""
    return Section(
        "Dormancy",
        (
            PatternLines("dormant %, all layers, at each τ", f"^{names.DORMANT_TOTAL}", over.value),
            PatternLines("dormant % by layer", f"^{names.DORMANT}/", over.value),
            PatternLines("overlap of dormant sets", f"^{names.OVERLAP}/{names.TOTAL}_", over.value),
        ),
    )


def plasticity(over: Clock) -> Section:
    """Ranks, norms and churn."""
    ranks = [PatternLines(f"{kind} rank of features", f"^{names.RANK}/.*_{kind}$", over.value) for kind in names.RANKS]
    norms = [
        PatternLines(f"norm of {kind}s", f"^{names.NORMS}/{names.TOTAL}_{kind}$", over.value)
        for kind in (names.WEIGHT, names.GRADIENT, names.UPDATE)
    ]
    features = PatternLines("norm of features by layer", f"^{names.NORMS}/.*_{names.FEATURE}$", over.value)
    return Section("Plasticity", (*ranks, *norms, features, PatternLines("churn", f"^{names.CHURN}/", over.value)))


def interventions(over: Clock) -> Section:
    """What was recycled, pruned, reset and penalised, whatever the intervention is called."""
    return Section(
        "Interventions",
        (
            PatternLines("neurons recycled", f"/{names.RECYCLED}_{names.TOTAL}$", over.value),
            PatternLines("neurons recycled by layer", f"/{names.RECYCLED}_", over.value),
            PatternLines("layers reset", f"/{names.RESET_LAYERS}$", over.value),
            PatternLines("neurons pruned", f"/{names.PRUNED}_{names.TOTAL}$", over.value),
            PatternLines("penalty", f"/{names.PENALTY}(_.*)?$", over.value),
        ),
    )


def throughput() -> Section:
    """How fast the runs went."""
    return Section(
        "Throughput",
        (
            Bars("updates per second", names.FINAL_UPDATES_PER_S),
            *(Lines(f"{clock.value} over time", (clock.value,), RUNTIME) for clock in Clock),
        ),
    )


def comparison() -> Section:
    """The runs side by side: what came of which settings."""
    return Section(
        "Comparison",
        (
            Parallel("settings and what came of them", AXES[:-1], OUTCOMES),
            Importance("what the final score depends on", names.FINAL_SCORE),
            *(Bars(metric.rpartition("/")[2].replace("_", " "), metric) for metric in OUTCOMES),
        ),
    )


def scaling() -> Section:
    """What the replay ratio does to what comes of a run."""
    metrics = (names.FINAL_SCORE, names.NORMALISED_SCORE, names.FINAL_DORMANT_PERCENT)
    dots = (Scatter(f"{metric.rpartition('/')[2].replace('_', ' ')}", "replay_ratio", metric) for metric in metrics)
    return Section("By replay ratio", tuple(dots))


def aggregates(metrics: Sequence[str], figures: Sequence[str]) -> Section:
    """What `redo-lab report --to wandb` has logged: W&B itself has no IQM and no bootstrap."""
    table = SummaryTable("aggregates with their intervals", keys.TABLE)
    values = (PatternLines(metric, f"^{keys.scalars(metric)}", "Step") for metric in metrics)
    pictures = Media("figures", tuple(map(keys.figure, figures)))
    return Section("Aggregate", (table, *values, pictures, Media("report", (keys.PAGE,))))
