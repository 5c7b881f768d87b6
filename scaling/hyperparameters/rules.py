"""Rules by which a learning rate, or AdamW's beta2, follows a batch that changes.

``linear``
    lr grows as B.
``sqrt``
    lr grows as sqrt(B): what Adam asks for far below the critical batch.
``sgd``
    lr = lr_max/(1 + B_crit/B), linear below the critical batch and flat above it. Of arXiv:1812.06162, for SGD.
``surge``
    lr = 2 lr_crit/(sqrt(B_crit/B) + sqrt(B/B_crit)): grows as sqrt(B), is highest at the critical batch and falls
    beyond it. For optimisers that use the sign of the gradient, Adam among them, by arXiv:2405.14578;
    arXiv:2410.05838 writes the same curve.
"""

from __future__ import annotations

import math

from scaling.errors import UsageError, did_you_mean
from scaling.inputs import as_number

RULES = ("linear", "sqrt", "sgd", "surge")
_NEED_CRITICAL = ("sgd", "surge")


def lr_at_batch(
    lr: float, batch: float, new_batch: float, rule: str = "sqrt", critical_batch: float | None = None
) -> float:
    """Carry a learning rate over to another batch.

    Parameters
    ----------
    lr, batch : float
        Tuned together.
    new_batch : float
        In the unit of `batch`.
    rule : {'linear', 'sqrt', 'sgd', 'surge'}
        See the module.
    critical_batch : float, optional
        In the same unit, or the gradient noise scale in its place; needed by ``sgd`` and ``surge``.

    Returns
    -------
    float
        The learning rate at the new batch.

    Raises
    ------
    UsageError
        For an unknown rule, a rule without its critical batch, and numbers that are not above 0.

    Examples
    --------
    >>> lr_at_batch(1e-3, 256, 1024), lr_at_batch(1e-3, 256, 1024, "linear")
    (0.002, 0.004)
    >>> round(lr_at_batch(1e-3, 512, 2048, "surge", critical_batch=1024), 12)
    0.001
    """
    if rule not in RULES:
        raise UsageError(f"there is no rule '{rule}' for a batch that changes", hint=did_you_mean(rule, RULES))
    if rule in _NEED_CRITICAL and critical_batch is None:
        raise UsageError(
            f"the rule '{rule}' turns at the critical batch, which is missing",
            hint="Give critical_batch, in the unit of the batch.",
        )
    given = {"learning rate": lr, "batch": batch, "new batch": new_batch, "critical batch": critical_batch}
    for what, value in given.items():
        if value is not None and not 0 < as_number(value) < math.inf:
            raise UsageError(f"the {what} is above 0, not {value}")
    ratio, turn = new_batch / batch, float(critical_batch or 1.0)
    if rule == "linear":
        return lr * ratio
    if rule == "sqrt":
        return lr * math.sqrt(ratio)
    if rule == "sgd":
        return lr * (1 + turn / batch) / (1 + turn / new_batch)
    return lr * _surge(batch / turn) / _surge(new_batch / turn)


def beta2_at_batch(beta2: float, batch: float, new_batch: float) -> float:
    """Carry AdamW's beta2 over to another batch, its half-life in tokens held.

    Parameters
    ----------
    beta2 : float
        At `batch`, between 0 and 1.
    batch, new_batch : float
        In one unit.

    Returns
    -------
    float
        beta2^(new_batch/batch), by arXiv:2507.07101.

    Raises
    ------
    UsageError
        For a beta2 outside 0 to 1, and batches that are not above 0.

    Examples
    --------
    >>> round(beta2_at_batch(0.95, 1024, 1), 8)
    0.99994991
    """
    if not 0 < as_number(beta2) < 1:
        raise UsageError(f"beta2 lies between 0 and 1, not at {beta2}")
    if not (0 < as_number(batch) < math.inf and 0 < as_number(new_batch) < math.inf):
        raise UsageError("a batch is above 0")
    return float(beta2 ** (new_batch / batch))


def _surge(share: float) -> float:
    return math.sqrt(share) + 1 / math.sqrt(share)
