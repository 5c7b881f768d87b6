"""What came of running saved fits again, as rows and as text."""

from __future__ import annotations

import math
from typing import Any

from scaling.formatting import format_number


def verification_row(found: Any) -> dict[str, Any]:
    """Return a verification as one row object.

    Parameters
    ----------
    found : Verification
        From the store.

    Returns
    -------
    dict
        With the numbers that moved as a list of objects.
    """
    return {
        "name": found.name,
        "fit_id": found.fit_id,
        "status": found.status,
        "n_then": found.n_then,
        "n_now": found.n_now,
        "largest_relative_difference": found.largest,
        "moved": [
            {"quantity": m.quantity, "stored": m.stored, "now": m.now, "standard_errors": m.standard_errors}
            for m in found.moved
        ],
        "newer_runs": list(found.newer_runs),
        "versions": {library: list(pair) for library, pair in (found.versions or {}).items()},
        "says": list(found.sentences),
    }


def verification_text(found: Any) -> str:
    """Return a verification as a text: the status, what was found, and the numbers that moved."""
    lines = [f"{found.name} ({found.fit_id}): {found.status}", *(f"  {sentence}" for sentence in found.sentences)]
    for moved in found.moved:
        then, now = (v if isinstance(v, str) else format_number(v, 10) for v in (moved.stored, moved.now))
        away = moved.standard_errors
        extent = "" if math.isnan(away) else f", {format_number(away, 2)} standard errors"
        lines.append(f"  {moved.quantity}: {then} then, {now} now{extent}")
    return "\n".join(lines)
