"""Noise scales as a command asks for them: of every run that logged the norms, with a law of each where it is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from db import kinds, noise_fits
from db.fits import check_fit_name
from db.macros import safe_name
from db.saved import SavedFit
from scaling.errors import InputDataError

if TYPE_CHECKING:
    from db.store import Store
    from scaling.batch_size.calibration import Calibration


@dataclass(frozen=True)
class NoiseAnswer:
    """Noise scales of runs.

    Parameters
    ----------
    found : tuple of RunNoise
        One a run.
    saved : dict of str to SavedFit
        The law of each run, where one was asked for.
    calibration : Calibration or None
        Of a critical batch size to the noise scale.
    against : str or None
        The fit that it is of.
    """

    found: tuple[noise_fits.RunNoise, ...]
    saved: dict[str, SavedFit] = field(default_factory=dict)
    calibration: Calibration | None = None
    against: str | None = None


def noise_of(
    store: Store, asked: Mapping[str, Any], *, against: str | None = None, name: str | None = None,
    replace: bool = False, bootstrap: int = 1000, seed: int = 0,
) -> NoiseAnswer:  # fmt: skip
    """Work noise scales out, hold them against a critical batch size, and save their laws over training.

    Parameters
    ----------
    store : Store
        Open for writing where `name` is given.
    asked : mapping
        As of `db.noise_fits`.
    against : str, optional
        A saved fit of steps to a target.
    name : str, optional
        Of the law over the windows; of several runs the first part of their names. Nothing is saved where missing.
    replace, bootstrap, seed
        As of `db.kinds.save_derived`.

    Returns
    -------
    NoiseAnswer

    Raises
    ------
    UsageError
        For what makes no sense.
    InputDataError
        Where no run has such norms, or, with a name, where a run has too few windows with a bounded noise scale.
    """
    table = {**noise_fits.USUAL, **asked}
    check_fit_name(store, name, replace)
    found = tuple(noise_fits.runs_of(store, table))
    named, calibration = None, None
    if against is not None:
        named, calibration = noise_fits.calibrate(store, against, found, float(table["level"]))
    saved = {} if name is None else _save(store, table, found, name, replace, bootstrap, seed)
    return NoiseAnswer(found, saved, calibration, named)


def _save(
    store: Store, asked: Mapping[str, Any], found: tuple[noise_fits.RunNoise, ...], name: str, replace: bool,
    bootstrap: int, seed: int,
) -> dict[str, SavedFit]:  # fmt: skip
    """Fit and save the law of each run: all of them or none."""
    parts = []
    for one in found:
        mine = {**asked, "run": one.run_id}
        rows = kinds.select_rows(store, noise_fits.KIND, mine)
        try:
            fit = noise_fits.make(rows, mine, bootstrap=bootstrap, seed=seed)
        except InputDataError as error:
            raise InputDataError(
                f"Nothing is saved of the run {one.run_id}: {error.message}.",
                f"{error.hint or ''} Or leave --name out, for the noise scale alone.".strip(),
            ) from error
        own = name if len(found) == 1 else safe_name(store, f"{name}_{one.run_id}")
        parts.append((own, mine, rows, fit, ()))
    saved = kinds.save_all(store, noise_fits.KIND, parts, replace=replace, bootstrap=bootstrap, seed=seed)
    return {one.run_id: fit for one, fit in zip(found, saved, strict=True)}
