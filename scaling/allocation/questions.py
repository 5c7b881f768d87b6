"""Which question about a loss(N, D) law a set of options asks, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scaling.allocation.allocate import Allocation, allocate, curve
from scaling.allocation.cost import SIX_N_D, CostModel
from scaling.allocation.deadweight import catch_up, overhead
from scaling.allocation.decision import Decision
from scaling.allocation.given import compute_for_loss, given_params, given_tokens
from scaling.errors import UsageError
from scaling.results import Fit
from scaling.verdicts import OK, WEAK

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Question:
    """What is known, and what is wanted.

    Parameters
    ----------
    flops, losses : tuple of float
        Budgets, or losses to reach.
    params, tokens : tuple of float
        What is fixed beforehand: at most one of the two.
    plan_params, plan_tokens : tuple of float
        Models chosen already, whose overhead is wanted; as many of both.
    size_factors : tuple of float
        Sizes, in multiples of a model chosen (or of the optimum of a budget), that are to catch up with it.
    ends : (float, float), optional
        Smallest and largest budget of a whole curve.
    points : int, default 25
        Budgets on the curve.

    Raises
    ------
    UsageError
        Where that asks for nothing, or for several things at once.
    """

    flops: Numbers = ()
    losses: Numbers = ()
    params: Numbers = ()
    tokens: Numbers = ()
    plan_params: Numbers = ()
    plan_tokens: Numbers = ()
    size_factors: Numbers = ()
    ends: tuple[float, float] | None = None
    points: int = 25

    @property
    def splits(self) -> bool:
        """Whether the best split of budgets is asked for, and nothing else."""
        return bool(self.flops or self.ends) and not (self.params or self.tokens or self.size_factors)

    def __post_init__(self) -> None:
        plans = self.plan_params or self.plan_tokens
        options = {"--flops": self.flops, "--loss": self.losses, "--curve": self.ends, "--plan-params": plans}
        asked = [option for option, given in options.items() if given]
        if (self.params or self.tokens) and not (self.flops or self.losses):
            raise UsageError("Given parameters or tokens need a budget or a loss.", "Add --flops or --loss.")
        if not asked:
            raise UsageError(
                "Nothing to allocate.",
                "Give budgets (--flops), losses to reach (--loss), a range of budgets (--curve), "
                "or models (--plan-params with --plan-tokens).",
            )
        if len(asked) > 1:
            raise UsageError(f"{asked[0]} and {asked[1]} ask different questions.", "Ask one at a time.")
        if self.params and self.tokens:
            raise UsageError(
                "With the parameters and the tokens both given, nothing is left to choose.",
                "See what such a model reaches with scaling forecast, or what it wastes with --plan-params and "
                "--plan-tokens.",
            )
        if self.size_factors and (self.params or self.tokens or self.losses or self.ends):
            raise UsageError(
                "A model to catch up with is a chosen one, or the optimum of a budget.",
                "Give --plan-params and --plan-tokens, or --flops alone.",
            )
        if len(self.plan_params) != len(self.plan_tokens):
            raise UsageError(
                f"There are {len(self.plan_params)} --plan-params and {len(self.plan_tokens)} --plan-tokens.",
                "Give both for each model.",
            )


def ask(
    fit: Fit,
    question: Question,
    level: float = 0.95,
    force: bool = False,
    cost: CostModel = SIX_N_D,
    untied: Fit | None = None,
) -> Allocation | Decision:
    """Answer a question about the allocation of compute.

    Parameters
    ----------
    fit : Fit
        Of a law with the inputs N and D.
    question : Question
        What is wanted.
    level, force, cost, untied
        As of `scaling.allocation.allocate.allocate`; `untied` is for splits alone.

    Returns
    -------
    Allocation or Decision
        The former for the best split of budgets, the latter for everything else.

    Raises
    ------
    UsageError, VerdictError
        As the function that answers it.
    """
    q = question
    if q.size_factors:
        return _catch_up(fit, q, level, force, cost)
    if q.plan_params:
        return overhead(fit, q.plan_params, q.plan_tokens, level, force, cost)
    if q.params or q.tokens:
        given, size = (given_params, q.params) if q.params else (given_tokens, q.tokens)
        return given(
            fit, size, compute_flop=q.flops or None, loss=q.losses or None, level=level, force=force, cost=cost
        )
    if q.losses:
        return compute_for_loss(fit, q.losses, level, force, cost)
    if q.ends is not None:
        return curve(fit, *q.ends, q.points, level, force, cost, untied)
    return allocate(fit, q.flops, level, force, cost, untied)


def _catch_up(fit: Fit, question: Question, level: float, force: bool, cost: CostModel) -> Decision:
    """Set every size against every model: those chosen, or the optima of the budgets."""
    params, tokens = question.plan_params, question.plan_tokens
    reasons: tuple[str, ...] = ()
    if question.flops:
        best = allocate(fit, question.flops, level, force, cost)
        params, tokens, reasons = tuple(best.n_params), tuple(best.n_tokens), best.reasons
    triples = [(n, d, k) for n, d in zip(params, tokens, strict=True) for k in question.size_factors]
    n, d, factor = (list(column) for column in zip(*triples, strict=True))
    answer = catch_up(fit, n, d, factor, level, force, cost)
    # A model that was chosen is taken as it is; an optimum is only as good as the form that it rests on.
    return replace(answer, reasons=reasons, verdict=WEAK if reasons and answer.verdict == OK else answer.verdict)
