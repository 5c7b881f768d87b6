"""Choosing a part of the data, beside random parts of the same size: computed, written as a file, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from db.subsets import read_subset, save_subset, write_index
from db.value_chosen import Chosen, Wanted, choose
from db.value_columns import read_values
from db.value_data import Data, digest, naming, open_data
from db.value_options import Options, read_options
from db.value_random import KEPT, RandomLike, random_like
from db.value_selection import Selection
from scaling import arguments
from scaling.errors import InputDataError, ScalingError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from collections.abc import Callable

    from db.store import Store
    from scaling.valuation import EquivalentSize
    from scaling.valuation.appraisal.band import Band

_REACH = 16  # times the size of the selection: how far the curve of random subsets goes
_SIZES, _DRAWS = 8, 10


def select_data(
    store: Store | None,
    source: str,
    k: int | None,
    objective: str = "vendi",
    method: str = "lazy",
    *,
    options: Sequence[str] | None = None,
    queries: str | None = None,
    represent: str | None = None,
    labels: str | None = None,
    per_class: int | None = None,
    caps: Sequence[str] | None = None,
    costs: str | None = None,
    budget: float | None = None,
    swaps: int = 0,
    epsilon: float | None = None,
    parts: int | None = None,
    stream: bool = False,
    memory_gib: float | None = None,
    baseline: int = 30,
    worth: bool = False,
    columns: Sequence[str] | None = None,
    seed: int = 0,
    output: str | None = None,
    name: str | None = None,
    replace: bool = False,
    command: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose a part of the data.

    Parameters
    ----------
    store : Store or None
        Where sets are, and where the selection is kept; open for writing where it has a name.
    source : str
        The data, as `db.value_data.open_data` takes them.
    k : int or None
        How many; None takes what a budget buys.
    objective, method : str
        As `scaling.valuation.select` has them; the method ``random`` draws members.
    options : sequence of str, optional
        ``KEY=VALUE`` of the objective.
    queries, represent : str, optional
        Embeddings that an objective takes.
    labels, costs : str, optional
        As `db.value_data.read_values` takes them.
    per_class, caps, budget, swaps, epsilon, parts
        As of `scaling.valuation.select`; caps as ``LABEL=N``.
    stream : bool, default False
        Whether data come a shard at a time even where they fit.
    memory_gib : float, optional
        What may be used; half of the machine's by default. More data than that come a shard at a time.
    baseline : int, default 30
        Random subsets of the same size to compare with; 0 for none.
    worth : bool, default False
        Whether random subsets of other sizes are scored too: how many random examples score the same.
    columns : sequence of str, optional
        That hold the embeddings.
    seed : int, default 0
        Of all that is drawn.
    output : str, optional
        File for the positions.
    name : str, optional
        Under which it is kept.
    replace : bool
        Whether a subset of that name gives way.
    command : str, optional
        That chooses it again.
    progress : callable, optional
        Called with what is done and of all.

    Returns
    -------
    Selection

    Raises
    ------
    UsageError
        For names and settings that there are not, or that do not go together.
    InputDataError
        For data that cannot be used.
    StoreError
        If the file or the store cannot be written.
    """
    _check_name(store, name, replace, output)
    data = open_data(store, source, columns=columns)
    if k is None and budget is None:
        raise UsageError("How many to choose is open.", "Give -k, or --costs and --budget.")
    if k is not None and not 1 <= k <= data.n:
        raise UsageError(
            f"{k} are to be chosen, and there are {format_plural(data.n, 'example')} in {data.name}.",
            f"Give -k from 1 to {data.n}.",
        )
    given = read_options(store, data, objective, options, {"queries": queries, "represent": represent})
    classes = None if labels is None else read_values(data, labels, "label", "--labels")
    prices = None if costs is None else read_values(data, costs, "cost", "--costs")
    wanted = Wanted(
        k, objective, method, seed, given.values, classes, per_class, _caps(caps), prices, budget, swaps, epsilon, parts
    )
    with naming(data):
        chosen = choose(data, wanted, stream=stream, memory_gib=memory_gib, progress=progress)
    notes = list(chosen.notes)
    band = _band(chosen, wanted, baseline, notes)
    equal = _worth(chosen, wanted, notes) if worth else None
    # by which names classes and costs are read again, for random subsets beside it on a page
    bound = {key: text for key, text in zip(KEPT, (labels, costs), strict=True) if text is not None}
    return _kept(store, data, chosen, wanted, given, band, equal, notes, output, name, replace, command, bound)


def _check_name(store: Store | None, name: str | None, replace: bool, output: str | None) -> None:
    """Refuse a name that is taken, or a file that could not be written, before anything is computed."""
    from db.index_files import INDEX_FORMATS

    if output is not None and Path(output).suffix.lower() not in INDEX_FORMATS:
        raise UsageError(
            f"The format of {output} is not known by its ending.",
            f"Files of positions end in {', '.join(INDEX_FORMATS)}.",
        )
    if output is not None and not Path(output).resolve().parent.is_dir():
        raise UsageError(f"There is no folder {Path(output).resolve().parent} to write {Path(output).name} to.")
    if name is None or store is None or replace:
        return
    _, rows = store.query("SELECT 1 FROM subsets WHERE subset_name = ?", [name])
    if rows:
        old = read_subset(store, name)
        raise UsageError(
            f"There is a subset '{name}' already, of {format_plural(old.size, 'example')} by {old.objective}.",
            f"Choose another name, replace it (--replace), or: scaling rm subset {name}",
        )


def _caps(texts: Sequence[str] | None) -> dict[str, int] | None:
    found = {}
    for label, number in arguments.pairs(texts, "--cap"):
        if not number.isdigit():
            raise UsageError(f"--cap {label}={number}: a whole number of members is expected.")
        found[label] = int(number)
    return found or None


def _band(chosen: Chosen, wanted: Wanted, baseline: int, notes: list[str]) -> Band | None:
    """Score random subsets that are bound as the selection is."""
    size = len(chosen.selected)
    if not baseline:
        return None
    if size >= chosen.selected.n:
        notes.append("no random subsets to compare with: there is one set of this size")
        return None
    try:
        like = _like(chosen, wanted)
        if like.within is not None:
            notes.append(f"it is compared with {like.words}")
        return like.band(chosen.score, size, chosen.selected.n, baseline, wanted.seed)
    except InputDataError as error:
        notes.append(f"no random subsets to compare with. {error.message}")
        return None


def _like(chosen: Chosen, wanted: Wanted) -> RandomLike:
    return random_like(
        chosen.selected.n, len(chosen.selected), k=wanted.k, labels=wanted.labels, per_class=wanted.per_class,
        caps=wanted.caps, costs=wanted.costs, budget=wanted.budget,
    )  # fmt: skip


def _worth(chosen: Chosen, wanted: Wanted, notes: list[str]) -> EquivalentSize | None:
    """Read the score on the curve of random subsets of other sizes."""
    from scaling.valuation.equivalence.score_curve import random_score_curve

    size, n = len(chosen.selected), chosen.selected.n
    most = min(n, _REACH * size)
    sizes = np.unique(np.geomspace(min(4, size), most, _SIZES).round().astype(int))
    try:
        like = _like(chosen, wanted)
        if like.curve_words:
            notes.append(f"what it is worth is in random examples of all data: {like.curve_words}")
        if like.labels is not None:
            notes.append("what it is worth is in random examples that are as even over the classes")
        curve = random_score_curve(
            chosen.score, n=n, sizes=sizes.tolist(), labels=like.labels, draws=_DRAWS, seed=wanted.seed
        )
        return curve.worth(chosen.selected.score)
    except ScalingError as error:
        notes.append(f"what it is worth in random examples is not known. {error.message}")
        return None


def _kept(
    store: Store | None,
    data: Data,
    chosen: Chosen,
    wanted: Wanted,
    given: Options,
    band: Band | None,
    worth: EquivalentSize | None,
    notes: list[str],
    output: str | None,
    name: str | None,
    replace: bool,
    command: str | None,
    bound: dict[str, str],
) -> Selection:
    """Write the file and the rows of the store."""
    from db.example_read import read_ids

    found = chosen.selected
    known = store is not None and data.set_name is not None
    ids = read_ids(store, str(data.set_name), found.indices) if known and store is not None else None
    read = digest(data.fingerprint, given.sha256, wanted.labels, wanted.costs)
    if output is not None:
        write_index(output, found.indices, gains=found.gains, ids=ids)
    if name is not None and store is not None:
        save_subset(
            store, name, found.indices, objective=found.objective, method=found.method, gains=found.gains,
            set_name=data.set_name, seed=wanted.seed,
            options=found.options | {"given": given.said, "of": {"n_examples": data.n}} | bound, value=found.value,
            score=found.score, certificate=found.certificate.to_dict(),
            guarantee=found.guarantee.to_dict(), is_random=found.method == "random", inputs_sha256=read,
            command=command, replace=replace,
        )  # fmt: skip
    return Selection(
        data,
        found,
        chosen.streamed,
        band,
        worth,
        output,
        name,
        None if ids is None else tuple(ids),
        read,
        tuple(dict.fromkeys(notes)),
        command,
    )
