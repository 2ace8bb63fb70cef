"""How often 95 % intervals hold the truth: simulated studies of known distribution, for every scheme tried.

python scripts/coverage.py [--quick] [--part iqm|costly|statistics|games]: rows for docs/aggregation/coverage.md. The
runs of game g are centre_g + spread_g · noise; centres lie evenly in [0, 2]. The truth is a statistic of the
population, of 200 000 runs a game: the IQM is the mean of the middle half of the mixture of all games' runs. Seeds are
fixed.
"""

from __future__ import annotations

import argparse
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TypeAlias

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from coverage_schemes import Batch, Floats, Interval, double, iqm, schemes, studentised

from redo_lab.analysis import aggregate
from redo_lab.analysis.bootstrap import Resampling

POPULATION = 200_000
SHARED = 25
"""Studies that share their resamples, for speed."""
PROCESSES = 2
NOISES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Floats]] = {
    "normal": lambda generator, shape: generator.normal(size=shape),
    "t3": lambda generator, shape: generator.standard_t(3, size=shape) / np.sqrt(3),
    "lognormal": lambda generator, shape: (generator.lognormal(size=shape) - np.exp(0.5)) / np.sqrt(np.e * (np.e - 1)),
}
SPREADS = ("equal", "unequal")


@dataclass(frozen=True)
class Scenario:
    """seeds × games; noise of NOISES with standard deviation 1; spreads 0.5, or from 0.125 to 2 in mixed order."""

    seeds: int
    games: int
    noise: str
    spread: str

    def __str__(self) -> str:
        return f"{self.seeds} × {self.games}, {self.noise}, {self.spread}"

    def generator(self) -> np.random.Generator:
        return np.random.default_rng([self.seeds, self.games, zlib.crc32(f"{self.noise} {self.spread}".encode())])

    def draw(self, generator: np.random.Generator, *shape: int) -> Floats:
        """Scores [*shape, games]."""
        factors = np.geomspace(0.25, 4, self.games) if self.spread == "unequal" else np.ones(self.games)
        factors = np.random.default_rng(1).permutation(factors)
        noise = NOISES[self.noise](generator, (*shape, self.games))
        return np.linspace(0, 2, self.games) + 0.5 * factors * noise


Part: TypeAlias = tuple[str, Callable[["Scenario"], "Row"], list["Scenario"]]


@dataclass(frozen=True)
class Row:
    """coverage in %, width: the mean; both by scheme or statistic."""

    scenario: Scenario
    coverage: dict[str, float]
    width: dict[str, float]


def of_schemes(scenario: Scenario, studies: int, repetitions: int, costly: bool) -> Row:
    """The IQM's intervals by every scheme, or by those of `costly` ones alone."""
    generator = scenario.generator()
    truth = float(iqm(scenario.draw(generator, POPULATION).ravel()))
    chosen = {"studentised": studentised, "double": double} if costly else dict(schemes())
    bounds: dict[str, list[Interval]] = {name: [] for name in chosen}
    for seed in range(-(-studies // SHARED)):
        batch = Batch(scenario.draw(generator, min(SHARED, studies), scenario.seeds), repetitions, seed)
        for name, scheme in chosen.items():
            bounds[name].append(scheme(batch))
    return _row(scenario, {name: (truth, np.concatenate(pairs, axis=1)) for name, pairs in bounds.items()})


def of_statistics(scenario: Scenario, studies: int, repetitions: int, method: str) -> Row:
    """Everything that redo_lab gives an interval, by one scheme; the second method's runs lie 0.3 higher."""
    generator = scenario.generator()
    x, y = (scenario.draw(generator, POPULATION) for _ in range(2))
    truths = _truths(x, y + 0.3)
    bounds: dict[str, list[tuple[float, float]]] = {name: [] for name in truths}
    for study in range(studies):
        x, y = (scenario.draw(generator, scenario.seeds) for _ in range(2))
        for name, pair in _estimates(x, y + 0.3, Resampling(repetitions, study // SHARED, method)).items():
            bounds[name].append(pair)
    return _row(scenario, {name: (truths[name], np.array(pairs).T) for name, pairs in bounds.items()})


def of_resampled_games(scenario: Scenario, studies: int, repetitions: int) -> Row:
    """The IQM of all games of a kind, whose centres are normal with a standard deviation of 0.75, from some of them."""
    generator = scenario.generator()
    draw = partial(_of_random_games, scenario, generator)
    truth = float(iqm(draw(POPULATION, 1).ravel()))
    bounds: dict[str, list[tuple[float, float]]] = {"rao-wu": [], "rliable": []}
    for study, scores in enumerate(draw(studies, scenario.seeds)):
        for name, pairs in bounds.items():
            resampling = Resampling(repetitions, study // SHARED, name, tasks=True)
            estimate = aggregate.estimate(scores, ["iqm"], resampling)["iqm"]
            pairs.append((estimate.low, estimate.high))
    return _row(scenario, {name: (truth, np.array(pairs).T) for name, pairs in bounds.items()})


def _of_random_games(scenario: Scenario, generator: np.random.Generator, studies: int, seeds: int) -> Floats:
    noise = NOISES[scenario.noise](generator, (studies, seeds, scenario.games))
    return generator.normal(0, 0.75, (studies, 1, scenario.games)) + 0.5 * noise


def _truths(x: Floats, y: Floats) -> dict[str, float]:
    return {
        **{name: float(statistic(x)) for name, statistic in POPULATION_STATISTICS.items()},
        "share above 1": float((x > 1).mean()),
        "P(X > Y)": float((x > y).mean()),
        "IQM(X) − IQM(Y)": float(iqm(x.ravel()) - iqm(y.ravel())),
    }


POPULATION_STATISTICS: dict[str, Callable[[Floats], float]] = {
    "iqm": lambda x: iqm(x.ravel()),
    "median": lambda x: np.median(x.mean(axis=0)),
    "mean": np.mean,
    "optimality_gap": lambda x: 1 - np.minimum(x, 1).mean(),
}


def _estimates(x: Floats, y: Floats, resampling: Resampling) -> dict[str, tuple[float, float]]:
    of_one = aggregate.estimate(x, list(POPULATION_STATISTICS), resampling, "x")
    profile = aggregate.profile(x, np.array([1.0]), resampling, "x")
    pair = ("x", x), ("y", y)
    of_two = {
        "P(X > Y)": aggregate.improvement(*pair, resampling),
        "IQM(X) − IQM(Y)": aggregate.difference(*pair, resampling),
    }
    intervals = {name: (each.low, each.high) for name, each in {**of_one, **of_two}.items()}
    return {**intervals, "share above 1": (profile.low[0], profile.high[0])}


def _row(scenario: Scenario, intervals: dict[str, tuple[float, Floats]]) -> Row:
    inside = {name: 100 * np.mean((low <= truth) & (truth <= high)) for name, (truth, (low, high)) in intervals.items()}
    return Row(scenario, inside, {name: float(np.mean(high - low)) for name, (_, (low, high)) in intervals.items()})


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Markdown: coverage, and the mean width in brackets."""
    for number, row in enumerate(rows):
        if number == 0:
            yield f"| seeds × games | {' | '.join(row.coverage)} |"
            yield "|---" * (len(row.coverage) + 1) + "|"
        cells = (f"{inside:.1f} ({row.width[name]:.3g})" for name, inside in row.coverage.items())
        yield f"| {row.scenario} | {' | '.join(cells)} |"


def _parts(studies: int, repetitions: int, *, quick: bool) -> dict[str, list[Part]]:
    """Of each part the titles of its tables, what simulates a row, and the rows."""
    seeds, games = ((3, 5), (5, 17)) if quick else ((3, 5, 10), (5, 17, 26))
    cells = [Scenario(n, m, noise, spread) for noise, spread, n, m in product(NOISES, SPREADS, seeds, games)]
    cells = [cell for cell in cells if (cell.noise, cell.spread) != ("lognormal", "unequal")]
    few = [Scenario(n, m, "normal", "unequal") for n, m in product((3, 5), (5, 17))]
    small = [Scenario(n, m, "normal", "unequal") for n, m in product((2, 3, 5), (1, 5, 17))]
    equal = [Scenario(n, m, "normal", "equal") for n, m in product(seeds, games)]
    of_iqm = partial(of_schemes, repetitions=repetitions)
    of_all = partial(of_statistics, studies=studies // 4, repetitions=repetitions)
    return {
        "iqm": [("IQM", partial(of_iqm, studies=studies, costly=False), cells)],
        "costly": [("IQM", partial(of_iqm, studies=studies // 4, costly=True), few)],
        "statistics": [(method, partial(of_all, method=method), small) for method in ("rao-wu", "rliable")],
        "games": [("IQM", partial(of_resampled_games, studies=studies // 2, repetitions=repetitions), equal)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the studies and fewer cells, for a look")
    parser.add_argument("--part", choices=("iqm", "costly", "statistics", "games"), help="default: all")
    arguments = parser.parse_args()
    studies, repetitions = (200, 500) if arguments.quick else (2000, 1000)
    parts = _parts(studies, repetitions, quick=arguments.quick)
    with ProcessPoolExecutor(PROCESSES) as pool:
        for part in parts if arguments.part is None else (arguments.part,):
            for title, act, scenarios in parts[part]:
                print(f"\n{part}: {title}", flush=True)
                for line in table(pool.map(act, scenarios)):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
