"""The learning rate and batch to run next, and what it costs to be wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.errors import UsageError, VerdictError
from scaling.formatting import (
    format_count,
    format_count_interval,
    format_factor,
    format_interval,
    format_number,
    format_percent,
)
from scaling.hyperparameters.bowl import batch_cost, lr_cost
from scaling.hyperparameters.expected import ExpectedRegret, expected_regret, expected_regret_at_batch
from scaling.inputs import as_number, check_level
from scaling.serial import plain
from scaling.verdicts import NOT_IDENTIFIED

if TYPE_CHECKING:
    from scaling.hyperparameters.laws import TunedLaw, TunedLaws

PLATEAU = 0.0025  # of the loss; what separates two runs of one setting that differ in their seed is of that size
_BEYOND = 1.05  # extrapolation factor from which a forecast is said to extrapolate


@dataclass(frozen=True)
class Recommendation:
    """A learning rate and a batch for a run.

    Parameters
    ----------
    n_params, n_tokens : float
        The run.
    lr, lr_low, lr_high : float
        Peak learning rate with the interval of its law.
    batch, batch_low, batch_high : float
        Tokens a step; the interval is the batch itself where it was given.
    batch_given : bool
        Whether it was.
    best_batch : float
        By its law, given or not.
    level : float
        Nominal coverage of the intervals.
    regret : ExpectedRegret
        Loss given up on average, as shares.
    cost_of_2x_lr, cost_of_2x_batch, cost_of_2x_batch_lr_held : float
        Loss given up, as a share, by twice or half the learning rate; by twice or half the best batch, with the
        learning rate re-tuned and with it left.
    plateau_share : float
        Loss that the ranges below give up at most.
    plateau_lr : (float, float)
        Learning rates at this batch.
    plateau_batch : (float, float)
        Batches, each with its own best learning rate.
    slope : float
        d ln lr*/d ln B there, by the surfaces.
    extrapolation_factor : float
        How far the run lies beyond the cells; 1 is inside.
    verdict : str
        Of the laws, or ``extrapolating x37``.
    reasons : tuple of str
        Behind it.
    method : str
        How the optima were found, and how the intervals were made.
    context_length : float or None
        Tokens of a sequence, where it is known.
    """

    n_params: float
    n_tokens: float
    lr: float
    lr_low: float
    lr_high: float
    batch: float
    batch_low: float
    batch_high: float
    batch_given: bool
    best_batch: float
    level: float
    regret: ExpectedRegret
    cost_of_2x_lr: float
    cost_of_2x_batch: float
    cost_of_2x_batch_lr_held: float
    plateau_share: float
    plateau_lr: tuple[float, float]
    plateau_batch: tuple[float, float]
    slope: float
    extrapolation_factor: float
    verdict: str
    reasons: tuple[str, ...] = field(repr=False)
    method: str = field(repr=False)
    context_length: float | None = None

    @property
    def expected_regret(self) -> float:
        """Loss given up on average, as a share."""
        return self.regret.total

    def sequences(self, context_length: float | None = None, multiple: int = 1) -> tuple[int, float]:
        """Round the batch to whole sequences.

        Parameters
        ----------
        context_length : float, optional
            Tokens of a sequence; that of the runs where missing.
        multiple : int, default 1
            Sequences that the batch must be a multiple of, such as the number of devices.

        Returns
        -------
        sequences : int
            The nearest number in ratio, at least one multiple.
        tokens : float
            The same in tokens a step.

        Raises
        ------
        UsageError
            Where no context length is known, or the multiple is none.
        """
        length = self.context_length if context_length is None else float(context_length)
        if length is None or not 0 < length < math.inf:
            raise UsageError(
                "a batch in sequences needs the context length", hint="Give it in tokens, such as context_length=2048."
            )
        if multiple < 1:
            raise UsageError(f"a batch is a multiple of 1 or more, not of {multiple}")
        return whole_sequences(self.batch, length, multiple)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        table: dict[str, Any] = {
            "n_params": self.n_params, "n_tokens": self.n_tokens, "lr": self.lr,
            "lr_interval": [self.lr_low, self.lr_high], "batch": self.batch,
            "batch_interval": [self.batch_low, self.batch_high], "batch_unit": "tokens",
            "batch_given": self.batch_given, "best_batch": self.best_batch, "level": self.level,
            "expected_regret": self.expected_regret,
            "expected_regret_parts": {
                "parameters": self.regret.parameters, "scatter": self.regret.scatter, "batch": self.regret.batch,
            },
            "cost_of_2x_lr": self.cost_of_2x_lr, "cost_of_2x_batch": self.cost_of_2x_batch,
            "cost_of_2x_batch_lr_held": self.cost_of_2x_batch_lr_held,
            "plateau": {"share": self.plateau_share, "lr": list(self.plateau_lr), "batch": list(self.plateau_batch)},
            "slope": self.slope, "extrapolation_factor": self.extrapolation_factor, "verdict": self.verdict,
            "reasons": list(self.reasons), "method": self.method, "context_length": self.context_length,
            "sequences": None, "batch_of_whole_sequences": None,
        }  # fmt: skip
        if self.context_length is not None:
            table["sequences"], table["batch_of_whole_sequences"] = self.sequences()
        out: dict[str, Any] = plain(table)
        return out

    def __repr__(self) -> str:
        share = format_percent(self.level)
        interval = f"{share}: {format_count_interval(self.batch_low, self.batch_high)}"
        batch = f"{format_count(self.batch)} tokens a step ({'given' if self.batch_given else interval})"
        if self.context_length is not None:
            batch += f", {self.sequences()[0]} sequences of {format_number(self.context_length)}"
        low, high = self.plateau_lr
        lines = [
            f"{format_count(self.n_params)} parameters, {format_count(self.n_tokens)} tokens",
            f"learning rate {format_number(self.lr)} ({share}: {format_interval(self.lr_low, self.lr_high)})",
            f"batch {batch}",
            f"expected to give up {format_percent(self.expected_regret)} of the loss",
            f"2x off costs: learning rate {format_percent(self.cost_of_2x_lr)}, batch "
            f"{format_percent(self.cost_of_2x_batch)} (learning rate left: "
            f"{format_percent(self.cost_of_2x_batch_lr_held)})",
            f"within {format_percent(self.plateau_share)}: learning rate {format_interval(low, high)}, batch "
            f"{format_count_interval(*self.plateau_batch)}",
            f"verdict: {self.verdict}",
        ]
        return "\n".join(lines)


def recommend(
    laws: TunedLaws,
    n_params: float,
    n_tokens: float,
    *,
    batch: float | None = None,
    level: float = 0.9,
    plateau: float = PLATEAU,
    context_length: float | None = None,
    force: bool = False,
) -> Recommendation:
    """Recommend a learning rate and a batch.

    Parameters
    ----------
    laws : TunedLaws
        From `scaling.hyperparameters.fit_laws`.
    n_params, n_tokens : float
        The run; parameters counted as they were in the sweep.
    batch : float, optional
        Tokens a step, where it is settled; the learning rate is then that of the coupled law.
    level : float, default 0.9
        Nominal coverage of the intervals, which are of the laws and not of the optimum of one sweep.
    plateau : float, default 0.0025
        Share of the loss for the ranges that are about as good.
    context_length : float, optional
        Tokens of a sequence; that of the runs where missing.
    force : bool, default False
        Answer even where a law is not identified.

    Returns
    -------
    Recommendation

    Raises
    ------
    VerdictError
        Where a law is not identified and `force` is not set, and for a batch without a coupled law.
    InputDataError
        Where no cell has a loss surface, so that nothing is known about costs.
    UsageError
        For sizes that are not above 0, or a share or level that is none.
    """
    check_level(level)
    for what, value in (("parameters", n_params), ("tokens", n_tokens), ("tokens a step", batch)):
        if value is not None and not 0 < as_number(value) < math.inf:
            raise UsageError(f"a run has a number of {what} above 0, not {value}")
    if not 0 < as_number(plateau) < 1:
        raise UsageError(f"a share of the loss lies between 0 and 1, not at {plateau}", hint="0.0025 is a quarter %.")
    if context_length is not None and not 0 < as_number(context_length) < math.inf:
        raise UsageError(f"a context length is a number of tokens above 0, not {context_length}")
    inputs = {"N": float(n_params), "D": float(n_tokens)}
    best = _interval(laws.batch, inputs, level, force)
    coupled = _coupled(laws) if batch is not None else None
    if batch is None:
        lr, chosen = _interval(laws.lr, inputs, level, force), best
        regret = expected_regret(laws, n_params, n_tokens)
        asked = [laws.lr, laws.batch]
    else:
        assert coupled is not None
        inputs["B"] = float(batch)
        lr, chosen = _interval(coupled, inputs, level, force), (float(batch),) * 3
        regret = expected_regret_at_batch(laws, coupled, n_params, n_tokens, float(batch))
        asked = [coupled, laws.batch]
    hessian = laws.curvature.at(n_params, n_tokens)
    slope = float(-hessian[0, 1] / hessian[0, 0])
    aside = math.sqrt(2 * math.log1p(plateau) / hessian[0, 0])
    along = math.sqrt(2 * math.log1p(plateau) / (hessian[1, 1] - hessian[0, 1] ** 2 / hessian[0, 0]))
    factor = max(float(np.max(law.fit.extrapolation_factor(law.given(inputs)))) for law in asked)
    length = laws.cells.context_length if context_length is None else float(context_length)
    return Recommendation(
        float(n_params), float(n_tokens), *lr, *chosen, batch is not None, best[0], level, regret,
        lr_cost(hessian, 2.0), batch_cost(hessian, 2.0, True), batch_cost(hessian, 2.0, False), plateau,
        (lr[0] * math.exp(-aside), lr[0] * math.exp(aside)), (best[0] * math.exp(-along), best[0] * math.exp(along)),
        slope, factor, _verdict(asked, factor), _reasons(laws, asked, factor),
        f"{laws.method.words}; {asked[0].fit.interval_method}", length,
    )  # fmt: skip


def whole_sequences(batch: float, context_length: float, multiple: int = 1) -> tuple[int, float]:
    """Round a batch to whole sequences.

    Parameters
    ----------
    batch : float
        Tokens a step.
    context_length : float
        Tokens of a sequence.
    multiple : int, default 1
        Sequences that the result must be a multiple of.

    Returns
    -------
    sequences : int
        The nearest number in ratio, at least one multiple.
    tokens : float
        The same in tokens a step.

    Examples
    --------
    >>> whole_sequences(4_997_000, 2048), whole_sequences(4_997_000, 2048, 64)
    ((2440, 4997120.0), (2432, 4980736.0))
    """
    steps = batch / (context_length * multiple)
    below, above = math.floor(steps), math.ceil(steps)
    nearest = below if below and steps * steps <= below * above else above
    sequences = max(nearest, 1) * multiple
    return sequences, float(sequences * context_length)


def _interval(law: TunedLaw, inputs: Mapping[str, float], level: float, force: bool) -> tuple[float, float, float]:
    """Value of a law at a run, and the interval of its curve."""
    said = law.fit.predict(law.given(inputs), level=level, kind="curve", force=force)
    return float(said.mean), float(said.low), float(said.high)


def _coupled(laws: TunedLaws) -> TunedLaw:
    if laws.coupled is None:
        raise VerdictError(
            "the runs have too few batches with a best learning rate of their own to say how the one moves with the "
            "other",
            hint="Ask without a batch, or run four learning rates or more at several batches of three cells.",
        )
    return laws.coupled


def _verdict(asked: list[TunedLaw], factor: float) -> str:
    verdicts = [law.verdict for law in asked]
    if NOT_IDENTIFIED in verdicts:
        return NOT_IDENTIFIED
    if factor >= _BEYOND:
        return f"extrapolating {format_factor(factor)}"
    return next((v for v in verdicts if v != "ok"), "ok")


def _reasons(laws: TunedLaws, asked: list[TunedLaw], factor: float) -> tuple[str, ...]:
    reasons = [reason for law in asked for reason in law.reasons]
    if factor >= _BEYOND:
        reasons.append(
            f"The run lies {format_factor(factor)} beyond the cells; how steep the loss is there is taken from their "
            "edge."
        )
    return tuple(dict.fromkeys((*reasons, *laws.cells.warnings)))
