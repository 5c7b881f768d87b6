"""The formats there are: ours, and those that other packages bring by the entry point ``scaling.readers``."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

from db.readers.format import Format
from scaling.errors import StoreError, UsageError, did_you_mean

GROUP = "scaling.readers"
#: Modules of formats, in the order in which the table of formats lists them.
MODULES: tuple[str, ...] = (
    "db.readers.wandb_offline",
    "db.readers.wandb_chart",
    "db.readers.wandb_runs",
    "db.readers.wandb_history",
    "db.readers.wandb_api",
    "db.readers.tfevents",
    "db.readers.mlflow_store",
    "db.readers.mlruns",
    "db.readers.trackio",
    "db.readers.hf_trainer",
    "db.readers.lightning",
    "db.readers.levanter",
    "db.readers.megatron",
    "db.readers.nanotron",
    "db.readers.torchtitan",
    "db.readers.olmo",
    "db.readers.aim",
    "db.readers.neptune",
    "db.readers.lm_eval",
    "db.readers.inspect_log",
    "db.readers.helm",
    "db.readers.score_tables",
    "db.readers.run_table",
)


@cache
def formats() -> dict[str, Format]:
    """Load all formats.

    Returns
    -------
    dict of str to Format
        By name.

    Raises
    ------
    StoreError
        If a package that brings a format cannot be loaded, or takes a name that is there.
    """
    found: dict[str, Format] = {}
    for module in MODULES:
        one = cast(Format, import_module(module))
        found[one.NAME] = one
    for point in entry_points(group=GROUP):
        try:
            one = cast(Format, point.load())
            name = one.NAME
        except Exception as error:
            raise StoreError(
                f"The reader '{point.name}' of another package ({point.value}) cannot be loaded: {error}.",
                "Mend or uninstall that package.",
            ) from error
        if name in found:
            raise StoreError(
                f"The reader '{point.name}' of another package ({point.value}) calls its format '{name}', "
                "and there is one of that name.",
                "Uninstall that package, or ask its authors for another name.",
            )
        found[name] = one
    return found


def format_named(name: str) -> Format:
    """A format by its name; raises `UsageError` with the nearest names where there is none."""
    known = formats()
    if name not in known:
        raise UsageError(f"There is no format '{name}'.", did_you_mean(name, known))
    return known[name]
