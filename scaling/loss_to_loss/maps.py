"""The forms of a map from one loss to another, as laws, and what each is fitted by.

A floor that is known is a number in the formula. So a map is a law like any other to the engine, and nothing there has
to know of parameters that are held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scaling.errors import UsageError, did_you_mean
from scaling.fitting.objective import Objective
from scaling.laws.book import find_family, find_law
from scaling.laws.law import Law
from scaling.loss_to_loss.floors import Floor

#: Names of the forms, in the order of the law book.
FORMS = ("shifted_power", "offset_power", "log_log", "affine", "quadratic", "log_quadratic")
#: Forms whose residuals are taken of logarithms; the others' are plain differences of losses.
_OF_LOGARITHMS = ("log_log", "log_quadratic")
_FLOORS = {"floor_x": "E_x", "floor_y": "E_y"}


def find_form(form: str) -> str:
    """Check the name of a form.

    Parameters
    ----------
    form : str
        One of `FORMS`.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        For any other name.
    """
    if form not in FORMS:
        raise UsageError(f"there is no map '{form}' of losses", hint=did_you_mean(form, (*FORMS, "auto")))
    return form


def map_law(form: str, floor_x: Floor | None = None, floor_y: Floor | None = None) -> Law:
    """Return a form as a law, with the floors that are known written into its formula.

    Parameters
    ----------
    form : str
        One of `FORMS`.
    floor_x, floor_y : Floor, optional
        Of the loss that is known and of the one that is predicted. A form without such a floor leaves it out.

    Returns
    -------
    Law
        Of one input ``x``; its output is ``y``.

    Raises
    ------
    UsageError
        For an unknown form.

    Examples
    --------
    >>> map_law("shifted_power", Floor(1.75), None).formula
    'K*(x - 1.75)**kappa + E_y'
    >>> map_law("affine", Floor(1.75), None).formula
    'a + b*x'
    """
    law = find_law(find_form(form))
    formula, names = law.formula, list(law.parameter_names)
    for given, name in ((floor_x, _FLOORS["floor_x"]), (floor_y, _FLOORS["floor_y"])):
        if given is not None and name in names:
            formula = formula.replace(name, repr(given.value))
            names.remove(name)
    kept = tuple(p for p in law.parameters if p.name in names)
    return replace(law, formula=formula, parameters=kept)


def map_objective(form: str, floor_x: Floor | None = None, floor_y: Floor | None = None) -> Objective:
    """Return what a form is fitted by: least squares, on the scale on which the form is a straight line or a parabola.

    Parameters
    ----------
    form : str
        One of `FORMS`.
    floor_x, floor_y : Floor, optional
        Those that are known.

    Returns
    -------
    Objective
        Of a shifted power law between two known floors the logarithms of what lies above the floor, where it is a
        straight line; with a floor still to be found, plain differences, as in arXiv:2411.12925.
    """
    if form == "shifted_power" and floor_x is not None and floor_y is not None:
        return Objective("squared", "log", floor=floor_y.value)
    return Objective("squared", "log" if form in _OF_LOGARITHMS else "linear")


def map_at(
    form: str, floor_x: Floor | None, floor_y: Floor | None
) -> Callable[[float], tuple[Law, Objective] | None] | None:
    """Say what a form is at a cut-off of a back-test, between the floors that were known there.

    Parameters
    ----------
    form : str
        One of `FORMS`.
    floor_x, floor_y : Floor, optional
        Those that are given.

    Returns
    -------
    callable or None
        From the largest budget that is left, FLOP, to the law and its objective; None there where a floor was not known
        yet. None in its place where no floor that the form uses has a course.
    """
    names = map_law(form).parameter_names
    given = [
        floor if name in names else None
        for floor, name in ((floor_x, _FLOORS["floor_x"]), (floor_y, _FLOORS["floor_y"]))
    ]
    if not any(floor is not None and floor.course for floor in given):
        return None

    def at(budget: float) -> tuple[Law, Objective] | None:
        then = [None if floor is None else floor.at(budget) for floor in given]
        if any(was is not None and now is None for was, now in zip(given, then, strict=True)):
            return None
        return map_law(form, *then), map_objective(form, *then)

    return at


def candidate_laws(floor_x: Floor | None, floor_y: Floor | None) -> list[Law]:
    """Return the forms that can stand for each other, as laws, those with fewer parameters first.

    Forms that the floors make equal stand once. With both floors free a shifted power law is left out: of the 30 pairs
    of corpora of arXiv:2411.12925, 76 to 86 runs each, one determines it without reservation and 13 not at all, and on
    none is it chosen; its kin with the floor of x at 0 says the same of the data. The constant of that one is what y
    would be at x = 0, which no floor of y is, so it is left free unless the form is asked for.
    """
    laws = [
        map_law(law.name) if law.name == "offset_power" else map_law(law.name, floor_x, floor_y)
        for law in find_family("loss_to_loss")
    ]
    gone = {"offset_power"} if floor_x is not None and floor_x.value == 0 and floor_y is None else set()
    gone |= {"shifted_power"} if floor_x is None and floor_y is None else set()
    laws = [law for law in laws if law.name not in gone]
    return sorted(laws, key=lambda law: len(law.parameters))
