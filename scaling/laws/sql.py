"""Write a formula as DuckDB SQL."""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from sympy.printing.str import StrPrinter


def to_sql(expression: sympy.Expr, texts: Mapping[str, str]) -> str:
    """Write an expression as SQL.

    Parameters
    ----------
    expression : sympy.Expr
        Of a formula.
    texts : mapping of str to str
        SQL for each of its names.

    Returns
    -------
    str
        All numbers are DOUBLE literals that read back exactly.
    """
    return str(_SqlPrinter(texts).doprint(expression))


def sql_number(value: float) -> str:
    """Write a DOUBLE literal. The exponent matters: without one DuckDB reads a DECIMAL."""
    text = repr(float(value))
    if not text[-1].isdigit():  # nan, inf
        return f"CAST('{text}' AS DOUBLE)"
    text = text if "e" in text else f"{text}e0"
    return f"({text})" if text.startswith("-") else text


class _SqlPrinter(StrPrinter):  # type: ignore[misc]
    """Print an expression as DuckDB SQL; names become the texts given."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__({"order": "none"})
        self.texts = texts

    def _print_Symbol(self, expr: sympy.Symbol) -> str:
        return self.texts[expr.name]

    def _print_Pow(self, expr: sympy.Pow, rational: bool = False) -> str:  # noqa: ARG002 - SymPy's signature
        return f"power({self._print(expr.base)}, {self._print(expr.exp)})"

    def _print_Integer(self, expr: sympy.Integer) -> str:
        return sql_number(float(expr))

    # SymPy looks its printers up by these names.
    _print_Float = _print_Rational = _print_Half = _print_One = _print_NegativeOne = _print_Zero = _print_Integer
    _print_Pi = _print_Exp1 = _print_Integer

    def _print_Function(self, expr: sympy.Function) -> str:
        name = {"log": "ln"}.get(expr.func.__name__, expr.func.__name__)
        return f"{name}({', '.join(self._print(a) for a in expr.args)})"

    def _print_greatest(self, expr: sympy.Function) -> str:
        # For DuckDB NaN is the largest number, so `greatest` passes it on, as NumPy does, and `least` would drop it.
        return f"greatest({', '.join(self._print(a) for a in expr.args)})"

    def _print_least(self, expr: sympy.Function) -> str:
        return f"(-greatest({', '.join(f'-({self._print(a)})' for a in expr.args)}))"

    def _print_Add(self, expr: sympy.Add, order: str | None = None) -> str:  # noqa: ARG002 - SymPy's signature
        return "(" + " + ".join(self._print(a) for a in expr.args) + ")"

    def _print_Mul(self, expr: sympy.Mul) -> str:
        return "(" + " * ".join(self._print(a) for a in expr.args) + ")"

    def _print_exp(self, expr: sympy.exp) -> str:
        return f"exp({self._print(expr.args[0])})"
