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
        weights and that of the translation itself add up to 1.
    """
    laws = [(source.law, source.estimates, 1 - sum(r.weight for r in source.rivals), None), *map(_entry, source.rivals)]
    maps = [(pair.law, pair.estimates, 1 - sum(r.weight for r in pair.rivals), None), *map(_entry, pair.rivals)]
    own = max(laws[0][2], 0.0) * max(maps[0][2], 0.0)
    found = sorted(
        ((a[2] * b[2], i, j) for i, a in enumerate(laws) for j, b in enumerate(maps) if i or j),
        key=lambda entry: (-entry[0], entry[1:]),
    )
    out: list[Rival] = []
    for weight, i, j in found:
        if len(out) == KEPT or weight < _WORTH_KEEPING:
            break
        (law, estimates, _, one), (other, others, _, two) = laws[i], maps[j]
        try:
            made = compose(law, other, source.support, pair.support)
        except UsageError:  # too long to be a formula
            continue
        values = dict(estimates) | {made.renamed.get(k, k): v for k, v in others.items()}
        said = two or one
        assert said is not None
        out.append(Rival(made.law, values, weight, said.score, str(pair.objective if two is None else two.objective)))
    total = own + sum(r.weight for r in out)
    return tuple(replace(r, weight=r.weight / total) for r in out) if total > 0 else ()


def _entry(rival: Rival) -> tuple[Law, dict[str, float], float, Rival | None]:
    return rival.law, rival.estimates, rival.weight, rival
