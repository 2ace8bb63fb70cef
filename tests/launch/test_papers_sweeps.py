"""The games, seeds and settings of every figure and table, typed from the paper, against its sweep."""

from __future__ import annotations

import pytest

from redo_lab.commands import sweep
from redo_lab.launch.sweep_file import SweepFile
from tests.launch.test_sweep_file import values

TWO = {"demon_attack", "asterix"}
FIVE = TWO | {"seaquest", "breakout", "beam_rider"}
SEVENTEEN = FIVE | {
    *("wizard_of_wor", "road_runner", "jamesbond", "qbert", "enduro", "space_invaders", "pong", "zaxxon"),
    *("yars_revenge", "ms_pacman", "double_dunk", "ice_hockey"),
}
TWENTY_SIX = {
    *("alien", "amidar", "assault", "asterix", "bank_heist", "battle_zone", "boxing", "breakout", "chopper_command"),
    *("crazy_climber", "demon_attack", "freeway", "frostbite", "gopher", "hero", "jamesbond", "kangaroo", "krull"),
    *("kung_fu_master", "ms_pacman", "pong", "private_eye", "qbert", "road_runner", "seaquest", "up_n_down"),
}
DEMON = {"demon_attack"}
METHODS = {"recycler": "none redo reset none", "regulariser": "none none none weight_decay"}
SAC_METHODS = METHODS | {"recycler": "none redo reset_all none"}
RATIOS, DRQ_RATIOS = "0.25 0.5 1 2", "1 2 4 8"
WITH_AND_WITHOUT = {"recycler": "none redo"}
DQN, SAC = {"agent": "dqn"}, {"agent": "sac"}

PAPER = {
    "fig1": (SEVENTEEN, 5, DQN | METHODS | {"replay_ratio": "1"}),
    "fig2": (TWO, 5, DQN | {"recycler": "none", "replay_ratio": "0.25", "training.iterations": "100"}),
    "fig5": (TWO, 5, DQN | {"recycler": "none", "replay_ratio": "0.25", "training.iterations": "100"}),
    "fig6": (TWO, 5, DQN | {"recycler": "none prune", "replay_ratio": "0.25", "training.iterations": "40"}),
    "fig7": (DEMON, 5, DQN | {"recycler": "none", "replay_ratio": RATIOS, "training.iterations": "40"}),
    "fig9": (DEMON, 5, DQN | WITH_AND_WITHOUT | {"replay_ratio": "0.25", "training.iterations": "40"}),
    "fig10_dqn": (SEVENTEEN, 5, DQN | WITH_AND_WITHOUT | {"replay_ratio": RATIOS, "training.iterations": "10"}),
    "fig10_nstep3": (
        SEVENTEEN, 5,
        WITH_AND_WITHOUT | {"agent": "dqn_nstep3", "replay_ratio": RATIOS, "training.iterations": "10"},
    ),
    "fig10_resnet": (
        SEVENTEEN, 5,
        DQN | WITH_AND_WITHOUT | {"network": "impala", "replay_ratio": RATIOS, "training.iterations": "10"},
    ),
    "fig10_drq": (TWENTY_SIX, 10, WITH_AND_WITHOUT | {"agent": "drq_eps", "replay_ratio": DRQ_RATIOS}),
    "fig11": (
        SEVENTEEN, 5,
        DQN | {"recycler": "none redo none", "agent.learning_rate_scale": "1.0 1.0 0.25", "replay_ratio": "1"},
    ),
    "fig12": (SEVENTEEN, 5, DQN | WITH_AND_WITHOUT | {"network.width": "1.0 2.0 4.0", "replay_ratio": "1"}),
    "fig13": (SEVENTEEN, 5, DQN | METHODS | {"replay_ratio": "1"}),
    "fig14": ({"halfcheetah", "ant"}, 10, SAC | SAC_METHODS),
    "fig15": (TWO, 5, DQN | {"recycler": "redo_scheduled random inverse", "replay_ratio": "1"}),
    "fig16": (FIVE, 5, DQN | {"recycler": "none", "replay_ratio": RATIOS, "training.iterations": "40"}),
    "fig17": (
        FIVE, 10,
        {"agent": "drq_eps", "recycler": "none", "replay_ratio": "1", "training.iterations": "100"},
    ),
    "fig18": ({"halfcheetah", "ant"}, 10, SAC | {"recycler": "none"}),
    "fig19": ({"halfcheetah", "ant"}, 10, SAC | {"recycler": "none prune"}),
    "fig20": ({"halfcheetah", "ant", "hopper", "walker2d"}, 10, SAC | SAC_METHODS),
    "fig21": (DEMON, 5, DQN | WITH_AND_WITHOUT | {"network.activation": "relu leaky_relu", "replay_ratio": "1"}),
    "fig22": (FIVE, 5, DQN | {"recycler": "redo", "recyclers.redo.outgoing": "zero random", "replay_ratio": "1"}),
    "fig23": (FIVE, 5, DQN | {"recycler": "redo", "recyclers.redo.incoming": "init scaled", "replay_ratio": "1"}),
    "fig24": (FIVE, 5, DQN | {"recycler": "none", "replay_ratio": "1", "probe": "[dormancy,score_batches]"}),
    "fig25": (TWO, 5, DQN | {"recycler": "redo_scheduled cbp_utility", "replay_ratio": "1"}),
    "fig26": (
        SEVENTEEN, 5,
        DQN | WITH_AND_WITHOUT | {
            "replay_ratio": "0.25 0.5 1", "training.iterations": "10 5 5",
            "training.iteration_env_steps": "250000 250000 125000",
        },
    ),
    "fig27": (SEVENTEEN, 5, DQN | WITH_AND_WITHOUT | {"replay_ratio": "1", "training.iterations": "10"}),
    "fig28": (SEVENTEEN, 5, DQN | WITH_AND_WITHOUT | {"replay_ratio": "0.25", "training.iterations": "40"}),
    "fig29": (TWENTY_SIX, 10, WITH_AND_WITHOUT | {"agent": "drq_eps", "replay_ratio": "4"}),
    "fig30": (TWENTY_SIX, 10, WITH_AND_WITHOUT | {"agent": "drq_eps", "replay_ratio": "1"}),
    "table6": ({"ant"}, 5, SAC | WITH_AND_WITHOUT | {"network.width": "0.5 0.25"}),
    "table7": (DEMON, 5, DQN | WITH_AND_WITHOUT | {"replay_ratio": "1", "probe": "[dormancy,rank]"}),
}  # fmt: skip
"""Of each id: its games, how many seeds, and the values of every setting that its sweep names."""


@pytest.mark.parametrize("name", PAPER)
def test_a_sweep_has_the_games_the_seeds_and_the_settings_of_the_paper(name: str) -> None:
    games, seeds, settings = PAPER[name]
    jobs = [dict(word.split("=", 1) for word in job) for job in _jobs(name)]
    assert {job["env"].partition("/")[2] for job in jobs} == games
    assert {job["seed"] for job in jobs} == {str(seed) for seed in range(seeds)}
    assert set(jobs[0]) == {*settings, "env", "seed", "experiment"}
    for key, wanted in settings.items():
        assert {job[key] for job in jobs} == set(wanted.split()), key
    together = [key for key, wanted in settings.items() if len(wanted.split()) > 1]
    for one, other in ((a, b) for a in together for b in together if {a, b} in TOGETHER):
        pairs = zip(settings[one].split(), settings[other].split(), strict=True)
        assert {(job[one], job[other]) for job in jobs} == set(pairs)


TOGETHER: list[set[str]] = [
    {"recycler", "regulariser"},
    {"recycler", "agent.learning_rate_scale"},
    {"replay_ratio", "training.iteration_env_steps"},
    {"training.iterations", "training.iteration_env_steps"},
]
"""Settings of which the paper doesn't take every combination."""


def _jobs(name: str) -> list[list[str]]:
    return SweepFile.read(sweep.SWEEPS / f"{name}.yaml").jobs([], values)
