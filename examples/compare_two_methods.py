"""Compare two methods.

This script trains DQN with and without ReDo, two seeds each, and compares them as the paper does: with the
interquartile mean (IQM) of their scores and an interval around it.
"""

# %% [markdown]
# ## What to train
# `scale=smoke` makes a run so short that the whole script takes a minute. Nothing can be concluded at this length. For
# a result take `scale=laptop` or `scale=paper`, and ten seeds.

# %%
import polars as pl

from redo_lab.cli import main

GAME, SCALE, SEEDS = "minatar/breakout", "smoke", 2
WORDS = [f"env={GAME}", f"scale={SCALE}", "replay_ratio=1", "logger=none", "root=runs", "experiment=comparison"]

# %% [markdown]
# ## Train
# `main(["train", …])` does the same as `redo-lab train …` in a terminal. A run that is finished is not done again, so
# you can run this cell twice. `redo-lab train -m` would use all cores.

# %%
for recycler in ("none", "redo"):
    for seed in range(SEEDS):
        assert main(["train", *WORDS, f"recycler={recycler}", f"seed={seed}"]) == 0

# %% [markdown]
# ## Compare
# The score of a run is the mean of the last 10 % of its evaluations. `aggregate` prints the IQM of each method with a
# 95 % interval. If the intervals are wide, as here, more seeds are needed. It also draws a few figures beside the runs.

# %%
assert main(["aggregate", "runs/comparison", "--repetitions", "2000"]) == 0

# %% [markdown]
# ## The same numbers as a table
# `aggregate.csv` holds what was printed, for your own analysis.

# %%
table = pl.read_csv("runs/comparison/aggregate.csv")
print(table)
