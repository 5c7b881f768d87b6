"""``min`` and ``max`` in a formula: the smaller and the larger of two values, with their derivatives.

SymPy's own Min and Max compare their arguments by assumptions, which takes long for nested powers, and become NumPy
code that does not broadcast. These two compare nothing but plain numbers.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import sympy


class _Extreme(sympy.Function):  # type: ignore[misc]
    """What the two share: two arguments, each with half the slope where they are equal."""

    nargs = 2
    _sign: int  # of (second - first) where the first one counts

    @classmethod
    def eval(cls, first: sympy.Expr, second: sympy.Expr) -> sympy.Expr | None:
        """Work out numbers, and the extreme of a thing and itself; leave all else."""
        if first == second:
            return first
        if first.is_number and second.is_number:
            return first if (first <= second) == (cls._sign > 0) else second
        return None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """Slope in one argument: 1 where it is the one that counts, 0 where it is not."""
        here, other = self.args if argindex == 1 else self.args[::-1]
        return sympy.Heaviside(self._sign * (other - here))

    def _eval_is_real(self) -> bool | None:
        return True if all(a.is_real for a in self.args) else None

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        name = {1: r"\min", -1: r"\max"}[self._sign]
        text = rf"{name}\left({', '.join(printer._print(a) for a in self.args)}\right)"
        return text if exp is None else rf"{text}^{{{exp}}}"


class least(_Extreme):  # noqa: N801 - the name is what stands in generated code
    """The smaller of two values."""

    _sign = 1
    _imp_ = staticmethod(np.minimum)  # where SymPy looks for the code of a function


class greatest(_Extreme):  # noqa: N801
    """The larger of two values."""

    _sign = -1
    _imp_ = staticmethod(np.maximum)


def smallest_of(*values: sympy.Expr) -> sympy.Expr:
    """Return the smallest of two or more."""
    return reduce(least, values)


def largest_of(*values: sympy.Expr) -> sympy.Expr:
    """Return the largest of two or more."""
    return reduce(greatest, values)
