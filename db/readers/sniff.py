"""Telling the format of a path; what could be two things is an error, never a choice."""

from __future__ import annotations

from pathlib import Path

from db.readers.format import Format, Sign
from db.readers.formats import format_named, formats
from db.readers.probe import Probe
from scaling.errors import InputDataError


def sniff(path: Path, wanted: str | None = None) -> tuple[Format, Sign] | None:
    """Tell the format of a file or directory.

    Parameters
    ----------
    path : Path
        The file or directory.
    wanted : str, optional
        The format that it is said to be.

    Returns
    -------
    (Format, Sign) or None
        None where no format knows it.

    Raises
    ------
    InputDataError
        If it is not what it is said to be, or several formats know it by signs that are equally good.
    UsageError
        If no format has the wanted name.
    """
    probe = Probe(path)
    if wanted is not None:
        one = format_named(wanted)
        sign = one.sniff(probe)
        if sign is None:
            raise InputDataError(
                f"{path} does not look like {one.WHAT}.", "Leave --format away to see what it is taken for."
            )
        return one, sign
    signs = [(one, sign) for one in formats().values() if (sign := one.sniff(probe)) is not None]
    if not signs:
        return None
    best = min(sign.level for _, sign in signs)
    tied = [(one, sign) for one, sign in signs if sign.level == best]
    if len(tied) > 1:
        told = "\n".join(f"  --format {one.NAME}: {sign.why}" for one, sign in tied)
        raise InputDataError(f"{path} could be of several formats:\n{told}", "Say which with --format.")
    return tied[0]
