"""Facts of a run, by the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from db.facts import rules
from db.facts.read import Entry, Settings
from db.facts.shapes import Shape, count_parameters
from scaling.formatting import format_number

_PLACES = ("config", "about", "summary")


@dataclass(frozen=True)
class Fact:
    """One fact of a run.

    Parameters
    ----------
    name : str
        Such as ``n_params``, ``batch_tokens`` or ``learning_rate``.
    value : float or str
        Its value, in the unit of its name.
    rule : str
        How it was found, as a clause.
    keys : tuple of str
        What the rule read, each with its place.
    """

    name: str
    value: float | str
    rule: str
    keys: tuple[str, ...]

    def __str__(self) -> str:
        shown = self.value if isinstance(self.value, str) else format_number(self.value)
        return f"{self.name} = {shown}: {self.rule} ({', '.join(self.keys)})"


@dataclass(frozen=True)
class Facts:
    """What is known of a run, and what is not.

    Parameters
    ----------
    facts : dict of str to Fact
        By name.
    missing : dict of str to str
        What a law would need and the log does not say, with what would give it.
    notes : tuple of str
        What disagrees, as sentences.
    """

    facts: dict[str, Fact]
    missing: dict[str, str]
    notes: tuple[str, ...]


def derive(
    config: Mapping[str, Any],
    summary: Mapping[str, Any],
    about: Mapping[str, Any],
    logged: Mapping[str, float],
    *,
    last_step: int | None,
    finished: bool,
) -> Facts:
    """Find the facts of a run.

    Parameters
    ----------
    config, summary, about : mapping
        What the log says of the run, by key.
    logged : mapping of str to float
        Metrics at the last step at which they were logged.
    last_step : int or None
        Largest step of the log.
    finished : bool
        Whether the log says that the run went to its end.

    Returns
    -------
    Facts
    """
    return _Deriver(config, summary, about, logged, last_step, finished).run()


@dataclass
class _Deriver:
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    about: Mapping[str, Any]
    logged: Mapping[str, float]
    last_step: int | None
    finished: bool
    facts: dict[str, Fact] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def run(self) -> Facts:
        self.settings = Settings(
            {"config": self.config, "about": self.about, "summary": self.summary, "logged": self.logged}
        )
        for step in (self._sizes, self._batch, self._tokens, self._compute, self._rate, self._rest):
            step()
        return Facts(self.facts, self.missing, tuple(self.notes))

    def _take(
        self, name: str, names: Sequence[str], rule: str, places: Sequence[str] = _PLACES, factor: float = 1
    ) -> bool:
        """Take the first of several names that is there; names that disagree among themselves give nothing."""
        for _, entries in self.settings.numbers(names, places):
            if (entry := self._agreed(name, entries)) is None:
                return False
            self.facts[name] = Fact(name, float(entry.value) * factor, rule, (entry.key,))
            return True
        return False

    def _agreed(self, name: str, entries: list[Entry]) -> Entry | None:
        if len({entry.value for entry in entries}) == 1:
            return entries[0]
        told = ", ".join(f"{entry.key} = {entry.value}" for entry in entries[:4])
        self.notes.append(f"{name} is not taken from keys that disagree: {told}.")
        return None

    def _one(self, names: Sequence[str]) -> Entry | None:
        for _, entries in self.settings.numbers(names, ("config",)):
            return entries[0] if len({entry.value for entry in entries}) == 1 else None
        return None

    def _sizes(self) -> None:
        self._take("n_params_nonembed", rules.N_PARAMS_NONEMBED, "given")
        if not self._take("n_params", rules.N_PARAMS, "given", (*_PLACES, "logged")):
            self._shape()
        if "n_params" not in self.facts:
            count = " (only the count without embeddings is there)" if "n_params_nonembed" in self.facts else ""
            self.missing["n_params"] = f"no key says it{count}, nor layers, width and vocabulary"

    def _shape(self) -> None:
        """Count by the shape of the model."""
        layers, width, vocabulary = (self._one(names) for names in (rules.LAYERS, rules.WIDTH, rules.VOCABULARY))
        if layers is None or width is None or vocabulary is None:
            return
        more = {
            "inner": self._one(rules.INNER), "heads": self._one(rules.HEADS), "kv_heads": self._one(rules.KV_HEADS),
            "head_width": self._one(rules.HEAD_WIDTH),
        }  # fmt: skip
        family = self._text(("model_type", "architecture", "arch", "model.type")) or ""
        gpt2 = any(word in family.lower() for word in rules.BIASED)
        gated = any(word in family.lower() for word in rules.GATED)
        tied = self._flag(("tie_word_embeddings", "tie_embeddings", "tied_embeddings"))
        untied = self._flag(("untie_embeddings_and_output_weights",))
        positions = self._one(rules.POSITIONS) if gpt2 else None
        if tied is None:
            tied = not untied if untied is not None else not gated
        shape = Shape(
            int(layers.value), int(width.value), int(vocabulary.value),
            **{name: int(entry.value) for name, entry in more.items() if entry},
            positions=int(positions.value) if positions else None, gated=gated, biases=gpt2, tied=tied,
        )  # fmt: skip
        _, total = count_parameters(shape)
        if total is None:
            return
        exact = (
            f"counted by the shape of a {family} model"
            if gpt2 or gated
            else (
                "estimated by the shape: feed-forward parts of two matrices, no biases, output layer "
                + ("tied" if tied else "apart")
            )
        )
        used = [
            layers,
            width,
            vocabulary,
            *(entry for entry in more.values() if entry),
            *([positions] if positions else []),
        ]
        self.facts["n_params"] = Fact("n_params", total, exact, tuple(entry.key for entry in used))

    def _batch(self) -> None:
        self._take("seq_len", rules.SEQUENCE, "given", ("config",))
        if not self._take("batch_seqs", rules.BATCH_SEQS, "given", ("config",)):
            parts = [self._one(names) for names in (rules.BATCH_DEVICE, rules.PASSES, rules.DEVICES)]
            if parts[0] and parts[1] and parts[2]:
                used = [entry for entry in parts if entry]
                product = used[0].value * used[1].value * used[2].value
                keys = tuple(entry.key for entry in used)
                self.facts["batch_seqs"] = Fact("batch_seqs", product, "sequences a device, passes and devices", keys)
            elif parts[0]:
                lacks = [what for what, entry in zip(("passes", "devices"), parts[1:], strict=True) if entry is None]
                self.missing["batch_seqs"] = f"only sequences of one device are there; {' and '.join(lacks)} are not"
        if self._take("batch_tokens", rules.BATCH_TOKENS, "given", ("config",)):
            return
        if "batch_seqs" in self.facts and "seq_len" in self.facts:
            seqs, length = self.facts["batch_seqs"], self.facts["seq_len"]
            value = float(seqs.value) * float(length.value)
            self.facts["batch_tokens"] = Fact("batch_tokens", value, "batch_seqs x seq_len", seqs.keys + length.keys)
        else:
            lacks = [name for name in ("batch_seqs", "seq_len") if name not in self.facts]
            self.missing["batch_tokens"] = f"it would be batch_seqs x seq_len, and {' and '.join(lacks)} are not known"

    def _tokens(self) -> None:
        if self._take("n_tokens", rules.TOKEN_COUNTERS, "counted by the log up to its last step", ("logged",)):
            return
        if self._take("n_tokens", rules.TOKEN_COUNTERS[:-3], "counted by the log", ("summary",)):
            return
        batch = self.facts.get("batch_tokens")
        planned = self._one(rules.STEPS_PLANNED)
        if batch is not None and self.last_step:
            value = float(batch.value) * self.last_step
            keys = (f"last step {self.last_step}", *batch.keys)
            self.facts["n_tokens"] = Fact("n_tokens", value, "last step x batch_tokens", keys)
            return
        ended = self.finished or (
            planned is not None and self.last_step is not None and self.last_step >= planned.value
        )
        if ended and self._take("n_tokens", rules.TOKENS_PLANNED, "planned, and the run went to its end", ("config",)):
            return
        why = "no key counts them, and step x batch_tokens needs " + (
            "batch_tokens" if batch is None else "a step in the log"
        )
        if any(True for _ in self.settings.numbers(rules.TOKENS_PLANNED, ("config",))):
            why += "; tokens that were planned are there, but nothing says that the run went to its end"
        self.missing["n_tokens"] = why

    def _compute(self) -> None:
        if self._take("compute_flop", rules.COMPUTE, "given", (*_PLACES, "logged")):
            return
        if self._take("compute_flop", rules.GFLOP, "given in GFLOP", ("logged", "summary"), 1e9):
            return
        if not {"n_params", "n_tokens"} <= self.facts.keys() and self._take(
            "compute_flop",
            rules.COMPUTE_OF_TRAINER,
            "as the trainer counts it, without embeddings",
            ("summary", "logged"),
        ):
            return
        if not {"n_params", "n_tokens"} <= self.facts.keys():
            self.missing["compute_flop"] = "no key says it, and 6 N D needs n_params and n_tokens"

    def _rate(self) -> None:
        if not self._take("learning_rate", rules.LEARNING_RATE, "given", ("config",)):
            self.missing["learning_rate"] = "no key says it"

    def _rest(self) -> None:
        corpus = self._text(rules.CORPUS)
        if corpus is not None:
            self.facts["corpus"] = Fact("corpus", corpus, "given", (self._text_key,))
        for name, names in rules.PLAIN.items():
            for candidate in names:
                entries = self.settings.find(candidate, ("config",))
                values = [
                    e for e in entries if isinstance(e.value, int | float | str) and not isinstance(e.value, bool)
                ]
                if values and len({str(entry.value) for entry in values}) == 1 and values[0].value != "":
                    value = values[0].value
                    kept = value if isinstance(value, str) else float(value)
                    self.facts[name] = Fact(name, kept, "given", (values[0].key,))
                    break

    def _text(self, names: Sequence[str]) -> str | None:
        for name in names:
            entries = [e for e in self.settings.find(name, ("config",)) if isinstance(e.value, str) and e.value.strip()]
            if entries and len({entry.value for entry in entries}) == 1:
                self._text_key = entries[0].key
                return str(entries[0].value).strip()
        return None

    def _flag(self, names: Sequence[str]) -> bool | None:
        for name in names:
            for entry in self.settings.find(name, ("config",)):
                if isinstance(entry.value, bool):
                    return entry.value
                if str(entry.value).lower() in ("true", "false"):
                    return str(entry.value).lower() == "true"
        return None
