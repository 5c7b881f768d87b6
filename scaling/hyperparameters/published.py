"""Published laws of the learning rate and the batch, worked out for one run in one unit, and on a sweep.

Laws that stand in the book with their coefficients are taken from there. A law whose coefficients or units could not be
read with certainty is named and not worked out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scaling.errors import UsageError
from scaling.formatting import format_count, format_number
from scaling.hyperparameters.cells import Cell, Cells
from scaling.hyperparameters.regret import cell_regret
from scaling.inputs import as_number
from scaling.laws.book import find_law
from scaling.serial import plain

BEST, CRITICAL = "best", "critical"


@dataclass(frozen=True)
class PublishedRule:
    """What somebody's law says about a run.

    Parameters
    ----------
    name : str
        A handle.
    source : str
        Where the law stands.
    kind : {'best', 'critical'}
        Whether its batch is that of the lowest loss, or one that begins to waste tokens.
    lr : float or None
        Peak learning rate; None where the law has none.
    batch : float or None
        Tokens a step.
    note : str
        What it was fitted to, or why it cannot be worked out.
    """

    name: str
    source: str
    kind: str
    lr: float | None
    batch: float | None
    note: str

    @property
    def known(self) -> bool:
        """Whether it says anything about the run."""
        return self.lr is not None or self.batch is not None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain({
            "name": self.name, "source": self.source, "kind": self.kind, "lr": self.lr, "batch": self.batch,
            "batch_unit": "tokens", "note": self.note,
        })  # fmt: skip
        return out


@dataclass(frozen=True)
class PublishedRegret:
    """What a published law gives up on the cells of a sweep, by their runs.

    Parameters
    ----------
    rule : str
        Name of the law.
    source : str
        Where it stands.
    tuned : str
        What was not said by the law and was taken at its best in each cell: ``''``, ``learning rate`` or ``batch``.
    by_cell : tuple of float
        Shares of the loss.
    """

    rule: str
    source: str
    tuned: str
    by_cell: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the cells."""
        return float(np.mean(self.by_cell))

    @property
    def worst(self) -> float:
        """The largest."""
        return float(np.max(self.by_cell))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain({
            "rule": self.rule, "source": self.source, "tuned": self.tuned, "mean": self.mean, "worst": self.worst,
            "by_cell": list(self.by_cell),
        })  # fmt: skip
        return out


def published_rules(
    n_params: float,
    n_tokens: float,
    *,
    loss: float | None = None,
    flops_per_token: float | None = None,
) -> tuple[PublishedRule, ...]:
    """Work published laws out for a run.

    Parameters
    ----------
    n_params, n_tokens : float
        The run; parameters without embeddings.
    loss : float, optional
        That it will reach, nats a token, for laws of the loss.
    flops_per_token : float, optional
        Without embeddings, for laws of compute; 6 N where missing, which leaves attention out.

    Returns
    -------
    tuple of PublishedRule
        Those that cannot be worked out say why.

    Raises
    ------
    UsageError
        For numbers that are not above 0.
    """
    given = {"parameters": n_params, "tokens": n_tokens, "loss": loss, "FLOP a token": flops_per_token}
    for what, value in given.items():
        if value is not None and not 0 < as_number(value) < math.inf:
            raise UsageError(f"the number of {what} is above 0, not {value}" if what != "loss" else "a loss is above 0")
    n, d = float(n_params), float(n_tokens)
    compute = d * (6 * n if flops_per_token is None else float(flops_per_token))
    about = "compute taken as 6 N D" if flops_per_token is None else "compute as given"
    return (
        _step_law(n, d),
        _deepseek(compute, about),
        _kaplan_lr(n),
        _porian(n, d),
        _minicpm(loss),
        *_critical(n, d, loss),
        PublishedRule(
            "power-lines-2025", "arXiv:2505.13738", BEST, None, None,
            "only its exponent of the tokens, 0.383 of the batch, could be read; its unit could not",
        ),
        PublishedRule(
            "bjorck-2024", "arXiv:2409.19913", BEST, None, None,
            "only its exponent of the tokens, -0.32 of the learning rate at a fixed batch, could be read",
        ),
    )  # fmt: skip


def published_regrets(cells: Cells) -> tuple[PublishedRegret, ...]:
    """Measure published laws on the cells of a sweep.

    Parameters
    ----------
    cells : Cells
        The runs; parameters without embeddings.

    Returns
    -------
    tuple of PublishedRegret
        Of the laws that say a best learning rate or batch. Where a law says only one of the two, the other one is the
        best that was run. Laws of the loss get the best loss of each cell, which flatters them.
    """
    gathered: dict[str, PublishedRegret] = {}
    for cell in cells:
        best = float(cell.loss[cell.best])
        for rule in published_rules(cell.n_params, cell.n_tokens, loss=best):
            if not rule.known or rule.kind != BEST:
                continue
            tuned = "learning rate" if rule.lr is None else ("batch" if rule.batch is None else "")
            empty = PublishedRegret(rule.name, rule.source, tuned, ())
            so_far = gathered.get(rule.name, empty)
            gathered[rule.name] = replace(so_far, by_cell=(*so_far.by_cell, _given_up(cell, rule)))
    return tuple(entry for entry in gathered.values() if len(entry.by_cell) == len(cells))


def step_law(n_params: float, n_tokens: float) -> tuple[float, float]:
    """Return the learning rate and the batch, tokens a step, of arXiv:2503.04715."""
    rule = _step_law(float(n_params), float(n_tokens))
    assert rule.lr is not None
    assert rule.batch is not None
    return rule.lr, rule.batch


def _given_up(cell: Cell, rule: PublishedRule) -> float:
    rates = np.unique(cell.rate) if rule.lr is None else np.array([rule.lr])
    batches = np.unique(cell.batch) if rule.batch is None else np.array([rule.batch])
    x, b = (v.ravel() for v in np.meshgrid(rates, batches))
    return float(cell_regret(cell, x, b).min())


def _value(law: str, name: str, **inputs: float) -> tuple[float, str, str]:
    """Work a law of the book out at published coefficients; with their source and note."""
    from scaling.fitting.compile import compile_value

    found = find_law(law)
    entry = next(p for p in found.published if p.name == name)
    kernel = compile_value(found, tuple(False for _ in found.parameters))
    theta = np.array([[entry.values[k] for k in found.parameter_names]])
    data = kernel.prepare({k: np.array([v]) for k, v in inputs.items()})
    return float(kernel.value(theta, data)[0, 0]), entry.source, entry.note


def _step_law(n: float, d: float) -> PublishedRule:
    lr, source, note = _value("optimal_learning_rate", "step-law-2025", N=n, D=d)
    batch, _, _ = _value("optimal_batch", "step-law-2025", D=d)
    return PublishedRule("step-law-2025", source, BEST, lr, batch, note)


def _deepseek(compute: float, about: str) -> PublishedRule:
    lr, source, _ = _value("learning_rate_of_compute", "deepseek-2024", C=compute)
    batch, _, _ = _value("batch_of_compute", "deepseek-2024", C=compute)
    return PublishedRule("deepseek-2024", source, BEST, lr, batch, f"over compute alone; {about}")


def _kaplan_lr(n: float) -> PublishedRule:
    lr = 3.239e-3 - 1.395e-4 * math.log(n)
    note = "non-embedding parameters; at the batch of its own runs"
    if lr <= 0:
        return PublishedRule("kaplan-2020-lr", "arXiv:2001.08361", BEST, None, None, f"below 0 at {format_count(n)}")
    return PublishedRule("kaplan-2020-lr", "arXiv:2001.08361", BEST, lr, None, note)


def _porian(n: float, d: float) -> PublishedRule:
    note = (
        f"fitted at about 20 tokens a parameter, here {format_number(d / n, 3)}; its batch, which grows as N^0.703, is "
        "not worked out, because its unit could not be read"
    )
    return PublishedRule("porian-2024", "arXiv:2406.19146", BEST, 3.7 * n**-0.36, None, note)


def _minicpm(loss: float | None) -> PublishedRule:
    from scaling.batch_size.published import ENTRIES

    law = next(entry for entry in ENTRIES if entry.name == "minicpm-2024")
    if loss is None or law.constant is None:
        return PublishedRule(law.name, law.source, BEST, None, None, "a law of the loss, which is missing")
    batch = law.constant * float(loss) ** law.exponents["L"]
    return PublishedRule(law.name, law.source, BEST, None, batch, "over the loss, in nats of its own tokenizer")


def _critical(n: float, d: float, loss: float | None) -> list[PublishedRule]:
    """Critical batches of the book, which are no best batches: they bound what can be spent on speed."""
    wanted: list[tuple[str, str, dict[str, float] | None]] = [
        ("critical_batch", "zhang-2024", {"D": d}),
        ("critical_batch_params", "zhang-2024-chinchilla", {"N": n}),
        ("critical_batch_loss", "kaplan-2020", None if loss is None else {"L": loss}),
    ]
    rules = []
    for law, name, inputs in wanted:
        if inputs is None:
            source = next(p.source for p in find_law(law).published if p.name == name)
            rules.append(PublishedRule(name, source, CRITICAL, None, None, "a law of the loss, which is missing"))
            continue
        batch, source, note = _value(law, name, **inputs)
        rules.append(PublishedRule(name, source, CRITICAL, None, batch, note))
    return rules
