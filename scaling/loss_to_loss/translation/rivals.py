"""Other laws through other maps: what a translation might have been, with the weight that both back-tests give it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scaling.errors import UsageError
from scaling.laws.law import Law
from scaling.loss_to_loss.translation.power_map import compose
from scaling.rivals import Rival

if TYPE_CHECKING:
    from scaling.results import Fit

Entry = tuple[Law, dict[str, float], float, Rival | None]

KEPT = 6  # rivals of a translation; each has a formula of its own that must be compiled
_WORTH_KEEPING = 0.005  # share of the weight


def translated_rivals(source: Fit, pair: Fit) -> tuple[Rival, ...]:
    """Put the law and its rivals into the map and its rivals.

    Parameters
    ----------
    source, pair : Fit
        The law and the map; one of them has rivals.

    Returns
    -------
    tuple of Rival
        The heaviest. A weight is the product of both; what was left out is shared out in proportion, so that the
        weights and that of the translation itself add up to 1. Then those that stand for the error of a floor that was
        given, of either side, which have no weight.
    """
    laws, maps = _forms(source), _forms(pair)
    own = max(laws[0][2], 0.0) * max(maps[0][2], 0.0)
    found = sorted(
        ((a[2] * b[2], i, j) for i, a in enumerate(laws) for j, b in enumerate(maps) if i or j),
        key=lambda entry: (-entry[0], entry[1:]),
    )
    out: list[Rival] = []
    for weight, i, j in found:
        if len(out) == KEPT or weight < _WORTH_KEEPING:
            break
        out += _put_into(laws[i], maps[j], weight, source, pair)
    total = own + sum(r.weight for r in out)
    forms = [replace(r, weight=r.weight / total) for r in out] if total > 0 else []
    ends = [_put_into(_entry(r), maps[0], 0.0, source, pair) for r in source.rivals if r.role != "form"]
    ends += [_put_into(laws[0], _entry(r), 0.0, source, pair) for r in pair.rivals if r.role != "form"]
    return (*forms, *(rival for found in ends for rival in found))


def _forms(fit: Fit) -> list[Entry]:
    """The fit itself, with the weight that is left to it, and the other forms."""
    others = [rival for rival in fit.rivals if rival.role == "form"]
    return [(fit.law, fit.estimates, 1 - sum(r.weight for r in others), None), *map(_entry, others)]


def _entry(rival: Rival) -> Entry:
    return rival.law, rival.estimates, rival.weight, rival


def _put_into(one: Entry, other: Entry, weight: float, source: Fit, pair: Fit) -> list[Rival]:
    """Put a law into a map, of which one is a rival; none where the formula gets too long."""
    try:
        made = compose(one[0], other[0], source.support, pair.support)
    except UsageError:
        return []
    values = dict(one[1]) | {made.renamed.get(k, k): v for k, v in other[1].items()}
    said = other[3] or one[3]
    assert said is not None
    goal = str(pair.objective if other[3] is None else said.objective)
    role = next((r.role for r in (one[3], other[3]) if r is not None and r.role != "form"), "form")
    return [Rival(made.law, values, weight, said.score, goal, role=role)]
