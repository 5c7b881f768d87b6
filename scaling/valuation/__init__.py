"""What data is worth, and which part of it to take: scores, selections, values, and their worth in random tokens.

Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.valuation.catalogue import make_objective
    from scaling.valuation.choosing.certificate import Certificate
    from scaling.valuation.choosing.entrance import select
    from scaling.valuation.choosing.selected import Selected
    from scaling.valuation.embeddings import as_embeddings
    from scaling.valuation.guarantee import Guarantee
    from scaling.valuation.objective import Objective

_PLACES = {
    "catalogue": ("make_objective",),
    "choosing.certificate": ("Certificate",),
    "choosing.entrance": ("select",),
    "choosing.selected": ("Selected",),
    "embeddings": ("as_embeddings",),
    "guarantee": ("Guarantee",),
    "objective": ("Objective",),
}
_HOMES = {name: f"scaling.valuation.{module}" for module, names in _PLACES.items() for name in names}

__all__ = [
    "Certificate",
    "Guarantee",
    "Objective",
    "Selected",
    "as_embeddings",
    "make_objective",
    "select",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling.valuation' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
