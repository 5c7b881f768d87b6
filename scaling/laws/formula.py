"""Read a formula into a SymPy expression without ever evaluating user text.

The grammar is that of school algebra: numbers, names, ``+ - * /``, powers as ``**`` or ``^``, parentheses, and the
functions in `FUNCTIONS`; ``min`` and ``max`` take two values or more, with commas between. Anything else is a
`LawError` with a caret below the offending character. Multiplication is always written out (``6*N``, not ``6N``),
because a missing sign is more often a slip than a style.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy

from scaling.errors import LawError
from scaling.laws.extremes import largest_of, smallest_of

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": sympy.exp,
    "log": sympy.log,
    "ln": sympy.log,
    "log2": lambda x: sympy.log(x) / sympy.log(sympy.Integer(2)),
    "log10": lambda x: sympy.log(x) / sympy.log(sympy.Integer(10)),
    "sqrt": sympy.sqrt,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "arctan": sympy.atan,
    "tanh": sympy.tanh,
    "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
    "min": smallest_of,
    "max": largest_of,
}
_SEVERAL = ("min", "max")  # functions of two values or more
CONSTANTS = {"pi": sympy.pi}

MAX_LENGTH = 2000  # characters; the longest published law has fewer than 200
MAX_DEPTH = 50  # nested parentheses and functions

_LARGEST = 1e300  # numbers beyond it overflow in the next multiplication
_LARGEST_EXPONENT = 300
_MOST_TERMS = 256  # of a sum that products are multiplied out to; a formula of 14 factors would make 16,384

_LONGEST = 250  # operations in what is multiplied out; derivatives of the laws in common use have fewer than 200

_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?P<name>[^\W\d]\w*)|(?P<op>\*\*|[-+*/^(),])"
)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


def parse_formula(text: str) -> sympy.Expr:
    """Read a formula.

    Parameters
    ----------
    text : str
        For example ``"E + A/N**alpha + B/D**beta"``.

    Returns
    -------
    sympy.Expr
        Names become real symbols; nothing is declared positive, so no identity is used that fails for negative numbers.

    Raises
    ------
    LawError
        For anything outside the grammar, pointing at the character.

    Examples
    --------
    >>> parse_formula("E + A/N^alpha")
    A/N**alpha + E
    """
    if not text.strip():
        raise LawError("the formula is empty", hint='Write one, for example "E + A/N**alpha".')
    if len(text) > MAX_LENGTH:
        raise LawError(f"the formula has {len(text)} characters; at most {MAX_LENGTH} are read")
    return _Parser(text).parse()


def symbol(name: str) -> sympy.Symbol:
    """Return the symbol that `parse_formula` makes of a name."""
    return sympy.Symbol(name, real=True)


def is_name(text: str) -> bool:
    """Tell whether a text can name an input or a parameter: a name, and not that of a function or constant."""
    return text.isidentifier() and text not in FUNCTIONS and text not in CONSTANTS


def expand_products(expression: sympy.Expr) -> sympy.Expr:
    """Multiply out products of sums, unless that takes seconds or would make more than a few hundred terms."""
    if expression.count_ops() > _LONGEST:
        return expression
    terms = 1
    for product in expression.atoms(sympy.Mul) | {expression}:
        size = math.prod(len(f.args) for f in sympy.Mul.make_args(product) if f.is_Add)
        terms = max(terms, size)
    return sympy.expand_mul(expression) if terms <= _MOST_TERMS else expression


class _Parser:
    """Recursive descent, one method a level of precedence."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._tokenize(text)
        self.index = 0
        self.depth = 0

    def _tokenize(self, text: str) -> list[_Token]:
        tokens, position = [], 0
        while position < len(text):
            if text[position].isspace():
                position += 1
                continue
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._no_meaning(text, position)
            for i, character in enumerate(match["name"] or "", position):
                if not f"a{character}".isidentifier():  # \w takes more than letters: a superscript two, for one
                    raise self._no_meaning(text, i)
            tokens.append(_Token(str(match.lastgroup), match.group(), position))
            position = match.end()
        return [*tokens, _Token("end", "", len(text))]

    @staticmethod
    def _no_meaning(text: str, position: int) -> LawError:
        return LawError(
            f"'{text[position]}' has no meaning in a formula",
            text,
            position,
            hint=f"Names, numbers, + - * / ** ( ) and these functions: {', '.join(sorted(FUNCTIONS))}.",
        )

    @property
    def token(self) -> _Token:
        return self.tokens[self.index]

    def _take(self, *texts: str) -> _Token | None:
        token = self.token
        if token.kind == "op" and token.text in texts:
            self.index += 1
            return token
        return None

    def _expect(self, text: str) -> None:
        if self._take(text) is None:
            found = f"'{self.token.text}'" if self.token.text else "the end"
            raise LawError(f"expected '{text}', found {found}", self.text, self.token.position)

    def parse(self) -> sympy.Expr:
        expression = self._sum()
        token = self.token
        if token.kind != "end":
            hint = None
            if token.text == ")":
                hint = "This parenthesis closes nothing."
            elif token.text == ",":
                hint = "Commas stand between the values of min and max alone; a decimal takes a point."
            elif token.kind in ("name", "number") or token.text == "(":
                hint = "Write multiplication out: 6*N, not 6N."
            raise LawError(f"'{token.text}' is not expected here", self.text, token.position, hint)
        if expression.has(sympy.zoo, sympy.nan, sympy.oo, sympy.I):
            raise LawError(f"the formula has no finite real value: {self.text}")
        return expression

    def _sum(self) -> sympy.Expr:
        left = self._product()
        while token := self._take("+", "-"):
            right = self._product()
            left = left + right if token.text == "+" else left - right
        return left

    def _product(self) -> sympy.Expr:
        left = self._signed()
        while token := self._take("*", "/"):
            right = self._signed()
            if token.text == "/" and right == 0:
                raise LawError("division by zero", self.text, token.position)
            left = self._finite(left * right if token.text == "*" else left / right, token)
        return left

    def _signed(self) -> sympy.Expr:
        if token := self._take("-", "+"):
            self._descend(token)
            value = self._signed()
            self.depth -= 1
            return -value if token.text == "-" else value
        return self._power()

    def _power(self) -> sympy.Expr:
        base = self._atom()
        if token := self._take("**", "^"):
            self._descend(token)
            exponent = self._signed()  # right-associative, and binds tighter than a sign on its left: -x**2 = -(x**2)
            self.depth -= 1
            return self._raise(base, exponent, token)
        return base

    def _raise(self, base: sympy.Expr, exponent: sympy.Expr, token: _Token) -> sympy.Expr:
        """Power with guards: SymPy would work out 9**9**9 and (3*x)**999999999 exactly, and never come back."""
        if exponent.is_number and not base.is_number and abs(exponent) > _LARGEST_EXPONENT:
            raise LawError(f"an exponent beyond {_LARGEST_EXPONENT} overflows", self.text, token.position)
        if base.is_number and exponent.is_number and not (base.is_Integer and abs(base) < 1e15 and abs(exponent) <= 16):
            try:
                value = float(base) ** float(exponent)
            except (OverflowError, ZeroDivisionError, TypeError):
                value = float("nan")
            if not isinstance(value, float) or not abs(value) < _LARGEST:
                raise LawError("this power has no finite real value", self.text, token.position)
            return sympy.Float(value)
        return self._finite(base**exponent, token)

    def _finite(self, expression: sympy.Expr, token: _Token) -> sympy.Expr:
        """Refuse numbers, and numbers in front of a product, that are not real or that overflow."""
        number = expression if expression.is_number else expression.as_coeff_Mul()[0]
        if number.is_Integer and abs(number) < 1e15:
            return expression
        try:
            value = float(number)
        except (OverflowError, TypeError):  # complex numbers and infinities
            value = float("nan")
        if not abs(value) < _LARGEST or (value == 0 and number != 0):
            raise LawError("this has no finite real value", self.text, token.position)
        return expression

    def _atom(self) -> sympy.Expr:
        token = self.token
        self.index += 1
        if token.kind == "number":
            return self._number(token)
        if token.kind == "name":
            return self._name(token)
        if token.text == "(":
            return self._group(token)
        found = f"'{token.text}'" if token.text else "the end of the formula"
        raise LawError(f"expected a number, a name or '(', found {found}", self.text, token.position)

    def _number(self, token: _Token) -> sympy.Expr:
        if token.text.isdigit() and len(token.text) <= 15:
            return sympy.Integer(token.text)
        value = float(token.text)
        if not value < _LARGEST:
            raise LawError("this number is too large", self.text, token.position)
        return sympy.Float(value)

    def _name(self, token: _Token) -> sympy.Expr:
        if token.text in FUNCTIONS:
            opening = self._take("(")
            if opening is None:
                raise LawError(
                    f"the function '{token.text}' needs its argument in parentheses", self.text, token.position
                )
            return self._finite(FUNCTIONS[token.text](*self._arguments(token, opening)), token)
        if token.text in CONSTANTS:
            return CONSTANTS[token.text]
        if self.token.text == "(":
            raise LawError(
                f"'{token.text}' is not a function that formulas may use",
                self.text,
                token.position,
                hint=f"Functions: {', '.join(sorted(FUNCTIONS))}. Multiplication is written out: a*(b + c).",
            )
        return symbol(token.text)

    def _arguments(self, function: _Token, opening: _Token) -> list[sympy.Expr]:
        if function.text not in _SEVERAL:
            return [self._group(opening)]
        self._descend(opening)
        values = [self._sum()]
        while self._take(","):
            values.append(self._sum())
        self._expect(")")
        self.depth -= 1
        if len(values) < 2:
            raise LawError(
                f"the function '{function.text}' needs two values or more, with commas between",
                self.text,
                function.position,
            )
        return values

    def _group(self, opening: _Token) -> sympy.Expr:
        self._descend(opening)
        inner = self._sum()
        self._expect(")")
        self.depth -= 1
        return inner

    def _descend(self, token: _Token) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise LawError(f"more than {MAX_DEPTH} nested levels", self.text, token.position)
