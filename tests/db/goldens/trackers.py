"""What the fixtures of trackers hold, by the formulas that made them."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tests.db.golden import Golden, Run
from tests.db.goldens.common import ALL, COUNTED, INF, NAN, append, insert, linear, without
from tests.db.writers.binary import event, scalar

ODD = {5: NAN, 6: INF, 7: -INF}


# --- TensorBoard ------------------------------------------------------------------------------------------------------


def one_more_event(path: Path) -> None:
    """A value of a step in the newest file."""
    file = max(path.glob("events.out.*"))
    with file.open("ab") as stream:
        stream.write(event(40 if path.name == "torch" else 8, scalar("train/loss", 4.375)))


TORCH = Golden(
    "tfevents/torch",
    {
        "torch": Run(
            {
                # A later session began at step 20, and logged one more.
                "train/loss": linear(range(20), 4, -1 / 64, ODD) + linear(range(20, 40), 5, -1 / 64),
                "val/loss": [(10, 3.5), (30, 3.25)],
            },
            "val/loss",
            (3.25, "ok"),
            {
                "learning_rate": (3e-4, "given", ("config args.learning_rate",)),
                "optimizer": ("adamw", "given", ("config optimizer",)),
            },
            without("learning_rate"),
        ),
        "hp": Run(
            {"hparam/loss": [(0, 3.0)]}, "hparam/loss", (3.0, "ok"), {"learning_rate": (3e-4, "given", ("config lr",))},
            without("learning_rate"), state="finished",
        ),
    },
    notes=("The 2 files of events", "Left out: histograms (1).", "10 values of 1 run stood at a step"),
    more=one_more_event,
    grew=("torch", {"train/loss": (40, 4.375)}),
)  # fmt: skip

_BITS = ("float_val", "double_val", "half_val", "bfloat16_val", "bfloat16_content", "of_shape_1", "float16_content",
         "float32_content", "float64_content")  # fmt: skip
_WHOLE = ["int8_content", "int16_content", "int32_content", "int64_content", "uint8_content", "uint16_content"]
_NAMES = ("a \"b\" 'c'", "two\nlines", " - ", "verlust/ä€😀", "", "long" * 50)
TENSORS = Golden(
    "tfevents/tensorboard",
    {
        "tensorboard": Run(
            {name: [(4, 1.5)] for name in _BITS}
            | {name: [(4, 3.0)] for name in (*_WHOLE, "uint32_val")}
            | {"int_val": [(4, -3.0)], "int64_val": [(4, -3.0)], "uint64_val": [(4, float(2**64 - 2**20))]}
            | {name: [(2**40, 0.25)] for name in _NAMES}
            | {f"one/{i}": [(7, i / 8)] for i in range(3)},
            missing=ALL,
            digits={"half_val": 3, "bfloat16_val": 2},
        )
    },
    notes=("Left out: tensors of other types (2).", "Left out: tensors of several elements or none (2)."),
    problems=(("early", "-1", "the step is no whole number from 0 on"),),
    more=one_more_event,
    grew=("tensorboard", {"train/loss": (8, 4.375)}),
)


# --- MLflow and Trackio -----------------------------------------------------------------------------------------------


def child(name: str, size: float, state: str) -> Run:
    """A run of MLflow's ladder; of two values of a step the later one by time stays."""
    return Run(
        {"train/loss": linear(range(20), 4, -1 / 64, ODD), "val/loss": [(10, 4.5), (20, 4.125)]},
        "val/loss",
        (4.125, "ok"),
        {
            "n_params": (size, "given", ("config n_params",)),
            "learning_rate": (3e-4, "given", ("config optimizer/lr",)),
        },
        without("n_params", "learning_rate"),
        {"n_params": size},
        state,
        name,
    )


def ladder(small: str, large: str, parent: str) -> dict[str, Run]:
    """The runs of MLflow's ladder by their identifiers."""
    return {
        small: child("small", 1e7, "finished"),
        large: child("large", 1e8, "failed"),
        parent: Run({}, "val/loss", missing=ALL, state="running", name="parent: all sizes"),
    }


REPLACED = "Values that a later one of the same step replaces (2)."
SMALL = "75cd5bba3f8d4219816bc629ac2118b6"
MLFLOW = Golden(
    "mlflow/mlflow.db",
    ladder(SMALL, "0b0474f4120f4318a3e82f15297ecedb", "56e12e7b170a409bbf8d75430892be05"),
    notes=("Runs that are deleted were left out (2).", REPLACED, "1 run without any"),
    more=insert(
        "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES ('val/loss', 4, 1, ?, 30, 0)", SMALL
    ),
    grew=(SMALL, {"val/loss": (30, 4.0)}),
)
KEPT = "87e69e38c3d041a1841153abf430bab8"
MLRUNS = Golden(
    "mlflow/mlruns",
    ladder(KEPT, "a7c4dee778d64aa88df34f04a50db6a7", "a1fc001ea82f4a23b53c117034c9fc17"),
    notes=("Runs that are deleted were left out (1).", REPLACED),
    more=append("1700000009999 4.0 30\n", f"549559462313687804/{KEPT}/metrics/val/loss"),
    grew=(KEPT, {"val/loss": (30, 4.0)}),
)


def trackio_run(name: str) -> Run:
    """A run of Trackio's project."""
    return Run(
        {
            "train/loss": linear(range(12), 4, -1 / 64, ODD | {8: None}),
            "tokens": [(step, 4096 * step) for step in range(12)],
            "val.c4": [(10, 3.5)],
            "val.pile": [(10, 3.25)],
        },
        "train/loss",
        (4 - 11 / 64, "ok"),
        {
            "n_params": (1e7, "given", ("config n_params",)),
            "n_tokens": (4096 * 11, COUNTED, ("logged tokens",)),
            "learning_rate": (3e-4, "given", ("config optimizer.lr",)),
        },
        ("batch_tokens",),
        {"compute_flop": 6 * 1e7 * 4096 * 11, "n_tokens": 4096 * 11},
        name=name,
        tokens={"val.c4": {10: 40960}},
    )


LARGE = "704f3da0284d4ca7b6ca5b1e4cb4bb39"
TRACKIO = Golden(
    "trackio/ladder.db",
    {"9ba5da6f43454b9aa8ea9dc48236be40": trackio_run("small"), LARGE: trackio_run('large "a"')},
    notes=("Left out: alerts (1).", "Left out: texts, lists and yes or no among the metrics (4)."),
    more=insert(
        "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, '2026-11-29', ?, 12, ?)",
        LARGE, 'large "a"', '{"train/loss": "-Infinity"}',
    ),
    grew=(LARGE, {"train/loss": (12, -INF)}),
)  # fmt: skip


# --- Neptune --------------------------------------------------------------------------------------------------------


def one_more_part(path: Path) -> None:
    """The second run was exported anew, a step longer."""
    file, new = path / "RUN-2_part_0.parquet", path / "new"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE part AS SELECT * FROM '{file}'")
        connection.execute(
            "INSERT INTO part (project_id, run_id, attribute_path, attribute_type, step, float_value) "
            "VALUES ('lab/scaling', 'RUN-2', 'train/loss', 'float_series', 3, 'inf')"
        )
        connection.execute(f"COPY part TO '{new}' (FORMAT parquet)")
    new.replace(file)


NEPTUNE = Golden(
    "neptune",
    {
        "RUN-1": Run(
            {
                "train/loss": [(step, 4 - step / 512) for step in range(0, 1000, 10)],
                "val/loss": [
                    (s, {30: NAN, 40: INF, 50: -INF, 60: None}.get(s, 5 - s / 512)) for s in range(0, 100, 10)
                ],
                "by/epoch": [(1, 1.0), (2, 2.0)],
            },
            "val/loss",
            (5 - 90 / 512, "ok"),
            {
                "n_params": (1e6, "given", ("config config.model.n_params",)),
                "learning_rate": (3e-4, "given", ("config config.optimizer.lr",)),
                "corpus": ("große\nweb", "given", ("config config.corpus",)),
            },
            without("n_params", "learning_rate"),
            {"corpus": "große\nweb"},
            "finished",
            'small - "one"',
        ),
        "RUN-2": Run(
            {"train/loss": [(0, 9.0), (1, 8.0), (2, 7.0)]}, "train/loss", (7.0, "ok"), missing=ALL, state="failed"
        ),
    },
    notes=("a run that went to NaN cannot be told from one that logged nothing there",),
    problems=tuple(("by/epoch", text, "the step is no whole number from 0 on") for text in ("0.500000", "1.500000")),
    more=one_more_part,
    grew=("RUN-2", {"train/loss": (3, INF)}),
)

GOLDENS = {
    "tensorboard": [TORCH, TENSORS], "mlflow": [MLFLOW], "mlruns": [MLRUNS], "trackio": [TRACKIO],
    "neptune": [NEPTUNE],
}  # fmt: skip
