"""Analyse runs in polars.

This script reads the metrics of runs as polars tables, compares two runs, and draws two metrics over time.
"""

# %% [markdown]
# ## Runs to analyse
# Here two short ones are trained, without and with ReDo. Any run directories will do.

# %%
import matplotlib.pyplot as plt
import polars as pl

from redo_lab import load_run
from redo_lab.cli import main
from redo_lab.runs.table import find_runs

WORDS = ["env=minatar/breakout", "replay_ratio=1", "scale=smoke", "logger=none", "root=runs", "experiment=metrics"]
for recycler in ("none", "redo"):
    assert main(["train", *WORDS, f"recycler={recycler}"]) == 0

# %% [markdown]
# ## Read a run
# `load_run` reads any run directory. It imports nothing that the run names, so the directory may be anybody's. `state`
# says whether the run is finished, `axes` tells it from others, and `config` has all its settings.

# %%
runs = [load_run(directory) for directory in find_runs(["runs/metrics"])]
for run in runs:
    print(run.name, run.state, dict(run.axes))

# %% [markdown]
# ## Its metrics
# `metrics()` is a table with the columns `env_steps`, `updates`, `name` and `value`. Names of metrics limit what is
# read. `metrics_in_pandas` gives the same for pandas. Here is the last value of each metric of the first run:

# %%
print(runs[0].metrics().group_by("name", maintain_order=True).last().select("name", "value"))

# %% [markdown]
# ## Several runs in one table
# A column says which run each row comes from. Then a comparison is one `pivot`.

# %%
DORMANT = "dormant/total_tau0p1"
dormant = pl.concat(
    run.metrics([DORMANT]).with_columns(recycler=pl.lit(run.axes["recycler"])).select("recycler", "updates", "value")
    for run in runs
)
print(dormant.pivot("recycler", index="updates", values="value").sort("updates"))

# %% [markdown]
# ## A picture
# The return of the games during training, and the percentage of dormant neurons.

# %%
figure, (above, below) = plt.subplots(2, sharex=True)
for axes, name, label in (
    (above, "training/return", "return"),
    (below, DORMANT, "dormant neurons (%), τ = 0.1"),
):
    for run in runs:
        values = run.metrics([name])
        axes.plot(values["env_steps"], values["value"], ".-", label=run.axes["recycler"])
    axes.set_ylabel(label)
above.legend()
below.set_xlabel("agent steps")
figure.savefig("metrics.png")
