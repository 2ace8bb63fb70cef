"""A wheel carries `conf/`, `sweeps/` and `figures/`, folders of the repository's top, inside redo_lab."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("conf", "sweeps", "figures")


class BuildWithFolders(build_py):
    """Also copies the folders; an editable install finds them in the checkout."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for folder in FOLDERS:
                target = Path(self.build_lib) / "redo_lab" / folder
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(Path(__file__).parent / folder, target)


setup(cmdclass={"build_py": BuildWithFolders})
