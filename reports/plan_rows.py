"""A plan of runs to buy as a row for programs; people read its summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.planning.plan import Plan


def plan_row(name: str, plan: Plan) -> dict[str, Any]:
    """Return a plan as one row object.

    Parameters
    ----------
    name : str
        Of the fit.
    plan : Plan
        The plan.

    Returns
    -------
    dict
        With the runs to buy and the ways to spend the budget as lists of objects.
    """
    return {"fit": name} | plan.to_dict()
