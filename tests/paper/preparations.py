"""What an id needs before its sweep can start on a machine that has neither data sets nor trained agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PREPARATIONS: Mapping[str, Sequence[Sequence[str]]] = {
    # The DQN Replay data set is 50 GB a game: the replays of short runs of ours stand in its place.
    "fig4": [
        ["sweep", "fig4_recorded"],
        *(
            ["export-replay", game, "--root", "runs/fig4_recorded", "-o", "data/dqn"]
            for game in ("breakout", "asterix")
        ),
    ],
    # Its teachers and pre-trained students are agents of a sweep of their own.
    "fig8": [["sweep", "fig8_teachers"]],
}
"""Commands before `redo-lab sweep ID`; sweep gets the words of every run here, too."""
