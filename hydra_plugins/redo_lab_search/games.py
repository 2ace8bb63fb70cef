"""`env=atari/asterix` is `env=atari env.game=Asterix`: an option for each game that an environment's class names."""

from __future__ import annotations

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf


class Games(ConfigSource):
    """The configs `env/<environment>/<game>`."""

    @staticmethod
    def scheme() -> str:
        return "games"

    def available(self) -> bool:
        return True

    def load_config(self, config_path: str) -> ConfigResult:
        """The environment's own config with `env.game` set."""
        environment, game = _parts(config_path)
        games = _games(environment)
        if game not in games:
            raise ConfigLoadError(f"Config not found : {config_path}")
        content = {"defaults": [f"/env/{environment}", "_self_"], "env": {"game": games[game]}}
        return ConfigResult(
            config=OmegaConf.create(content),
            path=f"{self.scheme()}://{config_path}",
            provider=self.provider,
            header={"package": "_global_"},
        )

    def is_config(self, config_path: str) -> bool:
        environment, game = _parts(config_path)
        return bool(game) and game in _games(environment)

    def is_group(self, config_path: str) -> bool:
        environment, game = _parts(config_path)
        return not game and bool(_games(environment))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """The games below `env/<environment>`; the environments themselves are files of other sources."""
        environment, game = _parts(config_path)
        return [] if game or results_filter is ObjectType.GROUP else sorted(_games(environment))


def _parts(config_path: str) -> tuple[str, str]:
    """`env/atari/asterix` → atari, asterix; empty where the path is not of that form."""
    group, _, option = config_path.removesuffix(".yaml").partition("/")
    environment, _, game = option.partition("/")
    return (environment, game) if group == "env" and "/" not in game else ("", "")


def _games(environment: str) -> dict[str, str]:
    from redo_lab.options import games

    return games(environment)
