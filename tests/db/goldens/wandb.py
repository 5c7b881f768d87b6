"""What the fixtures of W&B hold, by the formulas that made them."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tests.db.golden import Golden, Run
from tests.db.goldens.common import ALL, COUNTED, INF, NAN, append, without
from tests.db.writers.binary import framed, history

LR = ("config lr",)


def one_more_record(path: Path) -> None:
    """The run that branched off goes on for a step."""
    [log] = path.glob("*-branch1/*.wandb")
    size = log.stat().st_size
    with log.open("ab") as stream:
        stream.write(framed([history(7, {"loss": 0.125}, 99)], size))


def started_again(step: int) -> float:
    """Loss of the run that failed at 4, went on from 3, and was rewound to 4."""
    top = 4 if step < 3 else 3 if step < 5 else 2
    return top - step / 8


OFFLINE = Golden(
    "wandb/wandb",
    {
        "small1": Run(
            {
                "train/loss": [(10 * i, 4 - i / 64) for i in range(100)],
                "tokens": [(10 * i, 1024 * i) for i in range(100)],
                "grad.norm": [(10 * i, 1 / (i + 1)) for i in range(100)],
                "val/loss": [(30, NAN), (40, INF), (50, -INF), (60, None), (70, 2.5)],
                'we"ird\nname - ü': [(90, 1.5)],
                "a.b": [(90, 2)],
            },
            "val/loss",
            (2.5, "ok"),
            {
                "n_params": (1e6, "given", ("config model.n_params",)),
                "n_tokens": (1024 * 99, COUNTED, ("logged tokens",)),
                "learning_rate": (3e-4, "given", LR),
            },
            ("batch_tokens",),
            # Tokens are those of the last step of the loss.
            {"n_params": 1e6, "n_tokens": 1024 * 7, "compute_flop": 6 * 1e6 * 1024 * 7},
            "finished",
            'small - "one"',
            tokens={"val/loss": {10 * i: 1024 * i for i in range(3, 8)}},
        ),
        "again1": Run(
            {"loss": [(step, started_again(step)) for step in range(8)]}, "loss", (2 - 7 / 8, "ok"),
            missing=ALL, state="finished",
        ),
        "branch1": Run({"loss": [(5, 3 / 8), (6, 2 / 8)]}, "loss", (2 / 8, "ok"), missing=ALL, state="finished"),
        "axes1": Run(
            {
                "train/loss": [(500 * i, 3 - i / 4) for i in range(4)],
                "train/global_step": [(500 * i, 500 * i) for i in range(4)],
                "eval/loss": [(500 * i, 3.5 - i / 4) for i in range(4)],
                "seen/tokens": [(500 * i, 1e6 * i) for i in range(4)],
            },
            "eval/loss",
            (2.75, "ok"),
            {"n_tokens": (3e6, COUNTED, ("logged seen/tokens",))},
            without("n_tokens"),
            state="finished",
            tokens={"train/loss": {500 * i: 1e6 * i for i in range(4)}},
        ),
    },
    notes=(
        "flag (yes or no), histogram (histogram), list (list), remark (text)",
        "steps are those of 'train/global_step'",
        "5 values of 1 run stood at a step that was logged again",
        "read in the order of their dates: again1",
    ),
    more=one_more_record,
    grew=("branch1", {"loss": (7, 0.125)}),
)  # fmt: skip

NAMES = ("small - 1e-3", "small - 3e-3", 'große, "one"')
SAMPLE = "a chart shows no more than a sample of a long run"
CHART = Golden(
    "wandb-chart/chart.csv",
    {
        name: Run(
            {
                "train/loss": [
                    (10 * i, {5: NAN, 6: INF, 7: -INF}.get(i, 4 - i / 64) if run == 0 else 4 - run / 2 - i / 64)
                    for i in range(40)
                    if run < 2 or i % 2 == 0
                ]
            },
            "train/loss",
            (4 - run / 2 - (39 if run < 2 else 38) / 64, "ok"),
            missing=ALL,
            name=name,
        )
        for run, name in enumerate(NAMES)
    },
    notes=(SAMPLE.capitalize(), "8 of 100 points are means"),
    more=append('"400","3.25","3.25","3.25","","","","","",""\n'),
    grew=(NAMES[0], {"train/loss": (400, 3.25)}),
)
BY_EPOCH = Golden(
    "wandb-chart/by_epoch.csv",
    {
        name: Run(
            {"eval - c4": [(100 * epoch + run, 4 - run / 2 - epoch / 64) for epoch in range(5)]},
            missing=ALL,
            name=name,
        )
        for run, name in enumerate(("deep - blue - 1", "plain"))
    },
    notes=(SAMPLE.capitalize(), "Without a loss: no metric is a loss by its name."),
    more=append('"5","","","","","","","500","500","500","3.25","3.25","3.25"\n'),
    grew=("plain", {"eval - c4": (500, 3.25)}),
)


def table_run(i: int, name: str, state: str | None, **more: float) -> Run:
    """A row of the table of runs: last values without a step."""
    values = {"loss": 3 - i / 8, "train/step": 1000 * i, "val/loss": 3.5 - i / 8} | more
    kept = {metric: [(None, value)] for metric, value in values.items() if i != 2 or metric != "val/loss"}
    metric = "val/loss" if "val/loss" in kept else "loss"
    facts = {
        "n_params": (1e6 * (i + 1), "given", ("config model.n_params",)),
        "learning_rate": (1e-3, "given", LR),
    }
    lacks = ("batch_seqs", "batch_tokens", "compute_flop", "n_tokens")
    return Run(kept, metric, (values[metric], "ok"), facts, lacks, {}, state, name)


def fill_a_cell(path: Path) -> None:
    """The run that had no evaluation yet has one now."""
    text = path.read_text()
    before = '"3000000","2.75","2000",""'
    assert text.count(before) == 1
    path.write_text(text.replace(before, '"3000000","2.75","2000","3.25"'))


RUNS = Golden(
    "wandb-runs/runs.csv",
    {
        "run - 0": table_run(0, "run - 0", "finished"),
        "twice": table_run(1, "twice", "crashed", loss=NAN),
        "twice (2)": table_run(2, "twice", "running"),
        "run - 3": table_run(3, "run - 3", None),
    },
    notes=("Values of metrics are the last ones of each run", "have the name of another and no ID"),
    more=fill_a_cell,
    grew=("twice (2)", {"val/loss": (None, 3.25)}),
)


def history_run(run: int, *, nan: bool, null: bool) -> Run:
    """A run of the exported history; what its file cannot write is not in it."""
    odd = {3: NAN, 4: INF, 5: -INF}
    loss = [(i, odd.get(i, 4 - run / 2 - i / 64)) for i in range(30) if nan or i != 3]
    held = [(i, None if i == 8 else 4.5 - run / 2 - i / 64) for i in (0, 8, 10, 20) if null or i != 8]
    final = (4.5 - run / 2 - 20 / 64, "ok")
    return Run({"loss": loss, "eval.loss": held}, "eval.loss", final, missing=ALL, name=f"r{run}")


def one_more_row(path: Path) -> None:
    """Write the table anew with another row."""
    new = path.with_suffix(".new")
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE h AS SELECT * FROM '{path}'")
        connection.execute("INSERT INTO h (run_id, _step, _runtime, _timestamp, loss) VALUES ('r1', 30, 4, 1.7e9, 2.5)")
        connection.execute(f"COPY h TO '{new}' (FORMAT parquet)")
    new.replace(path)


GREW = ("r1", {"loss": (30, 2.5)})
HISTORIES = [
    Golden(
        "wandb-history/history.jsonl",
        {f"r{run}": history_run(run, nan=True, null=True) for run in range(2)},
        notes=("picture (image-file), remark (text)",),
        more=append('{"run_id": "r1", "_step": 30, "_runtime": 4.0, "_timestamp": 1.7e9, "loss": 2.5}\n'),
        grew=GREW,
    ),
    Golden(  # pandas writes NaN as it writes what is not there
        "wandb-history/history.csv",
        {f"r{run}": history_run(run, nan=False, null=False) for run in range(2)},
        notes=("NaN is an empty cell too", "remark (text)"),
        more=append("60,r1,30,4.0,1700000030.0,2.5,,\n"),
        grew=GREW,
    ),
    Golden(
        "wandb-history/history.parquet",
        {f"r{run}": history_run(run, nan=True, null=False) for run in range(2)},
        more=one_more_row,
        grew=GREW,
    ),
]

GOLDENS = {"wandb": [OFFLINE], "wandb-chart": [CHART, BY_EPOCH], "wandb-runs": [RUNS], "wandb-history": HISTORIES}
