"""Task error over loss on the sweep of arXiv:2411.12925, and what it says of the runs of 1e21 FLOP.

Published: power laws and capped ones, with the floor that was published for each corpus. Ours: the form left open, and
chosen without the large runs. The loss of the large runs is measured in either case.
"""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.loss_to_loss import Floor, fit_accuracy, forecast_accuracy
from scaling.loss_to_loss.accuracy.flags import AT_CHANCE, NOT_YET, RISES, concern_of
from scaling.loss_to_loss.accuracy.laws import accuracy_law

CORPORA = {
    "FW": "fineweb-100b", "Edu": "fineweb-edu-100b", "PP2": "proof-pile-2", "Slim": "slimpajama-chunk1",
    "Smol": "smollm-corpus", "Star": "starcoder",
}  # fmt: skip
# Column, accuracy of guessing, and mean error at 1e21 of power law and capped one in points, as published fits have it.
TASKS = {
    "hellaswag": ("len_norm", 0.25, 8.4, 2.4),
    "arc_easy": ("acc", 0.25, 1.2, 2.6),
    "arc_challenge": ("len_norm", 0.25, 4.4, 2.6),
    "mmlu_humanities": ("len_norm", 0.25, 1.8, 0.5),
    "mmlu_other": ("len_norm", 0.25, 2.6, 1.6),
    "mmlu_social_sciences": ("len_norm", 0.25, 3.7, 2.1),
    "mmlu_stem": ("len_norm", 0.25, 1.8, 1.2),
    "piqa": ("len_norm", 0.5, 1.2, 2.0),
    "sciq": ("acc", 0.25, 1.5, 2.5),
    "openbook_qa": ("len_norm", 0.25, 1.1, 1.8),
    "winogrande": ("acc", 0.5, 1.4, 2.7),
    "olmo_suite": ("", (5 * 0.25 + 2 * 0.5) / 7, 0.6, 1.3),
}
# Error at 1e21 as the power law and as the capped one forecast it.
FORECASTS = {
    "arc_easy": {
        "FW": (0.378437, 0.403484), "Edu": (0.256722, 0.234968), "PP2": (0.466988, 0.486103),
        "Slim": (0.414637, 0.390081), "Smol": (0.268475, 0.24751), "Star": (0.611759, 0.633772),
    },
    "hellaswag": {
        "FW": (0.498016, 0.343036), "Edu": (0.504843, 0.357938), "PP2": (0.670759, 0.635974),
        "Slim": (0.572098, 0.422899), "Smol": (0.506194, 0.386804), "Star": (0.691552, 0.649664),
    },
}  # fmt: skip
PUBLISHED_START = {"K": 1.0, "kappa": 1.0, "E_y": 0.0, "cap": 1.0}


@pytest.fixture(scope="module")
def sweep(reference):
    """A function from task and corpus to losses, errors and budgets of the sweep, and loss and error at 1e21."""
    small, large, published = (
        pd.read_csv(reference("loss_to_loss", name))
        for name in ("sweep.csv", "extrapolation.csv", "opt_params_data.csv")
    )
    own = published[published.kaplan & (published.loss_name == "val_loss")].set_index("data").E

    def find(task, corpus):
        kind = TASKS[task][0] if task in TASKS else "acc"
        column = "olmo_suite_acc" if task == "olmo_suite" else f"eval/downstream/{task}_test_{kind}"
        name = CORPORA[corpus]
        runs, [big] = small[small.data == name], large[large.data == name].to_dict("records")
        error = 1 - runs[column].to_numpy(float)
        return (
            runs.val_loss.to_numpy(float), error, runs.iso_flop.to_numpy(float), big["val_loss"], 1 - big[column],
            Floor(float(own[name]), "E of the published law"),
        )  # fmt: skip

    return find


def at_large(form, floor, x, error, big, start=None):
    """Fit a form by least squares; the fit and what it forecasts."""
    law = accuracy_law(form, floor)
    start = None if start is None else {name: start[name] for name in law.parameter_names}
    fit = scaling.fit(law, {"x": x}, error, objective="squared", residual="linear", bootstrap=0, start=start)
    return fit, float(fit.evaluate({"x": [big]})[0, 0])


@pytest.mark.parametrize("task", FORECASTS)
def test_forecasts_of_power_law_and_capped_one(task, sweep):
    for corpus, expected in FORECASTS[task].items():
        x, error, _, big, _, floor = sweep(task, corpus)
        for form, value in zip(("power_error", "capped_power"), expected, strict=True):
            _, found = at_large(form, floor, x, error, big)
            assert found == pytest.approx(value, abs=0.005), (corpus, form)


@pytest.mark.slow
def test_mean_errors_of_all_tasks(sweep):
    """Of a task at chance the lowest objective of the capped law may plunge beyond the data, and says so."""
    runaway = []
    for task, (_, _, power, capped) in TASKS.items():
        missed = {"power_error": [], "capped_power": []}
        for corpus in CORPORA:
            x, error, _, big, truth, floor = sweep(task, corpus)
            for form, errors in missed.items():
                fit, found = at_large(form, floor, x, error, big)
                if abs(found - truth) > 0.2:
                    runaway.append((task, corpus, form, fit.verdict))
                    _, found = at_large(form, floor, x, error, big, PUBLISHED_START)
                errors.append(100 * abs(found - truth))
        means = {form: float(np.mean(errors)) for form, errors in missed.items()}
        assert means == pytest.approx({"power_error": power, "capped_power": capped}, abs=0.5), task
    assert runaway == [("arc_challenge", "Star", "capped_power", "not identified")]


def test_tasks_at_chance_and_tasks_that_rise_are_found(sweep):
    found = {}
    for task, about in TASKS.items():
        for corpus in CORPORA:
            x, error, budget, *_ = sweep(task, corpus)
            if (concern := concern_of(x, error, budget, about[1], None)) is not None:
                found.setdefault(concern[0], set()).add((task, corpus))
    assert found[RISES] == {("mmlu_humanities", "Star"), ("openbook_qa", "PP2")}
    assert found[AT_CHANCE] == {
        ("arc_challenge", "Star"), ("mmlu_humanities", "PP2"), ("mmlu_other", "Star"), ("mmlu_social_sciences", "Star"),
        ("openbook_qa", "Star"), ("winogrande", "Star"),
    }  # fmt: skip
    # None of these eight got far from chance at twenty times the compute either; of the weak ones some did.
    assert Counter(task for task, _ in found[NOT_YET]) == {"arc_challenge": 3, "mmlu_stem": 3, "winogrande": 1}


def test_boolq_is_not_extrapolated_from_most_corpora(sweep):
    kinds = []
    for corpus in CORPORA:
        x, error, budget, *_ = sweep("boolq", corpus)
        kinds.append((concern_of(x, error, budget, 0.5, None) or ("",))[0])
    assert kinds == [AT_CHANCE, AT_CHANCE, "", RISES, AT_CHANCE, ""]


def ours(sweep, tasks, bootstrap, corpora=tuple(CORPORA)):
    """Our forecasts of the large runs: one row a task and corpus."""
    rows = []
    for task in tasks:
        for corpus in corpora:
            x, error, budget, big, truth, floor = sweep(task, corpus)
            fit = fit_accuracy(x, error, floor_x=floor, chance=TASKS[task][1], budget=budget, bootstrap=bootstrap)
            said = forecast_accuracy(None, fit, {"x": big}, level=0.9, compute_flop=1e21, force=True)
            rows.append(
                {
                    "task": task, "corpus": corpus, "form": fit.law.name, "identified": fit.verdict != "not identified",
                    "missed": 100 * abs(said.accuracy - (1 - truth)), "inside": said.low <= 1 - truth <= said.high,
                    "half": 50 * (said.high - said.low), "factor": said.extrapolation_factor,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.slow
def test_our_default_on_the_mean_of_seven_tasks(sweep):
    found = ours(sweep, ["olmo_suite"], 60, ("FW", "PP2", "Star"))
    assert found.identified.all()
    assert found.factor.to_numpy() == pytest.approx(1e21 / 4.84e19, rel=1e-6)
    assert found.missed.mean() < 0.6
    assert found.inside.all()
    assert found.half.max() < 6.5


@pytest.mark.slow
def test_our_default_on_all_tasks(sweep):
    """1.95 points on average over 72, where the power law alone has 2.48 and the capped law of one start 1.94."""
    found = ours(sweep, TASKS, 200)
    assert found.missed.mean() < 2.05
    assert found.missed.max() < 7.5
    assert found.inside.mean() >= 0.85
    assert found.half.mean() < 7.2
    sure = found[found.identified]
    assert len(sure) == 64
    assert sure.missed.mean() < 2.2
    assert sure.inside.mean() >= 0.85
    assert sure.half.mean() < 6.8
    means = found.groupby("task").missed.mean()
    power = pd.Series({task: row[2] for task, row in TASKS.items()})
    capped = pd.Series({task: row[3] for task, row in TASKS.items()})
    assert means.mean() < power.mean() - 0.4
    # Never much worse than the better of the two, which of the two is better being known only afterwards.
    assert (means - np.minimum(power, capped)).max() < 1.4
    assert set(found.form) == {"power_error", "capped_power", "chance_power", "free_sigmoid", "chance_sigmoid"}
