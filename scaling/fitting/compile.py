"""Turn a formula into a NumPy kernel with exact first and second derivatives.

Two ideas make the kernel fast without a compiler:

* **A whole batch at once.** Parameters are rows of shape (B, p), data are columns of shape (n,); every expression is
  worked out as a (B, n) array with all common sub-expressions shared.
* **Factored derivatives.** A derivative is split into a factor of the data alone, a factor of the parameters alone, and
  what mixes the two. For ``A/N**alpha`` all six derivatives have the same mixed factor ``exp(a - alpha ln N)``; the
  rest is ``ln N`` and its square, which never change. Sums over the data then are matrix products, and a Hessian of
  five parameters costs six multiplications of (B, n) arrays instead of thirty.

Inside the kernel positive parameters with a wide range are replaced by their logarithm (`log_scaled`), and inputs
that occur in powers by theirs, so no intermediate value overflows for parameters anywhere near the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations_with_replacement

import numpy as np
import sympy
from numpy.typing import NDArray

from scaling.errors import InputDataError
from scaling.laws.formula import expand_products
from scaling.laws.law import Law

Array = NDArray[np.float64]
Term = tuple[int, int, int]  # indices of the parameter factor, the mixed factor and the data factor of a product
_CROWDED = 20  # times the work; that of shared_exponents, the most crowded of the short laws, is 11


@dataclass(frozen=True)
class Data:
    """The inputs of a law, made ready for one kernel.

    Parameters
    ----------
    inputs : tuple of ndarray, each (n,)
        Raw values, or logarithms where the kernel wants those.
    factors : ndarray (n, k)
        The factors of the derivatives that depend on the data alone.
    """

    inputs: tuple[Array, ...]
    factors: Array

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.inputs[0].shape[-1])

    @cached_property
    def pairs(self) -> tuple[dict[tuple[int, int], int], Array]:
        """Products of two factors each: where each pair stands, and the columns (n, k (k + 1) / 2)."""
        places = list(combinations_with_replacement(range(self.factors.shape[1]), 2))
        columns = np.stack([self.factors[:, a] * self.factors[:, b] for a, b in places], axis=1)
        return {pair: i for i, pair in enumerate(places)}, columns

    def take(self, rows: NDArray[np.int64] | slice) -> Data:
        """Return the same for some rows."""
        return Data(tuple(x[rows] for x in self.inputs), self.factors[rows])


@dataclass(frozen=True)
class Kernel:
    """A compiled law.

    Parameters
    ----------
    names : tuple of str
        Parameters, in the order of the columns of every batch.
    log_scaled : ndarray of bool (p,)
        Which columns hold logarithms.
    log_inputs : dict of str to bool
        Which inputs enter by their logarithm (and must be positive), in the order of the law.
    """

    names: tuple[str, ...]
    log_scaled: NDArray[np.bool_]
    log_inputs: dict[str, bool]
    _value: Callable[..., Array]
    _mixed: Callable[..., tuple[Array, ...]]
    _data_factors: Callable[..., tuple[Array, ...]]
    _parameter_factors: Callable[..., tuple[Array, ...]]
    _gradient: tuple[tuple[Term, ...], ...]
    _hessian: dict[tuple[int, int], tuple[Term, ...]]

    @cached_property
    def linear(self) -> NDArray[np.bool_]:
        """Parameters (p,) in which the law is jointly linear on their internal scale."""
        chosen: list[int] = []
        for j in range(len(self.names)):
            if not any((min(j, k), max(j, k)) in self._hessian for k in (*chosen, j)):
                chosen.append(j)
        return np.isin(np.arange(len(self.names)), chosen)

    @cached_property
    def projectable(self) -> NDArray[np.bool_]:
        """Parameters (p,) in which the law is jointly linear, on their internal scale or as amplitudes behind it.

        Behind the logarithm of an amplitude the second derivative is the first.
        """
        chosen: list[int] = []
        for j in range(len(self.names)):
            amplitude = self.log_scaled[j] and self._hessian.get((j, j)) == self._gradient[j]
            apart = not any((min(j, k), max(j, k)) in self._hessian for k in chosen)
            if apart and (amplitude or (j, j) not in self._hessian):
                chosen.append(j)
        return np.isin(np.arange(len(self.names)), chosen)

    def prepare(self, inputs: Mapping[str, Array]) -> Data:
        """Check the inputs and work out what depends on them alone.

        Parameters
        ----------
        inputs : mapping of str to ndarray (n,)
            Natural units.

        Returns
        -------
        Data

        Raises
        ------
        InputDataError
            Where an input that enters as a logarithm or a power is not positive.
        """
        columns = []
        for name, logged in self.log_inputs.items():
            values = np.asarray(inputs[name], float)
            if logged and not np.all(values > 0):
                row = int(np.flatnonzero(~(values > 0))[0])
                raise InputDataError(
                    f"input '{name}' must be positive, but row {row} has {values[row]:g}", hint="Leave such rows out."
                )
            columns.append(np.log(values) if logged else values)
        n = len(columns[0])
        with np.errstate(all="ignore"):  # where the law is not defined, no parameters will be found
            factors = [np.broadcast_to(np.asarray(f, float), (n,)) for f in self._data_factors(*columns)]
        return Data(tuple(columns), np.ascontiguousarray(np.stack(factors, axis=1)))

    def value(self, theta: Array, data: Data) -> Array:
        """Predict.

        Parameters
        ----------
        theta : ndarray (B, p)
            Internal parameters: logarithms where `log_scaled`.
        data : Data
            n rows.

        Returns
        -------
        ndarray (B, n)
            NaN or inf outside the domain of the formula.
        """
        with np.errstate(all="ignore"):
            return self._fill(self._value(*self._columns(theta), *data.inputs), theta, data)

    def mixed(self, theta: Array, data: Data) -> tuple[Array, list[Array], list[Array]]:
        """Return the prediction (B, n), the mixed factors (each (B, n)) and the parameter factors (each (B,))."""
        with np.errstate(all="ignore"):
            value, *mixed = self._mixed(*self._columns(theta), *data.inputs)
            factors = self._parameter_factors(*(theta[:, j] for j in range(theta.shape[1])))
        full = [self._fill(m, theta, data) for m in mixed]
        return (
            self._fill(value, theta, data),
            full,
            [np.broadcast_to(np.asarray(f, float), (len(theta),)) for f in factors],
        )

    def jacobian(self, theta: Array, data: Data) -> Array:
        """Return the exact gradient of the prediction, shape (B, n, p), for internal parameters."""
        _, mixed, factors = self.mixed(theta, data)
        return self._slopes(mixed, factors, data)

    def _slopes(self, mixed: list[Array], factors: list[Array], data: Data) -> Array:
        """Gradient (B, n, p) of the prediction from its factors."""
        out = np.zeros((*mixed[0].shape, len(self.names)))
        with np.errstate(all="ignore"):
            for j, terms in enumerate(self._gradient):
                for p, m, q in terms:
                    out[:, :, j] += factors[p][:, None] * mixed[m] * data.factors[:, q]
        return out

    def _crowded(self, data: Data) -> bool:
        """Tell whether the factors are so many that products of whole gradients are far less work than those of pairs.

        A law of many logarithms has hundreds of products of them; most laws have a dozen.
        """
        k = data.factors.shape[1]
        return bool(self._pairs * k * (k + 1) > _CROWDED * 2 * len(self.names) ** 2)

    @cached_property
    def _pairs(self) -> int:
        """How many pairs of mixed factors occur in products of two first derivatives."""
        parts = [{m for _, m, _ in terms} for terms in self._gradient]
        both = combinations_with_replacement(parts, 2)
        return len({(min(a, b), max(a, b)) for one, other in both for a in one for b in other})

    def contract(
        self, theta: Array, data: Data, weigh: Callable[[Array], tuple[Array, Array, Array, Array]]
    ) -> tuple[Array, Array, Array, Array]:
        """Sum derivatives over the data with weights that depend on the prediction.

        Parameters
        ----------
        theta : ndarray (B, p)
            Internal parameters.
        data : Data
            n rows.
        weigh : callable
            Takes the prediction f (B, n) and returns the objective (B,) and three weights (B, n): `first` for df/dt,
            `outer` for the Gauss-Newton product, `curved` for the product df/dt df/dt' of the exact Hessian. The second
            derivatives of f are weighted by `first`, as the chain rule has it.

        Returns
        -------
        objective : ndarray (B,)
        gradient : ndarray (B, p)
        gauss_newton : ndarray (B, p, p)
        hessian : ndarray (B, p, p)
            The exact one.
        """
        value, mixed, factors = self.mixed(theta, data)
        with np.errstate(all="ignore"):
            objective, first, outer, curved = weigh(value)
            batch, size = theta.shape
            gradient = np.zeros((batch, size))
            gauss, hessian = np.zeros((batch, size, size)), np.zeros((batch, size, size))
            sums = _Sums(mixed, data)
            for j, terms in enumerate(self._gradient):
                for p, m, q in terms:
                    gradient[:, j] += factors[p] * sums.single(first, "first", m)[:, q]
            crowded = self._crowded(data)
            if crowded:
                slopes = self._slopes(mixed, factors, data)
                gauss, hessian = (np.matmul((slopes * w[:, :, None]).swapaxes(1, 2), slopes) for w in (outer, curved))
            for j, k in combinations_with_replacement(range(size), 2):
                for p1, m1, q1 in () if crowded else self._gradient[j]:
                    for p2, m2, q2 in self._gradient[k]:
                        scale = factors[p1] * factors[p2]
                        gauss[:, j, k] += scale * sums.double(outer, "outer", m1, m2, q1, q2)
                        hessian[:, j, k] += scale * sums.double(curved, "curved", m1, m2, q1, q2)
                for p, m, q in self._hessian.get((j, k), ()):
                    hessian[:, j, k] += factors[p] * sums.single(first, "first", m)[:, q]
                gauss[:, k, j], hessian[:, k, j] = gauss[:, j, k], hessian[:, j, k]
        return objective, gradient, gauss, hessian

    def to_internal(self, natural: Array) -> Array:
        """Take logarithms where `log_scaled`; last axis is p."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.log_scaled, np.log(np.where(self.log_scaled, natural, 1.0)), natural)

    def to_natural(self, internal: Array) -> Array:
        """Undo `to_internal`."""
        with np.errstate(over="ignore"):
            return np.where(self.log_scaled, np.exp(np.where(self.log_scaled, internal, 0.0)), internal)

    def _columns(self, theta: Array) -> list[Array]:
        return [theta[:, j : j + 1] for j in range(theta.shape[1])]

    @staticmethod
    def _fill(values: Array, theta: Array, data: Data) -> Array:
        return np.broadcast_to(np.asarray(values, float), (len(theta), data.n))


class _Sums:
    """Weighted sums over the data, each worked out once."""

    def __init__(self, mixed: list[Array], data: Data) -> None:
        self.mixed, self.factors = mixed, data.factors
        self.cache: dict[tuple[str, int, int], Array] = {}
        self.data = data

    def single(self, weight: Array, kind: str, m: int) -> Array:
        key = (kind, m, -1)
        if key not in self.cache:
            self.cache[key] = (weight * self.mixed[m]) @ self.factors
        return self.cache[key]

    def double(self, weight: Array, kind: str, m1: int, m2: int, q1: int, q2: int) -> Array:
        key = (kind, min(m1, m2), max(m1, m2))
        if key not in self.cache:
            pair = ("pair", key[1], key[2])  # the same for both weights
            if pair not in self.cache:
                self.cache[pair] = self.mixed[m1] * self.mixed[m2]
            self.cache[key] = (weight * self.cache[pair]) @ self.data.pairs[1]
        return self.cache[key][:, self.data.pairs[0][min(q1, q2), max(q1, q2)]]


def compile_law(law: Law, log_scaled: Sequence[bool]) -> Kernel:
    """Compile a law.

    Parameters
    ----------
    law : Law
        What to compile.
    log_scaled : sequence of bool (p,)
        Which parameters the engine moves on a logarithmic scale.

    Returns
    -------
    Kernel
        Compiled once for each formula and choice of scales.
    """
    return _compile(law.formula, tuple(law.inputs), law.parameter_names, tuple(bool(b) for b in log_scaled))


def compile_value(law: Law, log_scaled: Sequence[bool]) -> Kernel:
    """Compile a law to be worked out alone: without derivatives, which take seconds for a law seen through another.

    Parameters
    ----------
    law, log_scaled
        As of `compile_law`.

    Returns
    -------
    Kernel
        Its values are those of `compile_law`, to the last bit; it has no derivatives, and must be asked for none.
    """
    known = tuple(bool(b) for b in log_scaled)
    return _compile(law.formula, tuple(law.inputs), law.parameter_names, known, derivatives=False)


@lru_cache(maxsize=256)
def _compile(
    formula: str,
    inputs: tuple[str, ...],
    names: tuple[str, ...],
    log_scaled: tuple[bool, ...],
    derivatives: bool = True,
) -> Kernel:
    from scaling.laws.formula import parse_formula, symbol

    raw = parse_formula(formula)
    # Names of the user's never reach generated code: inside, parameters are t0, t1, ... and inputs x0, x1, ...
    theta = sympy.symbols(f"t0:{len(names)}", real=True)
    columns = sympy.symbols(f"x0:{len(inputs)}", real=True)
    logged = {name: _enters_by_powers(raw, symbol(name)) for name in inputs}
    replace = {symbol(n): sympy.exp(t) if log else t for n, t, log in zip(names, theta, log_scaled, strict=True)}
    replace |= {symbol(n): sympy.exp(x) if logged[n] else x for n, x in zip(inputs, columns, strict=True)}
    kept, shifts = _keep_shifts(
        raw.xreplace(replace), {x for n, x in zip(inputs, columns, strict=True) if not logged[n]}
    )
    expression = _gather_exponentials(kept)

    split = _Splitter(set(theta), {*columns, *shifts})
    first = [_gather_exponentials(expression.diff(t)) for t in theta] if derivatives else []
    gradient = tuple(split.terms(d) for d in first)
    hessian = {}
    for j, k in combinations_with_replacement(range(len(first)), 2):
        second = _gather_exponentials(_without_deltas(first[j].diff(theta[k])))
        if second != 0:
            hessian[j, k] = split.terms(second)
    arguments = [*theta, *columns]
    expression = expression.xreplace(shifts)
    mixed, data = ([e.xreplace(shifts) for e in known] for known in (split.mixed, split.data))
    return Kernel(
        names,
        np.array(log_scaled, bool),
        logged,
        _value=sympy.lambdify(arguments, expression, "numpy", cse=True),
        _mixed=sympy.lambdify(arguments, [expression, *mixed], "numpy", cse=True),
        _data_factors=sympy.lambdify(columns, data, "numpy", cse=True),
        _parameter_factors=sympy.lambdify(theta, split.parameter, "numpy", cse=True),
        _gradient=gradient,
        _hessian=hessian,
    )


def _keep_shifts(expression: sympy.Expr, plain: set[sympy.Symbol]) -> tuple[sympy.Expr, dict[sympy.Symbol, sympy.Expr]]:
    """Put a name in place of every sum of inputs and numbers, such as a year less another, until all is written out.

    Multiplied out, the squares of two years would be taken from each other, and with them seven digits.
    """
    names: dict[sympy.Expr, sympy.Symbol] = {}

    def rewrite(e: sympy.Expr) -> sympy.Expr:
        if e.is_Add and e.free_symbols and e.free_symbols <= plain:
            return names.setdefault(e, sympy.Dummy(f"u{len(names)}", real=True))
        return e.func(*map(rewrite, e.args)) if e.args else e

    kept = rewrite(expression) if plain else expression
    return kept, {name: shift for shift, name in names.items()}


def _enters_by_powers(expression: sympy.Expr, name: sympy.Symbol) -> bool:
    """Tell whether an input must be positive, so that its logarithm may stand in for it.

    It must where it stands in a power with a free exponent or in a logarithm, unless sums there shift it first.
    """
    if any(_is_multiple(term, name) for add in expression.atoms(sympy.Add) for term in add.args):
        return False
    return any(p.exp.free_symbols and name in p.base.free_symbols for p in expression.atoms(sympy.Pow)) or any(
        name in f.args[0].free_symbols for f in expression.atoms(sympy.log)
    )


def _is_multiple(term: sympy.Expr, name: sympy.Symbol) -> bool:
    """Tell whether a term is defined for any sign of a name that it contains."""
    powers = [f.as_base_exp() for f in sympy.Mul.make_args(term) if name in f.free_symbols]
    return bool(powers) and all(base == name and exponent.is_positive for base, exponent in powers)


def _gather_exponentials(expression: sympy.Expr) -> sympy.Expr:
    """Write powers of exponentials, and products of them, as one exponential each."""

    def rewrite(e: sympy.Expr) -> sympy.Expr:
        if e.is_Pow and not isinstance(e, sympy.exp):
            base, exponent = e.base, e.exp
            factors = sympy.Mul.make_args(base)
            if all(isinstance(f, sympy.exp) or (f.is_Pow and isinstance(f.base, sympy.exp)) for f in factors):
                return sympy.exp(sympy.expand(sum(sympy.log(f).expand(force=True) for f in factors) * exponent))
        return e

    rewritten = expression.replace(lambda e: e.is_Pow, rewrite)
    return sympy.powsimp(rewritten, combine="exp")


def _without_deltas(expression: sympy.Expr) -> sympy.Expr:
    """Drop the delta function that SymPy puts at the kink of an absolute value."""
    return expression.replace(sympy.DiracDelta, lambda *_: sympy.Integer(0))


class _Splitter:
    """Split products into factors of the parameters, of the data, and of both; keep each distinct factor once."""

    def __init__(self, theta: set[sympy.Symbol], columns: set[sympy.Symbol]) -> None:
        self.theta, self.columns = theta, columns
        self.parameter: list[sympy.Expr] = [sympy.Integer(1)]
        self.mixed: list[sympy.Expr] = [sympy.Integer(1)]
        self.data: list[sympy.Expr] = [sympy.Integer(1)]

    def terms(self, expression: sympy.Expr) -> tuple[Term, ...]:
        """Return the terms whose sum the expression is; one alone where its terms share no mixed factor."""
        if expression == 0:
            return ()
        parts = [self._factors(term) for term in sympy.Add.make_args(expand_products(expression))]
        if len({mixed for _, mixed, _ in parts}) > 1:
            parts = [self._factors(expression)]
        return tuple((_index(self.parameter, p), _index(self.mixed, m), _index(self.data, q)) for p, m, q in parts)

    def _factors(self, product: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr, sympy.Expr]:
        parameter, mixed, data = [], [], []
        for factor in sympy.Mul.make_args(product):
            names = factor.free_symbols
            if not names & self.columns:
                parameter.append(factor)
            elif not names & self.theta:
                data.append(factor)
            else:
                mixed.append(factor)
        return sympy.Mul(*parameter), sympy.Mul(*mixed), sympy.Mul(*data)


def _index(known: list[sympy.Expr], expression: sympy.Expr) -> int:
    if expression not in known:
        known.append(expression)
    return known.index(expression)
