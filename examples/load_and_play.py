"""Take a trained agent out of its run: how dormant its layers are on what it sees, and what it scores."""

# %% A run to take it from; any directory of a run with a checkpoint does, finished or not.
import numpy as np
import torch

from redo_lab import dormancy, load_agent
from redo_lab.cli import main
from redo_lab.runs.table import find_runs

WORDS = ["env=minatar/breakout", "recycler=redo", "scale=smoke", "logger=none", "root=runs", "experiment=play"]
assert main(["train", *WORDS]) == 0
(directory,) = find_runs(["runs/play"])

# %% From the newest checkpoint.
trained = load_agent(directory)
print(f"trained for {trained.env_steps} agent steps, {trained.updates} updates")

# %% Observations as its replay has them: what it sees while it plays.
env = trained.environment(seed=1)
observations = [env.reset()]
while len(observations) < 256:
    step = env.step(trained.agent.greedy(observations[-1]))
    observations.append(env.reset() if step.terminated or step.truncated else step.obs)
batch = torch.from_numpy(np.stack(observations))

# %% The % of neurons of each layer with a score ≤ 0.1 on them (Eq. 1 and Definition 3.1 of the paper).
for network in trained.agent.networks():
    for layer, percent in dormancy(network.online, batch, threshold=0.1, layers=network.hidden).items():
        print(f"{layer:>8}: {percent:.1f} % dormant")

# %% Games as in an evaluation of the run.
print("returns:", trained.play(episodes=3, seed=1))
