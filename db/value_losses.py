"""Values of examples from logged losses: two of them, or one at every checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from db.value_columns import read_values
from db.value_data import digest, read_table
from db.value_job import Found, Job
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def two_losses(first: str, second: str) -> Callable[[Job], Found]:
    """Make the difference of two losses, the first less the second."""

    def work(job: Job) -> Found:
        from scaling.valuation.points.losses import color_score, learnability

        one, two = job.final(first), job.final(second, 1)
        values = (color_score if first == "prior" else learnability)(one, two)
        return Found(values, {}, digest(one, two, *job.role_hashes(first, second)), _missing(values))

    return work


def joint(job: Job) -> Found:
    """Choose a batch as a whole; an example is worth what it adds to that."""
    from scaling.valuation.points.joint_batches import sample_joint_batch
    from scaling.valuation.points.losses import learnability

    one, two = job.final("learner"), job.final("reference", 1)
    scores = learnability(one, two)
    options = dict(job.options)
    file = options.pop("pairs", None)
    pairs = None if file is None else read_table(job.store, file)
    size = options.pop("size", None) or max(1, int(np.isfinite(scores).sum()) // 10)
    batch = sample_joint_batch(scores, size, pairs, seed=job.seed, **options)
    values = scores.copy()
    if pairs is not None:  # what an example adds to the batch, itself left out
        table = np.nan_to_num(np.array(pairs, np.float64))
        np.fill_diagonal(table, 0.0)
        values += table[:, batch.indices].sum(axis=1)
    facts = {key: value for key, value in batch.to_dict().items() if key not in ("indices", "seed")}
    facts |= {"size": size, "batch": batch.indices.tolist()}
    return Found(values, facts, digest(one, two, pairs), _missing(values), batch.indices)


def alignment(job: Job) -> Found:
    """Hold the drops of losses against those of a validation loss."""
    from scaling.valuation.points.alignment import loss_drop_alignment

    own = job.checkpoints("loss")
    asked = job.options.get("validation")
    if asked is None:
        raise UsageError(
            "alignment needs the validation loss at each checkpoint.",
            "Give --option validation=FILE, a value a line, or validation=ROLE of the same set.",
        )
    target = _validation(job, str(asked), own.shape[1])
    found = loss_drop_alignment(own, target)
    short = int(np.sum(found.used < found.n_intervals))
    notes = [f"{format_plural(short, 'example')} with missing checkpoints"] if short else []
    rising = int(np.sum(found.score[np.isfinite(found.score)] > 0))
    facts = {"n_intervals": found.n_intervals, "n_falling_with_validation": rising}
    return Found(found.score, facts, digest(own, target), notes)


def _validation(job: Job, asked: str, checkpoints: int) -> Floats:
    if Path(asked).exists():
        return np.asarray(read_values(job.data, asked, "loss", "--option validation", n=checkpoints), np.float64)
    role = Job(job.store, job.data, {}, roles={"validation": asked}).checkpoints("validation")
    return np.asarray(np.nanmean(role, axis=0), np.float64)


def error_norm(job: Job) -> Found:
    """Measure error vectors: of probabilities, or what losses say of them."""
    from scaling.valuation.points.dynamics import el2n, el2n_from_losses

    if job.probabilities is None:
        own = job.checkpoints("loss")
        notes = ["from losses alone: 1 - exp(-loss), the error of the true class"]
        return Found(el2n_from_losses(own), {"from": "losses"}, digest(own), notes)
    if job.labels is None:
        raise UsageError("--labels is missing: an error is the distance from the true class.", "Give --labels.")
    try:
        table = np.load(job.probabilities, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputDataError(f"--probabilities: {job.probabilities} cannot be read: {error}") from error
    labels = read_values(job.data, job.labels, "target", "--labels").astype(np.intp)
    return Found(el2n(table, labels), {"from": "probabilities"}, digest(table, labels))


def forgetting(job: Job) -> Found:
    """Count how often examples were forgotten."""
    from scaling.valuation.points.dynamics import forgetting_events, right_from_losses

    own = job.checkpoints("loss")
    found = forgetting_events(right_from_losses(own, job.options.get("threshold", math.log(2))))
    facts = {
        "n_unforgettable": int(found.unforgettable.sum()),
        "n_never_learnt": int(np.sum(found.learned_at < 0)),
        "n_checkpoints": own.shape[1],
    }
    values = np.where(found.n_missing == own.shape[1], np.nan, found.events.astype(np.float64))
    return Found(values, facts, digest(own), _missing(values))


def maps(job: Job) -> Found:
    """Place examples by confidence and its variability."""
    from scaling.valuation.points.dynamics import REGIONS, training_map, true_label_probability

    options = dict(job.options)
    shown = options.pop("value", "variability")
    if shown not in ("variability", "confidence"):
        raise UsageError(f"value is '{shown}'; a map has 'variability' and 'confidence'.")
    own = job.checkpoints("loss")
    found = training_map(true_label_probability(own), **options)
    facts = {
        "value": shown,
        "regions": {name: int(np.sum(found.region == name)) for name in REGIONS},
        "variability_from": found.variability_from,
        "confidence_from": found.confidence_from,
    }
    values = found.variability if shown == "variability" else found.confidence
    return Found(values, facts, digest(own), _missing(values))


def _missing(values: Floats) -> list[str]:
    count = int(np.sum(~np.isfinite(values)))
    return [f"{format_plural(count, 'example')} without a value: a loss is missing or not finite"] if count else []
