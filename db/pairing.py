"""Two saved fits beside each other: whether their replicates belong together, and their losses are of one text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from db.saved import SavedFit, rows_of
from scaling.errors import ScalingError

if TYPE_CHECKING:
    from db.store import Store

# Words that name no text: a metric of such words only is each run's own loss.
_NO_TEXT = {
    "loss", "lm", "nll", "ce", "xent", "cross", "entropy", "crossentropy", "crossentropyloss", "ppl", "perplexity",
    "bpb", "nats", "bits", "per", "token", "byte", "train", "training", "val", "valid", "validation", "eval",
    "evaluation", "dev", "test", "held", "out", "heldout", "final", "last", "mean", "avg", "average", "smoothed", "ema",
    "raw",
}  # fmt: skip


def belong_together(store: Store, one: SavedFit, other: SavedFit) -> tuple[bool, str]:
    """Tell whether replicate i of one fit was drawn like replicate i of another.

    That is so where both drew the same units, equally often, with the same seed: the same runs, or clusters of the same
    names. The noise they share then cancels in their difference. Fits to different runs with the same seed only look
    alike: their draws say the same numbers of different runs. Of one fit, and of two to rows of one hash, that is known
    from the fits themselves; otherwise the rows are selected again.

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
    if one.fit_id == other.fit_id:
        return True, "it is one fit"
    ways = [(len(s.fit.replicates), s.fit.seed, s.fit.settings.get("resample")) for s in (one, other)]
    column = one.config["question"]["cluster"]
    if ways[0] != ways[1] or column != other.config["question"]["cluster"]:
        return False, "they were resampled in different ways, or with different seeds or numbers of replicates"
    what = "runs" if column is None else f"values of {column}"
    if one.data_sha256 == other.data_sha256:  # the same values of the same runs, whether or not they are still there
        return True, f"both resampled the same {what}"
    return _same_units(store, one, other, what)


def _same_units(store: Store, one: SavedFit, other: SavedFit, what: str) -> tuple[bool, str]:
    """Select the rows of both again, and tell whether they are of the same runs or clusters."""
    pair = (one, other)
    try:
        rows = [rows_of(store, s) for s in pair]
    except ScalingError:
        return False, "the rows of one can no longer be selected"
    if any(r.sha256 != s.data_sha256 for r, s in zip(rows, pair, strict=True)):
        return False, "the rows of one have changed since"
    units = [r.run_ids if r.clusters is None else tuple(sorted(set(r.clusters))) for r in rows]
    if units[0] == units[1]:
        return True, f"both resampled the same {what}"
    return False, f"they were fitted to different {what}"


def other_text(store: Store, one: SavedFit, other: SavedFit) -> tuple[list[str], list[str]]:
    """Tell whether the losses of two fits were measured on the same text, as far as the store knows.

    It knows the corpus that each run was trained on, and the name of the metric. A metric whose name says no text, such
    as ``val_loss``, is each run's own: on other corpora it is measured on other text.

    Parameters
    ----------
    store : Store
        An open store.
    one, other : SavedFit
        The fits.

    Returns
    -------
    concerns : list of str
        Why their losses cannot be held against each other like with like.
    notes : list of str
        What else is to be known.
    """
    if one.fit_id == other.fit_id or one.data_sha256 == other.data_sha256:
        return [], []
    if one.metric != other.metric:
        text = f"the fit {one.name} is of the metric {one.metric} and {other.name} of {other.metric}"
        return [f"NOT LIKE WITH LIKE: {text}, so their difference is not one of recipes."], []
    found = [_corpora(store, saved) for saved in (one, other)]
    own = names_no_text(one.metric)
    for corpora, saved in zip(found, (one, other), strict=True):
        if corpora is None and own:
            text = f"The runs of the fit {saved.name} are no longer all in the store"
            return [], [f"{text}, so it is not known whether both losses were measured on the same text."]
    if None in found or found[0] == found[1]:
        return [], []
    first, second = (", ".join(corpora) if corpora else "no corpus that is named" for corpora in found)
    trained = f"the runs of {one.name} were trained on {first}, and those of {other.name} on {second}"
    if own:
        return [
            f"NOT LIKE WITH LIKE: the losses were measured on other text; {trained}, and the metric {one.metric} is "
            "each run's own, so an unknown part of the difference is that of the texts. Fit both to a loss on one "
            "held-out text (--metric)."
        ], []
    return [], [f"{trained[0].upper()}{trained[1:]}; both losses are {one.metric}, taken to be on the same text."]


def names_no_text(metric: str) -> bool:
    """Tell whether the name of a metric says no text, so that it is each run's own loss: ``val_loss``, and no other."""
    return set(re.findall("[a-z]+", metric.lower())) <= _NO_TEXT


def _corpora(store: Store, saved: SavedFit) -> tuple[str, ...] | None:
    """Corpora that the runs of a fit were trained on; None where not all of them are in the store any more."""
    _, rows = store.query(
        "SELECT r.run_id IS NULL, r.corpus FROM fit_rows AS f LEFT JOIN runs AS r USING (run_id) WHERE f.fit_id = ?",
        [saved.fit_id],
    )
    if len(rows) < saved.fit.n_obs or any(gone for gone, _ in rows):
        return None
    return tuple(sorted({corpus for _, corpus in rows if corpus is not None}))
