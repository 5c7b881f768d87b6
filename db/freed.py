"""The rows of a fit again, by the law without the tie that fixes how its optimum grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaling.errors import ScalingError

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.results import Fit


def freed_fit(store: Store, saved: SavedFit) -> tuple[Fit | None, str]:
    """Fit the law without its tie to the rows of a fit, where the law has one.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        Of any law.

    Returns
    -------
    fit : Fit or None
        None where there is no tie, or no such fit.
    why : str
        Why there is none although the law has a tie, in a sentence; else empty.
    """
    from db.saved import unchanged_rows
    from scaling.allocation.ties import fit_untied, tie_reasons, untied_law

    law = saved.fit.law
    if set(law.inputs) != {"N", "D"} or not tie_reasons(saved.fit):
        return None, ""
    free = untied_law(law)
    if free is None:
        return None, f"The book has no law that is '{law.name}' without the tie, so none is set beside it."
    try:
        rows = unchanged_rows(store, saved)
        return fit_untied(saved.fit, rows.inputs, rows.observed, rows.clusters), ""
    except ScalingError as error:
        return None, f"The optimum by {free.name} is not set beside it: {error.message}"
