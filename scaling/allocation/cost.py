"""What a training run costs, as a function of parameters and tokens.

The usual cost is 6 N D (Kaplan et al. 2020, arXiv:2001.08361): forward and backward pass of a dense model. A
transformer of a known shape also pays for attention over its context; a model that will be used also pays for the
tokens it serves (Sardana et al. 2024, arXiv:2401.00448); and N may be counted with or without the embeddings. Any other
cost that grows with N and with D is a formula.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError, did_you_mean
from scaling.formatting import format_number
from scaling.parameter_counts import (
    CONVENTIONS,
    FLOP_PER_PARAMETER_TOKEN,
    nonembedding_from_total,
    total_from_nonembedding,
)
from scaling.roots import LOG_HIGH, LOG_LOW, find_root

Array = NDArray[np.float64]

TOTAL, NON_EMBEDDING = CONVENTIONS
ASPECT = 128.0  # width over layers: that of GPT-3 175B, 12288 over 96 (arXiv:2005.14165)
_FORWARD = 1 / 3  # share of a training step that a forward pass alone costs
_PROBE_N, _PROBE_D = np.geomspace(1e4, 1e14, 21), np.geomspace(1e6, 1e16, 21)  # where a formula must grow


class CostModel(ABC):
    """A cost that grows with the parameters and with the tokens."""

    params_are: str | None = None  # what the law's N counts: total or non-embedding

    @property
    @abstractmethod
    def label(self) -> str:
        """The cost in one line, as every table quotes it."""

    @property
    def counts(self) -> str:
        """Which parameters the law's N counts, in words."""
        return "as the fitted rows count them" if self.params_are is None else f"{self.params_are} parameters"

    def other_count(self, n_params: ArrayLike) -> tuple[str, Array] | None:
        """Return the name and the values of the count that the law's N is not; None where it is not known what N is."""
        if self.params_are is None:
            return None
        n = np.asarray(n_params, float)
        if self.params_are == TOTAL:
            return NON_EMBEDDING, _convert(nonembedding_from_total, n)
        return TOTAL, _convert(total_from_nonembedding, n)

    @abstractmethod
    def flop(self, n_params: ArrayLike, n_tokens: ArrayLike) -> Array:
        """Return the cost.

        Parameters
        ----------
        n_params, n_tokens : array_like
            Positive; broadcast against each other. `n_params` is counted as the law counts it.

        Returns
        -------
        ndarray
            FLOP, or the unit of a formula of the user's.
        """

    def tokens_for(self, n_params: ArrayLike, budget: ArrayLike) -> Array:
        """Return the tokens that a budget leaves for models of a size; NaN where it leaves none."""
        n, c = np.broadcast_arrays(np.asarray(n_params, float), np.asarray(budget, float))
        return np.exp(find_root(lambda x: np.log(self.flop(n, np.exp(x))) - np.log(c), LOG_LOW, LOG_HIGH, c.shape))

    def params_for(self, n_tokens: ArrayLike, budget: ArrayLike) -> Array:
        """Return the parameters that a budget allows for a number of tokens; NaN where it allows none."""
        d, c = np.broadcast_arrays(np.asarray(n_tokens, float), np.asarray(budget, float))
        return np.exp(find_root(lambda x: np.log(self.flop(np.exp(x), d)) - np.log(c), LOG_LOW, LOG_HIGH, c.shape))

    def training_flop(self, n_params: ArrayLike, n_tokens: ArrayLike) -> Array:
        """Return the part of the cost that is spent on training."""
        return self.flop(n_params, n_tokens)


@dataclass(frozen=True)
class TransformerCost(CostModel):
    """Training FLOP of a transformer, with what serving it costs if asked.

    ``(6 N + 12 l d s) D + (2 N + 4 l d s) D_served``, where l, d and s are layers, width and context length: a multiply
    and an add for each parameter and each attended place, once forward and twice backward. Attention is left out unless
    `seq_len` is given; the causal mask is not taken off.

    Parameters
    ----------
    seq_len : float, optional
        Tokens of context; None leaves attention out.
    aspect : float, default 128
        Width over layers, d/l. With N = 12 l d^2 it makes the shape of a model of each size.
    params_are : {'total', 'non-embedding'}, optional
        What the law's N counts; needed where one count is to be turned into the other.
    flop_of : {'total', 'non-embedding'}, optional
        Which parameters the FLOP are counted on; as the law's N where left out.
    served_tokens : float, default 0
        Tokens that the finished model will read and write.

    Raises
    ------
    UsageError
        For numbers that are not positive, or a count that is not known.

    Notes
    -----
    Counts are turned into each other by N_total = N_ne + 47491 N_ne^(1/3) (Pearce & Song 2024, arXiv:2406.12907), which
    belongs to a vocabulary near 32 thousand; see `scaling.parameter_counts`.
    """

    seq_len: float | None = None
    aspect: float = ASPECT
    params_are: str | None = None
    flop_of: str | None = None
    served_tokens: float = 0.0

    def __post_init__(self) -> None:
        _check_count(self.params_are)
        _check_count(self.flop_of)
        if self.flop_of is not None and self.params_are is None:
            raise UsageError(
                f"FLOP on {self.flop_of} parameters need to know which parameters the law's N counts",
                hint="Say that it counts total or non-embedding parameters (--params-are, params_are=).",
            )
        for name, value in (("a context length", self.seq_len), ("an aspect (width over layers)", self.aspect)):
            if value is not None and not (np.isfinite(value) and value > 0):
                raise UsageError(f"{name} must be a positive number, not {value:g}")
        if not (np.isfinite(self.served_tokens) and self.served_tokens >= 0):
            raise UsageError(f"served tokens must be a number from 0 on, not {self.served_tokens:g}")

    @property
    def label(self) -> str:
        """The cost in one line."""
        text = "6*N*D"
        if self.seq_len is not None:
            text += f" + 12*l*d*{self.seq_len:g}*D with d = {self.aspect:g}*l and N = 12*l*d^2"
        if self.served_tokens:
            served = format_number(self.served_tokens)
            text += f" + 2*N*{served}" if self.seq_len is None else f" + (2*N + 4*l*d*{self.seq_len:g})*{served}"
        if self.flop_of not in (None, self.params_are):
            text += f", its N being {self.flop_of} parameters"
        return text

    def counted(self, n_params: ArrayLike) -> Array:
        """Return the number of parameters that FLOP are counted on, for the law's N."""
        n = np.asarray(n_params, float)
        if self.flop_of is None or self.flop_of == self.params_are:
            return n
        return _convert(total_from_nonembedding if self.flop_of == TOTAL else nonembedding_from_total, n)

    def forward_flop(self, n_params: ArrayLike) -> Array:
        """Return the FLOP of one token's forward pass."""
        flop = FLOP_PER_PARAMETER_TOKEN * _FORWARD * self.counted(n_params)
        if self.seq_len is None:
            return flop
        n = np.asarray(n_params, float)
        inner = _convert(nonembedding_from_total, n) if self.params_are == TOTAL else n
        width = np.cbrt(self.aspect * inner / 12)
        return np.asarray(flop + 4 * width * (width / self.aspect) * self.seq_len)

    def flop(self, n_params: ArrayLike, n_tokens: ArrayLike) -> Array:
        """Return training and serving together; see `CostModel.flop`."""
        return self.forward_flop(n_params) * (np.asarray(n_tokens, float) / _FORWARD + self.served_tokens)

    def training_flop(self, n_params: ArrayLike, n_tokens: ArrayLike) -> Array:
        """Return the part of the cost that is spent on training."""
        return self.forward_flop(n_params) * (np.asarray(n_tokens, float) / _FORWARD)

    def tokens_for(self, n_params: ArrayLike, budget: ArrayLike) -> Array:
        """Return the tokens that a budget leaves; NaN where serving alone costs more than the budget."""
        left = np.asarray(budget, float) / self.forward_flop(n_params) - self.served_tokens
        return np.where(left > 0, left * _FORWARD, np.nan)


@dataclass(frozen=True)
class FormulaCost(CostModel):
    """A cost of the user's own, such as ``6*N*D``, ``2e-3*N**1.1*D**0.9`` or ``6*N*D + 2*N*1e12``.

    Parameters
    ----------
    formula : str
        In N and D, as `scaling.laws.formula` reads it.
    params_are : {'total', 'non-embedding'}, optional
        What the law's N counts; the formula takes N as it is.

    Raises
    ------
    UsageError
        Where it names something else, or does not grow with both, or the count is not known.
    """

    formula: str
    params_are: str | None = None

    def __post_init__(self) -> None:
        _check_count(self.params_are)
        _compile_cost(self.formula)

    @property
    def label(self) -> str:
        """The formula, as it was given."""
        return self.formula.strip()

    def flop(self, n_params: ArrayLike, n_tokens: ArrayLike) -> Array:
        """Return the cost; see `CostModel.flop`."""
        with np.errstate(all="ignore"):
            value = _compile_cost(self.formula)(np.asarray(n_params, float), np.asarray(n_tokens, float))
        return np.asarray(value, float)


def _check_count(count: str | None) -> None:
    if count is not None and count not in CONVENTIONS:
        raise UsageError(f"there is no count of parameters '{count}'", did_you_mean(count, CONVENTIONS))


def _convert(function: Callable[[Array], Array], n_params: Array) -> Array:
    """Convert counts, of which some may not be there (NaN)."""
    there = np.isfinite(n_params) & (n_params > 0)
    return np.where(there, function(np.where(there, n_params, 1.0)), np.nan)


@lru_cache(maxsize=64)
def _compile_cost(formula: str) -> Callable[..., Any]:
    import sympy

    from scaling.laws.formula import parse_formula, symbol

    expression = parse_formula(formula)
    names = sorted(str(s) for s in expression.free_symbols)
    if names != ["D", "N"]:
        found = ", ".join(names) or "neither"
        raise UsageError(
            f"a cost is a formula in N (parameters) and D (tokens), but '{formula}' has {found}",
            hint="Write numbers for everything else, such as 6*N*D or 2e-3*N**1.1*D.",
        )
    function: Callable[..., Any] = sympy.lambdify([symbol("N"), symbol("D")], expression, "numpy")
    with np.errstate(all="ignore"):
        value = np.asarray(function(_PROBE_N[:, None], _PROBE_D[None, :]), float)
        grows = np.all(np.isfinite(value)) and np.all(value > 0)
        grows = grows and np.all(np.diff(value, axis=0) > 0) and np.all(np.diff(value, axis=1) > 0)
    if not grows:
        raise UsageError(
            f"the cost '{formula}' does not grow with both N and D",
            hint="A cost is positive, and more parameters or more tokens cost more.",
        )
    return function


SIX_N_D = TransformerCost()


def find_cost(
    formula: str | None = None,
    *,
    attention: bool = False,
    seq_len: float | None = None,
    aspect: float | None = None,
    params_are: str | None = None,
    flop_of: str | None = None,
    served_tokens: float = 0.0,
) -> CostModel:
    """Make the cost model that a set of options describes.

    Parameters
    ----------
    formula : str, optional
        A cost of the user's own, which then says everything but what N counts.
    attention : bool, default False
        Whether attention counts; it needs `seq_len`.
    seq_len, aspect, params_are, flop_of, served_tokens
        As of `TransformerCost`.

    Returns
    -------
    CostModel

    Raises
    ------
    UsageError
        For options that contradict each other or miss one another.
    """
    if formula is not None:
        if attention or seq_len is not None or aspect is not None or flop_of is not None or served_tokens:
            raise UsageError(
                "a cost formula says everything itself, and takes no attention, FLOP on another count or served "
                "tokens beside it",
                hint="Write them into the formula, such as 6*N*D + 2*N*1e12.",
            )
        return FormulaCost(formula, params_are)
    if attention and seq_len is None:
        raise UsageError("attention costs by the length of the context", hint="Give it, such as --seq-len 4096.")
    if not attention and (seq_len is not None or aspect is not None):
        raise UsageError(
            "a context length or aspect counts for attention alone", hint="Add --attention to count attention."
        )
    return TransformerCost(seq_len, ASPECT if aspect is None else aspect, params_are, flop_of, served_tokens)
