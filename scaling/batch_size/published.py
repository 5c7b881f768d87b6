"""Published laws of the batch size, side by side in tokens a step, each with its definition of the batch.

A critical batch by the 20 % rule, one by b/a and the batch of the lowest loss are three quantities, and they lie a
factor of three to ten apart on the same runs. No row here is an average over them, and none is turned into another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_count, format_factor, format_number

if TYPE_CHECKING:
    from scaling.batch_size.law_result import CriticalLaw

RULE = "20 % above linear scaling from 256 sequences of 512 tokens"
HYPERBOLA = "b/a: twice the fewest steps and samples"
LOWEST_LOSS = "batch of the lowest loss at a given number of tokens"
AT_LOSS = "batch recommended at a loss"
LOCAL = "largest batch that does not slow a running training down"

_WORDS = {"N": "the parameters", "D": "the training tokens", "L": "the loss", "C": "the compute"}
_NEAR = 1.25  # factor within which a held quantity counts as the one a law was fitted at


@dataclass(frozen=True)
class Entry:
    """A published law of the batch size.

    Parameters
    ----------
    name : str
        A handle.
    definition : str
        Which batch it gives.
    source : str
        Where it stands.
    law : str
        In the book, where it stands there with its coefficients; else empty.
    form : str
        As one reads it, where it is not in the book.
    needs : tuple of str
        Of ``N``, ``D``, ``L`` (nats/token), ``C`` (FLOP).
    constant : float, optional
        Where it is not in the book: tokens a step at 1 of each input. Missing where only exponents are known.
    exponents : dict of str to float
        Of each input, where it is not in the book.
    held : dict of str to float
        What was held while it was fitted: ``N``, ``D`` or ``D/N``.
    note : str
        What else is to be known.
    why : str
        Why it gives no number, where it gives none.
    """

    name: str
    definition: str
    source: str
    law: str = ""
    form: str = ""
    needs: tuple[str, ...] = ()
    constant: float | None = None
    exponents: dict[str, float] = field(default_factory=dict)
    held: dict[str, float] = field(default_factory=dict)
    note: str = ""
    why: str = ""


ENTRIES = (
    Entry("zhang-2024", RULE, "arXiv:2410.21676", law="critical_batch", held={"N": 302e6}),
    Entry("zhang-2024-chinchilla", RULE, "arXiv:2410.21676", law="critical_batch_params", held={"D/N": 20.4}),
    Entry("zhang-2024-fixed-tokens", RULE, "arXiv:2410.21676", law="critical_batch_params", held={"D": 3.07e9}),
    Entry("kaplan-2020", HYPERBOLA, "arXiv:2001.08361", law="critical_batch_loss"),
    Entry(
        "power-lines-2025-critical", HYPERBOLA, "arXiv:2505.13738", form="B_crit ~ D_min^0.462", needs=("D",),
        exponents={"D": 0.462}, note="Over the fewest tokens D_min that reach the loss; R2 .94.",
        why="Its exponent is known here, and its constant is not.",
    ),
    Entry(
        "time-transfer-2024", HYPERBOLA, "arXiv:2410.05838", form="B_crit ~ D", needs=("D",), exponents={"D": 1.0},
        note="Under muP, with AdamW.", why="It says how the batch grows, and not from where.",
    ),
    Entry(
        "merrill-2025", LOCAL, "arXiv:2505.23971", needs=("D",),
        note="Measured by branches of a checkpoint: near 0 at the start, rising fast, then level; alike at 1B and 7B.",
        why="It gives a way to measure the batch during a run, and no closed form.",
    ),
    Entry("step-law-2025", LOWEST_LOSS, "arXiv:2503.04715", law="optimal_batch"),
    Entry("deepseek-2024", LOWEST_LOSS, "arXiv:2401.02954", law="batch_of_compute"),
    Entry(
        "power-lines-2025-optimal", LOWEST_LOSS, "arXiv:2505.13738", form="B_opt ~ D^0.383", needs=("D",),
        exponents={"D": 0.383}, note="R2 .984.", why="Its exponent is known here, and its constant is not.",
    ),
    Entry(
        "porian-2024", LOWEST_LOSS, "arXiv:2406.19146", form="0.7576*N^0.703", needs=("N",), exponents={"N": 0.703},
        held={"D/N": 20.0}, why="Whether its batch is in sequences or in tokens was not found out.",
    ),
    Entry(
        "minicpm-2024", AT_LOSS, "arXiv:2404.06395", form="1.21e9/L^6.24", needs=("L",), constant=1.21e9,
        exponents={"L": -6.24}, note="Nats a token of its tokenizer.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class PublishedRow:
    """What one published law says.

    Parameters
    ----------
    name, source : str
        The law, and where it stands.
    definition : str
        Which batch it gives; rows of different definitions are not to be held against each other.
    formula : str
        In tokens a step, or the exponents alone.
    batch_tokens : float or None
        Tokens a step; None where `why` says why there is none.
    batch_sequences : float or None
        The same in sequences of the context length given.
    exponents : dict of str to float
        d ln B / d ln of each input.
    why : str
        Why there is no number; empty where there is one.
    notes : tuple of str
        What to know, such as how far the question lies from where the law was fitted.
    """

    name: str
    source: str
    definition: str
    formula: str
    batch_tokens: float | None
    batch_sequences: float | None
    exponents: dict[str, float]
    why: str = ""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from scaling.serial import plain

        out: dict[str, Any] = plain(asdict(self))
        return out


def definition_of(law: CriticalLaw) -> str:
    """Tell which definition of published laws is that of a fitted one.

    Parameters
    ----------
    law : CriticalLaw
        The law.

    Returns
    -------
    str
        As of `PublishedRow.definition`; empty where no published law has it.
    """
    record = law.record
    if record["overhead"] is None:
        return HYPERBOLA if "b/a" in law.convention else ""
    if abs(float(record["overhead"]) - 0.2) > 1e-9 or record["anchor"] is None:
        return ""
    anchor = float(record["anchor"]) * (1.0 if record["unit"] == "tokens" else float(record["tokens_per_sample"] or 0))
    return RULE if math.isclose(anchor, 256 * 512, rel_tol=1e-6) else ""


def published_at(
    n_params: float | None = None,
    n_tokens: float | None = None,
    loss: float | None = None,
    compute_flop: float | None = None,
    context_length: float | None = None,
) -> tuple[PublishedRow, ...]:
    """Work every published law of the batch size out in one place.

    Parameters
    ----------
    n_params : float, optional
        Parameters; those outside embeddings, for laws that count these.
    n_tokens : float, optional
        Training tokens.
    loss : float, optional
        nats/token.
    compute_flop : float, optional
        FLOP; 6 * n_params * n_tokens where missing and both are given, which the row says.
    context_length : float, optional
        Tokens a sequence, for batches in sequences beside those in tokens.

    Returns
    -------
    tuple of PublishedRow
        All of `ENTRIES`, in their order; those that need what is missing say so.

    Raises
    ------
    InputDataError
        For what is no positive, finite number.
    UsageError
        Where nothing is given.

    Examples
    --------
    >>> rows = {row.name: row for row in published_at(n_params=302e6, n_tokens=6.144e9, context_length=512)}
    >>> round(rows["zhang-2024"].batch_sequences)
    1382
    """
    asked = {"n_params": n_params, "n_tokens": n_tokens, "loss": loss, "compute_flop": compute_flop}
    for word, value in {**asked, "context_length": context_length}.items():
        if value is not None and not (np.isreal(value) and 0 < float(value) < math.inf):
            raise InputDataError(f"'{word}' is {value}; a positive, finite number is expected")
    given = {k: float(v) for k, v in zip("NDLC", asked.values(), strict=True) if v is not None}
    if not given:
        raise UsageError("published laws need a place to be worked out at", hint="Give n_params and n_tokens.")
    assumed = "C" not in given and {"N", "D"} <= set(given)
    if assumed:
        given["C"] = 6 * given["N"] * given["D"]
    rows = []
    for entry in ENTRIES:
        notes = ("The compute was taken as 6*N*D.",) if assumed and _needs(entry) == ("C",) else ()
        rows.append(_row(entry, given, context_length, notes))
    return tuple(rows)


def _row(
    entry: Entry, given: Mapping[str, float], context_length: float | None, notes: tuple[str, ...]
) -> PublishedRow:
    needs = _needs(entry)
    missing = [_WORDS[name] for name in needs if name not in given]
    formula, note, exponents, tokens = entry.form, entry.note, dict(entry.exponents), None
    if entry.law:
        formula, note, exponents, tokens = _from_book(entry, given if not missing else None)
    elif entry.constant is not None and not missing:
        tokens = entry.constant * math.prod(given[name] ** power for name, power in entry.exponents.items())
    why = entry.why
    if not why and missing:
        why = f"It needs {' and '.join(missing)}."
    off = () if why else _off(entry, given)
    sequences = None if tokens is None or context_length is None else tokens / context_length
    said = tuple(text for text in (note, *off, *notes) if text)
    return PublishedRow(
        entry.name, entry.source, entry.definition, formula, tokens, sequences, exponents, why, said
    )  # fmt: skip


def _needs(entry: Entry) -> tuple[str, ...]:
    from scaling.laws.book import find_law

    return tuple(find_law(entry.law).inputs) if entry.law else entry.needs


def _from_book(
    entry: Entry, given: Mapping[str, float] | None
) -> tuple[str, str, dict[str, float], float | None]:  # fmt: skip
    """Take a law from the book: formula with its numbers, note, exponents, and tokens a step where it can be had."""
    from scaling.fitting.compile import compile_value
    from scaling.laws.book import find_law

    law = find_law(entry.law)
    [found] = [p for p in law.published if p.name == entry.name]
    values = found.values
    formula = law.formula
    for name in sorted(values, key=len, reverse=True):
        text = format_number(values[name], 5)
        plain_digits = "." in text and "e" not in text
        formula = formula.replace(name, text.rstrip("0").rstrip(".") if plain_digits else text)
    if entry.law == "critical_batch_loss":
        exponents = {"L": -1 / values["alpha_B"]}
    else:
        exponents = {name: values[{"N": "p", "D": "q", "C": "q"}[name]] for name in law.inputs}
    if given is None:
        return formula, found.note, exponents, None
    kernel = compile_value(law, (False,) * len(law.parameters))
    data = kernel.prepare({name: np.array([given[name]]) for name in law.inputs})
    theta = np.array([[values[name] for name in law.parameter_names]])
    return formula, found.note, exponents, float(kernel.value(kernel.to_internal(theta), data)[0, 0])


def _off(entry: Entry, given: Mapping[str, float]) -> tuple[str, ...]:
    """Say how far the question lies from what was held while a law was fitted."""
    known = dict(given)
    if {"N", "D"} <= set(given):
        known["D/N"] = given["D"] / given["N"]
    notes = []
    for name, value in entry.held.items():
        what = {"N": "parameters", "D": "training tokens", "D/N": "tokens a parameter"}[name]
        at = format_number(value, 3) if name == "D/N" else format_count(value)
        if name not in known:
            notes.append(f"Fitted at {at} {what}; how many there are here is not given.")
        elif (factor := max(known[name] / value, value / known[name])) > _NEAR:
            notes.append(f"Fitted at {at} {what}, {format_factor(factor)} from here.")
    return tuple(notes)
