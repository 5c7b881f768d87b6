"""Hide the largest runs of public sweeps, let `scaling.select` choose on the rest, and score what it forecasts.

Nothing that is hidden takes part in the choice: the inner back-tests see the visible rows alone. Beside it stand two
laws that are always fitted the same way, and the average of the laws by the weights that the selection gives them.

    python benchmarks/forecasts.py --data DATA --sets epoch,gadre --out rows.jsonl
    python benchmarks/forecasts.py --table rows.jsonl

The data are not in this repository; `--data` names the folder that holds them, as for the reference tests.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import scaling
from scaling.selection.select import select
from scaling.width import parts_of

LEVELS = (0.5, 0.9, 0.95)
HIDE = (3.0, 10.0, 20.0)  # the largest compute over that of the largest visible run, at least
FIXED = ("chinchilla", "skaling")
SIDES = {
    "parameters and noise": ("parameters", "noise"),
    "and form": ("parameters", "noise", "form"),
    "all parts": ("parameters", "noise", "form", "back-test", "usual error"),
}


class Sweep(NamedTuple):
    """Runs of one public sweep."""

    name: str
    family: str
    inputs: dict[str, np.ndarray]
    loss: np.ndarray
    groups: np.ndarray | None = None


def sweep(
    name: str, family: str, table: pd.DataFrame, n: str, d: str, loss: str, groups: np.ndarray | None = None
) -> Sweep:
    inputs = {"N": table[n].to_numpy(float), "D": table[d].to_numpy(float)}
    return Sweep(name, family, inputs, table[loss].to_numpy(float), groups)


def sweeps(data: Path) -> Iterator[Sweep]:
    """Read the public sweeps of loss against N and D."""
    iso = pd.read_csv(data / "isoflops_openathena" / "isoflops.csv")
    for name, part in iso[~iso.outlier].groupby("experiment"):
        kind = name.split("__")[0]
        yield sweep(f"iso {name}", f"iso {'massivetext' if 'massivetext' in name else kind}", part, "N", "D", "loss")
    epoch = pd.read_csv(data / "chinchilla_epoch" / "runs.csv")
    yield sweep("epoch", "epoch", epoch[~epoch.epoch_excluded], "N", "D", "loss")
    folder = data / "loss_to_loss"
    pairs = pd.concat([pd.read_csv(folder / "sweep.csv"), pd.read_csv(folder / "extrapolation.csv")])
    for name, part in pairs.groupby("data"):
        yield sweep(f"l2l {name}", "l2l", part, "params", "tokens", "val_loss")
    gadre = pd.read_csv(data / "overtraining_gadre" / "runs.csv")
    for name, part in gadre.groupby("train_set"):
        yield sweep(f"gadre {name}", "gadre", part, "N", "D", "loss_c4_val")
    blations = pd.read_csv(data / "datablations" / "runs.csv")
    once = blations[(blations.U >= 0.99 * blations.D) & ~blations.dedup & (blations.loss < 7)]
    yield sweep("datablations", "datablations", once, "N", "D", "loss")
    gems = pd.read_csv(data / "gemstones" / "fineweb_edu_losses_combined.csv")
    some = gems[(gems.tokens.astype(float) / 1e10).round().isin([1, 2, 4, 8, 12, 16, 24, 32])]
    yield sweep("gemstones", "gemstones", some, "params_active_precise", "tokens", "final_loss")


def hidden_parts(one: Sweep) -> Iterator[tuple[float, np.ndarray]]:
    """Yield how much to hide, and which rows are visible."""
    compute = 6 * one.inputs["N"] * one.inputs["D"]
    known = set()
    for factor in HIDE:
        visible = compute <= compute.max() / factor
        if visible.sum() >= 12 and not visible.all() and visible.tobytes() not in known:
            known.add(visible.tobytes())
            yield factor, visible


def score(one: Sweep, factor: float, visible: np.ndarray, bootstrap: int) -> dict[str, Any]:
    """Choose on the visible rows and forecast the hidden ones."""
    seen = {k: v[visible] for k, v in one.inputs.items()}
    target = {k: v[~visible] for k, v in one.inputs.items()}
    truth = np.log(one.loss[~visible])
    began = time.process_time()
    made = select("compute_optimal", seen, one.loss[visible], bootstrap=bootstrap)
    best, seconds = made.best, time.process_time() - began
    logs = {"selected": np.log(best.evaluate(target)[0])}
    for law in FIXED:
        logs[law] = np.log(scaling.fit(law, seen, one.loss[visible], bootstrap=0).evaluate(target)[0])
    average = made.weights[best.law.name] * logs["selected"]
    for rival in best.rivals:
        average = average + rival.weight * np.log(rival.evaluate(target))
    logs["average"] = average
    gap = truth - logs["selected"]
    covered: dict[str, dict[str, list[float]]] = {}
    for level in LEVELS:
        sides = parts_of(best, target, level, "run")
        for label, names in SIDES.items():
            down, up = (np.sqrt(sum(sides[p][i] ** 2 for p in names if p in sides)) for i in (0, 1))
            out = np.maximum(-down - gap, 0) + np.maximum(gap - up, 0)
            inside = (gap >= -down) & (gap <= up)
            interval_score = down + up + 2 / (1 - level) * out
            covered.setdefault(label, {})[str(level)] = [
                float(inside.mean()), float(np.mean((down + up) / 2)), float(interval_score.mean())
            ]  # fmt: skip
    return {
        "sweep": one.name,
        "family": one.family,
        "factor": factor,
        "visible": int(visible.sum()),
        "hidden": int((~visible).sum()),
        "seconds": seconds,
        "law": best.law.name,
        "objective": str(best.objective),
        "trim": best.settings.get("trim", "none"),
        "verdict": best.verdict,
        "weights": made.weights,
        "rms": {k: float(np.sqrt(np.mean((v - truth) ** 2))) for k, v in logs.items()},
        "bias": {k: float(np.mean(v - truth)) for k, v in logs.items()},
        "intervals": covered,
    }


def show(rows: list[dict[str, Any]]) -> None:
    """Print the tables; every family of sweeps counts the same."""
    families = [row["family"] for row in rows]
    weight = np.array([1 / families.count(f) for f in families])
    weight /= weight.sum()
    print(f"{len(rows)} hidden parts of {len({row['sweep'] for row in rows})} sweeps\n")
    print("| forecast | RMSE, geometric mean | RMSE, mean | 90th percentile | bias |")
    print("|---|---|---|---|---|")
    for name in ("chinchilla", "skaling", "selected", "average"):
        rms = np.array([row["rms"][name] for row in rows])
        bias = float(weight @ [row["bias"][name] for row in rows])
        geometric, mean = np.exp(weight @ np.log(rms)), weight @ rms
        print(f"| {name} | {geometric:.4f} | {mean:.4f} | {np.quantile(rms, 0.9):.4f} | {bias:+.4f} |")
    print("\n| parts | covered at 50 % | 90 % | 95 % | half width at 90 % | interval score at 90 % |")
    print("|---|---|---|---|---|---|")
    for label in SIDES:
        numbers = {k: weight @ np.array([row["intervals"][label][str(k)] for row in rows]) for k in LEVELS}
        share = " | ".join(f"{100 * numbers[k][0]:.0f} %" for k in LEVELS)
        print(f"| {label} | {share} | {numbers[0.9][1]:.4f} | {numbers[0.9][2]:.4f} |")
    print("\n| sweep | hidden beyond | visible, hidden | chosen | chinchilla | selected | 90 % covered |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        inside = 100 * row["intervals"]["all parts"]["0.9"][0]
        print(
            f"| {row['sweep']} | x{row['factor']:g} | {row['visible']}, {row['hidden']} | {row['law']}, "
            f"{row['objective'].split(' ')[0]}, {row['trim']} | {100 * row['rms']['chinchilla']:.2f} % | "
            f"{100 * row['rms']['selected']:.2f} % | {inside:.0f} % |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="Folder of the reference data.")
    parser.add_argument("--sets", default="", help="Families or sweeps to score, by the start of their names.")
    parser.add_argument("--out", type=Path, help="JSON lines to append to.")
    parser.add_argument("--table", type=Path, help="Print the tables of such a file.")
    parser.add_argument("--bootstrap", type=int, default=200)
    asked = parser.parse_args()
    if asked.table:
        show([json.loads(line) for line in asked.table.read_text().splitlines()])
        return
    if asked.data is None:
        parser.error("--data or --table is needed")
    for one in sweeps(asked.data):
        if asked.sets and not one.name.startswith(tuple(asked.sets.split(","))):
            continue
        for factor, visible in hidden_parts(one):
            row = score(one, factor, visible, asked.bootstrap)
            print(f"{one.name} x{factor:g}: {row['law']}, {row['seconds']:.0f} s", flush=True)
            if asked.out:
                with asked.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
