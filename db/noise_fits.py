"""The gradient noise scale of runs of a store, from squared gradient norms that they logged.

What was asked for, as plain data: ``run small big batch_small batch_big context_length batch_unit where over window
windows block level``. ``small`` holds the metrics of the small batch: one, or one for each micro-batch; ``batch_small``
and ``batch_big`` are numbers, or columns of ``runs_final``. The rows of the law are windows of one run.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.batch_steps import asked_words
from db.columns import check_expression
from db.kinds import DerivedSelection, axis_of, hash_lines
from db.query import run_select
from db.sweeps import check_column, check_unit
from scaling.errors import InputDataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.batch_size.calibration import Calibration
    from scaling.batch_size.noise import NoiseScale
    from scaling.batch_size.noise_windows import NoiseScaleCurve
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit

Array = NDArray[np.float64]

KIND = "noise_scale"
USUAL: dict[str, Any] = {
    "run": None, "small": (), "big": None, "batch_small": None, "batch_big": None, "context_length": None,
    "batch_unit": None, "where": None, "over": "steps", "window": None, "windows": None, "block": None, "level": 0.9,
}  # fmt: skip
_TIMES = ("steps", "tokens")


@dataclass(frozen=True)
class RunNoise:
    """The noise scale of one run.

    Parameters
    ----------
    run_id : str
        Which.
    noise : NoiseScale
        Of all its rows.
    curve : NoiseScaleCurve
        Of its windows.
    """

    run_id: str
    noise: NoiseScale
    curve: NoiseScaleCurve


def _unlogged(store: Store, name: str, metrics: Sequence[str]) -> UsageError:
    """Say that no run logged a metric; one that was in the log and not named there was kept without its steps."""
    known, _ = store.query("SELECT * FROM runs_final LIMIT 0")
    hint = did_you_mean(name, metrics)
    if name in known:
        hint = (
            f"'{name}' was kept as a column of the runs, with one value each. To keep every step, name it in a mapping "
            f'and ingest again: [metrics] {name} = {{ column = "{name}", kind = "other" }}'
        )
    return UsageError(f"No run logged the metric '{name}'.", hint)


def sql_of(store: Store, asked: Mapping[str, Any]) -> str:
    """Write the SELECT of the logged norms: one row a run and step that has all of them."""
    check_unit(asked.get("batch_unit"))
    small, big = list(asked.get("small") or ()), asked.get("big")
    if not small or not big:
        raise UsageError(
            "A noise scale takes the squared norms of two batch sizes.",
            "Name the metrics that hold them: --small sqnorm_micro --big sqnorm_batch",
        )
    if asked.get("over", "steps") not in _TIMES:
        raise UsageError(f"Training is not counted in '{asked['over']}'.", did_you_mean(str(asked["over"]), _TIMES))
    _, known = store.query("SELECT DISTINCT metric FROM metrics")
    for name in [*small, big]:
        if (name,) not in known:
            raise _unlogged(store, name, [metric for (metric,) in known])
    length = asked.get("context_length")
    if length is not None and asked.get("batch_unit") == "tokens":
        raise UsageError("Batches that count tokens already are not multiplied by a context length once more.")
    sizes = [_size_sql(store, asked, key) for key in ("batch_small", "batch_big")]
    if length is not None:
        sizes = [f"({size}) * {float(length):.17g}" for size in sizes]
    if len(small) > 1 and asked.get("batch_big") is None:
        sizes[1] = f"({sizes[0]}) * {len(small)}"
    joins, columns = [], []
    for i, name in enumerate([*small, big]):
        text = name.replace("'", "''")
        columns.append(f"m{i}.value AS {'big' if i == len(small) else f'small_{i}'}")
        joins.append(f"(SELECT * FROM metrics WHERE metric = '{text}') AS m{i}")
    using = "".join(
        f"\nJOIN {one} ON m{i}.run_id = m0.run_id AND m{i}.step IS NOT DISTINCT FROM m0.step"
        for i, one in enumerate(joins) if i
    )  # fmt: skip
    conditions = []
    if asked.get("where"):
        check_expression(asked["where"], "--where", "n_params > 1e8")
        conditions.append(f"({asked['where']}\n)")
    if asked.get("run"):
        conditions.append("run_id = '{}'".format(str(asked["run"]).replace("'", "''")))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    runs = f"SELECT run_id, {sizes[0]} AS batch_small, {sizes[1]} AS batch_big FROM runs_final{where}"
    return (
        f"SELECT r.run_id, m0.step, m0.tokens, r.batch_small, r.batch_big, {', '.join(columns)}\n"
        f"FROM ({runs}) AS r\nJOIN {joins[0]} ON m0.run_id = r.run_id{using}\nORDER BY r.run_id, m0.step, m0.tokens"
    )


def runs_of(store: Store, asked: Mapping[str, Any]) -> list[RunNoise]:
    """Work out the noise scale of every run that logged the norms."""
    columns, rows = run_select(store, sql_of(store, asked))
    if not rows:
        raise InputDataError(
            "No run that is selected logged these metrics at the same steps.", "See what there is with: scaling ls"
        )
    return [_noise_of(asked, run_id, columns, part) for run_id, part in _by_run(rows).items()]


def derive(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], sql: str
) -> DerivedSelection:
    """Work out the noise scale of the windows of one run."""
    parts = _by_run(rows)
    if len(parts) > 1:
        raise UsageError(f"{len(parts)} runs logged these metrics.", f"Name one: --run {next(iter(parts))}")
    [(run_id, part)] = parts.items()
    found = _noise_of(asked, run_id, columns, part)
    usable = found.curve.usable
    return DerivedSelection(
        run_ids=tuple(f"{run_id} at {w.centre:.6g}" for w in usable),
        inputs={"T": np.array([w.centre for w in usable])},
        observed=np.array([w.noise.estimate for w in usable]),
        sql=sql,
        sha256=hash_lines([i, *row] for i, row in enumerate(part)),
        excluded=(),
        not_selected=0,
        columns={"T": "step" if asked.get("over", "steps") == "steps" else "tokens"},
        metric=str(asked["big"]),
        order=np.array([w.centre for w in usable]),
        members=tuple((run_id,) for _ in usable),
        source=found,
        notes=_notes(found, len(usable)),
    )


def make(rows: DerivedSelection, _asked: Mapping[str, Any], bootstrap: int = 0, seed: int = 0) -> Fit:
    """Fit the law to the windows."""
    source: RunNoise = rows.source
    return source.curve.fit(bootstrap=bootstrap, seed=seed)


def backtest(saved: SavedFit, rows: DerivedSelection, **settings: Any) -> Backtest:
    """Hold the last windows out."""
    import scaling

    weights = rows.source.curve.weights
    return scaling.backtest_law(saved.fit, rows.inputs, rows.observed, weights=weights, by=axis_of(rows), **settings)


def command_of(config: Mapping[str, Any]) -> str:
    """Return the command that makes a saved law."""
    asked, settings = config["derived"]["asked"], config["settings"]
    words = ["scaling", "batch-size", "noise-scale", *asked_words(asked, USUAL)]
    words += ["--bootstrap", str(settings["bootstrap"]), "--seed", str(settings["seed"]), "--name", config["name"]]
    return shlex.join(words)


def calibrate(store: Store, name: str, found: Sequence[RunNoise], level: float) -> tuple[str, Calibration]:
    """Hold the critical batch size of a saved fit against the noise scale of one run.

    Raises
    ------
    UsageError
        For several runs: one curve of steps has one noise scale beside it.
    InputDataError
        For units that differ.
    """
    from db.batch_answers import load_steps
    from scaling.batch_size.calibration import calibrate_noise_scale

    if len(found) > 1:
        raise UsageError(f"There are {len(found)} runs to hold against '{name}'.", "Name one with --run.")
    one = load_steps(store, name)
    return one.saved.name, calibrate_noise_scale(one.steps.critical_batch(level=level), found[0].noise)


def _size_sql(store: Store, asked: Mapping[str, Any], key: str) -> str:
    """SQL of a batch size: a number, or a column of ``runs_final``."""
    value = asked.get(key)
    option = f"--{key.replace('_', '-')}"
    if value is None:
        if key == "batch_big" and len(asked.get("small") or ()) > 1:
            return "NULL"
        raise UsageError(f"How many samples a batch has is not said: {option}.", f"Such as {option} 8, or a column.")
    return f"{float(value):.17g}" if isinstance(value, int | float) else check_column(store, value, option)


def _by_run(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    parts: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        parts.setdefault(str(row[0]), []).append(row)
    return parts


def _noise_of(
    asked: Mapping[str, Any], run_id: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> RunNoise:  # fmt: skip
    from scaling.batch_size.noise import noise_scale
    from scaling.batch_size.noise_windows import noise_scale_windows

    table = np.array([[np.nan if v is None else float(v) for v in row[1:]] for row in rows])
    at = {name: i - 1 for i, name in enumerate(columns)}
    small = table[:, [i for name, i in at.items() if name.startswith("small_")]].mean(axis=1)
    big, b, B = (table[:, at[name]] for name in ("big", "batch_small", "batch_big"))
    over = asked.get("over") or "steps"
    time = table[:, at["tokens" if over == "tokens" else "step"]]
    unit = "tokens" if asked.get("context_length") else str(asked.get("batch_unit") or "samples")
    level, block = float(asked.get("level") or 0.9), asked.get("block")
    if not np.all(np.isfinite(time)):
        raise InputDataError(
            f"The run {run_id} logged norms without the {over} so far.", "Count training in the other: --over."
        )
    noise = noise_scale(small, big, b, B, level, block_length=block, unit=unit)
    count = asked.get("windows")
    curve = noise_scale_windows(
        time, small, big, b, B, count=count, width=asked.get("window"), level=level, block_length=block, time_unit=over,
        unit=unit,
    )  # fmt: skip
    return RunNoise(run_id, noise, curve)


def _notes(found: RunNoise, usable: int) -> tuple[str, ...]:
    left = len(found.curve.windows) - usable
    if not left:
        return ()
    return (f"{left} of {len(found.curve.windows)} windows have no bounded noise scale, and take no part in the law.",)
