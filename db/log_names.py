"""Which metric of a log is the loss, and in which unit metrics are, by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from db.fields import is_loss_name, normalise
from scaling.errors import InputDataError

#: What a run is judged by, where it is there; the first is taken.
_USUAL = (
    "eval_loss", "val_loss", "validation_loss", "valid_loss", "loss_val", "loss_eval", "test_loss",
    "validation_metrics_loss", "lm_loss_value", "validation_lm_loss",
)  # fmt: skip
_TRAIN = (
    "train_loss",
    "training_loss",
    "loss",
    "loss_train",
    "lm_loss",
    "train_ce_loss",
    "loss_metrics_global_avg_loss",
)
_HELD_OUT = frozenset({"eval", "val", "valid", "validation", "test", "heldout"})
# Parts of a loss, or what merely has its name.
_OTHER = frozenset(
    {
        "aux", "z", "balance", "balancing", "router", "routing", "mtp", "scale", "scaler", "kl", "reg", "moe",
        "sequence", "indexer", "max", "min", "best", "std", "var", "variance", "weight", "coef", "coefficient", "count",
        "mask", "diff", "spike", "spikes",
    }
)  # fmt: skip


def is_loss(metric: str) -> bool:
    """Whether a metric is the loss of a model, by its name, and no part or scale of one."""
    return is_loss_name(metric) and not _OTHER & set(normalise(metric).split("_"))


def choose_loss(counts: Mapping[str, int], wanted: str | None) -> tuple[str | None, str]:
    """Choose the metric that is shown as the loss of the runs of a source.

    Parameters
    ----------
    counts : mapping of str to int
        Runs that logged each metric.
    wanted : str, optional
        The metric that was asked for; where no run has it, the choice is as without it.

    Returns
    -------
    metric : str or None
        None where none is a loss by its name.
    why : str
        How it was chosen, as a clause.

    Raises
    ------
    InputDataError
        If several could be meant.
    """
    if wanted is not None and wanted in counts:
        return wanted, f"as asked, in {counts[wanted]} of the runs"
    if wanted is not None:
        metric, why = choose_loss(counts, None)
        return metric, f"{why}, for '{wanted}' is not in it"
    losses = [metric for metric in counts if is_loss(metric)]
    held_out = [metric for metric in losses if _HELD_OUT & set(normalise(metric).split("_"))]
    for names, found, why in (
        (_USUAL, held_out, "held-out data before training data"),
        (_TRAIN, losses, "by its name"),
    ):
        for name in names:
            tied = [metric for metric in found if normalise(metric) == name]
            if len(tied) == 1:
                return tied[0], why
            if tied:
                raise _several(tied)
        if len(found) == 1:
            return found[0], why
        if len(found) > 1 and found is held_out and not any(normalise(metric) in _TRAIN for metric in losses):
            raise _several(found)
    if losses:
        raise _several(losses)
    return None, "no metric is a loss by its name"


def _several(names: Iterable[str]) -> InputDataError:
    listed = sorted(names)
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return InputDataError(
        f"several metrics could be the loss: {', '.join(repr(name) for name in listed[:8])}{more}.",
        f"Say which with --metric {listed[0]!r}; the others are kept as metrics too.",
    )


def unit_of(metric: str) -> str:
    """Unit of a metric that its name tells; ``unknown`` otherwise."""
    return "bits/byte" if normalise(metric).split("_")[-1] == "bpb" else "unknown"
