"""Both sides of a question of pairs: their runs as arrays, and the units that they are fitted in."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from scaling.errors import UsageError
from scaling.formatting import format_number

if TYPE_CHECKING:
    from db.pairs import PairQuestion
    from db.store import Store
    from scaling.loss_to_loss.matching import Pairs, RunSide
    from scaling.loss_to_loss.units import PairUnits

_ODD = 10.0  # compute so many times 6*N*D, or as much less, is likely another quantity


class SideUnit(NamedTuple):
    """The unit that a side is fitted in, and the factor from the store's to it."""

    unit: str
    factor: float


def sides_of(store: Store, question: PairQuestion) -> dict[str, SideUnit]:
    """Tell in which unit each side of a question is fitted.

    Raises
    ------
    UsageError
        For units that cannot be compared.
    """
    _, units = units_of(store, question)
    return {"source": SideUnit(units.x, units.factor_x), "target": SideUnit(units.y, units.factor_y)}


def units_of(store: Store, question: PairQuestion) -> tuple[dict[str, str], PairUnits]:
    """Find the kinds of both metrics, and the units in which the pairs are fitted.

    Raises
    ------
    UsageError
        For units that cannot be compared.
    """
    from scaling.loss_to_loss.units import LOSS_UNITS, SHARES, pair_units, read_unit

    _, rows = store.query("SELECT metric, kind, unit FROM metric_defs")
    known = {metric: (kind, unit) for metric, kind, unit in rows}
    metrics = (question.metric_source, question.metric_target)
    kinds, units = zip(*(known.get(metric, ("loss", "unknown")) for metric in metrics), strict=True)
    # The kind is guessed from the name where nobody said it; a unit of losses is plainer.
    kinds = tuple("loss" if read_unit(u) in LOSS_UNITS else kind for kind, u in zip(kinds, units, strict=True))
    _, rows = store.query("SELECT dataset_id, tokenizer FROM datasets")
    tokenizers = dict(rows) if question.column == "corpus" else {}
    sides = (question.source, question.target)
    found = pair_units(
        *units,
        question.bytes_per_token_source,
        question.bytes_per_token_target,
        tokenizers=(tokenizers.get(sides[0]), tokenizers.get(sides[1])),
        losses=(kinds[0] == "loss", kinds[1] == "loss"),
    )
    if question.complement and found.y:
        found = replace(found, y=f"1 - {found.y}" if found.y not in (*SHARES, "") else found.y)
    return dict(zip(("source", "target"), kinds, strict=True)), found


def no_source(question: PairQuestion, why: str = "") -> UsageError:
    """Return what is said where an accuracy stands for the loss of the source."""
    metric, accuracy = question.metric_source, question.metric_target
    return UsageError(
        f"The source metric {metric} is an accuracy{why}, and a map starts from a loss.",
        f"Name a loss of {question.source} as the source. For an accuracy over a loss: scaling transfer accuracy "
        f"--corpus {shlex.quote(question.source)} --loss LOSS --metric {shlex.quote(metric)}"
        + (". Its kind is set in the mapping file, under [metrics]." if why or accuracy == metric else ""),
    )


def refuse_accuracy(store: Store, question: PairQuestion) -> None:
    """Refuse a map that would predict an accuracy as though it were a loss.

    Raises
    ------
    UsageError
        Where the target metric is an accuracy, and its complement is not what is predicted.
    """
    kinds, _ = units_of(store, question)
    if kinds["source"] == "accuracy":
        raise no_source(question)
    if kinds["target"] == "accuracy" and not question.complement:
        raise UsageError(
            f"The target metric {question.metric_target} is an accuracy, which rises as a loss falls: it is no loss.",
            "Predict its error, 1 - accuracy: --complement. With the chance level of the task: scaling transfer "
            f"accuracy --corpus {shlex.quote(question.target)} --loss {shlex.quote(question.metric_source)} --metric "
            f"{shlex.quote(question.metric_target)}",
        )


def looks_like_accuracy(values: Any, order: Any) -> bool:
    """Whether values rise with compute over the larger half of the budgets, all within 0 and 1."""
    import numpy as np

    from scaling.loss_to_loss.monotone import ERROR_RATE, larger_half, rising_chance

    if not np.all((values >= 0) & (values <= 1)):
        return False
    some = larger_half(order)
    return int(some.sum()) >= 6 and rising_chance(values[some], order[some]) <= ERROR_RATE


def with_complement(note: str, kind: str, question: PairQuestion, values: Any) -> str:
    """Add to a note that the target rises what to do where it may be an accuracy."""
    if "it rises with compute" not in note or kind == "loss" or question.complement:
        return note
    if not bool(((values >= 0) & (values <= 1)).all()):
        return note
    return f"{note} All its values lie within 0 and 1: if it is an accuracy, predict its error, with --complement."


def run_side(rows: Sequence[Sequence[Any]]) -> RunSide:
    """Make the arrays of a side of rows of the store."""
    import numpy as np

    from scaling.loss_to_loss.matching import RunSide

    columns = [np.array([np.nan if row[i] is None else float(row[i]) for row in rows]) for i in range(2, 6)]
    return RunSide([str(row[1]) for row in rows], *columns)


def unusable(row: Sequence[Any], side: str, question: PairQuestion, kind: str) -> str:
    """Why a run cannot be paired, whatever it would be paired with; empty where it can."""
    value, status = row[5], row[6]
    metric = getattr(question, f"metric_{side}")
    if status != "ok":
        return f"the metric {metric} is {status}"
    if kind == "loss" and value <= 0:
        return f"the metric {metric} is not positive"
    if side == "target" and question.complement and not 0 <= value <= 1:
        return f"the metric {metric} is no share from 0 to 1"
    return ""


def odd_compute(pairs: Pairs) -> str:
    """Warn of a compute that is something else than training compute, since pairs are ordered by it."""
    import numpy as np

    with np.errstate(all="ignore"):
        ratios = pairs.budget / (6 * pairs.n_params * pairs.n_tokens)
    known = ratios[np.isfinite(ratios)]
    ratio = float(np.median(known)) if known.size else 1.0
    if 1 / _ODD <= ratio <= _ODD:
        return ""
    return (
        f"The compute of the pairs is {format_number(ratio, 2)} times 6*N*D (median), and they are ordered by it: "
        "is it that of their training?"
    )
