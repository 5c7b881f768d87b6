"""What each objective promises and what it takes, told from the objective itself on a few examples."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from scaling.errors import UsageError, did_you_mean
from scaling.serial import plain
from scaling.valuation.catalogue import OBJECTIVES, make_objective
from scaling.valuation.guarantee import Guarantee

_N, _M, _MEMBERS = 12, 4, 100

#: What an objective needs beside the examples, by the name of the option, in words.
NEEDED = {
    "queries": "the embeddings of what is asked for",
    "private": "the embeddings of what is held already",
    "tokens": "the tokens of each example, and a law or a training budget",
    "probabilities": "the probability with which each example covers each concept, unless the rows are that",
}


@dataclass(frozen=True)
class Description:
    """An objective in words.

    Parameters
    ----------
    objective, what : str
        Name, and what it is in a line.
    guarantee : Guarantee
        With the options that were given, for sets of `k`.
    k : int
        Members for which the guarantee was asked.
    options : tuple of (str, object)
        Options and their defaults; None where there is none.
    needs : tuple of str
        Options without which it cannot be made.
    """

    objective: str
    what: str
    guarantee: Guarantee
    k: int
    options: tuple[tuple[str, Any], ...]
    needs: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "objective": self.objective,
            "what": self.what,
            "k": self.k,
            "guarantee": self.guarantee.to_dict(),
            "options": [{"option": name, "default": plain(default)} for name, default in self.options],
            "needs": [{"option": name, "what": NEEDED[name]} for name in self.needs],
        }


def describe_objective(name: str, k: int = _MEMBERS, **options: Any) -> Description:
    """Describe an objective.

    Parameters
    ----------
    name : str
        As the catalogue has it.
    k : int, default 100
        Members of the sets to come: the ratio of weakly submodular objectives falls with it.
    **options
        Of the objective: what it promises depends on some, such as the order q.

    Returns
    -------
    Description

    Raises
    ------
    UsageError
        For a name or an option that there is not.
    """
    if name not in OBJECTIVES:
        raise UsageError(f"There is no objective '{name}'.", did_you_mean(name, OBJECTIVES))
    if k < 1:
        raise UsageError(f"k is {k}: a whole number of members, from 1 on, is expected.")
    module, kind, line = OBJECTIVES[name]
    build = getattr(import_module(f"scaling.valuation.{module}"), kind).build
    known = {
        p.name: p.default for p in inspect.signature(build).parameters.values() if p.name not in ("X", "k", "name")
    }
    rows = np.random.default_rng(0).random((_N, _M))
    toys: dict[str, Any] = {}
    if "tokens" in known:  # a law or a budget is needed beside them, whichever is given
        law = options.keys() & {"amplitude", "fit", "training_tokens"}
        toys = {"tokens": np.ones(_N)} | ({} if law else {"training_tokens": 1e6})
        if options.keys() & {"amplitude", "fit"}:
            toys["start_tokens"] = 1.0
    elif "queries" in known:
        toys = {"queries": rows[:3]}
    elif "private" in known:
        toys = {"private": rows[:3]}
    made = make_objective(name, rows, k, **(toys | options))
    needs = tuple(option for option in NEEDED if option in known)
    return Description(name, line, made.guarantee, k, tuple(known.items()), needs)
