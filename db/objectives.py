"""One law and the same runs under several objectives, each a saved fit of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from db.fits import fit_runs, planned_names
from db.saved import SavedFit
from db.select import Question
from scaling.errors import ScalingError, UsageError

if TYPE_CHECKING:
    from db.store import Store

# What is added to the name of the fits; objective; residual, None for that asked for.
CHOICES = (
    ("huber", "huber", None),
    ("lad", "lad", None),
    ("squared_log", "squared", "log"),
    ("squared_linear", "squared", "linear"),
)


def fit_objectives(
    store: Store,
    law: str,
    question: Question | None = None,
    *,
    name: str | None = None,
    replace: bool = False,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    **settings: Any,
) -> tuple[list[SavedFit], dict[str, ScalingError]]:
    """Fit a law by Huber, by least absolute deviations, and by least squares of the logarithms and of the values.

    Parameters
    ----------
    store : Store
        Open for writing.
    law, question, replace, parameters
        As of `fit_runs`.
    name : str, optional
        The fits are saved as ``NAME_huber``, ``NAME_lad``, ``NAME_squared_log`` and ``NAME_squared_linear``; made from
        the law where missing.
    **settings
        As of `fit_runs`, without ``objective``. ``residual`` is that of Huber and of absolute deviations, ``delta``
        that of Huber.

    Returns
    -------
    fits : list of SavedFit
        In the order above.
    failures : dict of str to ScalingError
        Objectives that could not be fitted, and why.

    Raises
    ------
    UsageError
        For groups, and for what `fit_runs` refuses.
    InputDataError, LawError
        Where no objective can be fitted.
    """
    question = question or Question()
    if question.by:
        raise UsageError("All objectives are shown for one fit, not for one a group.", "Leave --by or 'all' out.")
    names = planned_names(store, law, question, parameters, name, [choice[0] for choice in CHOICES], replace)
    settings.pop("objective", None)
    delta, residual = settings.pop("delta", None), settings.pop("residual", None) or "log"
    logs = residual if residual.strip().startswith("log") else "log"  # with their floor, where one is given
    saved: list[SavedFit] = []
    failures: dict[str, ScalingError] = {}
    for fit_name, (suffix, objective, scale) in zip(names, CHOICES, strict=True):
        asked = logs if scale == "log" else scale or residual
        try:
            found, _ = fit_runs(
                store, law, question, name=fit_name, replace=replace, parameters=parameters,
                objective=objective, residual=asked, delta=delta if objective == "huber" else None,
                **settings,
            )  # fmt: skip
        except UsageError:
            raise
        except ScalingError as error:
            failures[suffix] = error
        else:
            saved += found
    if not saved:
        raise next(iter(failures.values()))
    return saved, failures
