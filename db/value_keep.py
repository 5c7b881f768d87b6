"""Which examples to keep by their values, and the file of their positions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from db.index_files import INDEX_FORMATS, write_index
from db.valuations import read_valuation
from db.value_columns import read_values
from db.value_job import Found, Job
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.value_methods import Method

#: Methods that take examples themselves.
BATCHES = ("jest", "sensitivity")
ENDS = ("highest", "lowest")


def check_kept(
    key: str, chosen: Method, keep: float | None, end: str | None, floor: float, labels: str | None, output: str | None
) -> None:
    """Refuse what cannot be kept before anything is computed."""
    if end is not None and end not in ENDS:
        raise UsageError(f"There is no end '{end}'.", did_you_mean(end, ENDS))
    if keep is not None and not 0 < keep <= 1:
        raise UsageError(f"--keep {keep} is no share: a number above 0 and up to 1 is expected.")
    if keep is None and (end is not None or floor):
        raise UsageError("--end and --floor say which examples are kept, and --keep how many.", "Give --keep SHARE.")
    if keep is not None and end is None and chosen.end is None:
        raise UsageError(
            f"Which end to keep is open: {chosen.ends}.",
            "Give --end highest or --end lowest.",
        )
    if floor and labels is None:
        raise UsageError("--labels is missing: the floor is of each class.")
    if output is not None and keep is None and key not in BATCHES:
        raise UsageError("--output is given, and not how many examples to keep.", "Give --keep SHARE.")
    if output is not None and Path(output).suffix.lower() not in INDEX_FORMATS:
        raise UsageError(
            f"The format of {output} is not known by its ending.",
            f"Files of positions end in {', '.join(INDEX_FORMATS)}.",
        )


def keep_examples(
    job: Job, found: Found, name: str, chosen: Method, keep: float | None, end: str | None, floor: float,
    output: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Choose the examples to keep, the best first, and write them."""
    from scaling.valuation.points.prototypes import prune_by_difficulty

    assert job.store is not None
    classes: dict[str, Any] = {}
    which: str | None
    if keep is None:
        assert found.batch is not None
        indices, which, threshold = found.batch, "drawn", None
    else:
        values = read_valuation(job.store, name).values
        values = np.where(np.isfinite(values), values, np.nan)
        wanted, known = math.floor(keep * len(values) + 1e-9), int(np.isfinite(values).sum())
        if wanted > known:
            raise InputDataError(
                f"{format_plural(wanted, 'example')} are to be kept, and {known} have a finite value.",
                "Keep fewer, or leave out the examples without.",
            )
        which = end or chosen.end
        labels = read_values(job.data, job.labels, "label", "--labels") if floor and job.labels else None
        pruned = prune_by_difficulty(values, keep, "hard" if which == "highest" else "easy", labels=labels, floor=floor)
        order = values[pruned.indices]
        indices = pruned.indices[np.argsort(-order if which == "highest" else order, kind="stable")]
        threshold, classes = pruned.threshold, {name: list(counts) for name, counts in pruned.classes.items()}
    if output is not None:
        write_index(output, indices, ids=_ids(job, indices))
    return {
        "n": len(indices),
        "share": keep,
        "end": which,
        "threshold": threshold,
        "classes": classes or None,
        "output": output,
    }


def _ids(job: Job, indices: NDArray[np.intp]) -> list[str] | None:
    from db.example_read import read_ids

    if job.store is None or job.data.set_name is None:
        return None
    return read_ids(job.store, job.data.set_name, indices)
