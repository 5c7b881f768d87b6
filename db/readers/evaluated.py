"""What results of evaluations have in common: numbers that have to be there, units, checkpoints."""

from __future__ import annotations

import datetime
import math
import re
from typing import Any

from db.readers.collect import number
from db.readers.complaints import Complaints

#: Metrics that are shares of answers, where they lie within 0 and 1.
_SHARES = re.compile(
    r"(?:[a-z_]+_)?(?:acc|accuracy|em|exact|exact_match|f1|precision|recall|pass|mc)"
    r"(?:_norm|_mutual_info|_bytes|_greedy|(?:_at_|@|_)?\d+)*\Z",
    re.IGNORECASE,
)
#: Metrics that are no shares, whatever their value.
_NO_SHARES = re.compile(
    r"perplexity|ppl|bits_per|bpb|nats|loss|entropy|logprob|log_prob|likelihood|length|seconds|tokens|bleu|ter\b|chrf|"
    r"brier|rmse|mae\b",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"(?:\A|[_./-])(?:checkpoint|ckpt|global_?step|step|iter)[_-]?(\d{1,15})(?:-hf|\.pt|-unsharded)?\Z", re.IGNORECASE
)


def result(complaints: Complaints, column: str, value: Any) -> float | None:
    """A result as a finite number; what is none is refused with its reason and gives None."""
    found = number(value)
    if found is not None and math.isfinite(found):
        return found
    why = "the score is not a number" if found is None else "the score is not finite"
    complaints.add(1, column, value, why)
    return None


def stderr(complaints: Complaints, column: str, value: Any) -> float | None:
    """A standard error; None where there is none, as ``"N/A"`` says, or it is no error of anything."""
    if value is None or value == "N/A":
        return None
    found = number(value)
    if found is not None and math.isfinite(found) and found >= 0:
        return found
    complaints.add(1, column, value, "the standard error is no finite number from 0 on: left out")
    return None


def unit_of(metric: str, value: float) -> str | None:
    """Unit of a result: ``share`` or ``points`` where the name of the metric tells, else None."""
    if _NO_SHARES.search(metric):
        return "points"
    if _SHARES.match(metric):
        return "share" if 0 <= value <= 1 else "points"
    return None


def checkpoint_step(*names: Any) -> int | None:
    """Training step that the last part of a name gives, as ``step3000`` and ``out/checkpoint-500`` do."""
    for name in names:
        if isinstance(name, str) and (found := _STEP.search(name.rstrip("/"))):
            return int(found[1])
    return None


def day(value: Any) -> str | None:
    """Day of a time that is a text as ISO writes it, or seconds since 1970; None where it is neither."""
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value):
        try:
            return datetime.date.fromisoformat(value[:10]).isoformat()
        except ValueError:
            return None
    seconds = number(value) if not isinstance(value, str) else None
    if seconds is None or not 0 < seconds < 32503680000:  # up to the year 3000
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()


def count(value: Any) -> int | None:
    """A count from 0 on, or None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < 2**63 and float(value).is_integer() else None


def text(value: Any) -> str | None:
    """A text or a number as a text, or None where it is neither, empty, or ``N/A``."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip() if str(value).strip() not in ("", "N/A", "None", "null") else None


def mapping(value: Any) -> dict[str, Any]:
    """A JSON object, or an empty one where it is something else."""
    return value if isinstance(value, dict) else {}


def known(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is not known."""
    return {name: value for name, value in values.items() if value is not None and value not in ({}, [], "")}
