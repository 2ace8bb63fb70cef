"""What a probe needs stands in its base, and a learner that lacks it is refused by name."""

from __future__ import annotations

import pytest

from redo_lab.agents.sac import SAC
from redo_lab.agents.value import ValueAgent
from redo_lab.config import ConfigError
from redo_lab.neurons.needs import check_needs, need_of
from redo_lab.probes.churn import Churn
from redo_lab.probes.dormancy import Dormancy
from redo_lab.probes.values import Values
from redo_lab.protocols import Actor, Learner, TDCritic
from redo_lab.recyclers.redo import ReDo
from redo_lab.regularisers.l2_init import L2Init

PARTS = {"probes.values": Values, "probes.churn": Churn, "probes.dormancy": Dormancy, "recyclers.redo": ReDo}


class Classifier(Learner):
    """A network that neither acts nor has values."""


class Mine:
    """A part from outside that names no base."""


def test_a_part_s_need_is_the_one_that_its_base_names() -> None:
    assert [need_of(part) for part in PARTS.values()] == [TDCritic, Actor, Learner, Learner]
    assert need_of(L2Init) is need_of(Mine) is Learner


@pytest.mark.parametrize("agent", [ValueAgent, SAC])
def test_an_agent_of_online_training_has_all_that_parts_need(agent: type) -> None:
    check_needs(PARTS, agent)


def test_a_part_whose_need_is_not_met_is_refused_by_name() -> None:
    check_needs({"probes.dormancy": Dormancy, "recyclers.redo": ReDo, "mine": Mine}, Classifier)
    with pytest.raises(ConfigError, match=r"^probes.values needs a TDCritic, and Classifier is none$"):
        check_needs(PARTS, Classifier)
    with pytest.raises(ConfigError, match=r"^probes.churn needs an Actor, and Classifier is none$"):
        check_needs({"probes.churn": Churn}, Classifier)


def test_an_agent_that_lacks_a_method_of_its_protocol_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="hidden_layers"):
        Classifier()  # type: ignore[abstract]
