"""What a law is: one formula, the names in it, and the bounds of its parameters.

Everything else follows from the formula: the kernel and its derivatives (`scaling.fitting.compile`), which parameters
are linear given the rest, LaTeX for the report and SQL for the store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import sympy

from scaling.errors import LawError, UsageError, did_you_mean
from scaling.laws.extremes import greatest, least
from scaling.laws.formula import expand_products, is_name, parse_formula, symbol
from scaling.laws.parameter import Parameter, read_parameter, resolve_bound
from scaling.laws.sql import sql_number, to_sql


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

        def apart(pair: tuple[str, str]) -> bool:
            return _vanishes(self.expression.diff(symbol(pair[0]), symbol(pair[1])))

        alone = [n for n in self.parameter_names if apart((n, n))]
        joint = {pair: apart(pair) for pair in combinations(alone, 2)}
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
        texts = {n: sql_number(values[n]) for n in self.parameter_names}
        texts |= {n: f"CAST({columns[n]} AS DOUBLE)" for n in self.inputs}
        sql = to_sql(self.expression, texts)
        if self.expression.has(least, greatest):  # in SQL these two pass over NULL, where all else is NULL with it
            unknown = " OR ".join(f"({columns[n]}) IS NULL" for n in self.inputs)
            return f"CASE WHEN {unknown} THEN NULL ELSE {sql} END"
        return sql

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
            parameters=tuple(read_parameter(spot, key, value) for key, value in table["parameters"].items()),
            output=str(output),
            unit=str(unit),
            source=str(table.get("source", "")),
            note=str(table.get("note", "")),
            published=tuple(_published(spot, entry) for entry in published),
        )


def _vanishes(expression: sympy.Expr) -> bool:
    """Tell whether an expression is zero everywhere: by form, or by its value at a few odd points.

    SymPy's own proof (`equals`) takes seconds for a nested power; a number that is not zero settles it at once. What
    counts as zero is judged against the terms of the sum, because a term such as exp(-100*a) is small and yet not zero.
    """
    if expression == 0:
        return True
    # The bend of |a| shows at no point but zero, and what min and max leave out may show at none of the points tried.
    if expression.has(sympy.DiracDelta, sympy.Heaviside, least, greatest):
        return False
    names = sorted(expression.free_symbols, key=str)
    terms = sympy.Add.make_args(expand_products(expression))
    for offset in (0.37, 1.13, 1.91):
        point = {s: offset + 0.171 * i for i, s in enumerate(names)}
        values = [term.subs(point).evalf() for term in terms]
        # SymPy's numbers do not underflow. A comparison with NaN is not known to be false either, hence `is`.
        if (abs(sum(values)) <= 1e-12 * sum(abs(v) for v in values)) is not sympy.true:
            return False
    return True


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
