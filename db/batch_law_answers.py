"""Laws of the critical batch size as a command asks for them: fitted to the sweeps of a store, and saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db import batch_iso_loss, batch_laws, batch_steps, kinds
from db.fits import check_fit_name
from db.saved import SavedFit
from scaling.errors import InputDataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from db.store import Store
    from scaling.batch_size.law_forecast import HeldOut
    from scaling.batch_size.law_result import CriticalLaw
    from scaling.batch_size.sensitivity import ConventionTable

_ANCHORS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the anchor, where conventions are held against each other
_OVERHEAD = 0.2  # of those, where none was asked for
_DECAYED = ("targets", "between", "keep_untuned")
_OF_CURVES = ("by", "anchor", "samples", "steps", "censored", "overhead", "tokens_from")


@dataclass(frozen=True)
class SavedLaw:
    """A law of the critical batch size, as saved.

    Parameters
    ----------
    saved : SavedFit
        The fit.
    rows : DerivedSelection
        Its rows.
    law : CriticalLaw
        What it says.
    held : HeldOut or None
        The largest point, forecast from the others; None where too few are left.
    conventions : ConventionTable or None
        What conventions make of the exponent, where that was asked for.
    """

    saved: SavedFit
    rows: kinds.DerivedSelection
    law: CriticalLaw
    held: HeldOut | None = None
    conventions: ConventionTable | None = None


def fit_batch_law(
    store: Store, asked: Mapping[str, Any], *, iso_loss: bool = False, conventions: bool = False, level: float = 0.9,
    name: str | None = None, replace: bool = False, bootstrap: int = 1000, seed: int = 0,
) -> SavedLaw:  # fmt: skip
    """Fit a law of the critical batch size, and save it.

    Parameters
    ----------
    store : Store
        Open for writing.
    asked : mapping
        As of `db.batch_laws`, or of `db.batch_iso_loss`; ``over`` is ``tokens params both loss`` or ``auto``.
    iso_loss : bool, default False
        Whether tokens at a loss are read across runs of several lengths.
    conventions : bool, default False
        Whether to hold conventions against each other.
    level : float, default 0.9
        Nominal coverage.
    name, replace, bootstrap, seed
        As of `db.kinds.save_derived`.

    Returns
    -------
    SavedLaw

    Raises
    ------
    UsageError
        For what does not go together.
    InputDataError
        Where no law can be fitted.
    VerdictError
        For a law of size and tokens together where these grow together.
    """
    over = asked.get("over") or "auto"
    if over != "auto" and over not in batch_laws.OVER:
        raise UsageError(f"There is no law over '{over}'.", did_you_mean(over, ["auto", *batch_laws.OVER]))
    check_fit_name(store, name, replace)
    table = {**asked, "over": batch_laws.OVER.get(over)}
    if iso_loss:
        return _iso_loss(store, table, conventions, name, replace, bootstrap, seed)
    table = {**batch_laws.USUAL, **{k: v for k, v in table.items() if k not in _DECAYED}}
    if table["form"] == "auto":
        raise UsageError("A law takes one form for all curves.", "Name it, and compare: scaling batch-size fit --forms")
    table = batch_steps.with_batch(store, table)
    rows = kinds.select_rows(store, batch_laws.KIND, table)
    law = batch_laws.fit_law(rows, table, bootstrap, seed)
    held = _held_out(law, level)
    compared = _conventions(rows, table, level, bootstrap, seed) if conventions else None
    saved = kinds.save_derived(
        store, batch_laws.KIND, table, rows, law.fit, name=name, replace=replace, bootstrap=bootstrap, seed=seed
    )  # fmt: skip
    return SavedLaw(saved, rows, law, held, compared)


def _iso_loss(
    store: Store, asked: Mapping[str, Any], conventions: bool, name: str | None, replace: bool,
    bootstrap: int, seed: int,
) -> SavedLaw:  # fmt: skip
    """Fit the law of runs that were decayed to their end."""
    for key in _OF_CURVES:
        if asked.get(key) not in (None, False):
            option = {"samples": "at-samples"}.get(key, key.replace("_", "-"))
            raise UsageError(
                f"--{option} is of sweeps whose curves are read, and --iso-loss reads the last losses of runs.",
                "Leave one of the two out.",
            )
    if conventions:
        raise UsageError("Losses at the end give b/a alone, so there are no conventions to hold against each other.")
    table = {key: asked.get(key, usual) for key, usual in batch_iso_loss.USUAL.items()}
    table["over"] = table["over"] or batch_iso_loss.USUAL["over"]
    target = table["target"]
    if isinstance(target, str | Mapping):
        raise UsageError("With --iso-loss a --target is a loss, of all sizes.", "Such as --target 2.6 --target 2.5")
    table["target"] = [target] if isinstance(target, float) else target
    table = batch_steps.with_batch(store, table)
    rows = kinds.select_rows(store, batch_iso_loss.KIND, table)
    law = batch_iso_loss.fit_law(rows, table, bootstrap, seed)
    saved = kinds.save_derived(
        store, batch_iso_loss.KIND, table, rows, law.fit, name=name, replace=replace, bootstrap=bootstrap, seed=seed
    )  # fmt: skip
    return SavedLaw(saved, rows, law, None)


def _held_out(law: CriticalLaw, level: float) -> HeldOut | None:
    try:
        return law.held_out_largest(level)
    except InputDataError:  # too few are left
        return None


def _conventions(
    rows: kinds.DerivedSelection, asked: Mapping[str, Any], level: float, bootstrap: int, seed: int
) -> ConventionTable:
    """Hold conventions against each other, over what the law is of: the size, or else the tokens."""
    from scaling.batch_size.sensitivity import convention_table

    source: batch_laws.LawRows = rows.source
    curves = [point.sweep.fit(asked["form"], bootstrap=bootstrap, seed=seed) for point in source.points]
    anchor = asked["anchor"] or 4 * float(np.median([curve.batch.min() for curve in curves]))
    over = {"n_params": source.inputs["N"]} if "N" in rows.inputs else {"n_tokens": source.inputs.get("D")}
    return convention_table(
        curves, **over, anchors=[anchor * part for part in _ANCHORS], overhead=asked["overhead"] or _OVERHEAD,
        anchor=anchor, level=level, seed=seed,
    )  # fmt: skip
