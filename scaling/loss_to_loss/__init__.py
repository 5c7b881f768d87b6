"""Loss to loss: predict one loss from another, across corpora, test sets and tasks.

A map gives a loss y from a loss x. Between two corpora it is fitted to pairs of runs of the same size and length; from
a train loss to a test loss, to runs that have both. It is a law of one input, so everything that holds for a
`scaling.Fit` holds for it.

Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.loss_to_loss.accuracy.fit import fit_accuracy
    from scaling.loss_to_loss.accuracy.forecast import AccuracyForecast, forecast_accuracy
    from scaling.loss_to_loss.floors import Floor
    from scaling.loss_to_loss.forecast import MapForecast, forecast_map
    from scaling.loss_to_loss.maps import FORMS, map_law
    from scaling.loss_to_loss.matching import Pairs, match_runs
    from scaling.loss_to_loss.pairs import fit_pairs
    from scaling.loss_to_loss.purchase.plan import plan_pairs
    from scaling.loss_to_loss.ranking.backtest import backtest_ranking
    from scaling.loss_to_loss.ranking.rank import rank_corpora
    from scaling.loss_to_loss.translation.translate import translate

_HOMES = {
    "AccuracyForecast": "scaling.loss_to_loss.accuracy.forecast",
    "FORMS": "scaling.loss_to_loss.maps",
    "Floor": "scaling.loss_to_loss.floors",
    "MapForecast": "scaling.loss_to_loss.forecast",
    "Pairs": "scaling.loss_to_loss.matching",
    "backtest_ranking": "scaling.loss_to_loss.ranking.backtest",
    "fit_accuracy": "scaling.loss_to_loss.accuracy.fit",
    "forecast_accuracy": "scaling.loss_to_loss.accuracy.forecast",
    "fit_pairs": "scaling.loss_to_loss.pairs",
    "forecast_map": "scaling.loss_to_loss.forecast",
    "map_law": "scaling.loss_to_loss.maps",
    "match_runs": "scaling.loss_to_loss.matching",
    "plan_pairs": "scaling.loss_to_loss.purchase.plan",
    "rank_corpora": "scaling.loss_to_loss.ranking.rank",
    "translate": "scaling.loss_to_loss.translation.translate",
}

__all__ = [
    "FORMS",
    "AccuracyForecast",
    "Floor",
    "MapForecast",
    "Pairs",
    "backtest_ranking",
    "fit_accuracy",
    "fit_pairs",
    "forecast_accuracy",
    "forecast_map",
    "map_law",
    "match_runs",
    "plan_pairs",
    "rank_corpora",
    "translate",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling.loss_to_loss' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
