"""The metrics of a run as a table, and a picture of two of them."""

# %% Any run directory does.
import matplotlib.pyplot as plt

from redo_lab import load_run
from redo_lab.cli import main
from redo_lab.runs.table import find_runs

WORDS = ["env=minatar/breakout", "replay_ratio=1", "scale=smoke", "logger=none", "root=runs", "experiment=metrics"]
assert main(["train", *WORDS]) == 0
(directory,) = find_runs(["runs/metrics"])

# %% Nothing that the run names is imported, so the directory may be anybody's. `metrics_in_pandas` is there, too.
run = load_run(directory)
print(run.name, run.state, dict(run.axes))
print(run.metrics().group_by("name", maintain_order=True).last().select("name", "value"))

# %% The return of the games it trained on, and how dormant its neurons became.
figure, (above, below) = plt.subplots(2, sharex=True)
for axes, name, label in (
    (above, "training/return", "return"),
    (below, "dormant/total_tau0p1", "dormant neurons (%), τ = 0.1"),
):
    values = run.metrics([name])
    axes.plot(values["env_steps"], values["value"], ".-")
    axes.set_ylabel(label)
below.set_xlabel("agent steps")
figure.savefig("metrics.png")
