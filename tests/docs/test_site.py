"""The documentation site: its generated pages say what conf/, sweeps/, examples/ and README.md say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import yaml
from torch.nn import Linear

from redo_lab import load_agent
from redo_lab.cli import main
from redo_lab.options import options
from scripts import concept_pictures
from scripts.docs_site import config_keys, hooks, links, pages
from tests.docs.pages import ROOT

SITE = re.sub(r"!!python\S+", "", (ROOT / "mkdocs.yml").read_text())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    words = ["env=minatar/breakout", "scale=smoke", "training.iterations=1", "logger=none", "threads=1"]
    assert main(["train", *words, f"root={root}"]) == 0
    (path,) = root.rglob("run.json")
    return path.parent


def in_navigation(node: object) -> set[str]:
    if isinstance(node, dict):
        return set().union(*map(in_navigation, node.values()))
    return {str(node)} if isinstance(node, str) else set().union(*map(in_navigation, node))


def test_every_page_is_in_the_navigation_and_every_entry_has_a_page() -> None:
    written = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert in_navigation(yaml.safe_load(SITE)["nav"]) == written | set(hooks.GENERATED)


def test_the_site_asks_no_other_server() -> None:
    site = yaml.safe_load(SITE)
    assert site["theme"]["font"] is False
    assert site["strict"] is True
    assert "://" not in SITE


def test_the_page_of_config_keys_has_every_option_with_its_values_types_and_comments() -> None:
    page = config_keys.page()
    for path in (ROOT / "conf").glob("*/*.yaml"):
        assert f"### {path.parent.name}={path.stem}\n" in page
    assert "| `agent.loss` | `huber` | `huber`, `mse` | huber \\| mse |" in page
    assert "| `training.replay_ratio` | `???` | float | updates an agent step |" in page
    period = "| `recyclers.redo.period_updates` | `${shared.recycle_period_updates}` | int | F of Algorithm 1: updates"
    assert period in page
    assert "| `threads` | `null` | int or null | of torch in this process; null: torch's own choice |" in page


def test_every_key_has_a_comment() -> None:
    bare = re.findall(r"^\| (`[^`]+`) \|.*\|  \|$", config_keys.page(), re.MULTILINE)
    assert bare == [], "say behind the value in conf/ what it is, in which unit, and where it comes from"


def test_a_comment_stands_behind_the_value_or_above_the_key() -> None:
    text = "# Opening.\na: 1\n# of two\n# lines\nb: 2\nc: [1,\n  2] # behind\n\nd: 4\n"
    keys, _ = config_keys.keys_of(text, "hydra")
    assert {key.name: key.comment for key in keys} == {
        "hydra.a": "",
        "hydra.b": "of two lines",
        "hydra.c": "behind",
        "hydra.d": "",
    }


def test_a_key_has_the_type_of_its_schema_whatever_the_depth() -> None:
    text = "_target_: redo_lab.agents.value.ValueAgent\nepsilon:\n  initial: 1.0   # of exploration\n"
    (key,), classes = config_keys.keys_of(text, "agent")
    assert key == config_keys.Key("agent.epsilon.initial", "1.0", "float", "of exploration")
    assert [cls.__name__ for cls in classes] == ["ValueAgent"]


def test_every_intervention_and_every_probe_is_explained() -> None:
    interventions = (ROOT / "docs" / "interventions.md").read_text()
    metrics = (ROOT / "docs" / "metrics.md").read_text()
    for group, text in (("recycler", interventions), ("regulariser", interventions), ("probe", metrics)):
        for option in options(group):
            assert f"`{option}`" in text or option == "none", option


def test_a_script_becomes_text_and_code() -> None:
    text = "# %% [markdown]\n# ## First\n# Said of it.\n\n"
    code = "# %%\nx = 1\n# why\n\n# %%\ny = 2\n"
    source = f'"""Title.\n\nMore words."""\n\n{text}{code}'
    page = pages.script(source, "examples/e.py")
    assert page.startswith("# Title\n\nMore words.\n\nThe script is `examples/e.py`")
    assert "## First\nSaid of it.\n\n```python\nx = 1\n# why\n```\n\n```python\ny = 2\n```\n" in page


def test_links_out_of_docs_lead_to_the_pages_that_show_what_they_name() -> None:
    assert links.inside("[a](../sweeps/fig1.yaml)", "paper.md") == "[a](reference/sweeps.md#sweeps-fig1)"
    assert links.inside("[a](../examples/load_and_play.py)", "library.md") == "[a](examples/load_and_play.md)"
    assert links.inside("[a](../aggregation.md)", "aggregation/coverage.md") == "[a](../aggregation.md)"
    assert links.inside("[a](https://x.org) [b](#c)", "paper.md") == "[a](https://x.org) [b](#c)"
    assert links.at_the_root("[a](docs/paper.md#b) [c](LOG.md)") == "[a](paper.md#b) [c](log.md)"
    with pytest.raises(ValueError, match=r"no page of the site shows setup\.py"):
        links.inside("[a](../setup.py)", "paper.md")


def test_every_linked_sweep_and_figure_is_on_its_page() -> None:
    page = pages.sweeps()
    paper = links.inside((ROOT / "docs" / "paper.md").read_text(), "paper.md")
    targets = re.findall(r"\]\(reference/sweeps\.md#([^)]+)\)", paper)
    assert len(targets) > 60
    assert all(f"{{#{target}}}" in page for target in targets)


def test_the_pictures_of_the_concepts_are_drawn_from_runs(tmp_path: Path, trained: Path) -> None:
    assert concept_pictures.main(str(trained), str(trained), str(tmp_path)) == 0
    assert {path.name for path in tmp_path.glob("*.png")} == {"scores.png", "recycling.png"}


def test_the_picture_of_recycling_shows_the_neurons_that_are_recycled(tmp_path: Path, trained: Path) -> None:
    agent = load_agent(trained)
    (network,) = agent.agent.networks()
    layer = concept_pictures.layer_of(network).layer
    assert isinstance(layer, Linear)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.fill_(1.0)
        layer.bias[[3, 70, 127]] = -1.0
    assert sorted(concept_pictures.draw_recycling(agent, tmp_path / "again.png")) == [3, 70, 127]
    assert (layer.weight[[3, 70, 127]] != 0).any(dim=1).all()
    assert (tmp_path / "again.png").stat().st_size > 10_000
