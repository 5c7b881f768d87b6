"""Values of examples from their embeddings: nearest neighbours, sampling by sensitivity, and scores of shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from db.value_columns import read_values
from db.value_data import digest, duplicates_note, open_data, read_table
from db.value_job import Found, Job
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from scaling.valuation.points.sharded import ScorePlan


def neighbours(name: str) -> Callable[[Job], Found]:
    """Make a value of nearest neighbours."""

    def work(job: Job) -> Found:
        from scaling.valuation.points import nearest

        if job.labels is None or job.test is None:
            missing = "--labels" if job.labels is None else "--test"
            raise UsageError(
                f"{missing} is missing: {name} values examples by how they predict the labels of others.",
                "Give --labels, --test and --test-labels.",
            )
        regression = job.options.get("task") == "regression"
        what = "target" if regression else "label"
        own = read_values(job.data, job.labels, what, "--labels")
        test = open_data(job.store, job.test)
        asked = read_values(test, job.test_labels or ("label" if test.set_name else job.labels), what, "--test-labels")
        rows, tests = job.data.rows.array(), test.rows.array()
        settings = {key: value for key, value in job.options.items() if key != "blocks"}
        values = getattr(nearest, name)(
            rows, own, tests, asked, progress=job.progress, blocks=job.options.get("blocks"), **settings
        )
        whole, none = nearest.knn_utility(rows, own, tests, asked, **settings)
        facts = {"utility_all": whole, "utility_none": none, "sum": float(values.sum()), "n_tests": test.n}
        notes = duplicates_note(rows, job.data.name)
        if not regression and len(set(own.tolist())) == 1:
            notes.append(f"all labels are '{own[0]}': with one class, examples differ by place alone")
        return Found(values, facts, digest(own, test.fingerprint, asked), notes)

    return work


def sensitivity(job: Job) -> Found:
    """Draw examples by what their loss may be, from the losses of a few."""
    from scaling.valuation.points.sensitivity import centre_examples, sensitivity_sample

    keys = ("k", "sample", "normalise")
    own = {key: job.options[key] for key in keys if key in job.options}
    rows = job.data.rows.array()
    centres = centre_examples(rows, **({"k": min(100, job.data.n)} | own), seed=job.seed)
    facts: dict[str, Any] = {"n_centres": len(centres.indices)}
    if job.data.set_name is None:
        raise UsageError(
            "sensitivity needs the losses of the centres, which stand in a set of the store.",
            f"Read them with the examples: scaling value add TABLE --set NAME --embeddings {job.data.name} "
            "--loss loss=COLUMN",
        )
    losses = job.final("loss")
    lacking = centres.indices[~np.isfinite(losses[centres.indices])]
    if lacking.size:
        shown = ", ".join(str(index) for index in np.sort(lacking)[:10])
        raise InputDataError(
            f"{format_plural(lacking.size, 'centre')} of {len(centres.indices)} without a loss: measure the examples "
            f"at positions {shown}{', ...' if lacking.size > 10 else ''}.",
            "Other examples need none.",
        )
    settings = {key: value for key, value in job.options.items() if key in ("lam", "z")}
    size = job.options.get("size", min(10 * len(centres.indices), job.data.n))
    sample = sensitivity_sample(centres, losses[centres.indices], size, seed=job.seed, **settings)
    facts |= {"size": size, "lam": sample.lam, "z": sample.z}
    facts |= {"batch": sample.indices.tolist(), "weights": sample.weights.tolist()}
    notes = duplicates_note(rows, job.data.name)
    return Found(sample.chances, facts, digest(losses[centres.indices]), notes, sample.indices)


def plan_of(method: str, keys: Sequence[str]) -> Callable[[Job], ScorePlan]:
    """Make a score that needs a plan and then one shard at a time."""

    def make(job: Job) -> ScorePlan:
        from scaling.valuation.points.sharded import plan_scores

        settings: dict[str, Any] = {key: job.options[key] for key in keys if key in job.options}
        if method == "prototype":
            settings = {"k": min(100, job.data.n)} | settings
        if method == "similarity":
            if job.queries is None:
                raise UsageError("--queries is missing: relevance is similarity to them.", "Give --queries FILE.")
            settings["queries"] = read_table(job.store, job.queries)
        return plan_scores(method, job.data.rows, seed=job.seed, progress=job.progress, **settings)

    return make
