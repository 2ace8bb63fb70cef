"""Which words of a multirun go to which job: a key only to jobs that have the part it belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from hydra import compose

from redo_lab.sweeping.keys import Applied, Search, applied
from scripts import composing


def of(*jobs: str) -> Applied:
    """Of jobs whose words are separated by spaces."""
    with composing.hydra_open():
        return applied([job.split() for job in jobs], lambda words: compose("config", overrides=list(words)))


def test_a_key_goes_to_the_jobs_that_have_its_part_and_no_job_comes_twice() -> None:
    jobs = of(*(f"recycler={name} recyclers.redo.threshold={tau}" for name in ("none", "redo") for tau in (0.1, 0.2)))
    assert jobs.jobs == [
        ["recycler=none"],
        ["recycler=redo", "recyclers.redo.threshold=0.1"],
        ["recycler=redo", "recyclers.redo.threshold=0.2"],
    ]
    assert jobs.notes == ["recyclers.redo.threshold is set in 2 of 3 jobs: the others have no such key"]
    assert jobs.unknown == {}


def test_a_key_that_one_network_alone_has_leaves_the_others_as_they_are() -> None:
    jobs = of("network=impala network.padding=valid", "network=nature network.padding=valid")
    assert jobs.jobs == [["network=impala"], ["network=nature", "network.padding=valid"]]


def test_a_part_in_a_list_of_parts_has_its_keys() -> None:
    job = "recycler=[redo,prune] recyclers.redo.threshold=0.2"
    assert of(job, "recycler=prune recyclers.redo.threshold=0.2").jobs == [job.split(), ["recycler=prune"]]


def test_only_jobs_that_lose_a_key_are_in_its_note() -> None:
    some = ["agent=drq_eps agent.double=true", "agent=dqn"]
    assert of(*some).notes == []
    jobs = of(*some, *(f"recycler={name} recyclers.redo.threshold=0.1" for name in ("none", "redo")))
    assert jobs.notes == [
        "recyclers.redo.threshold is set in 1 of the 2 jobs that are given it: the others have no such key"
    ]


def test_a_key_that_no_job_has_stays_and_the_job_that_has_its_part_is_named() -> None:
    jobs = of("recycler=none recyclers.redo.treshold=1", "recycler=redo recyclers.redo.treshold=1")
    assert [len(job) for job in jobs.jobs] == [2, 2]
    assert jobs.notes == []
    assert jobs.unknown == {"recyclers.redo.treshold": ["recycler=redo", "recyclers.redo.treshold=1"]}


def test_a_search_keeps_its_jobs_apart_and_in_order_and_knows_the_parts_of_all_its_options() -> None:
    with composing.hydra_open():
        choices = [["recycler=none"], ["recycler=redo"]]
        search = Search(choices, lambda words: compose("config", overrides=list(words)))
        threshold, typo = "recyclers.redo.threshold=0.1", "recyclers.redo.treshold=0.1"
        assert search.fitted([("recycler=none", threshold, typo)] * 2) == [["recycler=none", typo]] * 2
        assert search.fitted([("recycler=redo", threshold)]) == [["recycler=redo", threshold]]


def test_repeats_that_were_asked_for_stay() -> None:
    assert (
        of("seed=0 agent.learning_rate=1", "seed=0 agent.learning_rate=1").jobs
        == [["seed=0", "agent.learning_rate=1"]] * 2
    )


def test_jobs_that_choose_the_same_options_are_composed_once() -> None:
    asked: list[Sequence[str]] = []

    def composed(words: Sequence[str]) -> dict[str, dict[str, int]]:
        asked.append(words)
        return {"agent": {"gamma": 1}}

    games = [f"env=atari/{game} recycler={name}" for game in ("pong", "qbert") for name in ("none", "redo")]
    jobs = [f"{job} seed={seed} agent.gamma={seed}".split() for job in games for seed in (0, 1)]
    assert applied(jobs, composed).jobs == jobs
    assert asked == [["env=atari/pong", "recycler=none"], ["env=atari/pong", "recycler=redo"]]


def test_a_key_that_is_added_or_removed_is_left_alone() -> None:
    assert applied([["+a.b=1", "~c.d"]], dict).jobs == [["+a.b=1", "~c.d"]]
