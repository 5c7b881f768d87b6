"""What can go wrong, and which exit code it has.

::

    ScalingError                1
    ├── VerdictError            1   it ran, but the verdict forbids the answer
    ├── UsageError              2   the call's words are off
    │   └── LawError            2   a law or formula that cannot be read; points at the character
    ├── StoreError              3   the store or the environment
    └── InputDataError          4   the data cannot be used
        └── ReadError           4   a file that a reader cannot go on with; names the place

Every message says what is wrong, where and why; ``hint`` says what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ScalingError(Exception):
    """Base of every error this package raises on purpose.

    Parameters
    ----------
    message : str
        What is wrong, where, and why.
    hint : str, optional
        What to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class VerdictError(ScalingError):
    """The numbers exist, but the verdict on them forbids the answer that was asked for."""


class UsageError(ScalingError):
    """The call itself is wrong: an unknown name, an impossible combination of settings."""

    exit_code = 2


class LawError(UsageError):
    """A law or formula that cannot be read.

    Parameters
    ----------
    message : str
        What is wrong.
    text : str, optional
        The formula; shown with a caret below the offending character.
    position : int, optional
        Index of the offending character in `text`.
    hint : str, optional
        What to do about it.
    """

    def __init__(
        self, message: str, text: str | None = None, position: int | None = None, hint: str | None = None
    ) -> None:
        if text is not None and position is not None:
            message = f"{message}\n  {text}\n  {' ' * position}^"
        super().__init__(message, hint)
        self.position = position


class StoreError(ScalingError):
    """The store or the environment: locked, foreign, damaged, full, shadowed."""

    exit_code = 3


class InputDataError(ScalingError):
    """The data cannot be used: missing columns, impossible values, nothing left to fit."""

    exit_code = 4


class ReadError(InputDataError):
    """A log that its reader cannot go on with.

    Parameters
    ----------
    path : str
        The file.
    reason : str
        What is wrong there, as a clause: ``"the record ends before its length"``.
    place : str, optional
        Where in the file: ``"byte 32775"``, ``"line 12"``, ``"table metrics"``.
    hint : str, optional
        What to do about it.
    """

    def __init__(self, path: str, reason: str, place: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{path}{f', {place}' if place else ''}: {reason}.", hint)
        self.path = path
        self.reason = reason
        self.place = place


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Say the nearest known names, as a sentence fit for a hint.

    Parameters
    ----------
    word : str
        What was asked for.
    known : iterable of str
        What there is.

    Returns
    -------
    str
        ``"Did you mean 'loss'? There are: ..."``, without the question where nothing is near.
    """
    names = sorted(set(known))
    lower = {name.lower(): name for name in names}
    near = [lower[match] for match in difflib.get_close_matches(str(word).lower(), lower, n=1, cutoff=0.5)]
    question = f"Did you mean '{near[0]}'? " if near else ""
    return f"{question}There are: {', '.join(names) or 'none'}."
