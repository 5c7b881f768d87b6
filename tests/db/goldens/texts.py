"""What the fixtures of text logs hold, as far as their print keeps the formulas that made them."""

from __future__ import annotations

from pathlib import Path

from tests.db.golden import Golden, Run
from tests.db.goldens.common import COUNTED, INF, NAN, append, without
from tests.db.writers.texts import megatron_line, megatron_number, nanotron_line, olmo_lines, olmo_number, printed

TENS = range(10, 101, 10)
FORTY = range(1, 41)
SHAPE = "estimated by the shape: feed-forward parts of two matrices, no biases, output layer tied"


def short(value: float) -> float:
    """What Megatron prints of a loss or rate."""
    return printed(megatron_number(value))


def layers(n: int, width: int) -> int:
    """Parameters of layers without biases, with two norms each, and of the last norm."""
    return n * (12 * width**2 + 2 * width) + width


BATCH = ("config global_batch_size", "config seq_length")
SIZES = ("config num_layers", "config hidden_size", "config padded_vocab_size")
MEANS = "Values of training are means over the iterations since the line before"
MEGATRON = Golden(
    "megatron/megatron.log",
    {
        "megatron": Run(
            {
                "consumed samples": [(step, 512 * step) for step in TENS],
                "elapsed time per iteration (ms)": [(step, 1330.5) for step in TENS],
                "throughput per GPU (TFLOP/s/GPU)": [(step, 84.5) for step in TENS],
                "learning rate": [(step, short(step * 3e-6)) for step in TENS],
                "global batch size": [(step, 512) for step in TENS],
                # Megatron prints no loss that is NaN; an infinite one is above 0.
                "lm loss": [(step, {40: None, 50: INF}.get(step, 11 - step / 64)) for step in TENS],
                "loss scale": [(step, 1.0) for step in TENS],
                "grad norm": [(step, NAN if step == 40 else float(f"{0.25 + step / 80:.3f}")) for step in TENS],
                "number of skipped iterations": [(step, 2 * (step == 10)) for step in TENS],
                "number of nan iterations": [(step, int(step == 40)) for step in TENS],
                "validation lm loss": [(step, 11.5 - step / 64) for step in (50, 100)],
                "validation lm loss PPL": [(50, 50.0), (100, 100.0)],
                "validation lm loss at the end of training": [(100, 12.0)],
                "test lm loss": [(100, 12.0)],
            },
            "validation lm loss",
            (11.5 - 100 / 64, "ok"),
            {
                "n_params": (2 * 177_000_000, "given", ("summary num_parameters",)),
                "n_params_nonembed": (layers(24, 1024), f"{SHAPE}, without embeddings", SIZES),
                "batch_seqs": (512, "given", BATCH[:1]),
                "seq_len": (2048, "given", BATCH[1:]),
                "batch_tokens": (512 * 2048, "batch_seqs x seq_len", BATCH),
                "n_tokens": (100 * 512 * 2048, "last step x batch_tokens", ("last step 100", *BATCH)),
                "learning_rate": (3e-4, "given", ("config lr",)),
                "corpus": ("corpus a", "given, as a list", ("config data_path",)),
            },
            (),
            {"n_tokens": 104_857_600, "compute_flop": 6 * 354e6 * 104_857_600},
            tokens={"validation lm loss": {50: 50 * 512 * 2048, 100: 100 * 512 * 2048}},
            digits={"lm loss": 7, "grad norm": 3},
        )
    },
    notes=(
        MEANS, "1 loss is missing: Megatron prints none that is NaN", "Iterations were skipped (2) or gave NaN (1).",
        "num_parameters is a sum over tensor ranks",
    ),
    more=append(megatron_line(110, {"lm loss": NAN, "grad norm": 2.0}) + "\n"),
    grew=("megatron", {"lm loss": (110, NAN), "grad norm": (110, 2.0)}),
)  # fmt: skip


def after_restart(step: int) -> float:
    """Loss of the run that was started again from step 20."""
    return short(11 - step / 64 - (step > 20))


DEEPSPEED = Golden(
    "megatron/deepspeed.out",
    {
        "deepspeed": Run(
            {
                "consumed samples": [(step, 8 * step) for step in FORTY],
                "consumed tokens": [(step, 8192 * step) for step in FORTY],
                "elapsed time per iteration (s)": [(step, 4.25) for step in FORTY],
                "learning rate": [(step, float(f"{step * 1e-5:.3E}")) for step in FORTY],
                "global batch size": [(step, 8) for step in FORTY],
                "lm loss": [(step, after_restart(step)) for step in FORTY],
                "grad norm": [(step, 1 + step / 8) for step in FORTY],
                "actual seqlen": [(step, 1024) for step in FORTY],
                "number of skipped iterations": [(step, 0) for step in FORTY],
                "number of nan iterations": [(step, 0) for step in FORTY],
                "samples per second": [(step, 1.886) for step in FORTY],
                "TFLOPs": [(step, 78.46) for step in FORTY],
                # Evaluations at 25 and 30 are void: they came before it was started again from 20.
                "validation lm loss at the end of training": [(40, 8.0)],
                "test lm loss": [(40, 7.0)],
            },
            "test lm loss",
            (7.0, "ok"),
            {"n_tokens": (8192 * 40, COUNTED, ("logged consumed tokens",))},
            without("n_tokens"),
            tokens={"lm loss": {step: 8192 * step for step in FORTY}},
        )
    },
    notes=(
        MEANS, "120 values of 1 run stood at a step that was logged again",
        "2 values of 1 run lay beyond a step from which the run was started again, the first at step 25",
    ),
    more=append(megatron_line(41, {"lm loss": INF}) + "\n"),
    grew=("deepspeed", {"lm loss": (41, INF)}),
)  # fmt: skip

TWELVE = range(1, 13)
START = ("config global_batch_size", "config sequence_length")
NANOTRON = Golden(
    "nanotron/train.log",
    {
        "train": Run(
            {
                "lm_loss": [(step, NAN if step == 4 else float(f"{11 - step / 7:.3g}")) for step in TWELVE],
                "lr": [(step, float(f"{step * 2.5e-5:.3g}")) for step in TWELVE],
                "grad_norm": [(step, 1230.0 if step == 1 else float(f"{0.5 + step / 8:.3g}")) for step in TWELVE],
                "global_batch_size": [(step, 512) for step in TWELVE],
                "elapsed_time_per_iteration_ms": [(step, 4710.0) for step in TWELVE],
            },
            "lm_loss",
            (float(f"{11 - 12 / 7:.3g}"), "ok"),
            {
                "n_params": (12_400, "given", ("summary num_parameters",)),
                "n_params_nonembed": (
                    layers(2, 16), f"{SHAPE}, without embeddings",
                    tuple(f"config model.{name}" for name in ("num_hidden_layers", "hidden_size", "vocab_size")),
                ),
                "batch_seqs": (512, "given", START[:1]),
                "seq_len": (2048, "given", START[1:]),
                "batch_tokens": (512 * 2048, "batch_seqs x seq_len", START),
                "n_tokens": (12 * 512 * 2048, "last step x batch_tokens", ("last step 12", *START)),
                "learning_rate": (3e-4, "given", ("config lr",)),
                "seed": (42, "given", ("config general.seed",)),
            },
            (),
            {"n_params": 12_400, "n_tokens": 12 * 2**20},
            # Three digits are printed of these, and all of them follow from the batch.
            tokens={"lm_loss": {step: step * 2**20 for step in TWELVE}},
            digits={"lm_loss": 3},
        )
    },
    notes=("nanotron prints three significant digits",),
    more=append(nanotron_line(13, {"lm_loss": 9.14159}) + "\n"),
    grew=("train", {"lm_loss": (13, 9.14)}),
)  # fmt: skip

TITAN = ("config global_batch_size", "config training.seq_len")
TORCHTITAN = Golden(
    "torchtitan/rank0.log",
    {
        "rank0": Run(
            {
                "loss": [(step, {4: NAN, 6: INF}.get(step, 10.25 - step / 4)) for step in TWELVE],
                "grad_norm": [(step, 0.5 + step / 8) for step in TWELVE],
                "memory": [(step, 1.25) for step in TWELVE],
                "tps": [(step, 16384) for step in TWELVE],
                "tflops": [(step, 0.02) for step in TWELVE],
                "mfu": [(step, 0.0) for step in TWELVE],
                "validation_metrics/loss": [(step, 9 - step / 8) for step in (5, 10)],
            },
            "validation_metrics/loss",
            (7.75, "ok"),
            {
                "n_params": (6_139_136, "given", ("summary num_parameters",)),
                "batch_seqs": (64, "given", TITAN[:1]),
                "seq_len": (2048, "given", TITAN[1:]),
                "batch_tokens": (64 * 2048, "batch_seqs x seq_len", TITAN),
                "n_tokens": (12 * 64 * 2048, "last step x batch_tokens", ("last step 12", *TITAN)),
                "learning_rate": (8e-4, "given", ("config optimizer.lr",)),
                "warmup_steps": (2, "given", ("config warmup_steps",)),
            },
            (),
            {"n_params": 6_139_136, "n_tokens": 10 * 64 * 2048},  # the last step of the loss that is shown
            tokens={"validation_metrics/loss": {5: 5 * 2**17, 10: 10 * 2**17}},
            digits={"loss": 6},
        )
    },
    notes=("The loss of a line is that of its step alone",),
    more=append("[rank0]:[titan] - root - INFO - step: 13  loss:     -nan  grad_norm:  2.1250\n"),
    grew=("rank0", {"loss": (13, NAN), "grad_norm": (13, 2.125)}),
)


def four(value: float) -> float:
    """What the console of OLMo prints of a number."""
    return printed(olmo_number(value))


def seen(step: int) -> int:
    """Tokens that OLMo counts."""
    return step * 262_144 * (1 if step < 10 else 4000)


OLMO_CONSOLE = Golden(
    "olmo/console.log",
    {
        "console": Run(
            {
                "train/CE loss": [(s, {3: NAN, 5: INF, 7: -INF}.get(s, four(11 - s / 16))) for s in TWELVE],
                "train/PPL": [(step, 2.0**step) for step in TWELVE],
                "train/block 3/load imbalance": [(step, 1 + step / 8) for step in TWELVE],
                "optim/LR (group 0)": [(step, four(step * 2e-5)) for step in TWELVE],
                "optim/total grad norm": [(step, four(0.25 + step / 64)) for step in TWELVE],
                "optim/step skipped": [(step, 0.0) for step in TWELVE],
                "throughput/total tokens": [(step, four(seen(step))) for step in TWELVE],
                "throughput/device/TPS (actual avg)": [(step, 1234.0) for step in TWELVE],
            },
            "train/CE loss",
            (10.25, "ok"),
            {"n_tokens": (12.58e9, COUNTED, ("logged throughput/total tokens",))},
            without("n_tokens"),
            {"n_tokens": 12.58e9},
            tokens={"train/CE loss": {step: four(seen(step)) for step in TWELVE}},
            digits={"train/CE loss": 4},
        )
    },
    notes=("The console of OLMo prints some four significant digits.",),
    more=append("\n".join(olmo_lines(13, {"train/CE loss": -INF})) + "\n"),
    grew=("console", {"train/CE loss": (13, -INF)}),
)
SAVED = (4, 8, 12)
OLMO_SHAPE = tuple(f"config model.{name}" for name in ("n_layers", "d_model", "vocab_size"))


def one_more_file(path: Path) -> None:
    """The metrics of a later step."""
    (path / "metrics_step16.json").write_text('{"train/CE loss": NaN}')


OLMO_SAVED = Golden(
    "olmo/saved",
    {
        "saved": Run(
            {
                "train/CE loss": [(step, 11 - step / 16) for step in SAVED],
                "train/PPL": [(step, 2.0**step) for step in SAVED],
                "train/block 3/load imbalance": [(step, 1 + step / 8) for step in SAVED],
                "optim/LR (group 0)": [(step, step * 2e-5) for step in SAVED],
                "optim/total grad norm": [(step, 0.25 + step / 64) for step in SAVED],
                "optim/step skipped": [(step, 0.0) for step in SAVED],
                "throughput/total tokens": [(step, seen(step)) for step in SAVED],
                "throughput/device/TPS (actual avg)": [(step, 1234.5) for step in SAVED],
                "eval/lm/c4_en-validation/CE loss": [(step, 5 - step / 32) for step in SAVED],
            },
            "eval/lm/c4_en-validation/CE loss",
            (5 - 12 / 32, "ok"),
            {
                "n_params": (layers(2, 64) + 64 * 512, SHAPE, OLMO_SHAPE),
                "n_params_nonembed": (layers(2, 64), f"{SHAPE}, without embeddings", OLMO_SHAPE),
                "n_tokens": (seen(12), COUNTED, ("logged throughput/total tokens",)),
                "batch_tokens": (262_144, "given", ("config data_loader.global_batch_size",)),
            },
            ("n_tokens?", "learning_rate"),  # the last steps count more tokens than their batch has
            {"n_params": layers(2, 64) + 64 * 512, "n_tokens": seen(12)},
            tokens={"train/CE loss": {step: seen(step) for step in SAVED}},
        )
    },
    notes=("A saved file repeats the last value of a metric that was not logged anew",),
    more=one_more_file,
    grew=("saved", {"train/CE loss": (16, NAN)}),
)

GOLDENS = {
    "megatron": [MEGATRON, DEEPSPEED], "nanotron": [NANOTRON], "torchtitan": [TORCHTITAN],
    "olmo": [OLMO_CONSOLE, OLMO_SAVED],
}  # fmt: skip
