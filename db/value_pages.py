"""Load what pages on the worth of data show: selections and appraisals, with random subsets beside a selection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError, ScalingError

if TYPE_CHECKING:
    from db.appraisal_tables import ScoredSubsets
    from db.appraisals import StoredAppraisal
    from db.store import Store
    from db.subsets import StoredSubset
    from scaling.valuation.appraisal.band import Band
    from scaling.valuation.equivalence.equivalent_size import EquivalentSize
    from scaling.valuation.equivalence.score_curve import ScoreCurve

Array = NDArray[np.float64]

_DRAWS, _OF_EACH, _SIZES = 100, 15, 8  # random subsets: of the same size, and of each of other sizes
_REACH = 16  # times its size: how far the curve of random subsets goes
_PATH = 40  # prefixes that are scored
_MOST = 1 << 27  # values of embeddings that are scored again for a page: 1 GiB
_MEMBERS = 12


@dataclass(frozen=True)
class LoadedAppraisal:
    """An appraisal.

    Parameters
    ----------
    saved : StoredAppraisal
        As it is kept.
    parts : tuple of (ScoredSubsets, dict)
        The subsets of each regime, and what came of them: `Appraisal.to_dict`.
    n_rows : int
        Subsets of the table.
    """

    saved: StoredAppraisal
    parts: tuple[tuple[ScoredSubsets, dict[str, Any]], ...]
    n_rows: int


@dataclass(frozen=True)
class LoadedSubset:
    """A selection.

    Parameters
    ----------
    saved : StoredSubset
        As it is kept.
    n : int
        Examples that it was chosen from.
    entry : dict or None
        Row of ``example_sets``; None where the set is gone or was no set.
    members : tuple of dict
        The first ones: ``rank example_id label grp gain``.
    classes : dict of str to (int, int)
        Chosen examples and all of them, by label, or by group where there are no labels.
    class_word : str
        ``class`` or ``group``.
    cost : (float, float) or None
        Of the chosen examples, and of all.
    band, curve, worth
        Random subsets of its size, of other sizes, and the number of random examples that score the same.
    path_sizes, path_scores : ndarray
        Prefixes of the selection.
    no_random : str
        Why there are no random subsets; empty where there are.
    random_words, curve_words, unmatched : str
        What random subsets are, as of `db.value_random.RandomLike`.
    embeddings : str
        Where the embeddings are.
    differing : dict of str to str
        Options of its objective that are not the defaults.
    """

    saved: StoredSubset
    n: int
    entry: dict[str, Any] | None
    members: tuple[dict[str, Any], ...] = ()
    classes: dict[str, tuple[int, int]] = field(default_factory=dict)
    class_word: str = "class"
    cost: tuple[float, float] | None = None
    band: Band | None = None
    curve: ScoreCurve | None = None
    worth: EquivalentSize | None = None
    path_sizes: Array = field(default_factory=lambda: np.empty(0))
    path_scores: Array = field(default_factory=lambda: np.empty(0))
    no_random: str = ""
    random_words: str = "random subsets of its size"
    curve_words: str = ""
    unmatched: str = ""
    embeddings: str = ""
    differing: dict[str, str] = field(default_factory=dict)


def load_appraisal(store: Store, name: str) -> LoadedAppraisal:
    """Load an appraisal.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        The appraisal.

    Returns
    -------
    LoadedAppraisal

    Raises
    ------
    UsageError
        If there is none of that name.
    InputDataError
        If it was scored only: nothing was held against performance.
    """
    from db.appraisal_tables import read_scored_table
    from db.appraisals import read_appraisal

    saved = read_appraisal(store, name)
    kept = (saved.findings or {}).get("parts")
    if not kept or saved.higher_is_better is None:
        raise InputDataError(
            f"The appraisal '{name}' holds scores alone: nothing was held against performance.",
            "Appraise a table with the performance of each subset: scaling value appraise --help",
        )
    found = {part["part"]: part for part in kept}
    table = read_scored_table(store, name, {})
    parts = tuple((subsets, found[subsets.regime]) for subsets in table.parts if subsets.regime in found)
    return LoadedAppraisal(saved, parts, sum(len(subsets.names) for subsets, _ in parts))


def load_subset(store: Store, name: str, *, level: float = 0.95, seed: int = 0) -> LoadedSubset:
    """Load a selection, and score random subsets beside it where its embeddings are still there.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        The selection.
    level : float, default 0.95
        Of the interval of what it is worth in random examples.
    seed : int, default 0
        Of the random subsets.

    Returns
    -------
    LoadedSubset

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    from db.example_read import set_entry
    from db.subsets import read_subset
    from db.value_options import not_default

    saved = read_subset(store, name)
    _, there = store.query("SELECT 1 FROM example_sets WHERE set_name = ?", [saved.set_name])
    entry = set_entry(store, str(saved.set_name)) if there else None
    kept = saved.options.get("of", {}).get("n_examples")  # what is left of data that the store does not know
    n = int(entry["n_examples"]) if entry else int(kept or saved.indices.max() + 1)
    columns, rows = store.query(
        "SELECT rank, example_id, label, grp, gain FROM chosen_examples WHERE subset_name = ? ORDER BY rank LIMIT ?",
        [name, _MEMBERS],
    )
    members = tuple(dict(zip(columns, row, strict=True)) for row in rows)
    told: dict[str, Any] = {} if entry is None else _counts(store, saved)
    told |= _against_random(store, saved, entry, level, seed)
    return LoadedSubset(saved, n, entry, members, **told, differing=not_default(saved.objective, saved.options))


def _counts(store: Store, saved: StoredSubset) -> dict[str, Any]:
    """Count classes, or groups, and sum costs."""
    from db.example_read import read_examples

    examples = read_examples(store, str(saved.set_name))
    chosen = np.zeros(examples.n, bool)
    chosen[saved.indices] = True
    out: dict[str, Any] = {}
    both = (
        ("class", examples.label_names, examples.label_codes),
        ("group", examples.group_names, examples.group_codes),
    )
    for word, names, codes in both:
        if len(names) < 2 or len(names) > examples.n / 2 or "classes" in out:
            continue
        mine = codes[chosen]
        every = np.bincount(codes[codes >= 0], minlength=len(names))
        drawn = np.bincount(mine[mine >= 0], minlength=len(names))
        counts = {name: (int(drawn[i]), int(every[i])) for i, name in enumerate(names) if every[i]}
        out |= {"class_word": word, "classes": counts}
    if np.isfinite(examples.costs).all():
        out["cost"] = (float(examples.costs[chosen].sum()), float(examples.costs.sum()))
    return out


def _against_random(
    store: Store, saved: StoredSubset, entry: dict[str, Any] | None, level: float, seed: int
) -> dict[str, Any]:
    """Score random subsets by the objective of the selection, and the selection on its way."""
    from db.value_random import random_like_kept
    from scaling.valuation.equivalence.score_curve import random_score_curve

    if entry is None or entry["embeddings_uri"] is None:
        return {"no_random": "the embeddings that it was chosen from are not in the store"}
    where = f"{entry['embeddings_uri'].rsplit('/', 1)[-1]}, {entry['n_examples']} x {entry['n_dims']}"
    out: dict[str, Any] = {"embeddings": where}
    k, n = saved.size, int(entry["n_examples"])
    if n * entry["n_dims"] > _MOST:
        return out | {"no_random": "the set is too large to score random subsets of it for a page"}
    if k >= n:
        return out | {"no_random": "the selection is all examples, and there is one such set"}
    try:
        scorer = _scorer(store, saved, n)
        like = random_like_kept(store, saved, n)
        out |= {"random_words": like.words, "curve_words": like.curve_words, "unmatched": like.unmatched}
        out["band"] = like.band(scorer.score_of, k, n, _DRAWS, seed)
        sizes = np.unique(np.geomspace(min(4, k), min(n, _REACH * k), _SIZES).round().astype(int))
        out["curve"] = random_score_curve(scorer, sizes=sizes.tolist(), labels=like.labels, draws=_OF_EACH, seed=seed)
        if saved.score is not None:
            out["worth"] = out["curve"].worth(saved.score, level=level)
        prefixes = np.unique(np.geomspace(sizes[0], k, _PATH).round().astype(int))
        scores = np.array([scorer.score_of(saved.indices[:size]) for size in prefixes])
    except ScalingError as error:
        return out | {"no_random": f"they could not be scored: {error.message.rstrip('.')}"}
    kept = np.isfinite(scores)
    return out | {"path_sizes": prefixes[kept].astype(float), "path_scores": scores[kept]}


def _scorer(store: Store, saved: StoredSubset, n: int) -> Any:
    """Make the objective of a selection again, over its set."""
    from db.example_read import open_set
    from db.value_options import read_options
    from scaling.valuation.catalogue import make_objective

    rows = open_set(store, str(saved.set_name)).array()
    given = [f"{key}={value}" for key, value in (saved.options.get("given") or {}).items()]
    options = read_options(store, None, saved.objective, given).values
    return make_objective(saved.objective, rows, min(2 * saved.size, n), **options)
