"""ReDo in a training loop of your own: a plain nn.Sequential, plain PyTorch, three lines more."""

# %% A network that has to follow a target which changes every 500 steps.
import torch
from torch import nn

from redo_lab import dormancy, recycle

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), 0.01)

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
