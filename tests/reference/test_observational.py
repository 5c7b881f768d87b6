"""Observational scaling on the models of arXiv:2405.10938: its components, families and emergent tasks.

The published analysis has 77 base models of 21 families. The table that its authors keep has grown since: three later
models of those families are left out here by name.
"""

import itertools

import numpy as np
import pandas as pd
import pytest

from scaling.boundary.observational import analyse, fit_components, fit_link, select_families
from scaling.boundary.observational.link import LinkSettings, quick_fit

FAMILIES = (
    *("Llama-2", "Llama", "Llama-3", "Qwen1.5", "Qwen", "Mistral", "Mixtral", "Yi", "Gemma", "Falcon", "Phi"),
    *("Pythia", "BLOOM", "GPT-Neo/J", "OPT", "MPT", "XGLM", "CodeLlama", "StarCoder", "StarCoder2", "DeepSeek-Coder"),
)
LATER = ("Qwen/Qwen1.5-110B", "mistralai/Mixtral-8x22B-v0.1", "mistralai/Mistral-Nemo-Base-2407")
METRICS = ["MMLU", "ARC-C", "HellaSwag", "Winograd", "TruthfulQA", "GSM8K", "XWinograd", "HumanEval"]
NO_GSM = [m for m in METRICS if m != "GSM8K"]
CUT = 84e21  # FLOP, of Llama-2 7B
TASKS = {
    "word_unscrambling_2_exact_match": 1,
    "arithmetic_3da_2_acc": 1,
    "arithmetic_3ds_2_acc": 1,
    "arithmetic_2dm_2_acc": 1,
    "ipa_transliterate_2_bleu": 100,
    "arithmetic_2da_2_acc": 1,
    "parsinlu_qa_2_acc": 1,
    "ipa_transliterate_2_exact_match": 1,
}


@pytest.fixture(scope="module")
def everyone(reference):
    return pd.read_csv(reference("obs_scaling", "base_llm_benchmark_eval.csv"))


@pytest.fixture(scope="module")
def published(everyone):
    kept = everyone[everyone["Model Family"].isin(FAMILIES) & ~everyone.Model.isin(LATER)].reset_index(drop=True)
    assert len(kept) == 77
    return kept


@pytest.fixture(scope="module")
def emergent(reference, published):
    """The models that were evaluated on the emergent tasks too; scores of the tasks are shares."""
    tasks = pd.read_csv(reference("obs_scaling", "base_llm_emergent_capability_eval.csv"))
    return published.merge(tasks, on="Model")


def run(table, task, **settings):
    return analyse(
        table[NO_GSM].to_numpy(),
        table[task].to_numpy() / TASKS[task],
        np.log10(table["FLOPs (1E21)"].to_numpy()) + 21,
        table["Model Family"].tolist(),
        benchmarks=NO_GSM,
        models=table.Model.tolist(),
        cutoff_flop=CUT,
        **{"preset": "ruan2024", "bootstrap": 0, **settings},
    )


@pytest.mark.parametrize(
    ("models", "metrics", "shares"),
    [
        ("published", METRICS, [0.8016, 0.1190, 0.0463, 0.0136, 0.0113]),
        ("everyone", METRICS, [0.8528, 0.0934, 0.0274, 0.0115, 0.0070]),
        ("published", NO_GSM, [0.7928, 0.1275, 0.0516]),
    ],
    ids=["77 models", "148 models", "77 models without GSM8K"],
)
def test_the_variance_that_components_explain(request, models, metrics, shares):
    found = fit_components(request.getfixturevalue(models)[metrics])
    assert found.imputer.converged
    assert found.shares[: len(shares)] == pytest.approx(shares, abs=5e-5)


def test_the_loadings_of_the_first_component(published):
    found = fit_components(published[METRICS])
    assert found.loadings[0] == pytest.approx([0.448, 0.344, 0.379, 0.242, 0.085, 0.552, 0.214, 0.347], abs=6e-4)
    assert found.imputer.imputed_by_benchmark == (0, 2, 0, 0, 0, 0, 0, 4)


def test_within_a_family_the_first_component_is_linear_in_log_compute(published):
    first = fit_components(published[METRICS]).values[:, 0]
    log_flop = np.log10(published["FLOPs (1E21)"].to_numpy())
    r_squared = [
        np.corrcoef(log_flop[rows], first[rows])[0, 1] ** 2
        for family in FAMILIES
        if (rows := (published["Model Family"] == family).to_numpy() & np.isfinite(log_flop)).sum() >= 3
    ]
    assert len(r_squared) == 14
    assert np.mean(r_squared) == pytest.approx(0.966, abs=6e-4)
    assert (min(r_squared), max(r_squared)) == pytest.approx((0.899, 1.000), abs=6e-4)


@pytest.mark.parametrize(
    ("largest", "budget", "criterion", "families"),
    [
        (np.inf, 4, 1365.303, "Llama-2 Mistral"),
        (np.inf, 8, 37.428, "Llama-2 Mixtral Phi MPT"),
        (np.inf, 12, 16.93, "Llama-2 Llama-3 Falcon DeepSeek-Coder"),
        (np.inf, 16, 12.70, "Llama-2 Llama-3 Falcon Phi MPT DeepSeek-Coder"),
        (np.inf, 20, 10.25, "Llama-2 Qwen Mixtral Falcon MPT CodeLlama DeepSeek-Coder"),
        (7.0, 4, 25.610, "Llama-2 Phi CodeLlama"),
        (7.0, 8, 10.51, "Llama-2 Llama Qwen Phi MPT DeepSeek-Coder"),
        (7.0, 12, 7.04, "Llama-2 Llama Qwen Gemma Falcon Phi MPT DeepSeek-Coder"),
    ],
)
def test_the_families_that_were_published_are_selected(published, largest, budget, criterion, families):
    """The published criterion is the negative of this one."""
    table = published[published["Model Size (B)"] <= largest]
    values = fit_components(table[METRICS]).values[:, :3]
    found = select_families(values, table["Model Family"].tolist(), budget, forced=["Llama-2"])
    assert set(found.families) == set(families.split())
    assert found.criterion == pytest.approx(
        criterion, abs=0.005 if criterion in (16.93, 12.7, 10.25, 10.51, 7.04) else 5e-4
    )
    walked = select_families(values, table["Model Family"].tolist(), budget, forced=["Llama-2"], method="exchange")
    assert walked.criterion <= 1.02 * found.criterion


@pytest.mark.parametrize(
    ("task", "components", "compute"),
    [
        ("word_unscrambling_2_exact_match", 0.0026, 0.0185),
        ("arithmetic_3da_2_acc", 0.0053, 0.0075),
        ("arithmetic_3ds_2_acc", 0.0275, 0.0027),
        ("arithmetic_2dm_2_acc", 0.0169, 0.0265),
        ("ipa_transliterate_2_bleu", 0.134, 0.429),
    ],
)
def test_errors_on_emergent_tasks_beyond_the_cutoff(emergent, task, components, compute):
    """Three components were tested on 21 models, compute on the 19 whose compute is known (BLEU: 16 and 14)."""
    found = run(emergent, task)
    assert found.error("3 components").test_all == pytest.approx(components, abs=6e-5 if components < 0.1 else 6e-4)
    assert found.error("compute alone").test == pytest.approx(compute, abs=6e-5 if compute < 0.1 else 6e-4)
    few = task.endswith("bleu")
    assert (found.error("3 components").n_test_all, found.error("compute alone").n_test) == (
        (16, 14) if few else (21, 19)
    )
    assert found.contest.winner == ("compute alone" if components > compute else "components")


def test_where_components_lose_the_first_line_says_so(emergent):
    first = run(emergent, "arithmetic_3ds_2_acc").summary().splitlines()[0]
    assert (
        "3 components have a mean squared error of 0.0304, compute alone one of 0.00267, on the same 19 models" in first
    )
    assert "compute alone forecasts this task better than components" in first


def test_where_the_mean_beats_both_it_says_so(emergent):
    found = run(emergent, "ipa_transliterate_2_bleu")
    assert found.contest.constant == pytest.approx(0.110, abs=6e-4)
    assert "The mean of the training scores, 0.110, beats both" in found.verdict


def test_three_components_beat_compute_on_seven_of_eight_tasks_and_a_chosen_number_on_six(emergent):
    wins = {"fixed": 0, "chosen": 0}
    for task in TASKS:
        found = run(emergent, task)
        compute = found.contest.compute
        wins["fixed"] += found.contest.components < compute
        k = found.rehearsal.n_components
        wins["chosen"] += found.error("1 component" if k == 1 else f"{k} components").test < compute
    assert wins == {"fixed": 7, "chosen": 6}


@pytest.mark.parametrize("task", TASKS)
def test_the_quick_optimum_is_that_of_the_engine(emergent, task):
    """On the training models of every task, for 1 to 5 components; steps as steep as 700 a unit are among them."""
    table = emergent[(emergent["FLOPs (1E21)"] <= 84)]
    values = fit_components(table[NO_GSM]).values
    known = table[task].notna().to_numpy()
    score = table[task].to_numpy()[known] / TASKS[task]
    for k in (1, 3, 5):
        quick = quick_fit(values[known, :k], score, LinkSettings())
        assert 2 * quick.objective <= fit_link(values[known, :k], score).fit.objective_value * (1 + 1e-5) + 1e-9


@pytest.mark.slow
def test_intervals_hold_most_of_the_unseen_scores(emergent):
    """Nominal 90 %; the form of the link is taken as true, and on parsinlu_qa it is not."""
    inside = tested = 0
    for task in TASKS:
        found = run(emergent, task, n_components=None, preset=None, bootstrap=100)
        inside, tested = inside + found.covered[0], tested + found.covered[1]
    assert tested == 161
    assert 0.85 <= inside / tested <= 0.95


@pytest.mark.slow
def test_selected_families_forecast_the_others_better_than_the_median_random_choice(emergent):
    """24 choices: 8 tasks, budgets of 12, 20 and 28 models with Llama-2 among them, 60 random choices each."""
    better = 0
    for task, budget in itertools.product(TASKS, (12, 20, 28)):
        table = emergent[emergent[task].notna()]
        label, score = table["Model Family"].to_numpy(), table[task].to_numpy() / TASKS[task]
        values = fit_components(table[NO_GSM]).values[:, :3]

        def error(rows, values=values, score=score):
            others = np.setdiff1d(np.arange(len(score)), rows)
            link = quick_fit(values[rows], score[rows], LinkSettings())
            return np.mean((link.normalised(values[others]) - score[others]) ** 2)

        chosen = select_families(values, label.tolist(), budget, forced=["Llama-2"])
        rng = np.random.default_rng(0)
        random = [error(_random_choice(label, score, budget, rng)) for _ in range(60)]
        better += error(np.array(chosen.models)) < np.median(random)
    assert better >= 18


def _random_choice(label, score, budget, rng):
    """Rows of families drawn in random order as long as they fit; again where all their scores are the same."""
    while True:
        taken = ["Llama-2"]
        for family in rng.permutation(sorted(set(label) - {"Llama-2"})):
            if np.isin(label, [*taken, family]).sum() <= budget:
                taken.append(family)
        rows = np.flatnonzero(np.isin(label, taken))
        if np.ptp(score[rows]) > 0:
            return rows
