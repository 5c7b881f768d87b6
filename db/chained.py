"""Whether a law goes into a map: it must forecast the loss that the map starts from, of its corpus and in its unit."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from db.pairs import PairQuestion
from db.views import quote_name, quote_text
from scaling.errors import UsageError

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store


def check_source_law(store: Store, first: SavedFit, second: SavedFit) -> list[str]:
    """Refuse a law that forecasts another loss than a map, or a law of an accuracy, starts from.

    Parameters
    ----------
    store : Store
        An open store.
    first : SavedFit
        What forecasts the loss.
    second : SavedFit
        What takes it. Of one that was not fitted to pairs the unit alone is looked at.

    Returns
    -------
    list of str
        What could not be checked, in sentences.

    Raises
    ------
    UsageError
        For another metric, another corpus or another unit.
    """
    question, remarks = second.pairs, []
    if question is not None:
        _check_metric(first, second, question)
        if not _check_corpus(store, first, second, question):
            remarks = [
                f"The runs of the fit {first.name} have left the store, so nothing tells whether they were of "
                f"{question.source}, where {_what(second)} {second.name} starts."
            ]
    _check_unit(first, second, question)
    return remarks


def corpora_of(store: Store, saved: SavedFit, column: str) -> list[str]:
    """Return the values of a column that the runs of a fit have, as far as they are in the store; none as ``none``."""
    _, rows = store.query(
        f"SELECT DISTINCT CAST(r.{quote_name(column)} AS VARCHAR) FROM fit_rows AS f "
        "JOIN runs_final AS r USING (run_id) WHERE f.fit_id = ?",
        [saved.fit_id],
    )
    return sorted("none" if value is None else str(value) for (value,) in rows)


def _check_metric(first: SavedFit, second: SavedFit, question: PairQuestion) -> None:
    wanted = question.metric_source
    if first.metric != wanted:
        raise UsageError(
            f"The fit {first.name} is of the metric {first.metric}, and {_what(second)} {second.name} starts from "
            f"{wanted}.",
            f"Fit a law to {wanted}: scaling fit auto --metric {shlex.quote(wanted)}",
        )
    if first.pairs is not None and first.pairs.complement:
        raise UsageError(
            f"The fit {first.name} predicts 1 - {first.metric}, and {_what(second)} {second.name} starts from "
            f"{wanted}.",
            "Name a fit of the loss itself.",
        )


def _check_corpus(store: Store, first: SavedFit, second: SavedFit, question: PairQuestion) -> bool:
    """Refuse another corpus; tell whether there was one to look at."""
    ours = first.pairs
    if ours is not None and ours.column == question.column:
        found = [ours.target]
    else:
        found = corpora_of(store, first, question.column)
    column = question.column if question.column.isidentifier() else quote_name(question.column)
    if others := [value for value in found if value != question.source]:
        raise UsageError(
            f"The fit {first.name} is of runs of {', '.join(others)}, and {_what(second)} {second.name} starts from "
            f"{question.source}.",
            f"Name a law of {question.source} alone: scaling fit auto --metric {shlex.quote(question.metric_source)} "
            f"--where {shlex.quote(f'{column} = {quote_text(question.source)}')}",
        )
    return bool(found)


def _check_unit(first: SavedFit, second: SavedFit, question: PairQuestion | None) -> None:
    from scaling.formatting import format_number
    from scaling.loss_to_loss.units import BITS, read_unit

    [name] = second.fit.law.inputs
    ours, theirs = read_unit(first.fit.law.unit), read_unit(second.fit.law.inputs[name])
    own = None if first.pairs is None else first.pairs.bytes_per_token_target
    length = None if question is None else question.bytes_per_token_source
    if own == length and (not ours or not theirs or ours == theirs):
        return
    message = (
        f"The fit {first.name} forecasts {first.metric} in {ours or 'an unknown unit'}, and {_what(second)} "
        f"{second.name} takes it in {theirs or 'an unknown unit'}"
    )
    if length is None or question is None:
        raise UsageError(f"{message}.", "Name a law of the loss in the unit that it takes, or fit it anew.")
    message += f", of {format_number(length)} bytes per token."
    if question.bytes_per_token_target is None and read_unit(second.fit.law.unit) == BITS:
        raise UsageError(
            message,
            f"Ingest {first.metric} in {BITS} as a metric of its own, and fit the law and the map to that one.",
        )
    words = ["--from", question.source, "--to", question.target]
    words += ["--metric-from", question.metric_source, "--metric-to", question.metric_target]
    raise UsageError(
        message,
        f"Fit the map in the unit of the law, without bytes per token: scaling transfer fit {shlex.join(words)}",
    )


def _what(second: SavedFit) -> str:
    return "the law" if "accuracy" in second.config else "the map"
