"""Critical batch sizes from the parameters of a curve of steps, by either convention, for whole bootstraps at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.errors import UsageError
from scaling.inputs import as_number
from scaling.roots import find_root

Array = NDArray[np.float64]

FORMS = ("steps_to_target", "steps_to_target_power", "steps_to_target_sharp")


def overhead_batch(form: str, theta: Array, overhead: float | None = None, anchor: float | None = None) -> Array:
    """Work critical batch sizes out from parameters of a curve.

    Parameters
    ----------
    form : str
        Of `FORMS`.
    theta : ndarray (R, p)
        Parameters, natural units, in the order of the law.
    overhead, anchor : float, optional
        As of `scaling.batch_size.critical.critical_batch_of`.

    Returns
    -------
    ndarray (R,)
        In the unit of the batch that was fitted. Infinite where a is 0.

    Raises
    ------
    UsageError
        For an overhead or an anchor that is none, an anchor without an overhead, and for an overhead without an anchor
        on the power form, which has no fewest number of samples.

    Examples
    --------
    >>> overhead_batch("steps_to_target", np.array([[2000.0, 1e7]]), overhead=0.2, anchor=256).tolist()
    [1307.2]
    """
    check_convention(form, overhead, anchor)
    with np.errstate(all="ignore"):
        return beyond_offset(form, np.asarray(theta, float), overhead, anchor) + offset_of(overhead, anchor)


def check_convention(form: str, overhead: float | None, anchor: float | None) -> None:
    """Refuse a convention that is none; see `overhead_batch`."""
    for value, what, example in ((overhead, "overhead", "0.2 stands for 20 %"), (anchor, "anchor", "Such as 256")):
        if value is not None and not 0 < as_number(value) < np.inf:
            raise UsageError(f"the {what} is a finite number above 0, not {value}", hint=f"{example}.")
    if anchor is not None and overhead is None:
        raise UsageError(
            "an anchor says where linear scaling starts from, and without an overhead nothing is compared with it",
            hint="Give overhead=0.2, or leave the anchor out.",
        )
    if form == "steps_to_target_power" and overhead is not None and anchor is None:
        raise UsageError(
            "a + b/B**alpha has no fewest number of samples, so there is nothing that an overhead could be over",
            hint="Give an anchor, the batch size that linear scaling starts from.",
        )


def offset_of(overhead: float | None, anchor: float | None) -> float:
    """What of a critical batch size is the anchor alone."""
    return 0.0 if overhead is None or anchor is None else (1 + overhead) * anchor


def beyond_offset(form: str, theta: Array, overhead: float | None, anchor: float | None) -> Array:
    """What of critical batch sizes lies beyond that (R,); not negative in any of the forms."""
    a, b = theta[:, 0], theta[:, 1]
    ratio = b / a
    if form == "steps_to_target":
        return ratio if overhead is None else overhead * ratio
    shape = theta[:, 2]
    if form == "steps_to_target_sharp":
        if overhead is None:
            return ratio
        grown, from_ = (1 + overhead) ** shape, 0.0 if anchor is None else (anchor / ratio) ** shape
        found = ratio * (grown * (1 + from_) - 1) ** (1 / shape) - offset_of(overhead, anchor)
        return np.where(np.isinf(ratio), np.inf, np.maximum(found, 0.0))
    if overhead is None or anchor is None:
        return ratio ** (1 / shape)
    # B S(B) rises from the anchor's value to beyond (1 + overhead) times it, and no run takes fewer than a steps.
    samples = (1 + overhead) * (a * anchor + b * anchor ** (1 - shape))
    bottom = np.log((1 + overhead) * anchor)
    top = np.log(samples / a)
    share = find_root(
        lambda t: np.logaddexp(np.log(a) + bottom + t * (top - bottom),
                               np.log(b) + (1 - shape) * (bottom + t * (top - bottom))) - np.log(samples),
        0.0, 1.0, a.shape,
    )  # fmt: skip
    found = np.exp(bottom + share * (top - bottom)) - offset_of(overhead, anchor)
    return np.where(np.isinf(ratio), np.inf, np.maximum(found, 0.0))
