"""A wheel works alone: installed somewhere else, without the checkout, every verb finds what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from redo_lab.analysis.recipes import LOOKS

CHECKOUT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of a fresh environment with our wheel, which sees this one's other packages."""
    root = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    source = root / "source"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    for name in filter(None, tracked.stdout.split("\0")):
        if (CHECKOUT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((CHECKOUT / name).read_bytes())
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", root, source], cwd=root, check=True
    )
    (wheel,) = root.glob("*.whl")
    venv.create(root / "env", with_pip=False)
    python = root / "env" / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(root / "env")}))
    subprocess.run([*pip, "--python", python, "install", "--no-deps", wheel], cwd=root, check=True)
    # Comes after the wheel's own files, and its .pth files (ours, editable) are not read.
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def said(bin_folder: Path, where: Path, *words: str, **environment: str) -> str:
    """What `redo-lab <words>` prints in `where`, with nothing of this checkout on the path."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV_", "REDO_LAB"))}
    command = [bin_folder / "redo-lab", *words]
    done = subprocess.run(
        command, cwd=where, env={**own, **environment}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_the_wheel_that_is_tested(installed: Path, tmp_path: Path) -> None:
    code = "import redo_lab, hydra_plugins.redo_lab_search as h; print(redo_lab.__file__, h.__file__)"
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [installed / "python", "-c", code], cwd=tmp_path, env=own, capture_output=True, text=True, check=True
    )
    assert all(path.startswith(str(installed.parent)) for path in done.stdout.split())


def test_a_run_trains(installed: Path, tmp_path: Path) -> None:
    said(installed, tmp_path, "train", "env=classic/cartpole", "scale=smoke", "recycler=redo", "logger=none")
    (metrics,) = tmp_path.glob("runs/default/*/metrics.csv")
    assert "evaluation" in metrics.read_text()
    (status,) = tmp_path.glob("runs/default/*/status.json")
    assert '"finished"' in status.read_text()


def test_sweeps_and_figures_are_listed(installed: Path, tmp_path: Path) -> None:
    assert {path.stem for path in (CHECKOUT / "sweeps").glob("*.yaml")} <= set(
        said(installed, tmp_path, "sweep", "--list").split()
    )
    figures = {path.stem for path in (CHECKOUT / "figures").glob("*.yaml")} - {LOOKS}
    assert figures <= set(said(installed, tmp_path, "figure", "--list").split())


@pytest.mark.parametrize(
    ("line", "completion"),
    [
        ("redo-lab sweep fig10_d", "fig10_dqn"),
        ("redo-lab figure eff", "efficiency"),
        ("redo-lab train recycler=redo_", "recycler=redo_scheduled"),
        ("redo-lab train env=atari/aste", "env=atari/asterix"),
        ("redo-lab train agent.learning", "agent.learning_rate="),
    ],
)
def test_the_shell_completes(line: str, completion: str, installed: Path, tmp_path: Path) -> None:
    found = said(installed, tmp_path, "-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert completion in found.split()
