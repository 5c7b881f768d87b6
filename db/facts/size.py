"""The size of a model by the settings that say its shape."""

from __future__ import annotations

from dataclasses import dataclass

from db.facts import rules
from db.facts.read import Entry, Settings
from db.facts.shapes import Family, Shape, count_parameters, family_of

#: No layer, width or vocabulary is as large; products of what is beyond are no numbers any more.
_LARGEST = 1e12


@dataclass(frozen=True)
class Sized:
    """A size that was counted.

    Parameters
    ----------
    total, layers : float or None
        Parameters with and without embeddings.
    rule : str
        How they were counted, as a clause.
    keys : tuple of str
        What was read.
    lacks : str
        Why there is none, as a clause.
    """

    total: float | None = None
    layers: float | None = None
    rule: str = ""
    keys: tuple[str, ...] = ()
    lacks: str = ""


class Sizing:
    """Counts the parameters of a model by its shape.

    Parameters
    ----------
    settings : Settings
        What its log says.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._disagree = ""

    def count(self) -> Sized:
        """Count, or say what is lacking."""
        wanted = {"layers": rules.LAYERS, "width": rules.WIDTH, "vocabulary": rules.VOCABULARY}
        main = {name: self._whole(groups) for name, groups in wanted.items()}
        if self._disagree:
            return Sized(lacks=self._disagree)
        if lacking := [name for name, entry in main.items() if entry is None]:
            listed = " and ".join([", ".join(lacking[:-1]), lacking[-1]] if lacking[1:] else lacking)
            return Sized(lacks=f"its shape lacks {listed}")
        experts = [e for e in self._settings.numbers(rules.EXPERTS, ("config",)) if e.value > 1]
        if experts:
            return Sized(lacks=f"it is a mixture ({experts[0].key}), whose shape does not tell")
        heads = {"heads": rules.HEADS, "kv_heads": rules.KV_HEADS, "head_width": rules.HEAD_WIDTH}
        others = {"inner": rules.INNER} | heads
        more = {name: entry for name, groups in others.items() if (entry := self._whole(groups)) is not None}
        name, named = self._family()
        family = named or Family(gated=self._flag(rules.GATED) is True)
        tied = self._flag(rules.TIED)
        if tied is None and (untied := self._flag(rules.UNTIED)) is not None:
            tied = not untied
        positions = self._whole(rules.POSITIONS) if family.positions else None
        if self._disagree:
            return Sized(lacks=self._disagree)
        if family.positions and positions is None:
            return Sized(lacks="its shape lacks the number of positions")
        layers, width, vocabulary = (entry for entry in main.values() if entry is not None)
        shape = Shape(
            int(layers.value), int(width.value), int(vocabulary.value),
            **{part: int(entry.value) for part, entry in more.items()},
            positions=int(positions.value) if positions else None, family=family,
            tied=tied if tied is not None else (named.tied if named else True),
        )  # fmt: skip
        parts, total = count_parameters(shape)
        rule = f"counted by the shape of a {name} model" if named else (
            f"estimated by the shape: feed-forward parts of {'three' if family.gated else 'two'} matrices, no biases, "
            f"output layer {'tied' if shape.tied else 'apart'}"
        )  # fmt: skip
        used = [layers, width, vocabulary, *more.values(), *([positions] if positions else [])]
        return Sized(total, parts, rule, tuple(entry.key for entry in used))

    def _whole(self, groups: rules.Groups) -> Entry | None:
        """The one whole number that a group gives; that of a part of a layer is not that of the model."""
        for names in groups:
            plain = {name for name in names if "." not in name}
            entries = [
                entry
                for entry in self._settings.numbers(names, ("config",))
                if entry.value.is_integer()
                and entry.value <= _LARGEST
                and (not plain or names in _OF_PARTS or not _inside(entry.key))
            ]
            if entries:
                if len({entry.value for entry in entries}) > 1:
                    told = ", ".join(f"{entry.key} = {entry.value:g}" for entry in entries[:4])
                    self._disagree = f"keys of its shape disagree: {told}"
                return entries[0]
        return None

    def _family(self) -> tuple[str, Family | None]:
        for name in rules.ARCHITECTURE:
            for entry in self._settings.find(name, ("config",)):
                value = entry.value[0] if isinstance(entry.value, list) and entry.value else entry.value
                if isinstance(value, str) and (family := family_of(value)) is not None:
                    return value, family
        return "", None

    def _flag(self, names: tuple[str, ...]) -> bool | None:
        for name in names:
            for entry in self._settings.find(name, ("config",)):
                if isinstance(entry.value, bool):
                    return entry.value
                if str(entry.value).lower() in ("true", "false"):
                    return str(entry.value).lower() == "true"
        return None


# Settings that belong to a part of a layer wherever they stand.
_OF_PARTS = (*rules.INNER, *rules.HEADS, *rules.KV_HEADS, *rules.HEAD_WIDTH)


def _inside(key: str) -> bool:
    """Whether a key stands in a part of a layer."""
    return any(part in rules.INSIDE for part in key.partition(" ")[2].lower().replace("/", ".").split(".")[:-1])
