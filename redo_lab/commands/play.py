"""`redo-lab play RUN`: games of a trained agent as videos."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redo_lab.launch.choose import ROOT, guarded

if TYPE_CHECKING:
    from redo_lab.library.agent import LoadedAgent


def main(argv: Sequence[str]) -> int:
    """0; 2 for a mistake: no such run, no agent in it, an environment that can't be drawn."""
    command_line = argparse.ArgumentParser(
        "redo-lab play", description="Plays games with the agent of a run and writes a video of each."
    )
    command_line.add_argument("run", metavar="RUN", help="its directory, or a part of its id that no other run has")
    command_line.add_argument("--root", type=Path, default=ROOT, help="where to look for it (default: runs)")
    command_line.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="a .mp4 or a .gif; of several games NAME-1.mp4, NAME-2.mp4 … (default: videos/ in the run's directory, "
        "the return in the name)",
    )
    command_line.add_argument("--games", type=int, default=1, metavar="N", help="how many (default: 1)")
    command_line.add_argument("--seed", type=int, default=0, help="of the first game, the next has the next seed")
    command_line.add_argument(
        "--epsilon", type=float, help="share of random actions (default: as the run is evaluated)"
    )
    command_line.add_argument("--checkpoint", type=int, metavar="N", help="its number (default: the newest whole one)")
    command_line.add_argument(
        "--seconds", type=float, metavar="S", help="draw only so much of a game, played to its end"
    )
    command_line.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 or auto (default: cpu)")
    return guarded("play", _play, command_line.parse_args(argv))


def _play(arguments: argparse.Namespace) -> int:
    from redo_lab.config import require
    from redo_lab.runs.video import check_format, draw_without_a_display

    require(arguments.games >= 1, f"--games must be ≥ 1, got {arguments.games}")
    require(arguments.seed >= 0, f"--seed must be ≥ 0, got {arguments.seed}")
    require(arguments.seconds is None or arguments.seconds > 0, f"--seconds must be > 0, got {arguments.seconds}")
    if arguments.output is not None:
        check_format(arguments.output)
    draw_without_a_display()
    from redo_lab.library.agent import load_agent
    from redo_lab.runs.table import run_named

    directory = run_named(arguments.run, arguments.root)
    trained = load_agent(directory, checkpoint=arguments.checkpoint, device=arguments.device)
    for game in range(arguments.games):
        path, game_return = _film(trained, arguments, directory, game)
        print(f"{path}: return {game_return:g}")
    return 0


def _film(trained: LoadedAgent, arguments: argparse.Namespace, directory: Path, game: int) -> tuple[Path, float]:
    from redo_lab.runs import video

    seed = arguments.seed + game
    film = trained.watch(seed, arguments.epsilon)
    output = arguments.output or directory / video.FOLDER / f"step{trained.env_steps}-seed{seed}.mp4"
    if arguments.output and arguments.games > 1:
        output = output.with_stem(f"{output.stem}-{game + 1}")
    seconds = arguments.seconds
    most = None if seconds is None else max(1, round(seconds * film.frames_per_second))
    video.write(output, film.frames(most), film.frames_per_second)
    assert film.game_return is not None
    if arguments.output is None:
        output = output.rename(output.with_stem(f"{output.stem}-return{film.game_return:g}"))
    return output, film.game_return
