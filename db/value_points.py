"""Values of single examples, kept a shard at a time: the same command goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db.valuation_defs import ValuationDef
from db.valuations import ValuationWriter, begin_valuation, best_items, find_def
from db.value_columns import read_values
from db.value_data import Data, digest, naming, open_data, place_of
from db.value_job import Found, Job
from db.value_keep import check_kept, keep_examples
from db.value_methods import METHODS, Method
from db.value_options import plain_options
from scaling import arguments
from scaling.errors import UsageError, did_you_mean
from scaling.serial import plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.store import Store

    Progress = Callable[[int, int], None]

_SHOWN = 10


@dataclass(frozen=True)
class Valued:
    """Values of examples, as they are kept.

    Parameters
    ----------
    data : Data
        The examples.
    definition : ValuationDef
        How they were valued.
    what : str
        What the values are, in a line.
    facts : dict
        What the method says besides.
    shards, before : int
        Pieces of the work, and how many of them an earlier run had done.
    distribution : dict
        Of the values that are finite.
    highest, lowest : list of dict
        Examples at either end.
    kept : dict or None
        What was written to the index file.
    notes : tuple of str
        What a reader should know.
    """

    data: Data
    definition: ValuationDef
    what: str
    facts: dict[str, Any]
    shards: int
    before: int
    distribution: dict[str, Any]
    highest: list[dict[str, Any]]
    lowest: list[dict[str, Any]]
    kept: dict[str, Any] | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        own = self.definition
        made: dict[str, Any] = plain(
            {"name": own.name, "method": own.method, "what": self.what, "unit": own.unit}
            | self.data.to_dict()
            | {
                "options": dict(own.options),
                "seed": own.seed,
                "complete": own.complete,
                "shards": self.shards,
                "shards_done_before": self.before,
                "distribution": self.distribution,
                "facts": self.facts,
                "highest": self.highest,
                "lowest": self.lowest,
                "kept": self.kept,
                "inputs_sha256": own.inputs_sha256,
                "notes": list(self.notes),
                "command": own.command,
            }
        )
        return made


def value_points(
    store: Store,
    source: str,
    method: str,
    name: str,
    *,
    options: Sequence[str] | None = None,
    labels: str | None = None,
    test: str | None = None,
    test_labels: str | None = None,
    queries: str | None = None,
    probabilities: str | None = None,
    roles: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    shard_rows: int | None = None,
    keep: float | None = None,
    end: str | None = None,
    floor: float = 0.0,
    output: str | None = None,
    seed: int = 0,
    replace: bool = False,
    command: str | None = None,
    progress: Progress | None = None,
) -> Valued:
    """Value every example, and keep the values; go on with them where they were begun.

    Parameters
    ----------
    store : Store
        Open for writing.
    source : str
        The examples, as `db.value_data.open_data` takes them; for methods of losses a set, or a file of losses.
    method : str
        One of `db.value_methods.METHODS`; hyphens are underscores.
    name : str
        Of the values.
    options : sequence of str, optional
        ``KEY=VALUE`` of the method.
    labels, test, test_labels, queries, probabilities : str, optional
        What the method needs.
    roles : sequence of str, optional
        ``WHAT=ROLE``: which logged loss is which.
    columns : sequence of str, optional
        Of the file, that hold embeddings or losses.
    shard_rows : int, optional
        Rows of a shard at most.
    keep : float, optional
        Share to keep.
    end : str, optional
        ``highest`` or ``lowest``: which end is kept.
    floor : float, default 0
        Share of an equal part that each class keeps at least; needs labels.
    output : str, optional
        File for the positions that are kept.
    seed : int, default 0
        Of what is drawn.
    replace : bool
        Whether other values of that name give way.
    command : str, optional
        That goes on, or makes them again.
    progress : callable, optional
        Called with what is done and of all.

    Returns
    -------
    Valued

    Raises
    ------
    UsageError
        For a method or setting that there is not, something that is missing, or a name that is taken.
    InputDataError
        For data that cannot be valued.
    """
    key = method.replace("-", "_")
    if key not in METHODS:
        raise UsageError(f"There is no method '{method}'.", did_you_mean(key, METHODS))
    chosen = METHODS[key]
    check_kept(key, chosen, keep, end, floor, labels, output)
    data = open_data(store, source, columns=columns, shard_rows=shard_rows, embeddings=chosen.embeddings)
    settings = plain_options(options, dict(chosen.options), f"The method '{key}'")
    if floor and labels is not None:
        read_values(data, labels, "label", "--labels")  # refused now rather than after hours of work
    job = Job(
        store, data, settings, labels, test, test_labels, queries, probabilities,
        dict(arguments.pairs(roles, "--role")), seed, progress,
    )  # fmt: skip
    run = _sharded if chosen.plan is not None else _whole
    with naming(data):
        writer, before, found = run(store, job, chosen, key, name, replace, command)
    kept = (
        None if keep is None and output is None else keep_examples(job, found, name, chosen, keep, end, floor, output)
    )
    return Valued(
        data, writer.definition, chosen.what, found.facts, len(writer.shards), before, distribution(store, name),
        best_items(store, name, _SHOWN), best_items(store, name, _SHOWN, lowest=True), kept, tuple(found.notes),
    )  # fmt: skip


def distribution(store: Store, name: str) -> dict[str, Any]:
    """Summarise the values of a valuation; those that are not finite are counted apart."""
    _, [row] = store.query(
        "SELECT count(*), count(value), avg(value), stddev_samp(value), min(value), max(value), "
        "quantile_cont(value, [0.05, 0.25, 0.5, 0.75, 0.95]), avg(CAST(value < 0 AS INTEGER)) "
        "FROM valuations WHERE valuation_name = ?",
        [name],
    )
    n, finite, mean, sd, low, high, quantiles, negative = row
    named = zip(("q05", "q25", "median", "q75", "q95"), quantiles or [None] * 5, strict=True)
    return (
        {"n": n, "n_finite": finite, "mean": mean, "sd": sd, "min": low}
        | dict(named)
        | {
            "max": high,
            "share_negative": negative,
        }
    )


def _definition(
    job: Job, chosen: Method, key: str, name: str, read: Any, extra: dict[str, Any], command: str | None
) -> ValuationDef:
    return ValuationDef(
        name, "examples", key, job.data.n, set_name=job.data.set_name, options=job.options | extra, seed=job.seed,
        unit=chosen.unit_of(job.options), inputs_sha256=digest(job.data.fingerprint, read), command=command,
    )  # fmt: skip


def _sharded(
    store: Store, job: Job, chosen: Method, key: str, name: str, replace: bool, command: str | None
) -> tuple[ValuationWriter, int, Found]:
    """Value a shard at a time; each is written in one transaction with the mark that it is done."""
    assert chosen.plan is not None
    plan = chosen.plan(job)
    told = {key_: value for key_, value in plan.options.items() if key_ not in job.options}
    definition = _definition(job, chosen, key, name, job.queries and digest(plan.arrays.get("queries")),
                             told | {"plan": plan.fingerprint}, command)  # fmt: skip
    shards = job.data.rows

    def score(index: int) -> NDArray[np.float64]:
        return plan.score(shards.rows(index), place_of(shards.shards[index]))

    # Data that are refused at once leave no trace, and take nothing away: the first shard is valued before the store
    # knows of it.
    old = find_def(store, name)
    begins = old is None or (replace and (old.complete or bool(definition.differences(old))))
    ready = {0: score(0)} if begins else {}
    writer = begin_valuation(store, definition, shards=shards, replace=replace)
    pending = writer.pending
    before = len(writer.shards) - len(pending)
    for done, index in enumerate(pending, start=before + 1):
        writer.append(index, ready.pop(index) if index in ready else score(index))
        if job.progress is not None:
            job.progress(done, len(writer.shards))
    if not writer.complete:
        writer.finish()
    return writer, before, Found(np.empty(0), plan.to_dict()["options"], "")


def _whole(
    store: Store, job: Job, chosen: Method, key: str, name: str, replace: bool, command: str | None
) -> tuple[ValuationWriter, int, Found]:
    """Value all examples at once; the values are written in pieces."""
    assert chosen.whole is not None
    found = chosen.whole(job)
    definition = _definition(job, chosen, key, name, found.read, {}, command)
    writer = begin_valuation(store, definition, replace=replace)
    before = len(writer.shards) - len(writer.pending)
    for index in writer.pending:
        first, n = writer.shards[index]
        writer.append(index, found.values[first : first + n])
    if not writer.complete:
        writer.finish()
    return writer, before, found
