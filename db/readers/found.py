"""What a reader gives: runs, their values, scores of models, and what was odd or refused.

A reader is a generator of these, in the order of its log, and never holds more than a part of a file. Whoever reads
the stream keeps the last word of a step, so a reader need not look back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.problems import Problem

NO_STEP = -1
#: States that a run can have ended in; None where the log does not say.
STATES = ("running", "finished", "failed", "crashed", "killed")


def _empty() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class RunFound:
    """A run, as its log describes it. Given again, a later description adds to the earlier one.

    Parameters
    ----------
    key : str
        What tells the run apart from the others of its source; "" where a source is one run.
    name : str, optional
        What people call it.
    state : str, optional
        One of `STATES`.
    config : mapping of str to plain value
        Settings, nested ones by their path: ``optimizer.lr``. Values are numbers, texts, booleans, None, or lists.
    summary : mapping of str to plain value
        Last values, or best ones, as the tracker keeps them; no history.
    about : mapping of str to plain value
        What else is known, such as ``project``, ``group``, ``tags``, ``host``, ``started`` (seconds since 1970).
    """

    key: str
    name: str | None = None
    state: str | None = None
    config: Mapping[str, Any] = field(default_factory=_empty)
    summary: Mapping[str, Any] = field(default_factory=_empty)
    about: Mapping[str, Any] = field(default_factory=_empty)


@dataclass(frozen=True)
class Values:
    """Values that a run logged of one metric, in the order of the log.

    Parameters
    ----------
    run : str
        Key of the run.
    metric : str
        Name of the metric, as the log writes it.
    step : ndarray of int64, shape (n,)
        Training steps; `NO_STEP` where there is none.
    value : ndarray of float64, shape (n,)
        The values. NaN and infinite ones are what was logged: their status is made of them.
    missing : ndarray of bool, shape (n,), optional
        Where the log says that there is no value.
    tokens : ndarray of float64, shape (n,), optional
        Training tokens seen by that step, where the log counts them; NaN for unknown.
    digits : int, optional
        Significant digits that the log printed; None for full precision.
    """

    run: str
    metric: str
    step: NDArray[np.int64]
    value: NDArray[np.float64]
    missing: NDArray[np.bool_] | None = None
    tokens: NDArray[np.float64] | None = None
    digits: int | None = None


@dataclass(frozen=True)
class Restart:
    """The run goes on from an earlier step: all that it had logged at that step and after is void.

    Only for logs that say so. Where steps of a metric merely go back, that is found later, for all formats.

    Parameters
    ----------
    run : str
        Key of the run.
    step : int
        First step that is logged anew.
    """

    run: str
    step: int


@dataclass(frozen=True)
class ScoreFound:
    """A result of a model on a task.

    Parameters
    ----------
    model : str
        Name of the model, or of the run whose checkpoint it is.
    task, metric : str
        What was measured.
    value : float
        The result, in the unit of the metric as the log has it.
    filter : str, default "none"
        How answers were extracted.
    stderr : float, optional
        Its standard error.
    n_samples, n_shot, step : int, optional
        Questions, examples in the prompt, training step of the checkpoint.
    task_version, harness : str, optional
        Version of the task; program and version.
    evaluated : str, optional
        Date, ``YYYY-MM-DD``.
    higher_is_better : bool, optional
        Whether higher is better.
    key : str, optional
        Identifier that the log itself gives the result.
    extra : mapping
        What else is known of it.
    about_model : mapping
        What is known of the model: ``n_params``, ``revision``, ``organisation`` and so on.
    """

    model: str
    task: str
    metric: str
    value: float
    filter: str = "none"
    stderr: float | None = None
    n_samples: int | None = None
    n_shot: int | None = None
    step: int | None = None
    task_version: str | None = None
    harness: str | None = None
    evaluated: str | None = None
    higher_is_better: bool | None = None
    key: str | None = None
    extra: Mapping[str, Any] = field(default_factory=_empty)
    about_model: Mapping[str, Any] = field(default_factory=_empty)


@dataclass(frozen=True)
class Note:
    """What else is worth knowing of the log, as a sentence; the same sentence is said once.

    Parameters
    ----------
    text : str
        The sentence.
    """

    text: str


Found = RunFound | Values | Restart | ScoreFound | Note | Problem
