"""Mappings of scores that come with the package: public tables whose columns are known."""

from __future__ import annotations

from importlib import resources

from db.score_mapping import ScoreMapping
from scaling.errors import UsageError, did_you_mean


def preset_names() -> list[str]:
    """Names of the presets, in alphabetical order."""
    files = resources.files("db").joinpath("presets").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load_preset(name: str) -> ScoreMapping:
    """Read a mapping that comes with the package.

    Parameters
    ----------
    name : str
        Such as ``open-llm-leaderboard``; see `preset_names`.

    Returns
    -------
    ScoreMapping

    Raises
    ------
    UsageError
        If there is none of that name; names the nearest.
    """
    known = preset_names()
    if name not in known:
        raise UsageError(f"There is no preset '{name}'.", did_you_mean(name, known))
    text = resources.files("db").joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")
    return ScoreMapping.parse(text, name=f"preset {name}", preset=name)
