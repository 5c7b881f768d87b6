"""Arithmetic in column names, as mapping files write it: ``params_M * 1e6``, ``C/(6N)``, ``"Model Size (B)" * 1e9``.

The grammar is all there is: numbers, names, names in quotes, ``+ - * / **``, brackets, and a number written directly
before a name or a bracket for a product. Nothing is ever handed to ``eval`` or pasted into SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import numpy as np

from db.cells import BAD, MISSING, Numbers, numbers_from_floats
from scaling.errors import UsageError

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>[^\W\d][\w.]*)
      | (?P<quoted>"[^"]*"|'[^']*')
      | (?P<operator>\*\*|[-+*/()])
    )""",
    re.VERBOSE,
)
_END = "end"
_OPERATIONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
}
_DEEPEST = 50


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


@dataclass(frozen=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True)
class Name:
    """The name of a column, a constant or a quantity, and where it stands."""

    name: str
    position: int


@dataclass(frozen=True)
class Negative:
    """A term with its sign turned."""

    operand: Node


@dataclass(frozen=True)
class Binary:
    """Two terms and the operator between them."""

    operator: str
    left: Node
    right: Node


Node = Number | Name | Negative | Binary


def parse(text: str) -> Node:
    """Read an expression.

    Parameters
    ----------
    text : str
        The expression.

    Returns
    -------
    Node

    Raises
    ------
    UsageError
        If it cannot be read; points at the character.
    """
    return _Parser(text).read()


def names(node: Node) -> list[Name]:
    """Every name in an expression, in order."""
    if isinstance(node, Name):
        return [node]
    if isinstance(node, Negative):
        return names(node.operand)
    if isinstance(node, Binary):
        return names(node.left) + names(node.right)
    return []


def evaluate(node: Node, lookup: Callable[[Name], Numbers]) -> Numbers:
    """Compute an expression for every row.

    Parameters
    ----------
    node : Node
        The expression.
    lookup : callable
        Gives the values of a name, one a row.

    Returns
    -------
    Numbers
        Missing where an input is missing, bad where an input is no number, otherwise what the arithmetic gives.
    """
    inputs: dict[str, Numbers] = {}
    for name in names(node):
        if name.name not in inputs:
            inputs[name.name] = lookup(name)
    with np.errstate(all="ignore"):
        values = np.asarray(_compute(node, inputs), dtype=float)
    if not inputs:
        return numbers_from_floats(values)
    arrays = list(inputs.values())
    result = numbers_from_floats(np.broadcast_to(values, arrays[0].values.shape).copy())
    if isinstance(node, Name):
        return arrays[0]
    for code in (MISSING, BAD):
        for numbers in arrays:
            hit = numbers.status == code
            result.status[hit] = code
            result.values[hit] = np.nan
    return result


def _compute(node: Node, inputs: dict[str, Numbers]) -> np.ndarray | float:
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Name):
        return inputs[node.name].values
    if isinstance(node, Negative):
        return np.negative(_compute(node.operand, inputs))
    left, right = _compute(node.left, inputs), _compute(node.right, inputs)
    return _OPERATIONS[node.operator](np.asarray(left, dtype=float), np.asarray(right, dtype=float))


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._tokens()
        self.index = 0
        self.depth = 0

    def read(self) -> Node:
        node = self._sum()
        if self._next.kind != _END:
            self._fail("an operator is missing before this")
        return node

    def _tokens(self) -> list[_Token]:
        tokens, position, stop = [], 0, len(self.text.rstrip())
        while position < stop:
            match = _TOKEN.match(self.text, position)
            if match is None or match.lastgroup is None:
                while self.text[position].isspace():
                    position += 1
                self._fail_at(position, f"the character {self.text[position]!r} has no meaning here")
            kind = match.lastgroup
            tokens.append(_Token(kind, match[kind], match.start(kind)))
            position = match.end()
        return [*tokens, _Token(_END, "", stop)]

    @property
    def _next(self) -> _Token:
        return self.tokens[self.index]

    def _take(self) -> _Token:
        self.index += 1
        return self.tokens[self.index - 1]

    def _sum(self) -> Node:
        node = self._product()
        while self._next.text in ("+", "-") and self._next.kind == "operator":
            node = Binary(self._take().text, node, self._product())
        return node

    def _product(self) -> Node:
        node = self._signed()
        while self._next.text in ("*", "/") and self._next.kind == "operator":
            node = Binary(self._take().text, node, self._signed())
        return node

    def _signed(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            self._fail("the expression is nested too deeply")
        try:
            if self._next.kind == "operator" and self._next.text in ("-", "+"):
                sign = self._take().text
                operand = self._signed()
                return Negative(operand) if sign == "-" else operand
            return self._power()
        finally:
            self.depth -= 1

    def _power(self) -> Node:
        base = self._atom()
        if self._next.kind == "operator" and self._next.text == "**":
            self._take()
            return Binary("**", base, self._signed())
        return base

    def _atom(self) -> Node:
        token = self._next
        if token.kind == "number":
            self._take()
            number = Number(float(token.text))
            follows = self._next
            touches = follows.position == token.position + len(token.text)
            if touches and (follows.kind in ("name", "quoted") or follows.text == "("):
                return Binary("*", number, self._power())
            return number
        if token.kind == "name":
            self._take()
            if self._next.text == "(":
                self._fail("there are no functions, and a product of a name and a bracket needs a *")
            return Name(token.text, token.position)
        if token.kind == "quoted":
            self._take()
            return Name(token.text[1:-1], token.position)
        if token.text != "(":
            self._fail("a number or a name is missing")
        self._take()
        node = self._sum()
        if self._next.text != ")":
            self._fail("a closing bracket is missing")
        self._take()
        return node

    def _fail(self, why: str) -> NoReturn:
        self._fail_at(self._next.position, why)

    def _fail_at(self, position: int, why: str) -> NoReturn:
        hint = "Write numbers, + - * / ** ( ) and column names, in quotes unless they are plain words."
        if position < len(self.text) and self.text[position] == "^":
            hint = "A power is written with **."
        raise UsageError(f"The expression cannot be read: {why}.\n  {self.text}\n  {' ' * position}^", hint)
