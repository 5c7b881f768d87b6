"""The door: one Typer app. Parses, calls, prints, sets the exit code.

Nothing heavy is imported here, so that ``--help`` is instant; every command imports what it needs.
"""

from __future__ import annotations

import functools
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from scaling import arguments
from scaling.errors import InputDataError, ScalingError, StoreError, UsageError, VerdictError, did_you_mean

app = typer.Typer(
    name="scaling",
    epilog="Start with: scaling demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DATA, FIT, DECIDE, REPORT, STORE = "Data", "Fit", "Decide", "Report", "Store"
LISTS = {
    "runs": "SELECT run_id, n_params, n_tokens, compute_flop, loss, loss_status, metric, corpus FROM runs_final "
    "ORDER BY run_id",
    "sources": "SELECT source_id, uri, format, n_runs, n_refused, imported_at FROM sources ORDER BY imported_at, uri",
    "metrics": "SELECT metric, unit, kind, (SELECT count(DISTINCT run_id) FROM metrics AS m WHERE m.metric = d.metric) "
    "AS n_runs FROM metric_defs AS d ORDER BY metric",
    "fits": "SELECT name, fit_id, law, objective, objective_value, n_obs, verdict, group_value, metric, created_at "
    "FROM fits ORDER BY created_at, name",
}


def store_path(text: str) -> str:
    """Read the name of a store; one in memory would be gone with the command."""
    if text in ("", ":memory:"):
        raise typer.BadParameter("a store is a file, such as scaling.duckdb.")
    return os.path.expanduser(text)


Database = Annotated[str, Option("--db", envvar="SCALING_DB", metavar="FILE", callback=store_path, help="The store.")]
Format = Annotated[
    str | None,
    Option("--format", metavar="FORMAT", help="table, json, jsonl, csv or markdown. Table on a terminal, else JSON."),
]
Level = Annotated[float, Option("--level", help="Nominal coverage of the intervals.")]
Force = Annotated[bool, Option("--force", help="Answer even where the law is not identified.")]
FailOn = Annotated[
    str | None,
    Option("--fail-on", metavar="VERDICT", help="Exit with 1 on: weak (or worse), not-identified, extrapolating."),
]
FitName = Annotated[str, Argument(metavar="FIT", help="Name or identifier of a saved fit, or 'latest'.")]
Params = Annotated[list[str] | None, Option("--params", metavar="N", help="Parameters, such as 70e9 or 70B.")]
Tokens = Annotated[list[str] | None, Option("--tokens", metavar="D", help="Training tokens, such as 1.4e12 or 1.4T.")]
At = Annotated[
    list[str] | None, Option("--at", metavar="NAME=VALUE,...", help="Inputs of any law; repeat for more targets.")
]
Replace = Annotated[bool, Option("--replace", help="Let what is there of that name give way.")]


def show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        from scaling import __version__

        typer.echo(f"scaling-suite {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Scaling laws from run logs: ingest them, fit a law, forecast, decide, report."""


def command(panel: str, epilog: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command: errors raised on purpose become a message and an exit code."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            try:
                check_options(**kwargs)
                function(*args, **kwargs)
            except ScalingError as error:
                if os.environ.get("SCALING_DEBUG"):
                    raise
                complain(error)
                raise typer.Exit(error.exit_code) from error
            except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
                abandon_output()
            except OSError as error:
                abandon_output()
                where = f" ({error.filename})" if error.filename else ""
                complain(StoreError(f"The system refused: {error.strerror or error}{where}"))
                raise typer.Exit(StoreError.exit_code) from error
            except (KeyboardInterrupt, RuntimeError) as error:
                if isinstance(error, RuntimeError) and "interrupted" not in str(error):  # DuckDB's way to say Ctrl-C
                    raise
                say("Interrupted; what was not finished is not in the store.")
                raise typer.Exit(130) from error

        return app.command(rich_help_panel=panel, epilog=epilog)(run)

    return decorate


def check_options(format_: str | None = None, fail_on: str | None = None, **_: Any) -> None:
    """Refuse what cannot be answered before anything is done."""
    from reports.terminal import choose_format

    choose_format(format_)
    fail_on_verdict(fail_on, "ok")


def abandon_output() -> None:
    """Where standard output takes no more, turn it to nothing, so that Python's last flush does not fail as well."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(text: str) -> None:
    """Talk to people: on standard error, so that the data on standard output stay clean."""
    typer.echo(text, err=True)


def complain(error: ScalingError) -> None:
    """Print an error as sentences: what is wrong, where and why, and then what to do."""
    first, *rest = error.message.split("\n")
    word = first.partition(" ")[0]
    if word.isalpha() and not Path(word).exists():  # the name of a file stays as it is
        first = first[0].upper() + first[1:]
    stop = "" if first.endswith((".", "?", "!", ":")) else "."
    say("\n".join([f"error: {first}{stop}", *rest, *([error.hint] if error.hint else [])]))


def emit(
    rows: Sequence[Mapping[str, Any]], format_: str | None, shown: Any = None, columns: Sequence[str] = ()
) -> None:
    """Print rows; `shown` is what people get instead: other rows, or a finished text."""
    from reports import terminal

    chosen = terminal.choose_format(format_)
    if chosen == "table" and isinstance(shown, str):
        typer.echo(shown)
    else:
        typer.echo(terminal.render(rows, chosen, None if isinstance(shown, str) else shown, columns), nl=False)
    if chosen == "table" and not rows:
        say("No rows.")


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar on standard error, if that is a terminal, once the work has taken a second."""
    if not sys.stderr.isatty():
        yield None
        return
    from threading import Timer

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=None)
    timer = Timer(1.0, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda done, total: bar.update(task, completed=done, total=total)
    finally:
        timer.cancel()
        bar.stop()


def fail_on_verdict(limit: str | None, *verdicts: str) -> None:
    """End with exit code 1 where a verdict is as bad as the limit."""
    from scaling.verdicts import meets

    if bad := [verdict for verdict in verdicts if limit and meets(verdict, limit)]:
        raise VerdictError(f"The verdict is '{bad[0]}', and --fail-on {limit} was asked for.")


def read(db: str, statement: str, limit: int | None = None) -> tuple[list[str], list[dict[str, Any]]]:
    """Select columns and rows from the store, and say so where a limit cuts them."""
    from db.store import Store

    with Store(db, read_only=True) as store:
        columns, rows = store.query(statement if limit is None else f"{statement} LIMIT {limit + 1}")
    if limit is not None and len(rows) > limit:
        say(f"The first {limit}; more with --limit, all of them with scaling sql.")
    return columns, [dict(zip(columns, row, strict=True)) for row in rows[:limit]]


# --- Data -----------------------------------------------------------------------------------------------------------


@command(DATA, "Example: scaling ingest runs.csv --dry-run")
def ingest(
    paths: Annotated[list[Path], Argument(metavar="PATH", help="CSV, JSON lines or Parquet files.")],
    mapping: Annotated[
        Path | None, Option("--mapping", metavar="TOML", help="Which column is what; guessed where left out.")
    ] = None,
    metric: Annotated[str | None, Option("--metric", help="Metric to show as the loss.")] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Show what would be read; write nothing.")] = False,
    replace: Annotated[bool, Option("--replace", help="Take over runs that another file brought.")] = False,
    allow_units: Annotated[bool, Option("--allow-units", help="Keep sizes that look like another unit.")] = False,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Read tables of runs into the store."""
    from db.ingest import plan_ingest, write_plan
    from db.store import Store

    def explain(mapping: Sequence[str], warnings: Sequence[str], problems: Sequence[Any]) -> None:
        lines = [f"  {line}" for line in mapping] + [f"warning: {warning}" for warning in warnings]
        lines += [f"refused: {problem}" for problem in problems[:20]]
        if len(problems) > 20:
            lines.append(f"refused: and {len(problems) - 20} more; all: scaling sql 'SELECT problems FROM sources'")
        for line in lines:
            say(line)

    rows: list[dict[str, Any]] = []
    with progress("reading") as advance:
        for i, path in enumerate(paths, start=1):
            plan = plan_ingest(path, mapping, metric=metric, allow_units=allow_units)
            if dry_run:
                say(f"{path}: {plan.n_runs} runs in {plan.n_rows} rows, {plan.shape} form; nothing is written.")
                explain(plan.mapping.lines(), plan.warnings, plan.problems)
                rows += plan.preview
                continue
            with Store(db) as store:  # opened for each file, so that one that cannot be read makes no store
                done = write_plan(store, plan, replace=replace)
            say(str(done))
            explain([] if done.status == "unchanged" else done.mapping.lines(), done.warnings, done.problems)
            names = ("source_id", "path", "status", "n_runs", "n_rows", "n_refused", "n_replaced", "metric")
            rows.append({name: getattr(done, name) for name in names})
            if advance:
                advance(i, len(paths))
    emit(rows, format_)


@command(DATA, "Example: scaling ls --what sources")
def ls(
    what: Annotated[str, Option("--what", help="runs, sources, metrics or fits.")] = "runs",
    limit: Annotated[int | None, Option("--limit", min=1, help="Rows at most; in a table 50, otherwise all.")] = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """List what the store holds."""
    from reports.terminal import choose_format

    if what not in LISTS:
        raise UsageError(f"There is nothing called '{what}' to list.", did_you_mean(what, LISTS))
    if limit is None and choose_format(format_) == "table":
        limit = 50
    columns, rows = read(db, LISTS[what], limit)
    emit(rows, format_, columns=columns)


@command(DATA, "Examples: scaling show run-17;  scaling show c4")
def show(
    name: Annotated[str, Argument(metavar="RUN|FIT", help="Identifier of a run, or name of a fit.")],
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Show everything about a run or a fit."""
    from db.saved import load_fit
    from db.store import Store
    from reports.rows import saved_fit_row, saved_fit_text
    from reports.terminal import cell

    with Store(db, read_only=True) as store:
        columns, rows = store.query("SELECT * FROM runs_final WHERE run_id = ?", [name])
        if not rows:
            try:
                saved = load_fit(store, name)
            except UsageError as error:
                _, known = store.query("SELECT run_id FROM runs UNION ALL SELECT name FROM fits LIMIT 10000")
                near = did_you_mean(name, [k for (k,) in known]).split("There are:")[0]
                hint = f"{near}See what there is with: scaling ls, scaling fits"
                raise UsageError(f"The store has no run and no fit '{name}'.", hint) from error
            emit([saved_fit_row(saved, 0.95)], format_, saved_fit_text(saved, 0.95))
            return
        run = dict(zip(columns, rows[0], strict=True))
        _, last = store.query(
            "SELECT metric, arg_max(struct_pack(value := value, status := value_status), coalesce(step, -1)) "
            "FROM metrics WHERE run_id = ? GROUP BY metric ORDER BY metric",
            [name],
        )
    metrics = {metric: x["value"] if x["status"] == "ok" else x["status"] for metric, x in last}
    others = {k: v for k, v in metrics.items() if k not in run}
    shown = [{"field": k, "value": cell(k, v)} for k, v in (run | others).items()]
    emit([run | {"metrics": metrics}], format_, shown)


@command(DATA, "Example: scaling rm source 3f9c2a7b1d04")
def rm(
    kind: Annotated[str, Argument(metavar="KIND", help="run, source or fit.")],
    name: Annotated[str, Argument(metavar="NAME", help="Which one.")],
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Remove a run, a source with its runs, or a fit. The audit table keeps that it was done."""
    from db.fits import remove_fit
    from db.removal import remove_run, remove_source
    from db.store import Store
    from scaling.formatting import format_plural

    if kind not in ("run", "source", "fit"):
        raise UsageError(f"There is no kind '{kind}' to remove.", did_you_mean(kind, ["run", "source", "fit"]))
    with Store(db, create=False) as store:
        if kind == "run":
            say(f"Removed the run {name} and {format_plural(remove_run(store, name), 'logged value')}.")
        elif kind == "source":
            say(f"Removed the source {name} and {format_plural(remove_source(store, name), 'run')}.")
        else:
            say(f"Removed the fit and the macro {remove_fit(store, name).name}.")
    emit([{"removed": kind, "name": name}], format_)


# --- Fit ------------------------------------------------------------------------------------------------------------


@command(FIT, "Examples: scaling laws;  scaling laws chinchilla")
def laws(
    name: Annotated[str | None, Argument(metavar="LAW", help="A name in the book, or a TOML file.")] = None,
    format_: Format = None,
) -> None:
    """List the law book, or show one law with its parameters and published coefficients."""
    from reports.rows import law_text
    from scaling.laws.book import find_law, law_names

    if name is not None:
        law = find_law(name)
        emit([law.to_dict()], format_, law_text(law))
        return
    book = [find_law(entry) for entry in law_names()]
    emit([{"law": x.name, "formula": x.formula, "title": x.title, "source": x.source or None} for x in book], format_)


@command(FIT, 'Examples: scaling fit chinchilla --name c4;  scaling fit "E + A/N**alpha" --param "alpha=0.01:2"')
def fit(
    law: Annotated[str | None, Argument(metavar="LAW", help="A name in the book, a TOML file, or a formula.")] = None,
    formula: Annotated[str | None, Option("--formula", help="A formula, in place of LAW.")] = None,
    param: Annotated[
        list[str] | None, Option("--param", metavar="NAME=LOW:HIGH", help="Bounds of a parameter of a formula.")
    ] = None,
    inputs: Annotated[
        list[str] | None, Option("--input", metavar="NAME=COLUMN", help="Column or SQL expression of an input.")
    ] = None,
    metric: Annotated[str | None, Option("--metric", help="Metric to fit; that of the ingest by default.")] = None,
    where: Annotated[str | None, Option("--where", metavar="SQL", help="Condition on columns of runs_final.")] = None,
    by: Annotated[str | None, Option("--by", metavar="COLUMN", help="One fit for each value of a column.")] = None,
    cluster: Annotated[
        str | None, Option("--cluster", metavar="COLUMN", help="Resample the values of this column whole.")
    ] = None,
    objective: Annotated[str, Option("--objective", help="huber, squared or lad.")] = "huber",
    delta: Annotated[float | None, Option("--delta", help="Where huber turns linear; 0.001 by default.")] = None,
    residual: Annotated[str, Option("--residual", help="log or linear.")] = "log",
    start: Annotated[
        list[str] | None, Option("--start", metavar="NAME=VALUE", help="Starting value; give all or none.")
    ] = None,
    bootstrap: Annotated[int, Option("--bootstrap", min=0, help="Replicates; 0 for covariance intervals.")] = 1000,
    seed: Annotated[int, Option("--seed", min=0, help="Of the bootstrap; stored with the fit.")] = 0,
    level: Level = 0.95,
    name: Annotated[str | None, Option("--name", help="Name of the fit and of its SQL macro.")] = None,
    replace: Replace = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Fit a law to the runs of the store, and save it as a SQL macro."""
    from db.fits import fit_runs
    from db.select import Question, shut_out_files
    from db.store import Store
    from reports.rows import saved_fit_row, saved_fit_text
    from scaling.formatting import format_plural
    from scaling.inputs import check_level

    check_level(level)
    if bool(law) == bool(formula):
        raise UsageError("Name one law to fit: as an argument, or as --formula.", "See them with: scaling laws")
    question = Question(metric, where, dict(arguments.pairs(inputs, "--input")), by, cluster)
    settings = {"objective": objective, "delta": delta, "residual": residual, "bootstrap": bootstrap, "seed": seed}
    if start:
        settings["start"] = {k: arguments.quantity(v, k) for k, v in arguments.pairs(start, "--start")}
    with Store(db, create=False) as store, progress("resampling") as advance:
        shut_out_files(store)
        saved, failures = fit_runs(
            store,
            law or formula or "",
            question,
            name=name,
            replace=replace,
            parameters=arguments.bounds(param) or None,
            progress=advance,
            **settings,
        )
    for value, error in failures.items():
        say(f"not fitted: {by} = {value}: {error.message}")
    for one in saved:
        about = f"{one.name}: " if by else ""
        for reason, count in one.excluded["counts"].items():
            say(f"{about}left out: {format_plural(count, 'run')}, {reason}")
    texts = [saved_fit_text(one, level) for one in saved]
    emit([saved_fit_row(one, level) for one in saved], format_, "\n\n".join(texts))
    fail_on_verdict(fail_on, *(one.fit.verdict for one in saved))


@command(FIT, "Example: scaling fits --format csv")
def fits(db: Database = "scaling.duckdb", format_: Format = None) -> None:
    """List the saved fits."""
    columns, rows = read(db, LISTS["fits"])
    emit(rows, format_, columns=columns)


# --- Decide ---------------------------------------------------------------------------------------------------------


@command(DECIDE, "Examples: scaling forecast c4 --params 70B --tokens 1.4T;  scaling forecast fit1 --at x=1e24")
def forecast(
    name: FitName,
    params: Params = None,
    tokens: Tokens = None,
    at: At = None,
    level: Level = 0.9,
    curve: Annotated[bool, Option("--curve", help="Interval of the law's curve, without the scatter of runs.")] = False,
    save: Annotated[bool, Option("--save", help="Keep the forecast in the store, to score it later.")] = False,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Forecast the loss of runs that have not been made."""
    from db.fits import save_predictions
    from db.saved import load_fit
    from db.store import Store
    from reports.rows import forecast_rows, forecast_shown

    targets = arguments.targets(params, tokens, at)
    if not targets:
        raise UsageError("Nothing to forecast.", "Name a target: --params 70B --tokens 1.4T, or --at x=1e24.")
    if save and curve:
        raise UsageError(
            "A forecast is kept to be held against a run, so its interval is that of a run.", "Leave --curve out."
        )
    kind = "curve" if curve else "run"
    with Store(db, read_only=not save, create=False) as store:
        saved = load_fit(store, name)
        arguments.check_targets(targets, saved.fit.law.name, list(saved.fit.law.inputs))
        predictions = [saved.fit.predict(x, level=level, kind=kind, force=force) for x in targets]
        if save:
            save_predictions(store, saved, targets, predictions)
    rows = [{"fit": saved.name, "fit_id": saved.fit_id} | r for r in forecast_rows(saved.fit, targets, predictions)]
    emit(rows, format_, forecast_shown(saved.fit, targets, predictions))
    about = "a new run" if kind == "run" else "the law's curve"
    unit = saved.fit.law.unit or "an unknown unit"
    say(f"{saved.fit.law.output} in {unit}; interval for {about}: {predictions[0].method}.")
    say_verdict(saved)
    fail_on_verdict(fail_on, *(p.verdict for p in predictions), saved.fit.verdict)


@command(DECIDE, "Example: scaling allocate c4 --flops 1e23 --flops 1e24")
def allocate(
    name: FitName,
    flops: Annotated[list[str], Option("--flops", metavar="C", help="Training compute in FLOP, C = 6 N D.")],
    level: Level = 0.9,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Split compute budgets between parameters and tokens, so that the loss is lowest."""
    import scaling
    from db.saved import load_fit
    from db.store import Store
    from reports.rows import allocation_shown
    from scaling.formatting import format_percent

    budgets = [arguments.size(c, "--flops") for c in flops]
    with Store(db, read_only=True) as store:
        saved = load_fit(store, name)
    plan = scaling.allocate(saved.fit, budgets, level=level, force=force)
    extra = {"level": level, "method": plan.method, "verdict": plan.verdict, "fit_verdict": saved.fit.verdict}
    emit(
        [{"fit": saved.name, "cost": "6*N*D"} | row | extra for row in plan.rows()],
        format_,
        allocation_shown(saved.fit, plan),
    )
    say(f"C = 6 N D. Intervals of the optimum: {plan.method}; the scatter of single runs is not in them.")
    if (lost := float(max(plan.edge_share))) > 0:
        say(f"Up to {format_percent(lost)} of the replicates have no optimum; the intervals are of the others.")
    say_verdict(saved)
    fail_on_verdict(fail_on, plan.verdict, saved.fit.verdict)


def say_verdict(saved: Any) -> None:
    """Say what is wrong with the fit behind an answer."""
    if saved.fit.verdict != "ok":
        say(f"The fit {saved.name} is {saved.fit.verdict}. {' '.join(saved.fit.diagnostics.reasons)}")


# --- Report ---------------------------------------------------------------------------------------------------------


@command(REPORT, "Example: scaling report c4 --params 70B --tokens 1.4T -o report.html")
def report(
    name: FitName,
    output: Annotated[Path, Option("--output", "-o", metavar="FILE", help="The page.")] = Path("report.html"),
    params: Params = None,
    tokens: Tokens = None,
    at: At = None,
    flops: Annotated[list[str] | None, Option("--flops", metavar="C", help="Budgets to split, in FLOP.")] = None,
    level: Level = 0.9,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Write the forecast, and how far to trust it, as one self-contained HTML page."""
    from db.provenance import is_simulated, sources_of
    from db.saved import load_fit, unchanged_rows
    from db.select import shut_out_files
    from db.store import Store
    from reports import check_place, write_report
    from reports.gather import gather
    from scaling.alternatives import alternatives

    check_place(output)
    targets = arguments.targets(params, tokens, at)
    budgets = [arguments.size(c, "--flops") for c in flops or []]
    with Store(db, read_only=True) as store:
        shut_out_files(store)
        saved = load_fit(store, name)
        arguments.check_targets(targets, saved.fit.law.name, list(saved.fit.law.inputs))
        rows = unchanged_rows(store, saved)
        sources, simulated = sources_of(store, rows.run_ids), is_simulated(store, rows.run_ids)
    with progress("refitting") as advance:
        others = alternatives(saved.fit, rows.inputs, rows.observed, rows.clusters, progress=advance)
        asked = {"targets": targets, "budgets": budgets, "level": level}
        page = gather(saved, rows, sources, others, store=db, simulated=simulated, **asked)
        path = write_report(page, output)
    say(f"Wrote {path} ({path.stat().st_size / 1000:.0f} kB).")
    emit([{"fit": page.name, "path": str(path), "verdict": page.fit.verdict}], format_)


@command(REPORT, "Example: scaling demo --output demo-out")
def demo(
    output: Annotated[Path, Option("--output", "-o", metavar="DIR", help="Folder for what it makes.")] = Path(
        "demo-out"
    ),
    seed: Annotated[int, Option("--seed", min=0, help="Of the simulated scatter.")] = 0,
) -> None:
    """Simulate run logs, then ingest, fit, forecast, allocate and report: the whole way, where the truth is known."""
    from scaling.demo import FILES, STORE_NAME, make_demo

    plan = make_demo(seed)
    mapping = output / FILES[1]
    try:
        there = [name for name in (STORE_NAME, *FILES) if (output / name).exists()]
        if there and not (mapping.is_file() and mapping.read_bytes() == plan.mapping_text.encode()):
            raise UsageError(
                f"The folder {output} holds a {there[0]} that is not the demonstration's, and it would be overwritten.",
                "Choose another folder with --output.",
            )
        output.mkdir(parents=True, exist_ok=True)
        for name in (STORE_NAME, f"{STORE_NAME}.wal"):
            (output / name).unlink(missing_ok=True)
        for name, text in zip(FILES, (plan.log_text, plan.mapping_text), strict=True):
            (output / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"The folder {output} cannot be written: {error.strerror}.", "Choose another with --output."
        ) from error
    typer.echo(plan.introduction)
    typer.echo(f"\nThe commands below run in the folder {output}.")
    here = Path.cwd()
    os.chdir(output)
    try:
        for i, (purpose, words) in enumerate(plan.steps, start=1):
            typer.echo(f"\n{i}. {purpose}\n$ {shlex.join(['scaling', *words])}")
            sys.stdout.flush()
            if code := app([*words, "--db", STORE_NAME, "--format", "table"], standalone_mode=False):
                raise typer.Exit(code)
    finally:
        os.chdir(here)
    typer.echo(f"\n{plan.conclusion}\nThe report: {output / 'report.html'}")


# --- Store ----------------------------------------------------------------------------------------------------------


@command(STORE, 'Examples: scaling sql "SELECT * FROM frontier";  scaling sql @query.sql --format csv')
def sql(
    statement: Annotated[str, Argument(metavar="SQL|-|@FILE", help="One statement; - reads standard input.")],
    param: Annotated[
        list[str] | None, Option("--param", metavar="NAME=VALUE", help="Value of $NAME in the statement.")
    ] = None,
    timeout: Annotated[float, Option("--timeout", min=0.01, help="Seconds after which it is stopped.")] = 30.0,
    memory: Annotated[str, Option("--memory", help="Memory that it may use.")] = "1GB",
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Run one SQL statement, read-only and with nothing outside the store in reach.

    This is a seat-belt, not a sandbox: SQL is code, and DuckDB draws no border of privilege inside a process.
    """
    from db.query import run_readonly
    from reports.terminal import as_rows

    text, where = statement, "The statement"
    try:
        if statement == "-":
            where, text = "Standard input", sys.stdin.read()
        elif statement.startswith("@"):
            where = f"The file {statement[1:]}"
            text = Path(statement[1:]).read_text(encoding="utf-8")
        text.encode()
    except OSError as error:
        raise InputDataError(f"{where} cannot be read: {error.strerror}.") from error
    except UnicodeError as error:
        raise InputDataError(f"{where} is not UTF-8 text.") from error
    values = dict(arguments.pairs(param, "--param")) or None
    columns, rows = run_readonly(db, text, params=values, timeout_s=timeout, memory_limit=memory)
    emit(as_rows(columns, rows), format_, columns=columns)


@command(STORE, "Examples: scaling schema;  scaling schema runs_final")
def schema(
    table: Annotated[str | None, Argument(metavar="TABLE", help="A table or view; all of them by default.")] = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Show the tables and views of the store, with the unit of every column."""
    columns, found = read(
        db,
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE NOT internal AND schema_name = 'main' ORDER BY table_name, column_index",
    )
    names = {str(row["table_name"]) for row in found}
    if table is not None and table not in names:
        raise UsageError(f"The store has no table or view '{table}'.", did_you_mean(table, names))
    emit([row for row in found if table in (None, row["table_name"])], format_, columns=columns)


def check_siblings() -> None:
    """Refuse to run on somebody else's `db` or `reports`: others use these names too."""
    from importlib.util import find_spec  # which runs nothing of what it finds

    here = Path(__file__).resolve().parent
    for name in ("scaling", "db", "reports"):
        spec = find_spec(name)
        found = Path(spec.origin if spec and spec.origin else "nowhere").resolve()
        if found.parent.parent != here:
            raise StoreError(
                f"Another package named '{name}' shadows ours: {found}.",
                "Run scaling in an environment of its own, made with pipx or uv tool install.",
            )


def main() -> None:
    """Run the command line."""
    try:
        check_siblings()
    except StoreError as error:
        complain(error)
        sys.exit(error.exit_code)
    app()


if __name__ == "__main__":
    main()
