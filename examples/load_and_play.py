"""Load an agent and let it play.

This script takes a trained agent out of its run directory, measures how many neurons of each layer are dormant on what
the agent sees, and lets it play.
"""

# %% [markdown]
# ## A run to take the agent from
# Here a short one is trained. Any run directory with a checkpoint will do, finished or not.

# %%
import numpy as np
import torch

from redo_lab import dormancy, load_agent
from redo_lab.cli import main
from redo_lab.runs.table import find_runs

WORDS = ["env=minatar/breakout", "recycler=redo", "scale=smoke", "logger=none", "root=runs", "experiment=play"]
assert main(["train", *WORDS]) == 0
(directory,) = find_runs(["runs/play"])

# %% [markdown]
# ## Load the agent
# `load_agent` takes the newest whole checkpoint. `checkpoint=NUMBER` takes another, `device="cuda"` another device.

# %%
trained = load_agent(directory)
print(f"trained for {trained.env_steps} agent steps, {trained.updates} updates")

# %% [markdown]
# ## Collect observations
# `environment` is the one in which the run is evaluated. `greedy` gives the action without exploration.

# %%
env = trained.environment(seed=1)
observations = [env.reset()]
while len(observations) < 256:
    step = env.step(trained.agent.greedy(observations[-1]))
    observations.append(env.reset() if step.terminated or step.truncated else step.obs)
batch = torch.from_numpy(np.stack(observations))

# %% [markdown]
# ## How many neurons are dormant?
# A neuron is dormant if its score on these observations is at most the threshold τ (Eq. 1 and Definition 3.1 of the
# paper). `networks()` gives one network for DQN and three for SAC.

# %%
for network in trained.agent.networks():
    for layer, percent in dormancy(network.online, batch, threshold=0.1, layers=network.hidden).items():
        print(f"{layer:>8}: {percent:.1f} % dormant")

# %% [markdown]
# ## Play
# The games are played as in an evaluation of the run. `redo-lab play RUN` makes a video of them.

# %%
print("returns:", trained.play(episodes=3, seed=1))
