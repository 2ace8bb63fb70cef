"""ReDo in your own training loop.

This script needs no agent and no run: a plain `nn.Sequential`, a plain PyTorch loop, and two lines more.
"""

# %% [markdown]
# ## A network and its optimizer
# `dormancy` and `recycle` understand chains of Linear, Conv2d and activations. For other networks you declare the
# hidden layers yourself and pass `layers=`.

# %%
import torch
from torch import nn

from redo_lab import dormancy, recycle

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), 0.01)

# %% [markdown]
# ## The loop
# The target changes every 500 steps, so the network has to learn something new again and again. Every 200 steps we
# measure how many neurons are dormant on the batch, and recycle them: they get fresh incoming weights and outgoing
# weights of 0, and Adam forgets what it knew of them.

# %%
for step in range(2000):
    if step % 500 == 0:
        target = torch.randn(8, 1)
    inputs = torch.randn(64, 8)
    loss = (model(inputs) - (inputs @ target).sin()).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 200 == 199:
        percent = dormancy(model, inputs, threshold=0.1)["total"]
        recycled = recycle(model, inputs, optimizer, threshold=0.1)["total"]
        print(f"step {step + 1}: loss {loss.item():.3f}, {percent:.1f} % dormant, {recycled} neurons recycled")
