"""What a law is: one formula, the names in it, and the bounds of its parameters.

Everything else follows from the formula: the kernel and its derivatives (`scaling.fitting.compile`), which parameters
are linear given the rest, LaTeX for the report and SQL for the store.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import sympy
from sympy.printing.str import StrPrinter

from scaling.errors import LawError, UsageError, did_you_mean
from scaling.laws.formula import is_name, parse_formula, symbol

# A bound may be a number or may depend on the data: "min(loss)", "1e-3 * max(N)".
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_DATA_BOUND = re.compile(rf"(?:(?P<factor>{_NUMBER})\s*\*\s*)?(?P<function>min|max)\((?P<name>\w+)\)")
Bound = float | str


@dataclass(frozen=True)
class Parameter:
    """One parameter of a law.

    Parameters
    ----------
    name : str
        As it stands in the formula.
    low, high : float or str, default -inf and inf
        Bounds; a string such as ``"min(loss)"`` is worked out from the data.
    screen : tuple of (float or str), optional
        Where to look for starting values; the bounds where it is missing.
    meaning : str
        One line for people.
    """

    name: str
    low: Bound = -float("inf")
    high: Bound = float("inf")
    screen: tuple[Bound, Bound] | None = None
    meaning: str = ""

    def bounds(self, ranges: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
        """Work out the bounds.

        Parameters
        ----------
        ranges : mapping of str to (float, float)
            Smallest and largest value of each input and of the observed quantity.

        Returns
        -------
        tuple of float

        Raises
        ------
        LawError
            Where the low bound is not below the high one.
        """
        low, high = (resolve_bound(bound, ranges) for bound in (self.low, self.high))
        if not low < high:
            raise LawError(f"parameter '{self.name}': the low bound {low:g} is not below the high bound {high:g}")
        return low, high

    def to_dict(self) -> dict[str, Any]:
        """Return the parameter as plain data, without what is at its default."""
        table: dict[str, Any] = {"low": self.low, "high": self.high}
        table = {key: bound for key, bound in table.items() if bound not in (float("inf"), -float("inf"))}
        if self.screen is not None:
            table["screen"] = list(self.screen)
        return table | ({"meaning": self.meaning} if self.meaning else {})

    def screening_range(self, ranges: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
        """Work out where starting values are sought: `screen` cut to the bounds, or the bounds (maybe infinite)."""
        low, high = self.bounds(ranges)
        if self.screen is None:
            return low, high
        first, last = (resolve_bound(bound, ranges) for bound in self.screen)
        return max(low, first), min(high, last)


@dataclass(frozen=True)
class Published:
    """Coefficients that somebody published for a law.

    Parameters
    ----------
    name : str
        A handle, such as ``besiroglu-2024``.
    values : dict of str to float
        One value a parameter.
    source : str
        Where they stand, such as ``arXiv:2404.10102``.
    note : str
        On which data, by which objective.
    """

    name: str
    values: dict[str, float]
    source: str
    note: str = ""


@dataclass(frozen=True)
class Law:
    """A law: one formula.

    Parameters
    ----------
    name, title : str
        The handle and the heading.
    formula : str
        In the grammar of `scaling.laws.formula`.
    inputs : dict of str to str
        Name and unit of each input.
    parameters : tuple of Parameter
        Every other name of the formula.
    output, unit : str
        What the law predicts, and in which unit.
    source : str
        Where the form was published.
    note : str
        What to know before using it.
    published : tuple of Published
        Coefficients from the literature.

    Raises
    ------
    LawError
        Where the formula cannot be read, or its names and the declared ones differ.
    """

    name: str
    title: str
    formula: str
    inputs: dict[str, str]
    parameters: tuple[Parameter, ...]
    output: str = "y"
    unit: str = ""
    source: str = ""
    note: str = ""
    published: tuple[Published, ...] = field(default=())

    def __post_init__(self) -> None:
        declared = [*self.inputs, *self.parameter_names]
        for name in (*declared, self.output):
            if not is_name(name):
                raise LawError(f"law '{self.name}': '{name}' cannot name an input, output or parameter")
        if len({*declared, self.output}) < len(declared) + 1:
            raise LawError(f"law '{self.name}': a name is declared twice among {', '.join([*declared, self.output])}")
        if not self.inputs:
            raise LawError(f"law '{self.name}': the formula has no input: {self.formula}")
        used = {str(s) for s in self.expression.free_symbols}
        if extra := sorted(used - set(declared)):
            raise LawError(
                f"law '{self.name}': '{extra[0]}' stands in the formula, but is neither an input nor a parameter",
                self.formula,
                find_name(extra[0], self.formula),
                hint=did_you_mean(extra[0], declared),
            )
        if idle := sorted(set(declared) - used):
            raise LawError(
                f"law '{self.name}': '{idle[0]}' is declared, but does not stand in the formula {self.formula}"
            )
        if not self.parameters:
            raise LawError(f"law '{self.name}': the formula has no parameter to fit: {self.formula}")
        for entry in self.published:
            if set(entry.values) != set(self.parameter_names):
                raise LawError(f"law '{self.name}': published values '{entry.name}' do not match its parameters")
        quantities = dict.fromkeys((*self.inputs, self.output), (1.0, 1.0))
        for parameter in self.parameters:
            for bound in (parameter.low, parameter.high, *(parameter.screen or ())):
                resolve_bound(bound, quantities)
            if not isinstance(parameter.low, str) and not isinstance(parameter.high, str):
                parameter.bounds({})

    @cached_property
    def expression(self) -> sympy.Expr:
        """The formula as a SymPy expression."""
        return parse_formula(self.formula)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of declaration."""
        return tuple(p.name for p in self.parameters)

    @cached_property
    def linear_parameters(self) -> tuple[str, ...]:
        """The largest set of parameters in which the formula is linear, given the others."""
        names = self.parameter_names
        joint = {
            pair: _vanishes(self.expression.diff(symbol(pair[0]), symbol(pair[1])))
            for pair in [*combinations(names, 2), *((n, n) for n in names)]
        }
        alone = [n for n in names if joint[n, n]]
        for size in range(len(alone), 0, -1):
            for subset in combinations(alone, size):
                if all(joint[pair] for pair in combinations(subset, 2)):
                    return subset
        return ()

    def latex(self) -> str:
        """Return the formula as LaTeX, without dollar signs."""
        return str(sympy.latex(self.expression, order="none"))

    def sql(self, values: Mapping[str, float], columns: Mapping[str, str]) -> str:
        """Return the law with given parameter values as a DuckDB expression.

        Parameters
        ----------
        values : mapping of str to float
            One value a parameter.
        columns : mapping of str to str
            SQL text for each input, for example ``{"N": "n_params", "D": "n_tokens"}``.

        Returns
        -------
        str
            All numbers are DOUBLE literals that read back exactly, so SQL and Python agree to rounding.

        Raises
        ------
        UsageError
            Where a parameter or an input has no value.
        """
        if missing := [n for n in self.parameter_names if n not in values] + [
            n for n in self.inputs if n not in columns
        ]:
            raise UsageError(f"law '{self.name}': no value for {', '.join(missing)}")
        texts = {n: _sql_number(values[n]) for n in self.parameter_names}
        texts |= {n: f"CAST({columns[n]} AS DOUBLE)" for n in self.inputs}
        return str(_SqlPrinter(texts).doprint(self.expression))

    def to_dict(self) -> dict[str, Any]:
        """Return the law as plain data; `from_dict` reads it back."""
        return {
            "name": self.name,
            "title": self.title,
            "formula": self.formula,
            "inputs": dict(self.inputs),
            "predicts": {self.output: self.unit},
            "parameters": {p.name: p.to_dict() for p in self.parameters},
            "source": self.source,
            "note": self.note,
            "published": [
                {"name": p.name, "values": dict(p.values), "source": p.source, "note": p.note} for p in self.published
            ],
        }

    @classmethod
    def from_dict(cls, name: str, table: Mapping[str, Any], where: str = "") -> Law:
        """Build a law from plain data, such as a table of a TOML file.

        Parameters
        ----------
        name : str
            The law's handle.
        table : mapping
            Keys ``formula``, ``inputs``, ``parameters``, and optionally ``title predicts source note published``.
        where : str
            The file, for messages.

        Returns
        -------
        Law

        Raises
        ------
        LawError
            For a missing or unknown key, or one of the wrong type.
        """
        spot = f"law '{name}'" + (f" in {where}" if where else "")
        known = {"name", "title", "formula", "predicts", "inputs", "parameters", "source", "note", "published"}
        if unknown := sorted(set(table) - known):
            raise LawError(f"{spot}: unknown key '{unknown[0]}'", hint=did_you_mean(unknown[0], known))
        for key, kind in (("formula", str), ("inputs", Mapping), ("parameters", Mapping)):
            if not isinstance(table.get(key), kind):
                raise LawError(
                    f"{spot}: '{key}' is missing or of the wrong type",
                    hint='A law looks like: formula = "E + A/x**alpha", inputs = { x = "tokens" }, '
                    "parameters.E = { low = 0 }, parameters.A = { low = 1e-3, high = 1e9 }, ...",
                )
        predicts = table.get("predicts", {"y": ""})
        if not isinstance(predicts, Mapping) or len(predicts) != 1:
            raise LawError(f"{spot}: 'predicts' must name one quantity", hint='predicts = { loss = "nats/token" }')
        published = table.get("published", ())
        if not isinstance(published, list | tuple):
            raise LawError(f"{spot}: 'published' must be a list of tables", hint=f"[[{name}.published]]")
        output, unit = next(iter(predicts.items()))
        return cls(
            name=name,
            title=str(table.get("title", name)),
            formula=table["formula"],
            inputs={str(k): str(v) for k, v in table["inputs"].items()},
            parameters=tuple(_parameter(spot, key, value) for key, value in table["parameters"].items()),
            output=str(output),
            unit=str(unit),
            source=str(table.get("source", "")),
            note=str(table.get("note", "")),
            published=tuple(_published(spot, entry) for entry in published),
        )


def resolve_bound(bound: Bound, ranges: Mapping[str, tuple[float, float]]) -> float:
    """Work out a bound that may depend on the data.

    Parameters
    ----------
    bound : float or str
        A number, or ``min(name)`` or ``max(name)``, with an optional factor in front.
    ranges : mapping of str to (float, float)
        Smallest and largest value of each name.

    Returns
    -------
    float

    Raises
    ------
    LawError
        For any other text.
    """
    if not isinstance(bound, str):
        return float(bound)
    match = _DATA_BOUND.fullmatch(bound.strip())
    if match is None:
        raise LawError(f"'{bound}' is not a bound", hint='Bounds are numbers, or like "min(loss)" or "1e-3 * max(N)".')
    if match["name"] not in ranges:
        raise LawError(f"the bound '{bound}' names no input or output", hint=did_you_mean(match["name"], ranges))
    return float(match["factor"] or 1) * ranges[match["name"]][match["function"] == "max"]


def _vanishes(expression: sympy.Expr) -> bool:
    """Tell whether an expression is zero everywhere: by form, or by its value at a few odd points.

    SymPy's own proof (`equals`) takes seconds for a nested power; a number that is not zero settles it at once. What
    counts as zero is judged against the terms of the sum, because a term such as exp(-100*a) is small and yet not zero.
    """
    if expression == 0:
        return True
    if expression.has(sympy.DiracDelta):  # the bend of |a|, which no point but zero shows
        return False
    names = sorted(expression.free_symbols, key=str)
    terms = sympy.Add.make_args(sympy.expand_mul(expression))
    for offset in (0.37, 1.13, 1.91):
        point = {s: offset + 0.171 * i for i, s in enumerate(names)}
        values = [term.subs(point).evalf() for term in terms]
        # SymPy's numbers do not underflow. A comparison with NaN is not known to be false either, hence `is`.
        if (abs(sum(values)) <= 1e-12 * sum(abs(v) for v in values)) is not sympy.true:
            return False
    return True


def _parameter(spot: str, name: str, table: Any) -> Parameter:
    if not isinstance(table, Mapping):
        raise LawError(
            f"{spot}: parameter '{name}' is not a table", hint=f"parameters.{name} = {{ low = 0, high = 2 }}"
        )
    known = {"low", "high", "screen", "meaning"}
    if unknown := sorted(set(table) - known):
        raise LawError(
            f"{spot}: parameter '{name}' has the unknown key '{unknown[0]}'", hint=did_you_mean(unknown[0], known)
        )
    screen = table.get("screen")
    if screen is not None and not (isinstance(screen, list | tuple) and len(screen) == 2):
        raise LawError(f"{spot}: the screen of parameter '{name}' must be a pair [low, high]")
    for key, bound in [*((k, table[k]) for k in ("low", "high") if k in table), *(("screen", b) for b in screen or ())]:
        if isinstance(bound, str):
            if _DATA_BOUND.fullmatch(bound.strip()) is None:
                raise LawError(
                    f"{spot}: parameter '{name}': '{bound}' is not a bound",
                    hint='Bounds are numbers, or like "min(loss)" or "1e-3 * max(N)".',
                )
        elif isinstance(bound, bool) or not isinstance(bound, int | float) or math.isnan(bound):
            raise LawError(f"{spot}: {key} of parameter '{name}' must be a number or a text such as \"min(loss)\"")
        elif key == "screen" and math.isinf(bound):
            raise LawError(f"{spot}: the screen of parameter '{name}' must be finite")
    return Parameter(
        name=str(name),
        low=table.get("low", -float("inf")),
        high=table.get("high", float("inf")),
        screen=None if screen is None else (screen[0], screen[1]),
        meaning=str(table.get("meaning", "")),
    )


def _published(spot: str, table: Mapping[str, Any]) -> Published:
    try:
        values = {str(k): float(v) for k, v in table["values"].items()}
        return Published(str(table["name"]), values, str(table["source"]), str(table.get("note", "")))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LawError(f"{spot}: every published entry needs name, values and source ({error!r})") from error


def find_name(name: str, text: str) -> int:
    """Return where a name first stands in a formula, 0 where it does not."""
    match = re.search(rf"\b{re.escape(name)}\b", text)
    return match.start() if match else 0


def _sql_number(value: float) -> str:
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
        return _sql_number(float(expr))

    # SymPy looks its printers up by these names.
    _print_Float = _print_Rational = _print_Half = _print_One = _print_NegativeOne = _print_Zero = _print_Integer
    _print_Pi = _print_Exp1 = _print_Integer

    def _print_Function(self, expr: sympy.Function) -> str:
        name = {"log": "ln"}.get(expr.func.__name__, expr.func.__name__)
        return f"{name}({', '.join(self._print(a) for a in expr.args)})"

    def _print_Add(self, expr: sympy.Add, order: str | None = None) -> str:  # noqa: ARG002 - SymPy's signature
        return "(" + " + ".join(self._print(a) for a in expr.args) + ")"

    def _print_Mul(self, expr: sympy.Mul) -> str:
        return "(" + " * ".join(self._print(a) for a in expr.args) + ")"

    def _print_exp(self, expr: sympy.exp) -> str:
        return f"exp({self._print(expr.args[0])})"
