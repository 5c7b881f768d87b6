"""What the fixtures of trainers hold, by the formulas that made them."""

from __future__ import annotations

from typing import Any

from tests.db.golden import Golden, Run
from tests.db.goldens.common import ALL, COUNTED, INF, NAN, append, edit, linear, without

STEPS = range(5, 31, 5)
SHAPE = tuple(f"config {name}" for name in ("n_layer", "n_embd", "vocab_size", "n_head", "n_positions"))
LAYERS = 12 * 8 * 8 + 13 * 8 + 2 * 8  # one layer of width 8 with all biases, and the last norm


def one_more_entry(state: dict[str, Any]) -> None:
    """The trainer went on for five steps."""
    state["global_step"] = 35
    state["log_history"].append({"step": 35, "loss": 4.0})


HF_TRAINER = Golden(
    "hf_trainer/run",
    {
        "run": Run(
            {
                "loss": [(step, 8 - (step - 2) / 8) for step in STEPS],  # the mean over five steps
                "odd": [(step, {5: NAN, 10: INF, 15: -INF}.get(step, step)) for step in STEPS],
                "absent": [(step, None) for step in STEPS],
                "grad_norm": [(step, 0.0) for step in STEPS],
                "learning_rate": [(step, 0.001 * ((31 - step) / 30)) for step in STEPS],
                "num_input_tokens_seen": [(step, 4 * 8 * step) for step in STEPS],
                "epoch": [(step, step / 16) for step in STEPS],
                "eval_loss": [(step, 6 - step / 16) for step in (10, 20, 30)],
            },
            "eval_loss",
            (4.125, "ok"),
            {
                "n_params": (LAYERS + 16 * 8 + 8 * 8, "counted by the shape of a gpt2 model", SHAPE),
                "n_params_nonembed": (LAYERS, "counted by the shape of a gpt2 model, without embeddings", SHAPE),
                "n_tokens": (4 * 8 * 30, COUNTED, ("logged num_input_tokens_seen",)),
            },
            ("batch_seqs", "batch_tokens", "learning_rate"),
            {"n_params": 1080, "n_tokens": 960, "compute_flop": 6 * 1080 * 960},
            "finished",
            counted={
                "train_runtime": 6, "train_tokens_per_second": 6, "eval_runtime": 3, "eval_samples_per_second": 3,
                "eval_steps_per_second": 3,
            },
            tokens={"eval_loss": {10: 320, 20: 640, 30: 960}},
        )
    },
    notes=(
        "Of 2 copies of the state the newest was read, of step 30.",
        "loss is a mean over the steps since the entry before",
        "6 values of 1 run stood at a step that was logged again",
    ),
    more=edit("trainer_state.json", one_more_entry),
    grew=("run", {"loss": (35, 4.0)}),
)  # fmt: skip

LOGGED = range(4, 30, 5)
LIGHTNING = Golden(
    "lightning/run",
    {
        "run": Run(
            {
                "train/loss": [(step, 4 - step / 16) for step in LOGGED],
                "odd": [(step, {4: NAN, 9: INF, 14: -INF}.get(step, step)) for step in LOGGED],
                'a, "quoted" name': [(19, 0.5)],
                "val_loss": [(step, 5 - (step + 1) / 8) for step in (9, 19, 29)],
                "epoch": [(step, step // 10) for step in LOGGED],
            },
            "val_loss",
            (1.25, "ok"),
            {"learning_rate": (1e-3, "given", ("config learning_rate",))},
            without("learning_rate"),
        )
    },
    notes=("3 values of 1 run stood at a step that was logged again",),
    more=append(",3,nan,34,1.875,\n", "metrics.csv"),
    grew=("run", {"epoch": (34, 3), "odd": (34, NAN), "train/loss": (34, 1.875)}),
)

SEED = {"seed": (0, "given", ("config trainer.seed",))}
LEVANTER = [
    Golden(
        "levanter/events.jsonl",
        {
            "events": Run(
                {
                    "train/loss": linear(range(1, 31), 4, -1 / 16, {5: NAN, 6: INF, 7: -INF, 8: None}),
                    "throughput/total_tokens": [(step, 1024 * step) for step in range(1, 31)],
                },
                "train/loss",
                (2.125, "ok"),
                SEED | {"n_tokens": (1024 * 30, COUNTED, ("logged throughput/total_tokens",))},
                (*without("n_tokens"), "batch_seqs"),
                {"n_tokens": 1024 * 30},
                "finished",
                tokens={"train/loss": {step: 1024 * step for step in range(1, 31)}},
            )
        },
        notes=("Metrics called bpb are in bits per byte",),
        more=append('{"tracker": "json_logger", "event": "log", "step": 31, "metrics": {"train": {"loss": NaN}}}\n'),
        grew=("events", {"train/loss": (31, NAN)}),
    ),
    Golden(
        "levanter/one/tracker_metrics.jsonl",
        {
            "tracker_metrics": Run(
                {
                    "eval/loss": [(None, NAN)], "eval/max": [(None, INF)], "eval/paloma/c4_en/bpb": [(None, 1.25)],
                    "train/loss": [(None, 2.5)], "parameter_count": [(None, 4e8)], "optim/lr.a": [(None, 0.5)],
                    "throughput/total_tokens": [(None, 1e9)], "throughput/total_gflops": [(None, 2.4e9)],
                },
                "eval/loss",
                (None, "nan"),
                SEED
                | {
                    "n_params": (4e8, "given", ("summary parameter_count",)),
                    "n_tokens": (1e9, "counted by the log", ("summary throughput/total_tokens",)),
                    "compute_flop": (2.4e18, "given in GFLOP", ("logged throughput/total_gflops",)),
                },
                ("batch_seqs", "batch_tokens", "learning_rate"),
                {"n_params": 4e8, "n_tokens": 1e9, "compute_flop": 2.4e18},
            )
        },
        notes=("summary has the last value of each metric",),
        more=edit(None, lambda line: line["summary"].update({"eval/min": 1.5})),
        grew=("tracker_metrics", {"eval/min": (None, 1.5)}),
    ),
    Golden(
        "levanter/several.jsonl",
        {
            f"checkpoints/isoflop-d{width}": Run({"x": [(None, width)]}, missing=ALL, name=f"isoflop-d{width}")
            for width in (512, 768)
        },
        notes=("Without a loss: no metric is a loss by its name.",),
        more=append('{"run_path": "checkpoints/isoflop-d512", "config": {}, "summary": {"y": 2}}\n'),
        grew=("checkpoints/isoflop-d512", {"y": (None, 2.0)}),
    ),
]  # fmt: skip

GOLDENS = {"hf_trainer": [HF_TRAINER], "lightning": [LIGHTNING], "levanter": LEVANTER}
