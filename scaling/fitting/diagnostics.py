"""Judge a fit: named answers, and a verdict from a short list of words.

``ok``
    Nothing found that should stop you.
``weak``
    Usable inside the data; read the reasons before you extrapolate.
``not identified``
    The data do not determine the parameters. Many other values fit as well, and they disagree outside the data.
``extrapolating x37``
    Said of a forecast: the target lies 37 times beyond the data.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from scaling.formatting import format_number, format_plural
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

SPARE_ROWS = 3  # rows <= parameters + 3 leave too little to judge the law by
CONDITION_LIMIT = 1e7  # half the digits of a double: beyond it a direction is numerically undetermined
WIDE_LOG_ERROR = 3.0  # a standard error of 3 in ln(amplitude) is a factor of 20 either way
STRUCTURE_P = 1e-4
LACK_OF_FIT_P = 1e-4
AMPLITUDE_CORRELATION = 0.999  # the variance of each is 500 times what it were if the other were known
FEW_GROUPS = 20  # intervals of fewer clusters rest on their widening for so few: docs/trust.md
LEAST_GROUPS = 5  # a draw of four clusters has 35 outcomes, of two it has three
FEW_REPLICATES = 40  # fewer leave less than one replicate beyond each end of a 95 % interval


@dataclass(frozen=True)
class Diagnostics:
    """What is known about a fit, beyond its numbers.

    Parameters
    ----------
    converged : bool
        No step lowers the objective any more.
    starts, starts_at_optimum : int
        Starting values polished, and how many of them ended at the optimum.
    enough_rows : bool
        More rows than parameters + 3.
    points : int
        Different inputs among the rows; 0 where that is not known, as in fits of earlier releases.
    enough_points : bool
        More of them than parameters + 3: the same inputs over and over determine no more of a law.
    constant_inputs : tuple of str
        Inputs that have one value in all rows.
    at_bound : tuple of str
        Parameters that a bound holds.
    condition_number : float
        Of the scaled Jacobian; see `scaling.fitting.intervals.Covariance`.
    largest_correlation : float
        Between two estimates, in size; `correlated` names the two.
    correlated : tuple of str
        The pair.
    wide : tuple of str
        Parameters that the data do not determine to better than a factor of 20 or to a quarter of their range.
    residual_rms : float
        Root mean square of the residuals, in the unit of the objective's residual.
    structure_p : float
        Chance of the trend (quadratic in the logarithms of the inputs) left in the residuals if there were none; NaN
        where there are too few rows to tell.
    replicates : int
        Bootstrap replicates.
    replicates_converged, replicates_at_bound : float
        Their shares; NaN without a bootstrap.
    groups : int
        Clusters that were resampled; 0 for single rows.
    groups_of_one : int
        Those of them with one row.
    line_slope : float
        Where ln N and ln D of all rows lie on one line: how D grows with N there (1 where all runs have one ratio D/N,
        -1 for one compute budget). NaN where they do not.
    amplitude_correlation : float
        The largest correlation, in size, of an amplitude with an exponent, where the amplitude is the size of its term
        in the middle of the data; `amplitude_pair` names the two. (At N = 1, where amplitudes are written, even good
        data leave a correlation of .999.)
    amplitude_pair : tuple of str
        The pair.
    profile_open : tuple of str
        Parameters whose 95 % profile likelihood does not close: some value at a bound, or very far away, fits the data
        about as well. Looked for only where other signs point at it; see `scaling.fitting.held.open_parameters`.
    replicate_degrees : int
        Rows beyond the first at the same inputs, seed replicates for example: degrees of freedom of pure error.
    replicate_rms : float
        Scatter of such rows around their mean, in the unit of the residual; NaN without any.
    lack_of_fit_p : float
        Chance that the law, if it were true, missed the means of such rows by as much as it does; NaN without any, and
        for ``pinball`` and ``asymmetric``, whose curve is not meant to meet means.
    concerns : tuple of (str, str)
        What is known from elsewhere than the fit: the verdict that it leads to, and a sentence. Such as of a map of
        losses, that its target rises with compute.
    curve_only : bool
        Whether the curve is what was asked for and its parameters are not, as of a capability boundary, whose
        parameters trade against each other and often lie at ends that scores have by nature. Then parameters that are
        open, held or correlated are no findings, and neither are trends of residuals, which lie around no mean.
    """

    converged: bool
    starts: int
    starts_at_optimum: int
    enough_rows: bool
    constant_inputs: tuple[str, ...]
    at_bound: tuple[str, ...]
    condition_number: float
    largest_correlation: float
    correlated: tuple[str, ...]
    wide: tuple[str, ...]
    residual_rms: float
    structure_p: float
    replicates: int
    replicates_converged: float
    replicates_at_bound: float
    groups: int
    groups_of_one: int = 0
    line_slope: float = math.nan
    amplitude_correlation: float = math.nan
    amplitude_pair: tuple[str, ...] = ()
    profile_open: tuple[str, ...] = ()
    replicate_degrees: int = 0
    replicate_rms: float = math.nan
    lack_of_fit_p: float = math.nan
    points: int = 0
    enough_points: bool = True
    concerns: tuple[tuple[str, str], ...] = ()
    curve_only: bool = False

    @property
    def inputs_in_a_line(self) -> bool:
        """Whether N and D of all rows grow together along one line, so that their effects cannot be told apart."""
        return self.line_slope > 0

    @property
    def one_budget(self) -> bool:
        """Whether N and D of all rows lie on one line along which D falls as N grows, as at one compute budget."""
        return self.line_slope < 0

    @property
    def fits_replicates(self) -> bool:
        """Whether the law meets the means of repeated rows; True where there are none."""
        return not self.lack_of_fit_p < LACK_OF_FIT_P

    @property
    def amplitudes_separable(self) -> bool:
        """Whether amplitudes and exponents are told apart; True where there are none."""
        return not self.amplitude_correlation > AMPLITUDE_CORRELATION

    @property
    def profiles_close(self) -> bool:
        """Whether no profile likelihood that was looked at stays open."""
        return not self.profile_open

    @property
    def groups_are_rows(self) -> bool:
        """Whether every group has one row, so that resampling groups is resampling rows."""
        return self.groups > 0 and self.groups_of_one == self.groups

    @property
    def well_conditioned(self) -> bool:
        """Whether every direction in the space of parameters is determined numerically."""
        return self.condition_number < CONDITION_LIMIT

    @property
    def optimum_is_repeatable(self) -> bool:
        """Whether more than one start found the optimum, or only one was asked for."""
        return self.starts_at_optimum > 1 or self.starts == 1

    @property
    def residuals_unstructured(self) -> bool:
        """Whether the residuals show no trend; True where there are too few rows to tell."""
        return not self.structure_p < STRUCTURE_P

    @property
    def bootstrap_sound(self) -> bool:
        """Whether nearly all replicates have an optimum inside the bounds; True without a bootstrap."""
        return not (self.replicates_converged < 0.98 or self.replicates_at_bound > 0.1)

    @property
    def _unsound_shares(self) -> list[str]:
        """Of the two shares that make a bootstrap sound, those that are bad."""
        converged = f"only {100 * self.replicates_converged:.3g} % converged"
        held = f"{100 * self.replicates_at_bound:.3g} % ended at a bound"
        bad = [converged] if self.replicates_converged < 0.98 else []
        return [*bad, held] if self.replicates_at_bound > 0.1 and not self.curve_only else bad

    @property
    def undetermined(self) -> tuple[str, ...]:
        """Parameters that the data leave wide open, or that only a bound holds, or would."""
        return tuple(dict.fromkeys((*self.wide, *self.at_bound, *self.profile_open)))

    @property
    def enough_groups(self) -> bool:
        """Whether clusters, if there are any, are enough to be resampled."""
        return self.groups == 0 or self.groups >= FEW_GROUPS

    @property
    def verdict(self) -> str:
        """One of ``ok``, ``weak``, ``not identified``."""
        if any(word == NOT_IDENTIFIED for word, _ in self.findings):
            return NOT_IDENTIFIED
        return WEAK if self.findings else OK

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each finding behind the verdict."""
        return tuple(sentence for _, sentence in self.findings)

    @property
    def findings(self) -> list[tuple[str, str]]:
        """What was found, as pairs of the verdict it leads to and a sentence."""
        found = list(self.concerns)
        parameters = not self.curve_only

        def note(word: str, sentence: str) -> None:
            found.append((word, sentence))

        if not self.enough_rows:
            note(NOT_IDENTIFIED, f"There are too few rows: at most {SPARE_ROWS} more than parameters.")
        elif not self.enough_points and not self.constant_inputs:
            note(
                NOT_IDENTIFIED,
                f"The rows have only {format_plural(self.points, 'different input')}: at most {SPARE_ROWS} more than "
                "parameters, however often each was run.",
            )
        for name in self.constant_inputs:
            note(NOT_IDENTIFIED, f"All rows have the same {name}, so its effect cannot be seen.")
        if parameters and not self.well_conditioned and not self.constant_inputs:
            note(
                NOT_IDENTIFIED,
                "Some combination of parameters leaves the fit unchanged "
                f"(condition number {format_number(self.condition_number, 2)}).",
            )
        astray = self.replicates_at_bound > 0.5 and not self.at_bound
        if self.replicates_converged < 0.8 or (parameters and astray):
            note(
                NOT_IDENTIFIED,
                "Drawn again, the rows give other parameters altogether: of the bootstrap replicates "
                f"{100 * self.replicates_converged:.0f} % converged "
                f"and {100 * self.replicates_at_bound:.0f} % ended at a bound.",
            )
        elif self.replicates_converged < 0.98 or (parameters and not self.bootstrap_sound):
            note(
                WEAK,
                f"Of the bootstrap replicates {' and '.join(self._unsound_shares)}.",
            )
        if 0 < self.replicates < FEW_REPLICATES:
            note(WEAK, f"There are only {self.replicates} bootstrap replicates; ends of intervals rest on one or two.")
        if not self.converged:
            note(WEAK, "The optimum was not reached: steps still lower the objective, or the parameters run away.")
        if not parameters:
            pass
        elif len(self.undetermined) > 1:
            note(
                NOT_IDENTIFIED, f"The data do not determine {_names(self.undetermined)}: wide open, or held by a bound."
            )
        elif self.at_bound:
            note(WEAK, f"A bound holds {self.at_bound[0]}; its error is not known.")
        elif self.profile_open:
            note(
                WEAK,
                f"The profile likelihood of {self.profile_open[0]} does not close: values at a bound, or very far off, "
                "fit about as well.",
            )
        elif self.wide and self.well_conditioned:
            note(WEAK, f"The data hardly determine {self.wide[0]}.")
        if not self.optimum_is_repeatable:
            note(WEAK, f"Only one of {self.starts} starts reached the optimum; there may be a better one.")
        if parameters and not self.residuals_unstructured:
            note(
                WEAK,
                "The residuals show a trend that chance would not leave "
                f"(p = {format_number(self.structure_p, 1)}): the law does not quite have the shape of the data.",
            )
        if self.inputs_in_a_line:
            note(
                NOT_IDENTIFIED,
                "N and D of all rows lie on one line, D growing as N to the power "
                f"{format_number(self.line_slope, 2)}: what each of them does cannot be told apart.",
            )
        if self.one_budget:
            # Intervals were found too narrow there wherever a parameter was hardly determined.
            note(
                NOT_IDENTIFIED if self.undetermined else WEAK,
                "N and D of all rows lie on one line, as at one compute budget: away from it a forecast rests on the "
                "form of the law alone.",
            )
        if parameters and not self.amplitudes_separable and not self.wide:
            note(
                WEAK,
                f"{_names(self.amplitude_pair)} are estimated as one: their correlation in the middle of the data is "
                f"{format_number(self.amplitude_correlation)}.",
            )
        if not self.fits_replicates:
            note(
                WEAK,
                "The law misses the means of repeated rows by more than these scatter "
                f"(p = {format_number(self.lack_of_fit_p, 1)}).",
            )
        if 0 < self.groups < LEAST_GROUPS:
            note(
                NOT_IDENTIFIED,
                f"There are only {self.groups} groups, and fewer than {LEAST_GROUPS} cannot say how far groups "
                "scatter.",
            )
        elif not self.enough_groups:
            note(
                WEAK,
                f"There are only {self.groups} groups, which tell their own scatter badly; bootstrap intervals are "
                "widened for that: with 12 groups, those at 90 % held the truth in 87 to 91 % of simulated sweeps.",
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> Diagnostics:
        """Read plain data back."""
        values: dict[str, Any] = {
            f.name: table[f.name] for f in fields(cls) if f.name in table or f.default is MISSING
        }  # fits saved by earlier releases lack the later fields
        for key, value in values.items():
            values[key] = tuple(value) if isinstance(value, list) else value
        values["concerns"] = tuple((str(word), str(sentence)) for word, sentence in values.get("concerns", ()))
        return cls(**values)


def _names(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
