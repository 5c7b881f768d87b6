"""Which form a loss surface over learning rate and batch has: fitted without the largest cells, and held against them.

    python benchmarks/loss_surface.py lr_bsz.csv [--forms]

The file is that of SLDBench (CC-BY-4.0): one row a run, with the non-embedding parameters, the tokens, the peak
learning rate, the batch in sequences of 2048 tokens and the loss. Every form is a formula, fitted by the one engine
with huber(0.005) on log residuals, from four starts; inputs are logarithms around the middle of the sweep.
"""

from __future__ import annotations

import argparse
import csv
import time

import numpy as np

import scaling
from scaling.hyperparameters import find_cells, fit_laws, fit_loss_surface, regrets_of

CONTEXT = 2048  # tokens of a sequence
MIDDLE = {"N": 4e8, "D": 2e10, "B": 5e5, "lr": 2e-3}
U, V = "(l - p_0 - p_N*n - p_D*d)", "(b - q_0 - q_D*d)"
BOWL = f"(h_u*{U}**2 + h_v*{V}**2 + h_uv*{U}*{V})"
SUM, JOINT = "(A*exp(-a*n) + G*exp(-c*d))", "A*(exp(-a*n) + R*exp(-c*d))**k"
SIDES = f"exp(s*{U} + r*{V})"
FORMS = {
    "Chinchilla times a bowl": f"E + {SUM}*(1 + {BOWL})",
    "the same, floor and all": f"(E + {SUM})*(1 + {BOWL})",
    "Chinchilla plus a bowl that scales with N and D": f"E + {SUM} + exp(g*n - h*d)*{BOWL}",
    "Skaling times a bowl": f"E + {JOINT}*(1 + {BOWL})",
    "Skaling plus a bowl": f"E + {JOINT} + {BOWL}",
    "Skaling plus a bowl that scales with N": f"E + {JOINT} + exp(g*n)*{BOWL}",
    "Skaling plus a bowl that scales with D": f"E + {JOINT} + exp(-h*d)*{BOWL}",
    "Skaling plus a bowl that scales with N and D": f"E + {JOINT} + exp(g*n - h*d)*{BOWL}",
    "the same, and the best batch moves with N": f"E + {JOINT} + exp(g*n - h*d)*{BOWL}".replace(V, f"({V} - q_N*n)"),
    "the same as two above, with a steep side": f"E + {JOINT} + exp(g*n - h*d)*{SIDES}*{BOWL}",
    "Chinchilla plus a bowl that scales with D, with a steep side": f"E + {SUM} + exp(-h*d)*{SIDES}*{BOWL}",
    "Skaling plus a bowl that scales with D, with a steep side": f"E + {JOINT} + exp(-h*d)*{SIDES}*{BOWL}",
    "bias and noise of stochastic gradients": "E + A*exp(-a*n) + F*exp(-c*(x*l + d - b)) + G*exp(y*l - z*b + w*n)",
}
START = {
    "E": 1.5, "A": 0.4, "G": 0.4, "R": 1.0, "a": 0.3, "c": 0.3, "k": 0.8, "h_u": 0.03, "h_v": 0.03, "h_uv": -0.02,
    "p_0": 0.0, "p_N": -0.5, "p_D": 0.1, "q_0": 0.0, "q_D": 0.55, "q_N": 0.0, "g": -0.1, "h": 0.1, "s": 0.1, "r": 0.0,
    "F": 0.3, "x": 0.7, "y": 1.0, "z": 0.4, "w": 0.3,
}  # fmt: skip
BOUNDS = {
    "E": {"low": 0, "high": 2.5}, "A": {"low": 1e-4, "high": 1e4}, "G": {"low": 1e-6, "high": 1e3},
    "F": {"low": 1e-6, "high": 1e3}, "R": {"low": 1e-4, "high": 1e4}, "h_u": {"low": 1e-5, "high": 10},
    "h_v": {"low": 1e-5, "high": 10}, "a": {"low": 0.01, "high": 3}, "c": {"low": 0.01, "high": 3},
    "k": {"low": 0.05, "high": 3},
}  # fmt: skip
CUTOFFS = (None, 0.2, 0.05, 0.02)
SPLITS = {  # the least N and D of the cells that are left out; a number, for so many of the largest 6*N*D
    "1.07B at 56.9B": (1e9, 5e10),
    "1.07B from 20B on": (1e9, 1.5e10),
    "D from 100B on": (0, 9e10),
    "six largest": 6,
    "all of 1.07B": (1e9, 0),
}


def read(path: str) -> dict[str, np.ndarray]:
    """Read N, D, lr, B (tokens) and the loss."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    names = {"N": "non_embedding_param_size", "D": "data_size", "lr": "lr", "B": "bsz", "loss": "lm_loss"}
    data = {k: np.array([float(row[name]) for row in rows]) for k, name in names.items()}
    return data | {"B": data["B"] * CONTEXT}


def left_out(data: dict[str, np.ndarray], split: int | tuple[float, float]) -> np.ndarray:
    """Tell which runs a split leaves out."""
    compute = data["N"] * data["D"]
    if isinstance(split, int):
        return np.isin(compute, np.unique(compute)[-split:])
    return (data["N"] > split[0]) & (data["D"] > split[1])


def scores(data: dict[str, np.ndarray], out: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """Return R2 and the mean error in nats on the runs left out."""
    loss = data["loss"][out]
    around = np.sum((loss - loss.mean()) ** 2)
    return float(1 - np.sum((loss - predicted) ** 2) / around), float(np.mean(predicted - loss))


def held_out(formula: str, data: dict[str, np.ndarray], out: np.ndarray) -> tuple[float, float]:
    """Fit a form without some runs, and score it on them."""
    logs = {k.lower()[0]: np.log(data[k] / middle) for k, middle in MIDDLE.items()}
    law = scaling.find_law(formula, logs)
    law = scaling.find_law(formula, logs, {k: v for k, v in BOUNDS.items() if k in law.parameter_names})
    rng = np.random.default_rng(0)
    starts = [{name: START[name] for name in law.parameter_names}]
    for _ in range(3):
        starts.append({k: v * np.exp(0.3 * rng.standard_normal()) for k, v in starts[0].items()})
    rows = {k: v[~out] for k, v in logs.items()}
    fit = scaling.fit(law, rows, data["loss"][~out], delta=0.005, start=starts, bootstrap=0)
    return scores(data, out, fit.evaluate({k: v[out] for k, v in logs.items()})[0])


def chosen(data: dict[str, np.ndarray], out: np.ndarray) -> tuple[float, float]:
    """Do the same with the law of the book."""
    surface = fit_loss_surface(*(data[k][~out] for k in ("N", "D", "lr", "B", "loss")))
    return scores(data, out, surface.fit.evaluate({k: data[k][out] for k in ("N", "D", "lr", "B")})[0])


def forms(data: dict[str, np.ndarray]) -> None:
    """Print the table of forms."""
    masks = {name: left_out(data, split) for name, split in SPLITS.items()}
    print("| form | " + " | ".join(f"{name} ({int(out.sum())} runs)" for name, out in masks.items()) + " |")
    print("|---|" + "---|" * len(masks))
    for name, formula in FORMS.items():
        found = [held_out(formula, data, out) for out in masks.values()]
        print(f"| {name} | " + " | ".join(f"{r2:.3f} ({bias:+.3f})" for r2, bias in found) + " |", flush=True)
    found = [chosen(data, out) for out in masks.values()]
    print("| `fit_loss_surface` | " + " | ".join(f"{r2:.3f} ({bias:+.3f})" for r2, bias in found) + " |")


def optimum(data: dict[str, np.ndarray]) -> None:
    """Print where the optimum lies, from the surface and from the optima of cells."""
    columns = [data[k] for k in ("N", "D", "lr", "B", "loss")]
    began = time.perf_counter()
    surface = fit_loss_surface(*columns)
    print(f"\n{time.perf_counter() - began:.1f} s, objective {surface.fit.objective_value:.5f}\n{surface}\n")
    laws = fit_laws(find_cells(*columns), bootstrap=1000)
    pairs = (("p_N", laws.lr, "p"), ("p_D", laws.lr, "q"), ("q_D", laws.batch, "q"))
    print("| exponent | surface | optima of the cells |\n|---|---|---|")
    for name, law, other in pairs:
        ends = [surface.fit.interval(name), law.fit.interval(other)]
        values = (surface.estimates[name], law.estimates[other])
        said = [f"{v:.3f} ({a:.3f} to {b:.3f})" for v, (a, b) in zip(values, ends, strict=True)]
        print(f"| {name} | {said[0]} | {said[1]} |")
    for n, d in ((1e9, 1e11), (7e9, 1.4e12)):
        lr, batch = laws.points_at(n, d)
        print(f"N {n:g}, D {d:g}: surface {surface.optimum(n, d)}; cells lr {lr:.3g}, batch {batch:.3g}; "
              f"regret of the latter by the surface {float(surface.regret(n, d, lr, batch)[0]):.5f}")  # fmt: skip


def given_up(data: dict[str, np.ndarray]) -> None:
    """Print what each way of finding the optimum gives up by the runs of the cells, in the sweep and beyond it."""
    masks = {"all cells, in the sweep": np.zeros(len(data["N"]), bool)}
    masks |= {name: left_out(data, split) for name, split in SPLITS.items()}
    print("\n| cells left out | " + " | ".join(f"surface{_said(c)}" for c in CUTOFFS) + " | optima of the cells |")
    print("|---|" + "---|" * (len(CUTOFFS) + 1))
    for name, out in masks.items():
        known, unknown = ([v[rows] for v in data.values()] for rows in (~out, out if out.any() else ~out))
        cells = find_cells(*unknown)
        shares = []
        for cutoff in CUTOFFS:
            surface = fit_loss_surface(*known, cutoff=cutoff)
            rule = regrets_of(cells, "surface", lambda n, d, s=surface: (s.optimum(n, d).lr, s.optimum(n, d).batch))
            shares.append(rule.by_runs)
        shares.append(regrets_of(cells, "laws", fit_laws(find_cells(*known), bootstrap=0).points_at).by_runs)
        said = [f"{100 * s.mean():.3f} % (at most {100 * s.max():.2f} %)" for s in shares]
        print(f"| {name} ({len(cells)}) | " + " | ".join(said) + " |", flush=True)


def _said(cutoff: float | None) -> str:
    return "" if cutoff is None else f" of runs within {100 * cutoff:g} %"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", help="lr_bsz.csv")
    parser.add_argument("--forms", action="store_true", help="the table of forms too; some minutes")
    asked = parser.parse_args()
    runs = read(asked.runs)
    if asked.forms:
        forms(runs)
    optimum(runs)
    given_up(runs)
