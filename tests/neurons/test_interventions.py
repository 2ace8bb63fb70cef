"""What holds of every intervention on every learner: the optimizer, the target, the generators and the checkpoint."""

from __future__ import annotations

import pytest
import torch

from redo_lab.neurons.surgery import optimizer_states
from tests.helpers.agents import through_a_file
from tests.helpers.interventions import EVERY, INTERVENTIONS, SMALL, Trial, ids, parameters, targets

GENERATORS = ("exploration", "augmentation", "noise")


@pytest.mark.parametrize("interventions", INTERVENTIONS, ids=ids)
@pytest.mark.parametrize(("learner", "norm"), EVERY)
def test_every_parameter_stays_in_one_optimizer_with_state_of_its_shape_and_goes_on_learning(
    learner: str, norm: str, interventions: tuple[str, ...]
) -> None:
    trial = Trial(learner, norm, interventions)
    before = [(id(p), p.shape) for p in parameters(trial.agent)]
    trial.run(2)
    trial.update()
    assert [(id(p), p.shape) for p in parameters(trial.agent)] == before
    groups = [group["params"] for optimizer in trial.agent.optimizers for group in optimizer.param_groups]
    for parameter in parameters(trial.agent):
        assert sum(parameter is one for group in groups for one in group) == 1
        (state,) = optimizer_states(parameter, trial.agent.optimizers)
        assert state["exp_avg"].shape == state["exp_avg_sq"].shape == parameter.shape
        assert state["step"].item() >= 1
        assert parameter.isfinite().all()


@pytest.mark.parametrize("interventions", INTERVENTIONS, ids=ids)
@pytest.mark.parametrize(("learner", "norm"), SMALL)
def test_the_target_stays_as_it_is_but_for_a_reset_that_says_otherwise(
    learner: str, norm: str, interventions: tuple[str, ...]
) -> None:
    """A reset with `targets: true` gives target and online network the same fresh weights."""
    trial = Trial(learner, norm, interventions)
    trial.run(1)
    trial.update()
    before = targets(trial.agent)
    trial.intervene()
    after = targets(trial.agent)
    unmoved = [torch.equal(now, old) for now, old in zip(after, before, strict=True)]
    if not any(getattr(part.config, "targets", False) for part, _ in trial.parts):
        assert all(unmoved)
        return
    drawn = [old.unique().numel() > 1 for old in before]  # not biases of 0 and gains of 1, which are so again
    assert not any(same for same, one in zip(unmoved, drawn, strict=True) if one)
    if len(trial.parts) == 1:
        for network in trial.agent.networks():
            pairs = zip(network.online.parameters(), network.target.parameters(), strict=True) if network.target else ()
            assert all(torch.equal(online, target) for online, target in pairs)


@pytest.mark.parametrize("interventions", INTERVENTIONS, ids=ids)
@pytest.mark.parametrize(("learner", "norm"), SMALL)
def test_an_intervention_draws_only_from_its_own_generator(
    learner: str, norm: str, interventions: tuple[str, ...]
) -> None:
    alone, trial = Trial(learner, norm), Trial(learner, norm, interventions)
    everywhere = torch.get_rng_state()
    alone.run(3)
    trial.run(3)
    assert torch.equal(torch.get_rng_state(), everywhere)
    ours, theirs = trial.agent.state_dict(), alone.agent.state_dict()
    names = [name for name in GENERATORS if name in ours]
    assert len(names) == 2
    for name in names:
        same = torch.equal if isinstance(ours[name], torch.Tensor) else dict.__eq__
        assert same(ours[name], theirs[name]), f"{name} was drawn from"


@pytest.mark.parametrize("interventions", INTERVENTIONS, ids=ids)
@pytest.mark.parametrize(("learner", "norm"), SMALL)
def test_a_resumed_trial_is_the_uninterrupted_one_bit_for_bit(
    learner: str, norm: str, interventions: tuple[str, ...]
) -> None:
    whole, resumed = Trial(learner, norm, interventions), Trial(learner, norm, interventions, seed=9)
    whole.run(3)
    resumed.load_state_dict(through_a_file(whole.state_dict()))
    assert whole.run(3) == resumed.run(3)
    for ours, theirs in zip(parameters(whole.agent), parameters(resumed.agent), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(("learner", "norm"), SMALL)
def test_without_interventions_an_update_is_as_without_hooks(learner: str, norm: str) -> None:
    with_hooks, plain = Trial(learner, norm), Trial(learner, norm)
    for _ in range(3):
        metrics = with_hooks.update()
        plain.updates += 1
        assert metrics == plain.agent.update(plain.batch())
    assert with_hooks.hooks.penalties == {}
    for ours, theirs in zip(parameters(with_hooks.agent), parameters(plain.agent), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("interventions", INTERVENTIONS, ids=ids)
@pytest.mark.parametrize("learner", ["dqn minatar", "sac mlp"])
def test_every_intervention_changes_what_is_learned(learner: str, interventions: tuple[str, ...]) -> None:
    alone, trial = Trial(learner, "none"), Trial(learner, "none", interventions)
    alone.run(3)
    trial.run(3)
    pairs = zip(parameters(alone.agent), parameters(trial.agent), strict=True)
    assert not all(torch.equal(ours, theirs) for ours, theirs in pairs)
