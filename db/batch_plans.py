"""Plans of the batch size from saved fits: a curve of steps, or a law of the critical batch size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from db import batch_steps
from db.batch_answers import kind_name, load_law
from db.saved import SavedFit, load_fit, unchanged_rows
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    from db.store import Store
    from scaling.batch_size.planner.answer import BatchPlan


def plan_of(
    store: Store, name: str, *, warmup: str | None = None, warmup_settings: Mapping[str, Any] | None = None,
    context_length: float | None = None, n_params: float | None = None, bandwidth: float | None = None,
    latency: float = 0.0, **settings: Any,
) -> tuple[SavedFit, SavedFit | None, BatchPlan]:  # fmt: skip
    """Plan the batch size of a run.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        A fit of steps to a target, or a law of the critical batch size.
    warmup : str, optional
        A law of the critical batch size, for a warm-up.
    warmup_settings : mapping, optional
        As of `scaling.batch_size.planner.answer.plan_batch`; with a law as `name` they alone ask for its warm-up.
    context_length : float, optional
        Tokens a sequence; that of the fit where missing.
    n_params : float, optional
        Parameters; those that all runs of the fit share where missing.
    bandwidth : float, optional
        Bytes a second of a device, for gradients of 2 bytes a parameter.
    latency : float, default 0
        Seconds of a message, for each doubling of the devices.
    **settings
        As of `plan_batch`.

    Returns
    -------
    saved : SavedFit
        The fit.
    law : SavedFit or None
        The law of the warm-up, where it is another.
    plan : BatchPlan

    Raises
    ------
    UsageError
        For a fit of another kind, and for settings that do not go together.
    VerdictError
        For a fit that is not identified.
    """
    from scaling.batch_size.planner.answer import plan_batch
    from scaling.batch_size.planner.cluster import Communication

    saved = load_fit(store, name)
    kind = kind_name(saved)
    if kind not in (batch_steps.KIND, "critical_batch", "iso_loss"):
        raise UsageError(
            f"The fit '{saved.name}' is of the law '{saved.fit.law.name}', which says nothing of batch sizes.",
            "Fit steps to a target, or a law of the critical batch size: scaling batch-size fit, or law",
        )
    asked = saved.config["derived"]["asked"]
    source: Any = saved.fit if kind == batch_steps.KIND else load_law(store, name)[1]
    if n_params is None and kind == batch_steps.KIND:
        n_params = _shared_size(store, saved)
    other, law = load_law(store, warmup) if warmup is not None else (None, None)
    talk = None
    if bandwidth is not None or latency:
        if bandwidth is not None and n_params is None:
            raise UsageError("A bandwidth is for gradients, whose number is not known.", "Give --params.")
        ring = {"gradient_bytes": 2 * n_params, "bytes_per_second": bandwidth} if bandwidth and n_params else {}
        talk = Communication(latency_seconds=latency, **ring)
    plan = plan_batch(
        source, n_params=n_params, tokens_per_sample=context_length or asked.get("context_length"), warmup=law,
        warmup_settings=warmup_settings or None, communication=talk, **settings,
    )  # fmt: skip
    return saved, other, plan


def _shared_size(store: Store, saved: SavedFit) -> float | None:
    """Parameters that all runs of a fit share; None where they are not known, or the runs have changed."""
    try:
        rows: Any = unchanged_rows(store, saved)
    except InputDataError:
        return None
    size = float(rows.source.n_params)
    return size if math.isfinite(size) else None
