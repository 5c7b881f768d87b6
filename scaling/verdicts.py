"""The short list of verdicts, and their order."""

from __future__ import annotations

from scaling.errors import UsageError, did_you_mean

OK, WEAK, NOT_IDENTIFIED, EXTRAPOLATING = "ok", "weak", "not identified", "extrapolating"
_ORDER = (OK, WEAK, NOT_IDENTIFIED)


def meets(verdict: str, limit: str) -> bool:
    """Tell whether a verdict is as bad as a limit.

    Parameters
    ----------
    verdict : str
        ``ok``, ``weak``, ``not identified`` or ``extrapolating x37``.
    limit : str
        ``weak`` (or worse), ``not identified`` or ``extrapolating``; hyphens stand for blanks.

    Returns
    -------
    bool

    Raises
    ------
    UsageError
        For another limit.
    """
    wanted = limit.replace("-", " ")
    limits = (WEAK, NOT_IDENTIFIED, EXTRAPOLATING)
    if wanted not in limits:
        raise UsageError(f"there is no verdict '{limit}' to fail on", did_you_mean(limit, limits))
    if verdict.startswith(EXTRAPOLATING) or wanted == EXTRAPOLATING:
        return verdict.startswith(EXTRAPOLATING) and wanted == EXTRAPOLATING
    return _ORDER.index(verdict) >= _ORDER.index(wanted)
