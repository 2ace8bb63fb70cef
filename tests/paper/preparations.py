"""What an id needs before its sweep can start on a machine that has neither data sets nor trained agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ONE_SEED = ["seed=0"]
RECORDED = "fig4_recorded"
GAMES = ("demon_attack", "asterix")

PREPARATIONS: Mapping[str, Sequence[Sequence[str]]] = {
    # In place of the DQN Replay data set, 50 GB a game, stands the replay of a short run of ours, in the same format.
    "fig4": [
        command
        for game in GAMES
        for command in (
            ["train", f"env=atari/{game}", f"experiment={RECORDED}", "checkpoint.final_replay=true", "threads=1"],
            ["export-replay", game, "--root", f"runs/{RECORDED}", "-o", "data/dqn"],
        )
    ],
    # Its teachers and pre-trained students are agents of a sweep of their own.
    "fig8": [["sweep", "fig8_teachers", *ONE_SEED]],
}
"""Commands before `redo-lab sweep ID`; train and sweep get the words of every run here, too."""

WORDS: Mapping[str, Sequence[str]] = {"fig4": ONE_SEED, "fig8": ONE_SEED}
"""Further words of an id's sweep, where its file has none for scale=smoke."""
