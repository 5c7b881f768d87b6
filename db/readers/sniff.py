"""Telling the format of a path; what could be two things is an error, never a choice."""

from __future__ import annotations

from pathlib import Path

from db.readers.format import Format, Sign
from db.readers.formats import format_named, formats
from db.readers.probe import Probe
from db.readers.run_table import NAME as TABLE
from scaling.errors import InputDataError, ReadError


def sniff(path: Path, wanted: str | None = None) -> list[tuple[Format, Sign]]:
    """Tell the format of a file or directory.

    Parameters
    ----------
    path : Path
        The file or directory.
    wanted : str, optional
        The format that it is said to be.

    Returns
    -------
    list of (Format, Sign)
        Empty where no format knows it; several only for a directory in which each of them reads other entries, such as
        a run that was logged in two ways.

    Raises
    ------
    InputDataError
        If it is not what it is said to be, or several formats know it by signs that are equally good.
    UsageError
        If no format has the wanted name.
    """
    if wanted is not None:
        one = format_named(wanted)
        sign = _sign(one, Probe(path))
        if sign is None:
            raise InputDataError(
                f"{path} does not look like {one.WHAT}.", "Leave --format away to see what it is taken for."
            )
        return [(one, sign)]
    tied = best_signs(path)
    check_apart(path, tied)
    return tied


def best_signs(path: Path) -> list[tuple[Format, Sign]]:
    """Tell which formats know a path by the best sign that any has; raises `ReadError` where a format fails at it."""
    probe = Probe(path)
    signs = [(one, sign) for one in formats().values() if (sign := _sign(one, probe)) is not None]
    best = min((sign.level for _, sign in signs), default=None)
    tied = [(one, sign) for one, sign in signs if sign.level == best]
    # A table of runs is what is left when nothing better is known, be it no more than a whole name.
    return [(one, sign) for one, sign in tied if one.NAME != TABLE] or tied


def check_apart(path: Path, tied: list[tuple[Format, Sign]]) -> None:
    """Refuse several formats, unless each of them reads entries that no other does."""
    if len(tied) > 1 and not _apart([sign for _, sign in tied]):
        told = "\n".join(f"  --format {one.NAME}: {sign.why}" for one, sign in tied)
        raise InputDataError(f"{path} could be of several formats:\n{told}", "Say which with --format.")


def _sign(one: Format, probe: Probe) -> Sign | None:
    try:
        return one.sniff(probe)
    except (OSError, InputDataError, MemoryError):
        raise
    except Exception as error:  # a fault of one format, perhaps of another package
        fault = f"the format '{one.NAME}' failed at it with {type(error).__name__}: {error}"
        raise ReadError(str(probe.path), fault, hint="That is a fault of the reader; please report it.") from error


def _apart(signs: list[Sign]) -> bool:
    """Whether each reads entries that no other does."""
    entries = [entry for sign in signs for entry in sign.entries]
    return all(sign.entries for sign in signs) and len(set(entries)) == len(entries)
