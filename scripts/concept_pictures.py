"""The pictures of docs/concepts.md, from real runs: scores of neurons, and a layer before and after recycling.

python -m scripts.concept_pictures RUN_WITHOUT RUN_WITH [FOLDER]: finished runs of DQN on MinAtar, without and with ReDo
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from torch import Tensor

from redo_lab import load_agent, recycle
from redo_lab.analysis.looks import STYLE
from redo_lab.library.agent import LoadedAgent
from redo_lab.neurons.layers import HiddenLayer, Network
from redo_lab.neurons.scores import dormancy_scores

THRESHOLD = 0.1
OBSERVATIONS = 256
LAYER = "dense"
PICTURES = Path(__file__).parent.parent / "docs" / "concepts"


def observations(trained: LoadedAgent) -> Tensor:
    """What the agent sees while it plays by its evaluation environment, greedily."""
    env = trained.environment(seed=0)
    seen = [env.reset()]
    while len(seen) < OBSERVATIONS:
        step = env.step(trained.agent.greedy(seen[-1]))
        seen.append(env.reset() if step.terminated or step.truncated else step.obs)
    return torch.from_numpy(np.stack(seen))


def scores(network: Network, batch: Tensor) -> Tensor:
    """Eq. 1 for every neuron of the layer that is drawn, [neurons]."""
    return dormancy_scores([layer_of(network)], lambda: network.online(batch))[0]


def layer_of(network: Network) -> HiddenLayer:
    """The hidden layer that is drawn."""
    return next(layer for layer in network.hidden if layer.name == LAYER)


def draw_scores(runs: dict[str, LoadedAgent], path: Path) -> None:
    """The scores of all neurons of one layer, in order, a panel for each run."""
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(runs), figsize=(6.75, 2.2), sharey=True, layout="constrained")
        for axes, (title, trained) in zip(panels, runs.items(), strict=True):
            (network,) = trained.agent.networks()
            values = scores(network, observations(trained)).sort(descending=True).values.numpy()
            dormant = int((values <= THRESHOLD).sum())
            colours = ["#D55E00" if value <= THRESHOLD else "#0072B2" for value in values]
            axes.bar(range(len(values)), values, width=1.0, color=colours)
            axes.axhline(THRESHOLD, color="black", linewidth=0.8, linestyle="--")
            axes.set_title(f"{title}: {dormant} of {len(values)} neurons dormant")
            axes.set_xlabel("neurons of the dense layer, by score")
        panels[0].set_ylabel("score")
        figure.savefig(path, dpi=160)
        plt.close(figure)


def draw_recycling(trained: LoadedAgent, path: Path) -> list[int]:
    """The outgoing and incoming weights of one layer before and after ReDo acts once; returns who was recycled."""
    (network,) = trained.agent.networks()
    batch, layer = observations(trained), layer_of(network)
    order = scores(network, batch).argsort()[:32]
    before = _weights(layer, order)
    optimizer = torch.optim.Adam(network.online.parameters())
    values = scores(network, batch)
    output = network.online(batch).detach()
    recycle(network.online, batch, optimizer, threshold=THRESHOLD, layers=[layer], generator=torch.manual_seed(0))
    after = _weights(layer, order)
    change = (network.online(batch).detach() - output).abs()
    recycled = int((values[order] <= THRESHOLD).sum())
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(2, 2, figsize=(6.75, 3.6), layout="constrained", width_ratios=(4, 1))
        for row, title, (incoming, outgoing) in zip(panels, ("before", "after"), (before, after), strict=True):
            _picture(row[0], incoming, f"incoming, {title}", recycled)
            _picture(row[1], outgoing, f"outgoing, {title}", recycled)
            row[0].set_ylabel("neurons by score,\nlowest first")
        figure.savefig(path, dpi=160)
        plt.close(figure)
    print(f"{recycled} of the {len(order)} neurons shown are recycled")
    print(f"values: {output.abs().mean():.2f} on average, changed by {change.mean():.2f}, at most {change.max():.2f}")
    return order[:recycled].tolist()


def _weights(layer: HiddenLayer, order: Tensor) -> tuple[np.ndarray, np.ndarray]:
    incoming = layer.layer.weight.detach()[order, :256].numpy().copy()
    outgoing = layer.readers[0].layer.weight.detach()[:, order].T.numpy().copy()
    return incoming, outgoing


def _picture(axes: Axes, weights: np.ndarray, title: str, recycled: int) -> None:
    limit = 0.12 if weights.shape[1] > 16 else 0.6
    axes.imshow(weights, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    axes.axhline(recycled - 0.5, color="black", linewidth=0.8)
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])


def main(without: str, with_redo: str, folder: str = str(PICTURES)) -> int:
    """Draws both pictures into `folder`."""
    runs = {"without ReDo": load_agent(without), "with ReDo": load_agent(with_redo)}
    draw_scores(runs, Path(folder) / "scores.png")
    draw_recycling(runs["without ReDo"], Path(folder) / "recycling.png")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
