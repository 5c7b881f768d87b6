"""The forms of the error on a task over a loss, with what is known of the task written into their formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scaling.errors import UsageError, did_you_mean
from scaling.fitting.objective import Objective
from scaling.laws.book import find_law
from scaling.laws.law import Law
from scaling.laws.parameter import Parameter
from scaling.loss_to_loss.floors import Floor

#: Forms of the error, and the law of the book that each is, with its names for other quantities.
ACCURACY_FORMS = (
    "power_error",
    "capped_power",
    "chance_power",
    "free_sigmoid",
    "chance_sigmoid",
    "downstream_error",
)
#: Those that fall from the error of guessing, so that nobody can fit them who does not know it.
NEED_CHANCE = ("chance_power", "chance_sigmoid")
#: Those that have a floor of the loss.
HAVE_FLOOR = ("power_error", "capped_power", "chance_power")

#: Differences of shares count as they are: a loss has no natural zero to come near, a share of wrong answers has.
GOAL = Objective("squared", "linear")
_OUTPUT, _UNIT = "error", "share of wrong answers"
_TOP = {"chance_power": "cap", "chance_sigmoid": "chance_error"}
_BOOK = {
    "power_error": "shifted_power",
    "capped_power": "capped_power",
    "chance_power": "capped_power",
    "free_sigmoid": "chance_sigmoid",
    "chance_sigmoid": "chance_sigmoid",
    "downstream_error": "downstream_error",
}
_TITLES = {
    "power_error": "Task error from loss, a power law",
    "chance_power": "Task error from loss, a power law under the error of guessing",
    "free_sigmoid": "Task error from loss, a sigmoid between two levels",
}
_MEANINGS = {"K": "size of the power law", "E_y": "error that is left at low losses"}


def find_accuracy_form(form: str, chance: float | None) -> str:
    """Check the name of a form, and that what it needs is known.

    Parameters
    ----------
    form : str
        One of `ACCURACY_FORMS`.
    chance : float, optional
        Accuracy of guessing.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        For any other name, and for a form that falls from chance where chance is not known.
    """
    if form not in ACCURACY_FORMS:
        raise UsageError(
            f"there is no form '{form}' of the error over a loss", hint=did_you_mean(form, (*ACCURACY_FORMS, "auto"))
        )
    if form in NEED_CHANCE and chance is None:
        raise UsageError(
            f"the form '{form}' falls from the error of guessing, which is not known",
            hint="Give the accuracy of guessing, such as 0.25 for four choices (chance=, --chance).",
        )
    return form


def accuracy_law(form: str, floor_x: Floor | None = None, chance: float | None = None, zeros: bool = False) -> Law:
    """Return a form as a law of one loss, ``x``, with the output ``error``.

    Parameters
    ----------
    form : str
        One of `ACCURACY_FORMS`.
    floor_x : Floor, optional
        What the loss cannot go below: a number in the formulas of `HAVE_FLOOR`. Where missing it is 0, because no
        handful of accuracies determines it.
    chance : float, optional
        Accuracy of guessing; 1 - `chance` is a number in the formulas of `NEED_CHANCE`.

    zeros : bool, default False
        Whether a run without a wrong answer is among the data. What is left at low losses is then not held below the
        lowest error, which is 0, but below a twentieth of the highest.

    Returns
    -------
    Law

    Raises
    ------
    UsageError
        As of `find_accuracy_form`.

    Examples
    --------
    >>> accuracy_law("power_error", Floor(1.75)).formula
    'K*(x - 1.75)**kappa + E_y'
    >>> accuracy_law("chance_sigmoid", chance=0.25).formula
    'E_y + (0.75 - E_y)*sigmoid(s*(x - x_0))'
    """
    law = find_law(_BOOK[find_accuracy_form(form, chance)])
    formula, parameters = law.formula, list(law.parameters)
    if form in HAVE_FLOOR:
        floor = 0.0 if floor_x is None else floor_x.value
        formula = formula.replace("E_x", repr(floor)) if floor > 0 else formula.replace("(x - E_x)", "x")
        parameters = [p for p in parameters if p.name != "E_x"]
    if form in NEED_CHANCE and chance is not None:
        formula = formula.replace(_TOP[form], repr(1 - chance))
        parameters = [p for p in parameters if p.name != _TOP[form]]
    if form == "downstream_error":
        formula = formula.replace("*L", "*x")
    return replace(
        law,
        name=form,
        title=_TITLES.get(form, law.title),
        formula=formula,
        inputs={"x": "nats/token"},
        parameters=tuple(_of_error(p, form, zeros) for p in parameters),
        output=_OUTPUT,
        unit=_UNIT,
    )


def accuracy_at(
    form: str, floor_x: Floor | None, chance: float | None = None, zeros: bool = False
) -> Callable[[float], tuple[Law, Objective]] | None:
    """Say what a form is at a cut-off of a back-test, above the floor that was known there; none is 0, as without one.

    Parameters
    ----------
    form, floor_x, chance, zeros
        As of `accuracy_law`.

    Returns
    -------
    callable or None
        From the largest budget that is left, FLOP, to the law and its objective; None where the floor has no course, or
        the form no floor.
    """
    if floor_x is None or not floor_x.course or form not in HAVE_FLOOR:
        return None
    return lambda budget: (accuracy_law(form, floor_x.at(budget), chance, zeros), GOAL)


def candidate_forms(chance: float | None, asked: str | None = None) -> tuple[str, ...]:
    """Return the forms that are tried beside each other, those with fewer parameters first.

    Parameters
    ----------
    chance : float, optional
        Accuracy of guessing; without it no form falls from there.
    asked : str, optional
        A form that is to be among them.

    Returns
    -------
    tuple of str
        All but ``downstream_error``, unless it is asked for: it has no floor and falls through 0. With it among them,
        forecasts of the largest budget of the sweep of arXiv:2411.12925 from a tenth of it missed by 1.45 points on
        average over 66 tasks and corpora, without it by 1.17.
    """
    forms = [form for form in ACCURACY_FORMS if chance is not None or form not in NEED_CHANCE]
    forms = [form for form in forms if form != "downstream_error" or asked == form]
    return tuple(sorted(forms, key=lambda form: len(accuracy_law(form, None, chance).parameters)))


def _of_error(parameter: Parameter, form: str, zeros: bool) -> Parameter:
    """Bounds of a share: what is left cannot exceed the lowest error seen, and no error is above 1."""
    if parameter.name == "E_y":
        most = "0.05 * max(error)" if zeros else "min(error)"
        return replace(parameter, low=0, high=most, meaning=_MEANINGS["E_y"])
    if parameter.name == "K" and form == "power_error":
        return replace(parameter, high=1e3, meaning=_MEANINGS["K"])
    if parameter.name == "kappa" and form == "power_error":
        return replace(parameter, screen=(0.05, 3), meaning="exponent")
    return replace(parameter, high=1) if parameter.name == "eps" else parameter
