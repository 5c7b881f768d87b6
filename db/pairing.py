"""Tell whether the replicates of two saved fits belong together one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.saved import SavedFit, rows_of
from scaling.errors import ScalingError

if TYPE_CHECKING:
    from db.store import Store


def belong_together(store: Store, one: SavedFit, other: SavedFit) -> tuple[bool, str]:
    """Tell whether replicate i of one fit was drawn like replicate i of another.

    That is so where both drew the same units, equally often, with the same seed: the same runs, or clusters of the same
    names. The noise they share then cancels in their difference. Fits to different runs with the same seed only look
    alike: their draws say the same numbers of different runs.

    Parameters
    ----------
    store : Store
        An open store.
    one, other : SavedFit
        The fits.

    Returns
    -------
    paired : bool
        Whether they do.
    why : str
        The reason, in words.
    """
    pair = (one, other)
    ways = [(len(s.fit.replicates), s.fit.seed, s.fit.settings.get("resample")) for s in pair]
    column = one.config["question"]["cluster"]
    if ways[0] != ways[1] or column != other.config["question"]["cluster"]:
        return False, "they were resampled in different ways, or with different seeds or numbers of replicates"
    try:
        rows = [rows_of(store, s) for s in pair]
    except ScalingError:
        return False, "the rows of one can no longer be selected"
    if any(r.sha256 != s.data_sha256 for r, s in zip(rows, pair, strict=True)):
        return False, "the rows of one have changed since"
    units = [r.run_ids if column is None else tuple(sorted(set(r.clusters or ()))) for r in rows]
    what = "runs" if column is None else f"values of {column}"
    if units[0] == units[1]:
        return True, f"both resampled the same {what}"
    return False, f"they were fitted to different {what}"
