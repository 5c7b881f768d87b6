"""Facts of a run, by the rules."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from db.facts import rules
from db.facts.corpus import corpus_of
from db.facts.read import Entry, Settings, positive
from db.facts.size import Sizing
from scaling.formatting import format_number

_PLACES = ("config", "about", "summary")
_FEWEST = 1000  # parameters, below which a number is a count of millions or billions, or something else
_FAR = 0.05  # by which two ways to count tokens may differ and agree
_ENDED = 0.95  # of the planned steps, from which on a run that says that it finished went to its end


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
    notes : dict of str to str
        What does not fit together, as a sentence, by the fact that it is about.
    """

    facts: dict[str, Fact]
    missing: dict[str, str]
    notes: dict[str, str]


@dataclass(frozen=True)
class Logged:
    """What the values of a run say of it.

    Parameters
    ----------
    last : mapping of str to float
        Metrics at the last step at which they were logged.
    counters : set of str
        Those of them that only grew, from nothing on and in step with the steps.
    grew : set of str
        Those of them that never fell.
    last_step : int or None
        Largest step.
    stepless : set of str
        Those of them that have no step, as the last words that a tracker keeps of a run.
    """

    last: Mapping[str, float]
    counters: frozenset[str] = frozenset()
    grew: frozenset[str] = frozenset()
    last_step: int | None = None
    stepless: frozenset[str] = frozenset()


def derive(
    config: Mapping[str, Any],
    summary: Mapping[str, Any],
    about: Mapping[str, Any],
    logged: Logged,
    *,
    finished: bool,
) -> Facts:
    """Find the facts of a run.

    Parameters
    ----------
    config, summary, about : mapping
        What the log says of the run, by key.
    logged : Logged
        What its values say.
    finished : bool
        Whether the log says that the run went to its end.

    Returns
    -------
    Facts
    """
    settings = Settings({"config": config, "about": about, "summary": summary, "logged": logged.last})
    return _Deriver(settings, logged, finished).run()


@dataclass
class _Deriver:
    settings: Settings
    logged: Logged
    finished: bool
    facts: dict[str, Fact] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def run(self) -> Facts:
        for step in (self._sizes, self._batch, self._tokens, self._compute, self._rate, self._rest):
            step()
        # Of what is not taken because keys disagree, that is the reason.
        self.missing = {name: self.notes.pop(name, why) for name, why in self.missing.items()}
        return Facts(self.facts, self.missing, self.notes)

    def _take(
        self, name: str, groups: rules.Groups, rule: str, places: Sequence[str] = _PLACES, factor: float = 1
    ) -> bool:
        """Take the first group that is there; names of it that disagree give nothing."""
        entry = self._first(name, groups, places)
        if entry is None:
            return False
        self.facts[name] = Fact(name, float(entry.value) * factor, rule, (entry.key,))
        return True

    def _first(self, name: str, groups: rules.Groups, places: Sequence[str] = ("config",)) -> Entry | None:
        for names in groups:
            if entries := self.settings.numbers(names, places):
                return self._agreed(name, entries)
        return None

    def _agreed(self, name: str, entries: Sequence[Entry]) -> Entry | None:
        if len({entry.value for entry in entries}) == 1:
            return entries[0]
        shown = [f"{e.key} = {e.value if isinstance(e.value, str) else format_number(e.value)}" for e in entries[:4]]
        more = f" and {len(entries) - 4} more" if len(entries) > 4 else ""
        self.notes[name] = f"keys that disagree: {', '.join(shown)}{more}"
        return None

    def _sizes(self) -> None:
        self._take("n_params_nonembed", rules.N_PARAMS_NONEMBED, "given")
        places = (*_PLACES, "logged")
        entry = self._first("n_params", rules.N_PARAMS, places)
        if entry is not None and entry.value < _FEWEST:
            why = f"{entry.key} = {format_number(entry.value)} is too small to count parameters: another unit, perhaps"
            self.notes["n_params"] = why
        elif entry is not None:
            self.facts["n_params"] = Fact("n_params", float(entry.value), "given", (entry.key,))
        sized = Sizing(self.settings).count()
        if sized.total is not None and "n_params" not in self.facts and "n_params" not in self.notes:
            self.facts["n_params"] = Fact("n_params", sized.total, sized.rule, sized.keys)
        if sized.layers is not None and "n_params_nonembed" not in self.facts:
            rule = f"{sized.rule}, without embeddings"
            self.facts["n_params_nonembed"] = Fact("n_params_nonembed", sized.layers, rule, sized.keys)
        if "n_params" not in self.facts:
            count = " (only the count without embeddings is there)" if "n_params_nonembed" in self.facts else ""
            self.missing["n_params"] = f"no key says it{count}, and {sized.lacks}"

    def _batch(self) -> None:
        self._take("seq_len", rules.SEQUENCE, "given", ("config",))
        in_tokens = bool(self.settings.numbers(rules.BATCH_IN_TOKENS, ("config",)))
        if in_tokens or not self._take("batch_seqs", rules.BATCH_SEQS, "given", ("config",)):
            beside = [self.settings.numbers((name,), ("config",)) for name in rules.BATCH_SEQS_BESIDE]
            if all(beside) and (entry := self._agreed("batch_seqs", beside[0])) is not None:
                rule = "given, beside that of a device"
                self.facts["batch_seqs"] = Fact("batch_seqs", entry.value, rule, (entry.key,))
            elif "batch_seqs" not in self.notes:
                self._batch_of_devices()
        product = self._batch_product()
        if self._take("batch_tokens", rules.BATCH_TOKENS, "given", ("config",)):
            given = float(self.facts["batch_tokens"].value)
            if product is not None and abs(float(product.value) - given) > _FAR * given:
                self.notes["batch_tokens"] = (
                    f"{self.facts['batch_tokens'].keys[0]} says {format_number(given)}, and "
                    f"batch_seqs x seq_len is {format_number(float(product.value))}"
                )
        elif product is not None and "batch_tokens" not in self.notes:
            self.facts["batch_tokens"] = product
        else:
            lacks = [name for name in ("batch_seqs", "seq_len") if name not in self.facts]
            self.missing["batch_tokens"] = f"it would be batch_seqs x seq_len, and {' and '.join(lacks)} are not known"
        for name in ("batch_seqs", "seq_len"):
            if name in self.notes:
                self.missing.setdefault(name, self.notes[name])

    def _batch_product(self) -> Fact | None:
        if not {"batch_seqs", "seq_len"} <= self.facts.keys():
            return None
        seqs, length = self.facts["batch_seqs"], self.facts["seq_len"]
        value = float(seqs.value) * float(length.value)
        return Fact("batch_tokens", value, "batch_seqs x seq_len", seqs.keys + length.keys)

    def _batch_of_devices(self) -> None:
        """Sequences of a step from those of a device, passes and devices; none of them is ever taken for 1."""
        device, passes = (self._first("batch_seqs", groups) for groups in (rules.BATCH_DEVICE, rules.PASSES))
        devices = self._devices()
        if device is None:
            unclear = self.settings.numbers(rules.BATCH_UNCLEAR, ("config",))
            if unclear:
                self.missing["batch_seqs"] = f"{unclear[0].key} may be that of one device"
            return
        if passes is not None and devices is not None:
            count, keys, clause = devices
            value = device.value * passes.value * count
            rule = f"sequences a device, passes and {clause}"
            self.facts["batch_seqs"] = Fact("batch_seqs", value, rule, (device.key, passes.key, *keys))
            return
        lacks = [what for what, entry in (("passes", passes), ("devices", devices)) if entry is None]
        self.missing["batch_seqs"] = f"only sequences of one device are there; {' and '.join(lacks)} are not"

    def _devices(self) -> tuple[float, tuple[str, ...], str] | None:
        """How many devices see data of their own, which keys say it, and how."""
        own = self._first("batch_seqs", rules.DEVICES)
        if own is not None:
            return own.value, (own.key,), "devices"
        everywhere = self._first("batch_seqs", rules.ALL_DEVICES, ("config", "about"))
        if everywhere is None:
            return None
        shared = {e.key: e for name in rules.SHARED_BY for e in self.settings.numbers((name,), ("config",))}
        count = everywhere.value
        used = [entry for entry in shared.values() if entry.value > 1]
        for entry in used:
            count /= entry.value
        if not count.is_integer():
            self.notes["batch_seqs"] = f"{everywhere.key} is no multiple of {' x '.join(e.key for e in used)}"
            return None
        clause = "devices" if not used else "devices, over those that share a model"
        return count, (everywhere.key, *(entry.key for entry in used)), clause

    def _tokens(self) -> None:
        counted = self._counted()
        stepped = self._stepped()
        if counted is not None:
            self.facts["n_tokens"] = counted
            value = float(counted.value)
            if stepped is not None and abs(float(stepped.value) - value) > _FAR * value:
                self.notes["n_tokens"] = (
                    f"{counted.keys[0]} says {format_number(value)}, and {stepped.rule} is "
                    f"{format_number(float(stepped.value))}"
                )
            return
        if stepped is not None:
            self.facts["n_tokens"] = stepped
            return
        if "n_tokens" in self.notes:
            self.missing["n_tokens"] = ""
            return
        ended, doubt = self._ended()
        rule = "planned, and the run went to its end"
        if ended and self._take("n_tokens", rules.TOKENS_PLANNED, rule, ("config",)):
            return
        lacks = "batch_tokens" if "batch_tokens" not in self.facts else "a step in the log"
        why = f"{self._no_counter()}, and step x batch_tokens needs {lacks}"
        if any(self.settings.numbers(names, ("config",)) for names in rules.TOKENS_PLANNED):
            why += f"; tokens that were planned are there, but {doubt}"
        self.missing["n_tokens"] = why

    def _counted(self) -> Fact | None:
        """Tokens by a counter of the log: at its last step, or as its summary keeps it."""
        seen = self.settings.numbers(rules.TOKENS_SEEN, ("logged",))
        perhaps = self.settings.numbers(rules.TOKENS_PERHAPS, ("logged",))
        metric = {entry.key: entry.key.removeprefix("logged ") for entry in (*seen, *perhaps)}
        fell = [entry for entry in seen if metric[entry.key] not in self.logged.grew | self.logged.stepless]
        for entries, usable in ((seen, self.logged.grew), (perhaps, self.logged.counters)):
            found = [entry for entry in entries if metric[entry.key] in usable]
            if found:
                # Of several counters the largest has seen what the others have, and more of the end.
                entry = max(found, key=lambda one: float(one.value))
                return Fact("n_tokens", float(entry.value), "counted by the log up to its last step", (entry.key,))
        if fell:
            self.notes["n_tokens"] = f"{metric[fell[0].key]} counts tokens, and falls while the steps rise"
            return None
        names = (*rules.TOKENS_SEEN, *(name for name in rules.TOKENS_PERHAPS if "." in name or "total" in name))
        stepped = self.logged.last.keys() - self.logged.stepless  # of these, the values themselves say more
        kept = [
            entry
            for entry in self.settings.numbers(names, ("summary",))
            if entry.key.removeprefix("summary ") not in stepped
        ]
        if kept and (agreed := self._agreed("n_tokens", kept)) is not None:
            return Fact("n_tokens", float(agreed.value), "counted by the log", (agreed.key,))
        return None

    def _no_counter(self) -> str:
        """Why no metric counts tokens: there is none, or it does not grow as a counter does."""
        perhaps = [entry for name in rules.TOKENS_PERHAPS for entry in self.settings.find(name, ("logged",))]
        if not perhaps:
            return "no key counts them"
        name = perhaps[0].key.removeprefix("logged ")
        return f"{name} is logged and does not grow with the steps as a counter does"

    def _stepped(self) -> Fact | None:
        """Tokens by steps and batch; the axis of the log may be something else than steps of training."""
        batch = self.facts.get("batch_tokens")
        if batch is None or not self.logged.last_step:
            return None
        counter = self.step_counter()
        if counter is None:
            value = float(batch.value) * self.logged.last_step
            keys = (f"last step {self.logged.last_step}", *batch.keys)
            return Fact("n_tokens", value, "last step x batch_tokens", keys)
        value = float(batch.value) * float(counter.value)
        return Fact("n_tokens", value, "steps by their own counter x batch_tokens", (counter.key, *batch.keys))

    def step_counter(self) -> Entry | None:
        """A metric that counts steps of training and says another last step than the axis of the log."""
        for name in rules.STEPS_COUNTED:
            for entry in self.settings.find(name, ("logged",)):
                value = positive(entry.value)
                if value is None or entry.key.removeprefix("logged ") not in self.logged.grew:
                    continue
                return None if abs(value - (self.logged.last_step or 0)) <= 1 else Entry(entry.key, value)
        return None

    def _ended(self) -> tuple[bool, str]:
        """Whether the run went to its end, and why that is in doubt."""
        planned = self._first("planned steps", rules.STEPS_PLANNED)
        self.notes.pop("planned steps", None)
        last = self.logged.last_step
        if planned is not None and last is not None:
            if last >= planned.value or (self.finished and last >= _ENDED * planned.value):
                return True, ""
            return False, f"it ended at step {last} of {format_number(planned.value)}"
        return self.finished, "nothing says that the run went to its end"

    def _compute(self) -> None:
        places = (*_PLACES, "logged")
        if self._take("compute_flop", rules.COMPUTE, "given", places) or "compute_flop" in self.notes:
            self.missing |= {"compute_flop": ""} if "compute_flop" in self.notes else {}
            return
        if self._take("compute_flop", rules.GFLOP, "given in GFLOP", ("logged", "summary"), 1e9):
            return
        if {"n_params", "n_tokens"} <= self.facts.keys():
            return
        rule = "as the trainer counts it, without embeddings"
        if not self._take("compute_flop", rules.COMPUTE_OF_TRAINER, rule, ("summary", "about", "logged", "config")):
            self.missing["compute_flop"] = no_compute(self.facts) or ""

    def _rate(self) -> None:
        if self._take("learning_rate", rules.LEARNING_RATE, "given", ("config",)):
            return
        why = "no key says it"
        if logged := [e for name in rules.LEARNING_RATE_LOGGED for e in self.settings.find(name, ("logged",))]:
            why = f"no setting says it; the peak of {logged[0].key.removeprefix('logged ')}, which is logged, may be it"
        self.missing["learning_rate"] = why

    def _corpus(self) -> None:
        unclear: list[str] = []
        for name in rules.CORPUS:
            read = [(entry, corpus_of(entry.value)) for entry in self.settings.find(name, ("config",))]
            unclear += [entry.key for entry, corpus in read if corpus is None]
            if texts := [Entry(entry.key, corpus) for entry, corpus in read if corpus]:
                if (agreed := self._agreed("corpus", texts)) is not None:
                    stands = any(isinstance(e.value, str) and e.value.strip() == agreed.value for e, _ in read)
                    rule = "given" if stands else "given, as a list"
                    self.facts["corpus"] = Fact("corpus", str(agreed.value), rule, (agreed.key,))
                return
        if unclear:
            self.missing["corpus"] = f"{unclear[0]} is a list, and not one of names, or of a name for each weight"

    def _rest(self) -> None:
        found = self.settings
        self._corpus()
        for name, names in rules.PLAIN.items():
            for candidate in names:
                values = [
                    e for e in found.find(candidate, ("config",))
                    if isinstance(e.value, int | float | str) and not isinstance(e.value, bool) and e.value != ""
                ]  # fmt: skip
                if values and len({str(entry.value) for entry in values}) == 1:
                    value = values[0].value
                    kept = value if isinstance(value, str) else _finite(value)
                    if kept is not None:
                        self.facts[name] = Fact(name, kept, "given", (values[0].key,))
                    break


def no_compute(known: Container[str]) -> str | None:
    """Why there is no compute where no key says it and these facts are known; None where it follows."""
    lacks = [name for name in ("n_params", "n_tokens") if name not in known]
    return f"no key says it, and 6 N D needs {' and '.join(lacks)}" if lacks else None


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) < float("inf") else None
