"""Train DQN and DQN with ReDo on two seeds each, and compare them as the paper does: IQM with intervals."""

# %% At scale=smoke this takes seconds and says nothing; scale=paper and ten seeds say something.
import polars as pl

from redo_lab.cli import main

GAME, SCALE, SEEDS = "minatar/breakout", "smoke", 2
WORDS = [f"env={GAME}", f"scale={SCALE}", "replay_ratio=1", "logger=none", "root=runs", "experiment=comparison"]

# %% The same as `redo-lab train …`. A run that is finished already is left as it is. (`train -m` uses all cores.)
for recycler in ("none", "redo"):
    for seed in range(SEEDS):
        assert main(["train", *WORDS, f"recycler={recycler}", f"seed={seed}"]) == 0

# %% The table on the terminal, and as a CSV with a few pictures beside the runs.
assert main(["aggregate", "runs/comparison", "--repetitions", "2000"]) == 0

# %%
table = pl.read_csv("runs/comparison/aggregate.csv")
print(table)
