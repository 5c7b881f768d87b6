"""What to run next by the saved laws of a sweep: learning rate, batch, weight decay, and what others would say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.tunings import SavedTuning
from scaling.errors import UsageError, VerdictError
from scaling.formatting import format_number

if TYPE_CHECKING:
    from scaling.hyperparameters import PublishedRule, Recommendation, SurfaceOptimum


@dataclass(frozen=True)
class Advice:
    """A recommendation and all that stands beside it.

    Parameters
    ----------
    tuning : SavedTuning
        The laws.
    recommendation : Recommendation
        Of the run.
    published : tuple of (PublishedRule, float or None)
        Published laws, with the share of the loss that they give up if the laws of the sweep are right; None where that
        is not known, and where the batch was given.
    weight_decay : (float, float, float) or None
        At the recommended learning rate and batch, with its interval; None without a law of it.
    optimum : SurfaceOptimum or None
        By the loss of all runs at once.
    surface_regret : float or None
        Share of the loss that the recommendation gives up by the same.
    notes : tuple of str
        What could not be said, in sentences.
    """

    tuning: SavedTuning
    recommendation: Recommendation
    published: tuple[tuple[PublishedRule, float | None], ...]
    weight_decay: tuple[float, float, float] | None
    optimum: SurfaceOptimum | None
    surface_regret: float | None
    notes: tuple[str, ...] = ()


def advise(
    one: SavedTuning, n_params: float, n_tokens: float, *, batch: float | None = None, batch_unit: str = "tokens",
    context_length: float | None = None, level: float = 0.9, force: bool = False,
) -> Advice:  # fmt: skip
    """Recommend a learning rate and a batch for a run.

    Parameters
    ----------
    one : SavedTuning
        The laws.
    n_params, n_tokens : float
        The run; parameters counted as they were in the sweep.
    batch : float, optional
        Where it is settled.
    batch_unit : {'tokens', 'sequences'}
        What it counts.
    context_length : float, optional
        Tokens of a sequence; that of the sweep where missing.
    level : float
        Nominal coverage of the intervals.
    force : bool
        Answer even where a law is not identified.

    Returns
    -------
    Advice

    Raises
    ------
    VerdictError
        Where a law is not identified and `force` is not set, and for a batch without a coupled law.
    UsageError
        For a batch in sequences of unknown length, or one in tokens that looks like sequences.
    """
    from scaling.hyperparameters import published_rules, recommend
    from scaling.hyperparameters.beside import given_up_by

    length = context_length or one.laws.cells.context_length
    tokens = None if batch is None else batch_in_tokens(batch, batch_unit, length)
    said = recommend(
        one.laws, n_params, n_tokens, batch=tokens, level=level, context_length=length, force=force
    )  # fmt: skip
    notes: list[str] = []
    decay = optimum = regret = None
    try:
        decay = _weight_decay(one, said, level, force)
    except VerdictError as error:
        notes.append(f"No weight decay: {error.message}.")
    loss = None
    if one.surface is not None:
        try:
            optimum = one.surface.optimum(n_params, n_tokens, level)
            loss = optimum.loss
            regret = float(one.surface.regret([n_params], [n_tokens], [said.lr], [said.batch])[0])
        except VerdictError as error:
            notes.append(f"Nothing by the loss of all runs: {error.message}.")
    rules = published_rules(n_params, n_tokens, loss=loss)
    costs = [None if tokens is not None else given_up_by(one.laws, rule, n_params, n_tokens) for rule in rules]
    return Advice(one, said, tuple(zip(rules, costs, strict=True)), decay, optimum, regret, tuple(notes))


def batch_in_tokens(batch: float, unit: str, context_length: float | None) -> float:
    """Bring a batch that was typed to tokens.

    Parameters
    ----------
    batch : float
        In `unit`.
    unit : {'tokens', 'sequences'}
        See there.
    context_length : float, optional
        Tokens of a sequence.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        For sequences of unknown length, tokens that fill no more than one sequence, and another unit.
    """
    from scaling.batch_size.units import convert

    if unit == "samples":
        raise UsageError("A batch is given here in tokens or in sequences.", "Say which: --batch-unit sequences")
    if unit == "sequences" and not context_length:
        raise UsageError(
            f"A batch of {format_number(batch)} sequences cannot be told in tokens without their length.",
            "Give it: --context-length 2048, the tokens of one sequence.",
        )
    tokens = float(convert([batch], unit, "tokens", context_length)[0])
    if unit == "tokens" and context_length and tokens <= context_length:
        raise UsageError(
            f"A batch of {format_number(batch)} tokens is not more than one sequence of "
            f"{format_number(context_length)}, so it looks like a number of sequences.",
            "Say so: --batch-unit sequences. One sequence: --batch 1 --batch-unit sequences.",
        )
    return tokens


def _weight_decay(
    one: SavedTuning, said: Recommendation, level: float, force: bool
) -> tuple[float, float, float] | None:
    from scaling.hyperparameters import weight_decay_of

    if one.timescale is None:
        return None
    ratio = said.n_tokens / said.n_params
    tau = one.timescale.law.fit.predict({"R": ratio}, level=level, kind="curve", force=force)
    # A longer timescale is a smaller decay.
    values = (float(tau.mean), float(tau.high), float(tau.low))
    mean, low, high = (weight_decay_of(t, said.lr, said.batch, said.n_tokens) for t in values)
    return mean, low, high
