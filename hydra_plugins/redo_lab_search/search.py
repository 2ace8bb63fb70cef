"""Where Hydra looks besides `conf/`: the folders of `--conf`, and the games of every environment."""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from redo_lab.paths import user_conf


class RedoLabSearchPath(SearchPathPlugin):
    """Every composition sees the same options, whichever verb or test asks for it."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """The user's folders come after `conf/`, then the games."""
        for folder in user_conf():
            search_path.append("redo-lab --conf", f"file://{folder}")
        search_path.append("redo-lab", "games://")
