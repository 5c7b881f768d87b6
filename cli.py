"""The door: one Typer app. Parses, calls, prints, sets the exit code.

Nothing heavy is imported here, so that ``--help`` is instant; every command imports what it needs.
"""

from __future__ import annotations

import functools
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import Signature, signature
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

MOST_BACKTESTED = 5000  # rows; a back-test fits the law at seven cut-offs
DATA, FIT, DECIDE, REPORT, STORE = "Data", "Fit", "Decide", "Report", "Store"
LISTS = {
    "runs": "SELECT run_id, n_params, n_tokens, compute_flop, loss, loss_status, metric, corpus FROM runs_final "
    "ORDER BY run_id",
    "sources": "SELECT source_id, uri, format, n_runs, n_models, n_scores, n_refused, imported_at FROM sources "
    "ORDER BY imported_at, uri",
    "models": "SELECT name, model_id, base_model, organisation, n_params, n_tokens, compute_flop, compute_rule, "
    "released, concerns, source_id FROM models ORDER BY name, model_id, source_id",
    "tasks": "SELECT task, metric, harness, task_version, superseded, count(*) AS n_scores, "
    "count(compute_flop) AS n_with_compute, count(DISTINCT base_model) AS n_base_models, "
    "min(date) AS first_date, max(date) AS last_date FROM scores GROUP BY ALL "
    "ORDER BY superseded, n_with_compute DESC, task, harness, metric, task_version",
    "metrics": "SELECT metric, unit, kind, (SELECT count(DISTINCT run_id) FROM metrics AS m WHERE m.metric = d.metric) "
    "AS n_runs FROM metric_defs AS d ORDER BY metric",
    "fits": "SELECT name, fit_id, law, objective, objective_value, n_obs, verdict, group_value, metric, created_at "
    "FROM fits ORDER BY created_at, name",
    "examples": "SELECT set_name, n_examples, n_dims, embeddings_format, "
    "(SELECT count(DISTINCT label) FROM examples AS e WHERE e.set_name = s.set_name) AS n_labels, "
    "(SELECT count(DISTINCT role) FROM example_losses AS l WHERE l.set_name = s.set_name) AS n_roles, "
    "source_uri, embeddings_uri, created_at FROM example_sets AS s ORDER BY created_at, set_name",
    "valuations": "SELECT valuation_name, what, method, set_name, fit_name, n_items, (SELECT count(sha256) || '/' || "
    "count(*) FROM valuation_shards AS p WHERE p.valuation_name = d.valuation_name) AS shards, complete, unit, "
    "created_at FROM valuation_defs AS d ORDER BY created_at, valuation_name",
    "subsets": "SELECT subset_name, set_name, size, objective, method, value, score, is_random, created_at "
    "FROM subsets ORDER BY created_at, subset_name",
    "appraisals": "SELECT appraisal_name, performance_metric, (SELECT count(DISTINCT subset_name) FROM appraisals AS a "
    "WHERE a.appraisal_name = d.appraisal_name) AS n_subsets, (SELECT string_agg(DISTINCT objective, ', ' "
    "ORDER BY objective) FROM appraisals AS a WHERE a.appraisal_name = d.appraisal_name) AS objectives, created_at "
    "FROM appraisal_defs AS d ORDER BY created_at, appraisal_name",
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
Inputs = Annotated[
    list[str] | None,
    Option("--input", metavar="NAME=COLUMN", help="Column, SQL expression or metric:NAME of an input."),
]
Metric = Annotated[str | None, Option("--metric", help="Metric to fit; that of the ingest by default.")]
Where = Annotated[str | None, Option("--where", metavar="SQL", help="Condition on columns of runs_final.")]
Residual = Annotated[
    str, Option("--residual", help="log, linear, or 'log above 1.967' for logarithms of what lies above a floor.")
]
Bootstrap = Annotated[
    int,
    Option(
        "--bootstrap", min=0, help="Replicates behind the intervals; 0 for none (in fit: for those of the covariance)."
    ),
]
Seed = Annotated[int, Option("--seed", min=0, help="Of the random numbers; the same seed gives the same answer.")]
Budgets = Annotated[list[str] | None, Option("--flops", metavar="C", help="Budgets to split, in FLOP.")]
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


def command(
    panel: str | None, epilog: str, of: typer.Typer = app, name: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command of an app: errors raised on purpose become a message and an exit code."""

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

        return of.command(name, rich_help_panel=panel, epilog=epilog)(run)

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


@command(
    DATA, "Examples: scaling ingest runs.csv --dry-run;  scaling ingest contents.csv --preset open-llm-leaderboard"
)
def ingest(
    paths: Annotated[
        list[Path], Argument(metavar="PATH", help="Logs, tables, and directories of them; see scaling formats.")
    ],
    mapping: Annotated[
        Path | None, Option("--mapping", metavar="TOML", help="Which column is what; guessed where left out.")
    ] = None,
    metric: Annotated[str | None, Option("--metric", help="Metric to show as the loss.")] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Show what would be read; write nothing.")] = False,
    replace: Annotated[bool, Option("--replace", help="Take over runs or scores that another file brought.")] = False,
    allow_units: Annotated[bool, Option("--allow-units", help="Keep sizes that look like another unit.")] = False,
    scores: Annotated[bool, Option("--scores", help="The files hold scores of models on tasks, not runs.")] = False,
    preset: Annotated[
        str | None,
        Option("--preset", metavar="NAME", help="Mapping of a known table of scores; an unknown name lists them."),
    ] = None,
    models: Annotated[
        Path | None, Option("--models", metavar="FILE", help="Computes of models, joined to scores by name.")
    ] = None,
    versions: Annotated[
        Path | None, Option("--versions", metavar="FILE", help="Release dates of models, joined to scores by name.")
    ] = None,
    formats: Annotated[
        list[str] | None,
        Option("--format", metavar="NAME", help="What the logs are, where that is not seen; or how to print."),
    ] = None,
    db: Database = "scaling.duckdb",
) -> None:
    """Read run logs, tables of runs, or scores of models on tasks into the store; directories are walked."""
    tables = {name: file for name, file in (("versions", versions), ("models", models)) if file is not None}
    wanted, printed = formats_of(formats or ())
    told: list[str] = []  # how the table before was read; of many tables that are read alike it is said once
    if read_as_scores(scores, preset, tables, mapping):
        if metric or allow_units:
            raise UsageError("--metric and --allow-units are for runs, and these are scores.")

        def read_table(path: Path) -> Sequence[dict[str, Any]]:
            return ingest_table_of_scores(path, mapping, preset, tables, dry_run, replace, db, told)
    else:

        def read_table(path: Path) -> Sequence[dict[str, Any]]:
            return ingest_log(path, mapping, metric, allow_units, dry_run, replace, db, told)

    with progress("reading") as advance:
        if scores or preset or tables or mapping is not None:
            from db.ingest_tables import ingest_tables

            if wanted is not None:
                raise UsageError(f"--format {wanted} is for logs, and --mapping, --scores and the like for tables.")
            reading = ingest_tables(
                paths, read_table, say, beside=list(tables.values()), advance=None if dry_run else advance
            )
        else:
            from db.ingest_paths import ingest_paths

            def read_scores(path: Path, preset: str) -> Sequence[dict[str, Any]]:
                return ingest_table_of_scores(path, None, preset, {}, dry_run, replace, db, told)

            reading = ingest_paths(
                paths, None if dry_run else db, read_table, read_scores, say, wanted=wanted, metric=metric,
                replace=replace, advance=advance,
            )  # fmt: skip
    emit(reading.rows, printed, reading.shown())
    for line in reading.failures():
        say(f"failed: {line}")
    if reading.failed:
        from scaling.formatting import format_plural

        raise InputDataError(
            f"{format_plural(len(reading.failed), 'source')} could not be read; see above. The rest was."
        )
    reading.check_metric(metric)


def formats_of(asked: Sequence[str]) -> tuple[str | None, str | None]:
    """Tell the format that is read from the one that is printed; no name is both."""
    from db.readers.formats import formats as known
    from reports.terminal import FORMATS, choose_format

    read = [name for name in asked if name not in FORMATS]
    printed = [name for name in asked if name in FORMATS]
    if len(read) > 1 or len(printed) > 1:
        twice = ", ".join(read if len(read) > 1 else printed)
        raise UsageError(f"--format says two things of one kind: {twice}.", "Leave one away.")
    for name in read:
        if name not in known():
            raise UsageError(f"There is no format '{name}'.", did_you_mean(name, [*FORMATS, *known()]))
    choose_format(printed[0] if printed else None)
    return read[0] if read else None, printed[0] if printed else None


def read_as_scores(scores: bool, preset: str | None, tables: Mapping[str, Path], mapping: Path | None) -> bool:
    """Tell a table of scores from a log of runs by the options, or by the mapping."""
    if scores or preset or tables or mapping is None:
        return bool(scores or preset or tables)
    from db.score_mapping import is_of_scores

    return is_of_scores(mapping)


def ingest_log(
    path: Path, mapping: Path | None, metric: str | None, allow_units: bool, dry_run: bool, replace: bool, db: str,
    told: list[str],
) -> Sequence[dict[str, Any]]:  # fmt: skip
    """Read a log of runs, say what came of it, and give the rows to print."""
    from db.ingest import plan_ingest, write_plan
    from db.store import Store

    plan = plan_ingest(path, mapping, metric=metric, allow_units=allow_units)
    if dry_run:
        say(f"{path}: {plan.n_runs} runs in {plan.n_rows} rows, {plan.shape} form; nothing is written.")
        explain_reading(plan.mapping.lines(), plan.warnings, plan.problems, told)
        return plan.preview
    with Store(db) as store:  # opened for each file, so that one that cannot be read makes no store
        done = write_plan(store, plan, replace=replace)
    say(str(done))
    explain_reading([] if done.status == "unchanged" else done.mapping.lines(), done.warnings, done.problems, told)
    names = ("source_id", "path", "status", "n_runs", "n_rows", "n_refused", "n_replaced", "metric")
    return [{name: getattr(done, name) for name in names}]


def ingest_table_of_scores(
    path: Path, mapping: Path | None, preset: str | None, tables: Mapping[str, Path], dry_run: bool, replace: bool,
    db: str, told: list[str],
) -> Sequence[dict[str, Any]]:  # fmt: skip
    """Read a table of scores, say what came of it, and give the rows to print."""
    from db.score_ingest import plan_scores, write_score_plan
    from db.store import Store

    plan = plan_scores(path, mapping, preset=preset, tables=tables)
    if dry_run:
        form = f"{plan.mapping.shape} form; nothing is written."
        say(f"{path}: {plan.n_scores} scores of {plan.n_models} models in {plan.n_rows} rows, {form}")
        explain_reading(plan.mapping.lines(), plan.warnings, plan.problems, told)
        return plan.preview
    with Store(db) as store:
        done = write_score_plan(store, plan, replace=replace)
    say(str(done))
    explain_reading([] if done.status == "unchanged" else done.mapping.lines(), done.warnings, done.problems, told)
    names = ("source_id", "path", "status", "n_models", "n_with_compute", "n_scores", "n_rows", "n_refused")
    return [{name: getattr(done, name) for name in (*names, "n_replaced", "n_removed")}]


def explain_reading(mapping: Sequence[str], warnings: Sequence[str], problems: Sequence[Any], told: list[str]) -> None:
    """Say how a file was read where that is not what was told before, what was odd about it, and what was refused."""
    lines = [f"  {line}" for line in mapping] if list(mapping) != told else []
    told[:] = mapping or told
    lines += [f"warning: {warning}" for warning in warnings]
    lines += [f"refused: {problem}" for problem in problems[:20]]
    if len(problems) > 20:
        lines.append(f"refused: and {len(problems) - 20} more; all: scaling sql 'SELECT problems FROM sources'")
    for line in lines:
        say(line)


@command(DATA, "Example: scaling formats --format markdown")
def formats(format_: Format = None) -> None:
    """List the formats of logs that can be read: what is read of each, what is not, and which versions were tried."""
    from db.readers.formats import formats as known

    emit(
        [
            {"format": one.NAME, "what": one.WHAT, "reads": one.READS, "leaves_out": one.LEAVES_OUT, "tried": one.TRIED}
            for one in known().values()
        ],
        format_,
        [{"format": one.NAME, "what": one.WHAT, "tried": one.TRIED} for one in known().values()],
    )


@command(DATA, "Examples: scaling watch runs/;  scaling watch runs/ --every 300 --looks 10")
def watch(
    paths: Annotated[list[Path], Argument(metavar="PATH", help="Logs, tables, and directories of them.")],
    every: Annotated[float, Option("--every", metavar="SECONDS", min=0.1, help="Between two looks.")] = 30.0,
    looks: Annotated[int | None, Option("--looks", min=1, help="How many; without it, until Ctrl-C.")] = None,
    metric: Annotated[str | None, Option("--metric", help="Metric to show as the loss.")] = None,
    replace: Annotated[bool, Option("--replace", help="Take over runs that another log brought.")] = False,
    formats: Annotated[
        list[str] | None, Option("--format", metavar="NAME", help="Read this format alone; or how to print.")
    ] = None,
    db: Database = "scaling.duckdb",
) -> None:
    """Keep the store up to date while runs go on. It may be killed at any time, and nothing is half-written."""
    from db.watch import watch as look_again
    from scaling.formatting import format_plural

    wanted, printed = formats_of(formats or ())
    rows: list[dict[str, Any]] = []
    busy = None
    for look in look_again(paths, db, every=every, looks=looks, wanted=wanted, metric=metric, replace=replace):
        if look.busy and look.busy != busy:
            say(f"look {look.number}: {look.busy}")
        busy = look.busy
        for line in look.unread:
            say(f"failed: {line}")
        for line in look.gone:
            say(f"note: {line}")
        for report in look.changed:
            say(f"failed: {report}" if report.status == "failed" else str(report))
        if look.number == 1:
            say(f"watching {format_plural(look.n_sources, 'source')}; Ctrl-C ends it.")
        if looks is not None:  # without an end, only people look at what is said
            rows += [{"look": look.number, **report.to_row()} for report in look.changed]
    emit(rows, printed)
    if busy:
        raise StoreError("The store was in use at the last look, and what changed was not read.", busy)


@command(DATA, "Examples: scaling set run-17 n_params=124M corpus=c4;  scaling set run-17 n_params=", name="set")
def set_fact(
    run: Annotated[str, Argument(metavar="RUN", help="The run.")],
    values: Annotated[
        list[str], Argument(metavar="FACT=VALUE", help="n_params, n_tokens, compute_flop, corpus, or a column.")
    ],
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Correct facts of a run. It is kept when its log is read again, and audited; an empty value takes it back."""
    from db.corrections import correct
    from db.store import Store

    asked = {}
    for text in values:
        fact, sign, value = text.partition("=")
        if not sign or not fact.strip():
            raise UsageError(f"'{text}' is no FACT=VALUE.", "Such as n_params=124M.")
        if fact.strip() in asked:
            raise UsageError(f"{fact.strip()} is set twice.", "Give it once.")
        asked[fact.strip()] = value.strip()
    with Store(db, create=False) as store:
        done = correct(store, run, asked)
    emit([{"run_id": run, "fact": one.fact, "before": one.before, "after": one.after} for one in done], format_)


@command(DATA, "Example: scaling doctor --fail-on wrong")
def doctor(
    stop_on: Annotated[
        str | None, Option("--fail-on", metavar="WORD", help="Exit with 1 on: wrong, odd (or wrong).")
    ] = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Look for duplicates, runs without N or D, impossible values, other units, and sources that changed."""
    from db.doctor import SEVERITIES, examine, summary_of
    from db.store import Store

    if stop_on is not None and stop_on not in SEVERITIES:
        raise UsageError(f"There is no '{stop_on}' to stop on.", did_you_mean(stop_on, SEVERITIES))
    with Store(db, read_only=True) as store:
        findings = examine(store)
    say(summary_of(findings))
    shown = [
        {"": one.severity, "what": f"{one.what} {one.remedy}", "count": one.count, "such as": ", ".join(one.names)}
        for one in findings
    ]
    emit([one.to_dict() for one in findings], format_, shown)
    if stop_on is not None and any(SEVERITIES.index(one.severity) <= SEVERITIES.index(stop_on) for one in findings):
        raise typer.Exit(1)


@command(DATA, "Example: scaling ls --what sources")
def ls(
    what: Annotated[str, Option("--what", help=f"{', '.join(LISTS)}.")] = "runs",
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
    name: Annotated[
        str, Argument(metavar="NAME", help="A run, a fit, a set of examples, a valuation, a subset or an appraisal.")
    ],
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Show everything about a run, a fit, a set of examples, a valuation, a subset or an appraisal."""
    from db.run_facts import facts_of, run_final
    from db.saved import load_fit
    from db.store import Store
    from db.valued import describe_valued, valued_names
    from reports.rows import saved_fit_row, saved_fit_text
    from reports.terminal import cell, excerpt, spread

    with Store(db, read_only=True) as store:
        run = run_final(store, name)
        if run is None:
            try:
                saved = load_fit(store, name)
            except UsageError as error:
                if described := describe_valued(store, name):
                    lines = [{"field": k, "value": excerpt(k, v)} for row in described for k, v in spread(row).items()]
                    emit(described, format_, lines)
                    return
                _, known = store.query("SELECT run_id FROM runs UNION ALL SELECT name FROM fits LIMIT 10000")
                near = did_you_mean(name, [k for (k,) in known] + valued_names(store)).split("There are:")[0]
                hint = f"{near}See what there is with: scaling ls, scaling fits, scaling ls --what subsets"
                raise UsageError(
                    f"The store has no run and no fit '{name}', nor a set, valuation, subset or appraisal.", hint
                ) from error
            emit([saved_fit_row(saved, 0.95)], format_, saved_fit_text(saved, 0.95))
            return
        _, last = store.query(
            "SELECT metric, arg_max(struct_pack(value := value, status := value_status), coalesce(step, -1)) "
            "FROM metrics WHERE run_id = ? GROUP BY metric ORDER BY metric",
            [name],
        )
        facts = facts_of(store, name)
    metrics = {metric: x["value"] if x["status"] == "ok" else x["status"] for metric, x in last}
    others = {k: v for k, v in metrics.items() if k not in run}
    shown = [{"field": k, "value": cell(k, v)} for k, v in (run | others).items()]
    for one in facts:
        keys = f" ({', '.join(one['keys'])})" if one["keys"] else ""
        shown.append({"field": f"why {one['fact']}", "value": f"{one['rule']}{keys}"})
    emit([run | {"metrics": metrics, "facts": facts}], format_, shown)


@command(DATA, "Example: scaling rm source 3f9c2a7b1d04")
def rm(
    kind: Annotated[str, Argument(metavar="KIND", help="run, source, fit, set, valuation, subset or appraisal.")],
    name: Annotated[str, Argument(metavar="NAME", help="Which one.")],
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Remove a run, a fit, or what else the store holds by a name. The audit table keeps that it was done."""
    from db.fits import remove_fit
    from db.removal import remove_run, take_out_source
    from db.saved import load_fit
    from db.store import Store
    from db.translations import made_of
    from db.valued import VALUED, remove_valued
    from scaling.formatting import format_plural

    kinds = ["run", "source", "fit", *VALUED]
    if kind not in kinds:
        raise UsageError(f"There is no kind '{kind}' to remove.", did_you_mean(kind, kinds))
    with Store(db, create=False) as store:
        if kind == "run":
            say(f"Removed the run {name} and {format_plural(remove_run(store, name), 'logged value')}.")
        elif kind == "source":
            say(f"Removed the source {name} and {take_out_source(store, name)}.")
        elif kind in VALUED:
            say(remove_valued(store, kind, name))
        else:
            made = made_of(store, load_fit(store, name))
            say(f"Removed the fit and the macro {remove_fit(store, name).name}.")
            if made:
                say(f"Made of it, and from now on neither verified nor back-tested: {', '.join(made)}.")
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
    inputs: Inputs = None,
    metric: Metric = None,
    where: Where = None,
    by: Annotated[str | None, Option("--by", metavar="COLUMN", help="One fit for each value of a column.")] = None,
    cluster: Annotated[
        str | None, Option("--cluster", metavar="COLUMN", help="Resample the values of this column whole.")
    ] = None,
    coarse: Annotated[
        bool, Option("--coarse", help="Take losses that their log printed with three digits or fewer, too.")
    ] = False,
    objective: Annotated[
        str,
        Option(
            "--objective",
            help="huber, squared, lad, pinball(TAU), asymmetric(TIMES), or all: the first three side by side.",
        ),
    ] = "huber",
    delta: Annotated[float | None, Option("--delta", help="Where huber turns linear; 0.001 by default.")] = None,
    residual: Residual = "log",
    penalty: Annotated[
        list[str] | None,
        Option(
            "--penalty",
            metavar="NAME=CENTRE:STRENGTH",
            help="Add STRENGTH*(NAME - CENTRE)^2 a row; of logarithms where the parameter spans decades.",
        ),
    ] = None,
    start: Annotated[
        list[str] | None, Option("--start", metavar="NAME=VALUE", help="Starting value; give all or none.")
    ] = None,
    bootstrap: Bootstrap = 1000,
    resample: Annotated[
        str | None,
        Option(
            "--resample",
            metavar="KIND",
            help="iid, cluster, dirichlet, wild or residual; iid, or cluster with --cluster, by default.",
        ),
    ] = None,
    interval: Annotated[
        str | None, Option("--interval", help="percentile (the default) or bca: how replicates become intervals.")
    ] = None,
    seed: Seed = 0,
    level: Level = 0.95,
    name: Annotated[str | None, Option("--name", help="Name of the fit and of its SQL macro.")] = None,
    family: Annotated[
        str | None,
        Option("--family", metavar="FAMILY", help="With LAW auto: a family of the book, or laws split by commas."),
    ] = None,
    backtest_: Annotated[
        bool | None,
        Option("--backtest/--no-backtest", help="Hold out the largest runs as well; up to 5000 runs by default."),
    ] = None,
    replace: Replace = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Fit a law to the runs of the store, and save it as a SQL macro; LAW auto chooses one by its back-test."""
    from db.fits import fit_runs
    from db.objectives import fit_objectives
    from db.select import Question, shut_out_files
    from db.store import Store
    from reports.objective_rows import objective_rows, objective_shown
    from reports.rows import saved_fit_row, saved_fit_text
    from scaling.formatting import format_plural
    from scaling.inputs import check_level

    check_level(level)
    if bool(law) == bool(formula):
        raise UsageError("Name one law to fit: as an argument, or as --formula.", "See them with: scaling laws")
    question = Question(metric, where, dict(arguments.pairs(inputs, "--input")), by, cluster, coarse)
    settings = {"objective": objective, "delta": delta, "residual": residual, "bootstrap": bootstrap, "seed": seed}
    settings |= {"resample": resample, "interval": interval}
    if law == "auto":
        fixed = {"--param": param, "--objective": objective != "huber", "--delta": delta, "--start": start,
                 "--penalty": penalty, "--residual": residual != "log", "--resample": resample,
                 "--interval": interval}  # fmt: skip
        if odd := [option for option, value in fixed.items() if value]:
            raise UsageError(f"LAW auto chooses by itself, and takes no {odd[0]}.", f"Leave {odd[0]} out.")
        fit_auto(db, family or "compute_optimal", question, name, replace, seed, bootstrap, level, format_, fail_on)
        return
    if family is not None:
        raise UsageError("--family goes with LAW auto.", f"Write: scaling fit auto --family {family}")
    if start:
        settings["start"] = {k: arguments.quantity(v, k) for k, v in arguments.pairs(start, "--start")}
    if penalty:
        settings["penalty"] = arguments.penalties(penalty)
    several = objective.strip() == "all"
    with Store(db, create=False) as store, progress("resampling") as advance:
        shut_out_files(store)
        saved, failures = (fit_objectives if several else fit_runs)(
            store,
            law or formula or "",
            question,
            name=name,
            replace=replace,
            parameters=arguments.bounds(param) or None,
            progress=advance,
            finish=finish_fit(backtest_),
            **settings,
        )
    for value, error in failures.items():
        say(f"not fitted: {'objective' if several else by} = {value}: {error.message}")
    for one in saved:
        about = f"{one.name}: " if by or several else ""
        for reason, count in one.excluded["counts"].items():
            say(f"{about}left out: {format_plural(count, 'run')}, {reason}")
    if several:
        emit(objective_rows(saved, level), format_, objective_shown(saved, level))
    else:
        texts = [saved_fit_text(one, level) for one in saved]
        emit([saved_fit_row(one, level) for one in saved], format_, "\n\n".join(texts))
    fail_on_verdict(fail_on, *(one.fit.verdict for one in saved))


def finish_fit(wanted: bool | None) -> Callable[[Any, Any], Any]:
    """Back-test a fit before it is saved: where that is wanted, or is quick and nobody said no."""
    from db.fits import with_backtest

    def finish(fitted: Any, rows: Any) -> Any:
        asked = len(rows) <= MOST_BACKTESTED if wanted is None else wanted
        return with_backtest(fitted, rows) if asked else fitted

    return finish


def fit_auto(
    db: str, family: str, question: Any, name: str | None, replace: bool, seed: int, bootstrap: int, level: float,
    format_: str | None, fail_on: str | None,
) -> None:  # fmt: skip
    """Choose a law by its back-test, save it, and print the ranked table."""
    from db.choosing import choose_runs
    from db.select import shut_out_files
    from db.store import Store
    from reports.backtest_rows import selection_rows, selection_shown
    from reports.rows import saved_fit_text
    from reports.terminal import choose_format

    with Store(db, create=False) as store, progress("choosing") as advance:
        shut_out_files(store)
        saved, made = choose_runs(
            store, family, question, name=name, replace_fit=replace, seed=seed, bootstrap=bootstrap, progress=advance
        )
    about = {"fit": saved.name, "fit_id": saved.fit_id}
    shown = selection_shown(made)
    emit([about | row for row in selection_rows(made)], format_, shown)
    say(f"Held out by {made.axis}; of those tied the law with fewer parameters is chosen, then the defaults.")
    if choose_format(format_) == "table":
        if len(shown) < len(made.candidates):
            say(f"Shown: {len(shown)} of {len(made.candidates)} candidates, each law's best among them.")
        say(saved_fit_text(saved, level))
    fail_on_verdict(fail_on, saved.fit.verdict)


@command(FIT, "Examples: scaling backtest c4;  scaling backtest skaling --cluster name;  scaling backtest --landed")
def backtest(
    name: Annotated[
        str | None, Argument(metavar="LAW|FIT", help="A saved fit, or a law as of the command fit.")
    ] = None,
    landed: Annotated[
        bool, Option("--landed", help="Score stored forecasts against runs that came since; of FIT, or of all.")
    ] = False,
    tolerance: Annotated[
        float, Option("--tolerance", help="With --landed: how far a run's inputs may be from those forecast.")
    ] = 0.01,
    inputs: Inputs = None,
    metric: Metric = None,
    where: Where = None,
    cluster: Annotated[
        str | None, Option("--cluster", metavar="COLUMN", help="Hold out the values of this column whole.")
    ] = None,
    objective: Annotated[str | None, Option("--objective", help="Of a LAW; huber by default.")] = None,
    trim: Annotated[
        str | None, Option("--trim", metavar="TEXT", help="Of a LAW: none, smallest 25 %, highest 10 %.")
    ] = None,
    bootstrap: Bootstrap = 100,
    seed: Annotated[int | None, Option("--seed", min=0, help="Of the replicates; that of the fit, or 0.")] = None,
    level: Level = 0.9,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Hold the largest runs out and forecast them; or score old forecasts against runs that have landed."""
    from db.backtests import backtest_fit, backtest_runs
    from db.boundary_backtests import backtest_saved
    from db.kinds import backtest_words
    from db.landed import landed_summary, passed_over, score_landed
    from db.saved import load_fit
    from db.select import Question, shut_out_files
    from db.store import Store
    from reports.backtest_rows import (
        backtest_notes,
        backtest_rows,
        backtest_shown,
        landed_rows,
        landed_shown,
        landed_text,
    )

    of_law = {"--input": inputs, "--metric": metric, "--where": where, "--cluster": cluster, "--objective": objective,
              "--trim": trim}  # fmt: skip
    given = [option for option, value in of_law.items() if value is not None]
    if landed:
        if given:
            raise UsageError(f"--landed scores forecasts that were made, and takes no {given[0]}.")
        with Store(db, create=False) as store:
            shut_out_files(store)
            scored, waiting = score_landed(store, name, tolerance)
            over = passed_over(store, name, tolerance) if waiting else []
        emit(landed_rows(scored), format_, landed_shown(scored))
        for line in (landed_text(landed_summary(scored), waiting), *over):
            say(line)
        return
    if name is None:
        raise UsageError("Name a law or a fit to back-test, or ask for --landed.", "Such as: scaling backtest latest")
    with Store(db, create=False) as store:
        shut_out_files(store)
        _, fits_of = store.query(
            "SELECT count(*) FROM fits WHERE lower(name) = lower($n) OR fit_id = $n OR $n = 'latest'", {"n": name}
        )
        settings = {"level": level, "bootstrap": bootstrap} | ({} if seed is None else {"seed": seed})
        if fits_of[0][0]:
            if given:
                raise UsageError(
                    f"'{name}' is a saved fit and has its own rows and settings.", f"Leave {given[0]} out."
                )
            if load_fit(store, name).scores is not None:
                label, over_scores = backtest_saved(store, name, seed=seed)
                emit_boundary_backtest({label: over_scores}, format_)
                return
            saved, found = backtest_fit(store, name, **settings)
            beside = backtest_words(store, saved)
            kept = f"Kept with the fit {saved.name}; its forecasts quote it."
        else:
            question = Question(metric, where, dict(arguments.pairs(inputs, "--input")), None, cluster)
            settings |= {"objective": objective or "huber", "trim": trim or "none"}
            found = backtest_runs(store, name, question, **settings)
            kept, beside = "Not kept: a law is back-tested here, not a saved fit.", []
    emit(backtest_rows(found), format_, backtest_shown(found))
    for note in [*backtest_notes(found), *beside, kept]:
        say(note)


@command(FIT, "Example: scaling fits --format csv")
def fits(db: Database = "scaling.duckdb", format_: Format = None) -> None:
    """List the saved fits."""
    columns, rows = read(db, LISTS["fits"])
    emit(rows, format_, columns=columns)


@command(FIT, "Examples: scaling profile c4 --parameter E;  scaling profile c4 --parameter E --and alpha --format csv")
def profile(
    name: FitName,
    parameter: Annotated[str, Option("--parameter", metavar="NAME", help="The parameter to hold.")],
    second: Annotated[str | None, Option("--and", metavar="NAME", help="A second one, for their joint region.")] = None,
    level: Level = 0.95,
    points: Annotated[int, Option("--points", min=3, help="Points along each axis of a joint region.")] = 31,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Profile likelihood of a parameter, or the joint region of two: the interval that follows a curved valley."""
    from db.saved import load_fit, unchanged_rows
    from db.select import shut_out_files
    from db.store import Store
    from reports.profile_rows import profile_rows, profile_text, region_rows, region_text
    from scaling.fitting.profile import profile_likelihood, profile_region

    with Store(db, read_only=True) as store:
        shut_out_files(store)
        saved = load_fit(store, name)
        rows = unchanged_rows(store, saved)
    if second is None:
        found = profile_likelihood(saved.fit, rows.inputs, rows.observed, parameter, level, groups=rows.clusters)
        emit(profile_rows(saved.fit, found), format_, profile_text(found))
        say(f"{100 * level:g} % interval by {found.method}.")
    else:
        region = profile_region(
            saved.fit, rows.inputs, rows.observed, (parameter, second), level, groups=rows.clusters, size=points
        )
        emit(region_rows(region), format_, region_text(region))
        say(f"{100 * level:g} % region by {region.method}.")
    say_verdict(saved)


@command(FIT, "Examples: scaling verify c4;  scaling verify --all --format csv")
def verify(
    name: Annotated[str | None, Argument(metavar="FIT", help="Name or identifier of a saved fit, or 'latest'.")] = None,
    all_: Annotated[bool, Option("--all", help="Every fit of the store.")] = False,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Run a saved fit again: are the numbers the same, did they move, did the data change? Writes nothing."""
    from db.select import shut_out_files
    from db.store import Store
    from db.verify import IDENTICAL, damaged, fit_names, verify_fit
    from reports.verify_rows import verification_row, verification_text

    if (name is None) != all_:
        raise UsageError("Name one fit to verify, or ask for --all.", "See them with: scaling fits")
    found = []
    with Store(db, read_only=True) as store, progress("fitting again") as advance:
        shut_out_files(store)
        names = fit_names(store) if name is None else [name]
        for i, one in enumerate(names, start=1):
            try:
                found.append(verify_fit(store, one))
            except StoreError as error:
                if not all_:
                    raise
                found.append(damaged(one, error))
            if advance:
                advance(i, len(names))
    emit([verification_row(v) for v in found], format_, "\n\n".join(verification_text(v) for v in found))
    if bad := [v for v in found if v.status != IDENTICAL]:
        listed = ", ".join(f"{v.name} ({v.status})" for v in bad)
        raise VerdictError(f"{len(bad)} of {len(found)} fits are not as they were saved: {listed}")


# --- Decide ---------------------------------------------------------------------------------------------------------


@command(DECIDE, "Examples: scaling forecast c4 --params 70B --tokens 1.4T;  scaling forecast fit1 --at x=1e24")
def forecast(
    name: FitName,
    params: Params = None,
    tokens: Tokens = None,
    at: At = None,
    then: Annotated[
        str | None,
        Option("--then", metavar="FIT", help="A fit of the error on tasks over the loss, to forecast the error too."),
    ] = None,
    flops: Annotated[
        list[str] | None,
        Option("--flops", metavar="C", help="With --then: budgets, split as the law has them best, in FLOP."),
    ] = None,
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
    from reports.backtest_rows import forecast_notes
    from reports.rows import forecast_rows, forecast_shown

    if flops and then is None:
        raise UsageError("--flops belongs to --then.", "For the best split of a budget and its loss: scaling allocate")
    targets = arguments.targets(params, tokens, at)
    if not targets and not flops:
        raise UsageError("Nothing to forecast.", "Name a target: --params 70B --tokens 1.4T, or --at x=1e24.")
    if save and curve:
        raise UsageError(
            "A forecast is kept to be held against a run, so its interval is that of a run.", "Leave --curve out."
        )
    kind = "curve" if curve else "run"
    if then is not None:
        if save:
            raise UsageError("A forecast through two fits cannot be kept.", "Leave --save or --then out.")
        budgets = [arguments.size(c, "--flops") for c in flops or ()]
        forecast_chain(name, then, targets, budgets, level, kind, force, fail_on, db, format_)
        return
    with Store(db, read_only=not save, create=False) as store:
        saved = load_fit(store, name)
        arguments.check_targets(targets, saved.fit.law.name, list(saved.fit.law.inputs))
        if saved.scores is not None:  # a quantile of many models: how they scatter about it is no error of it
            kind = "curve"
        predictions = [saved.fit.predict(x, level=level, kind=kind, force=force) for x in targets]
        if save:
            save_predictions(store, saved, targets, predictions)
    rows = [{"fit": saved.name, "fit_id": saved.fit_id} | r for r in forecast_rows(saved.fit, targets, predictions)]
    emit(rows, format_, forecast_shown(saved.fit, targets, predictions))
    about = "a new run" if kind == "run" else "the law's curve"
    unit = saved.fit.law.unit or "an unknown unit"
    for method in dict.fromkeys(p.method for p in predictions):  # targets differ in it where the law has no value
        say(f"{saved.fit.law.output} in {unit}; interval for {about}: {method}.")
    for text in forecast_notes(saved.fit, targets, predictions):
        say(text)
    say_verdict(saved)
    fail_on_verdict(fail_on, *(p.verdict for p in predictions), saved.fit.verdict)


def forecast_chain(
    name: str,
    then: str,
    targets: list[dict[str, float]],
    budgets: list[float],
    level: float,
    kind: str,
    force: bool,
    fail_on: str | None,
    db: str,
    format_: str | None,
) -> None:
    """Forecast the error on tasks through the loss."""
    from db.chained import check_source_law
    from db.saved import load_fit
    from db.store import Store
    from reports.chain_rows import chain_notes, chain_rows, chain_shown
    from scaling.downstream import chain, check_loss_input
    from scaling.loss_to_loss.predicted import forecast_through

    with Store(db, read_only=True) as store:
        saved, second = load_fit(store, name), load_fit(store, then)
        check_loss_input(second.fit, second.columns, saved.metric)
        remarks = check_source_law(store, saved, second)
    if targets:
        arguments.check_targets(targets, saved.fit.law.name, list(saved.fit.law.inputs))
    head = {"fit": saved.name, "fit_id": saved.fit_id, "then": second.name, "then_id": second.fit_id}
    for remark in remarks:
        say(remark)
    targets = [*targets, *({"C": c} for c in budgets)]
    if "accuracy" in second.fit.settings:
        forecast_accuracies(saved, second, targets, head, level, kind, force, fail_on, format_)
        return
    about_map: list[dict[str, Any]] = [{} for _ in targets]
    lines: list[str] = []
    if "loss_to_loss" in second.fit.settings:
        through = [forecast_through(saved.fit, second.fit, x, level, kind, force=force) for x in targets]
        found, targets = [one.chained for one in through], [one.inputs for one in through]
        about_map = [one.about() for one in through]
        lines = [line for one in through for line in one.sentences]
    elif budgets:
        raise UsageError(
            f"The fit '{then}' is not of an accuracy or a map of losses, so --flops does not go with it.",
            "Fit one with: scaling transfer accuracy, or transfer fit. Or name the size: --params 7B --tokens 2T.",
        )
    else:
        found = [chain(saved.fit, second.fit, x, level=level, kind=kind, force=force) for x in targets]
    rows = chain_rows(saved.fit, second.fit, targets, found)
    emit(
        [head | row | about for row, about in zip(rows, about_map, strict=True)],
        format_,
        chain_shown(saved.fit, second.fit, targets, found),
    )
    about = "a new run" if kind == "run" else "the laws' curves"
    path = f"{second.fit.law.output} by {second.name} of the loss by {saved.name}"
    say(f"{path}; interval for {about}: {found[0].method}.")
    for line in dict.fromkeys([*lines, *chain_notes(saved.name, second.name, found)]):
        say(line)
    say_verdict(saved)
    say_verdict(second)
    fail_on_verdict(fail_on, *(p.verdict for p in found), saved.fit.verdict, second.fit.verdict)


def forecast_accuracies(
    saved: Any,
    second: Any,
    targets: list[dict[str, float]],
    head: dict[str, Any],
    level: float,
    kind: str,
    force: bool,
    fail_on: str | None,
    format_: str | None,
) -> None:
    """Forecast the accuracy on a task through the loss."""
    from reports.accuracy_rows import forecast_rows, forecast_shown
    from scaling.loss_to_loss.accuracy.forecast import forecast_accuracy

    found = [forecast_accuracy(saved.fit, second.fit, x, level, kind, force=force) for x in targets]
    emit([head | row for row in forecast_rows(saved, second, found)], format_, forecast_shown(saved, found))
    for line in dict.fromkeys(line for one in found for line in ("; ".join(one.steps) + ".", *one.notes)):
        say(line)
    say(f"{second.name}: 1 - {second.fit.law.output}; interval: {found[0].method}.")
    say_verdict(saved)
    say_verdict(second)
    fail_on_verdict(fail_on, *(p.verdict for p in found), saved.fit.verdict, second.fit.verdict)


@command(
    DECIDE,
    "Examples: scaling allocate c4 --flops 1e23 --flops 1e24;  scaling allocate c4 --loss 2.1 --serve-tokens 1T;  "
    "scaling allocate c4 --plan-params 8B --plan-tokens 15T --gpu h100 --price 2.5",
)
def allocate(
    name: FitName,
    flops: Budgets = None,
    loss: Annotated[
        list[str] | None, Option("--loss", metavar="L", help="Losses to reach with the least compute.")
    ] = None,
    curve: Annotated[
        str | None, Option("--curve", metavar="LOW:HIGH", help="All budgets between two, with a joint band.")
    ] = None,
    points: Annotated[int | None, Option("--points", min=2, help="Budgets on the curve, 25 by default.")] = None,
    given_params: Annotated[
        list[str] | None, Option("--given-params", metavar="N", help="The size is fixed; with --flops or --loss.")
    ] = None,
    given_tokens: Annotated[
        list[str] | None, Option("--given-tokens", metavar="D", help="The tokens are fixed; with --flops or --loss.")
    ] = None,
    plan_params: Annotated[
        list[str] | None, Option("--plan-params", metavar="N", help="A choice whose overhead is wanted: its size.")
    ] = None,
    plan_tokens: Annotated[
        list[str] | None, Option("--plan-tokens", metavar="D", help="The tokens of that choice.")
    ] = None,
    catch_up: Annotated[
        list[str] | None,
        Option("--catch-up", metavar="K", help="Tokens until a model K times the size (0.5: half) reaches its loss."),
    ] = None,
    cost: Annotated[
        str | None, Option("--cost", metavar="FORMULA", help="A cost in N and D of your own, such as '6*N**1.1*D'.")
    ] = None,
    attention: Annotated[bool, Option("--attention", help="Count attention: 12*layers*width*context*D.")] = False,
    seq_len: Annotated[
        str | None, Option("--seq-len", metavar="TOKENS", help="Context length that attention pays for.")
    ] = None,
    aspect: Annotated[
        float | None, Option("--aspect", help="Width over layers of the models, 128 by default; for --attention.")
    ] = None,
    params_are: Annotated[
        str | None, Option("--params-are", metavar="COUNT", help="What the law's N counts: total or non-embedding.")
    ] = None,
    flops_on: Annotated[
        str | None, Option("--flops-on", metavar="COUNT", help="Count FLOP on total or non-embedding parameters.")
    ] = None,
    serve_tokens: Annotated[
        str | None, Option("--serve-tokens", metavar="D", help="Tokens to be served, which cost 2*N each.")
    ] = None,
    gpu: Annotated[
        str | None, Option("--gpu", metavar="NAME", help="Also in device hours: a100, h100, h200, b200, mi300x, ...")
    ] = None,
    peak_flops: Annotated[
        str | None, Option("--peak-flops", metavar="FLOP/S", help="Peak of a device that is not in the list.")
    ] = None,
    mfu: Annotated[
        float | None, Option("--mfu", help="Share of the peak that training reaches, 0.4 by default.")
    ] = None,
    price: Annotated[str | None, Option("--price", metavar="MONEY", help="Of a device hour, in any currency.")] = None,
    level: Level = 0.9,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Split compute between parameters and tokens, so that the loss is lowest, and see what another choice costs."""
    from db.freed import freed_fit
    from db.saved import load_fit
    from db.select import shut_out_files
    from db.store import Store
    from reports.allocation_rows import answer_notes, answer_rows, answer_shown, fit_line
    from scaling.allocation.cost import find_cost
    from scaling.allocation.hardware import find_hardware
    from scaling.allocation.questions import Question, ask

    if points is not None and curve is None:
        raise UsageError("--points belongs to a curve of budgets.", "Add --curve LOW:HIGH, or leave --points out.")
    question = Question(
        flops=arguments.sizes(flops, "--flops"),
        losses=arguments.sizes(loss, "--loss"),
        params=arguments.sizes(given_params, "--given-params"),
        tokens=arguments.sizes(given_tokens, "--given-tokens"),
        plan_params=arguments.sizes(plan_params, "--plan-params"),
        plan_tokens=arguments.sizes(plan_tokens, "--plan-tokens"),
        size_factors=arguments.sizes(catch_up, "--catch-up"),
        ends=arguments.ends(curve, "--curve"),
        points=25 if points is None else points,
    )
    model = find_cost(
        cost,
        attention=attention,
        seq_len=None if seq_len is None else arguments.size(seq_len, "--seq-len"),
        aspect=aspect,
        params_are=params_are,
        flop_of=flops_on,
        served_tokens=0.0 if serve_tokens is None else arguments.size(serve_tokens, "--serve-tokens"),
    )
    device = None
    if any(option is not None for option in (gpu, peak_flops, mfu, price)):
        device = find_hardware(
            gpu,
            None if peak_flops is None else arguments.size(peak_flops, "--peak-flops"),
            mfu=0.4 if mfu is None else mfu,
            price_per_hour=None if price is None else arguments.quantity(price, "--price"),
        )
    with Store(db, read_only=True) as store:
        saved = load_fit(store, name)
        shut_out_files(store)
        saved.fit.require_identified(force)  # before all the refits of the law without its tie
        untied, why = freed_fit(store, saved) if question.splits else (None, "")
    answer = ask(saved.fit, question, level, force, model, untied)
    emit(
        answer_rows(saved.name, saved.fit, answer, model, device),
        format_,
        answer_shown(saved.fit, answer, model, device, whole_curve=curve is not None),
    )
    say(fit_line(saved.name, saved.fit))
    for line in [*answer_notes(answer, model, device, whole_curve=curve is not None), *([why] if why else [])]:
        say(line)
    say_verdict(saved)
    fail_on_verdict(fail_on, answer.verdict, *(["weak"] if answer.reasons else []), saved.fit.verdict)


@command(
    DECIDE,
    "Examples: scaling compare new old --flops 1e23 --flops 1e25;  scaling compare new old --params 8B --tokens 1T",
)
def compare(
    name_a: Annotated[str, Argument(metavar="FIT_A", help="Name or identifier of a saved fit.")],
    name_b: Annotated[str, Argument(metavar="FIT_B", help="The fit to hold against it.")],
    flops: Annotated[
        list[str] | None, Option("--flops", metavar="C", help="Budgets in FLOP; each law at its own optimum.")
    ] = None,
    params: Params = None,
    tokens: Tokens = None,
    at: At = None,
    level: Level = 0.9,
    unpaired: Annotated[
        bool, Option("--unpaired", help="Pair replicates at random even where they belong together.")
    ] = False,
    seed: Seed = 0,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Hold two fits against each other: which loss is lower, how surely, and what that is worth in compute."""
    import scaling
    from db.boundaries import refuse_boundary
    from db.pairing import belong_together, other_text
    from db.saved import load_fit
    from db.select import shut_out_files
    from db.store import Store
    from reports.compare_rows import comparison_shown
    from scaling.comparison.comparison import multiplier_sentence
    from scaling.verdicts import WEAK

    budgets = [arguments.size(c, "--flops") for c in flops or ()]
    targets = arguments.targets(params, tokens, at)
    if bool(budgets) == bool(targets):
        raise UsageError(
            "Give budgets or targets to compare at, and not both.", "Such as --flops 1e24, or --params 8B --tokens 1T."
        )
    with Store(db, read_only=True) as store:
        shut_out_files(store)
        a, b = load_fit(store, name_a), load_fit(store, name_b)
        for saved in (a, b):
            refuse_boundary(saved, "compare asks which loss is lower, where a higher score is the better one")
        paired, why = belong_together(store, a, b)
        concerns, remarks = other_text(store, a, b)
    for saved in (a, b):
        if targets:
            arguments.check_targets(targets, saved.fit.law.name, list(saved.fit.law.inputs))
    if a.metric != b.metric and not force:
        raise VerdictError(
            f"The fit {a.name} is of the metric {a.metric} and {b.name} of {b.metric}: their difference means nothing.",
            "Fit both to one --metric; --force takes the difference all the same.",
        )
    where: dict[str, Any] = {"compute_flop": budgets} if budgets else {"target": targets}
    found = scaling.compare(
        a.fit, b.fit, **where, level=level, paired=paired and not unpaired, seed=seed, force=force,
        names=(a.name, b.name), same_rows=a.data_sha256 == b.data_sha256, concerns=concerns,
    )  # fmt: skip
    emit([row | {"notes": [*found.notes, *remarks]} for row in found.rows()], format_, comparison_shown(found))
    for line in found.sides():
        say(line)
    say(f"Difference: {a.name} minus {b.name}, of the laws' curves in {found.unit or 'an unknown unit'}.")
    if found.multiplied:
        for point in found.points:
            say(f"A = {a.name}, B = {b.name}: {multiplier_sentence(point, found.multiplied, level)}.")
    say(f"Intervals: {found.method}.")
    say(f"{'Paired' if found.paired else 'Not paired'}: {why if paired == found.paired else 'as asked for'}.")
    for note in (*found.notes, *remarks):
        say(note)
    said: dict[str, list[str]] = {}  # a text that holds for both fits, or at every target, is said once
    for point in found.points:
        for side, text in ((a.name, point.backtest_a), (b.name, point.backtest_b)):
            said.setdefault(text, []).append(side)
    for text, sides in said.items():
        say(f"{' and '.join(dict.fromkeys(sides))}: {text}")
    for saved in dict.fromkeys((a.name, b.name)):
        say_verdict(a if saved == a.name else b)
    worst = [WEAK] if concerns else []
    fail_on_verdict(fail_on, *(point.verdict for point in found.points), a.fit.verdict, b.fit.verdict, *worst)


@command(
    DECIDE,
    "Examples: scaling plan c4 --budget 1e21 --target 1e23;  "
    "scaling plan c4 --budget 1e20 --params 8B --tokens 1T --candidates 100Mx2B,1Bx10B",
)
def plan(
    name: FitName,
    budget: Annotated[str, Option("--budget", metavar="C", help="Compute for the new runs together, in FLOP.")],
    target: Annotated[
        str | None, Option("--target", metavar="C", help="Forecast the lowest loss for this compute, in FLOP.")
    ] = None,
    params: Annotated[
        list[str] | None, Option("--params", metavar="N", help="Or the loss of a model of this size,")
    ] = None,
    tokens: Annotated[
        list[str] | None, Option("--tokens", metavar="D", help="trained on so many tokens; both may be repeated.")
    ] = None,
    candidates: Annotated[
        str | None,
        Option("--candidates", metavar="CSV|LIST", help="Runs that can be bought: a table, or 1Bx20B,3Bx60B."),
    ] = None,
    once: Annotated[bool, Option("--once", help="Buy no candidate twice.")] = False,
    max_runs: Annotated[int, Option("--max-runs", min=1, help="Runs at most.")] = 16,
    run_floor: Annotated[str | None, Option("--run-floor", metavar="C", help="What a run costs at least.")] = None,
    simulations: Annotated[int, Option("--simulations", min=2, help="Truths to rehearse against.")] = 100,
    seed: Seed = 0,
    level: Level = 0.9,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Choose which runs to buy next, so that a forecast gets sharper, and measure by simulation whether that helps."""
    import scaling
    from db.candidates import read_candidates
    from db.saved import load_fit, unchanged_rows
    from db.select import shut_out_files
    from db.store import Store
    from reports.plan_rows import plan_row

    cells = arguments.targets(params, tokens, None)
    if (target is None) == (not cells):
        raise UsageError("A plan has one target.", "Give --target C, or --params N with --tokens D.")
    budget_flop = arguments.size(budget, "--budget")
    where: dict[str, Any] = (
        {"target": {k: [cell[k] for cell in cells] for k in ("N", "D")}}
        if cells
        else {"target_flop": arguments.size(target or "", "--target")}
    )
    offered = None if candidates is None else read_candidates(candidates)
    floor = 0.0 if run_floor is None else arguments.size(run_floor, "--run-floor")
    with Store(db, read_only=True) as store:
        shut_out_files(store)
        saved = load_fit(store, name)
        rows = unchanged_rows(store, saved)
    with progress("rehearsing") as advance:
        found = scaling.plan_runs(
            saved.fit, rows.inputs, rows.observed, budget_flop, **where, candidates=offered, groups=rows.clusters,
            max_runs=max_runs, repeats=not once, floor_flop=floor, level=level, simulations=simulations, seed=seed,
            progress=advance,
        )  # fmt: skip
    emit([plan_row(saved.name, found)], format_, found.summary())
    say_verdict(saved)
    fail_on_verdict(fail_on, found.target_verdict, saved.fit.verdict)


@command(
    DECIDE, "Example: scaling approaches --flops 1e23 --where \"corpus = 'dclm' AND NOT outlier\" --budget-column C"
)
def approaches(
    flops: Annotated[list[str], Option("--flops", metavar="C", help="Budget to give the optimum at, in FLOP.")],
    where: Where = None,
    metric: Metric = None,
    budget_column: Annotated[
        str | None,
        Option(
            "--budget-column",
            metavar="COLUMN",
            help="Compute or nominal budget: a column, C or SQL; compute_flop if left out.",
        ),
    ] = None,
    planned_column: Annotated[
        str | None,
        Option("--planned-column", metavar="COLUMN", help="Tokens that the schedule of a run was planned for."),
    ] = None,
    tolerance: Annotated[
        float | None, Option("--tolerance", help="Largest gap in ln(C) inside a budget; 0.1, or equal nominal budgets.")
    ] = None,
    checkpoints: Annotated[
        bool, Option("--checkpoints", help="Use every logged row, those from the middle of a schedule too.")
    ] = False,
    law: Annotated[str, Option("--law", help="Law of N and D of approach 3.")] = "chinchilla",
    curve: Annotated[str, Option("--curve", help="Of approach 2: quadratic, cubic or akima.")] = "quadratic",
    weighting: Annotated[
        str, Option("--weighting", help="Of approach 2: equal, or near, for runs near the optimum to weigh more.")
    ] = "equal",
    objective: Annotated[str, Option("--objective", help="Of approach 3, as of scaling fit.")] = "huber",
    residual: Residual = "log",
    bootstrap: Bootstrap = 1000,
    seed: Seed = 0,
    vertices: Annotated[
        bool, Option("--vertices", help="One row for each budget of the runs, in place of those asked for.")
    ] = False,
    level: Level = 0.9,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Set approaches 1, 2 and 3 to the compute-optimal model next to each other, approach 2 with its bias."""
    import scaling
    from db.budgets import budget_rows
    from db.select import shut_out_files
    from db.store import Store
    from reports.approaches_rows import approaches_rows, approaches_text, vertex_rows, vertices_shown
    from scaling.formatting import format_plural

    budgets = [arguments.size(c, "--flops") for c in flops]
    with Store(db, read_only=True) as store:
        shut_out_files(store)
        rows = budget_rows(
            store, metric=metric, where=where, budget_column=budget_column, planned_column=planned_column
        )
    for reason, count in rows.left_out().items():
        say(f"left out: {format_plural(count, 'run')}, {reason}")
    for warning in rows.warnings():
        say(f"warning: {warning}")
    remarks = [rows.about(Path(db).name, where), *rows.warnings()]
    with progress("resampling") as advance:
        found = scaling.compare_approaches(
            rows.n_params,
            rows.n_tokens,
            rows.loss,
            rows.compute_flop,
            at=budgets,
            runs=rows.run_ids,
            mid_schedule=rows.mid_schedule,
            checkpoints=checkpoints,
            law=law,
            objective=objective,
            residual=residual,
            curve=curve,
            weighting=weighting,
            tolerance=tolerance,
            bootstrap=bootstrap,
            seed=seed,
            level=level,
            force=force,
            progress=advance,
        )
    if vertices:
        emit(vertex_rows(found), format_, vertices_shown(found))
    else:
        emit(approaches_rows(found, remarks), format_, approaches_text(found, remarks))
    if all(one.refusal for one in found.answers):
        raise VerdictError("No approach gives an optimum; each says why.", "Add runs of several sizes at one budget.")
    beyond = [f"extrapolating x{factor:.3g}" for factor in found.extrapolation if factor >= 1.05]
    fail_on_verdict(fail_on, *(one.verdict for one in found.answers), *beyond)


@command(DECIDE, "Examples: scaling epochs --unique 100B;  scaling epochs repeats --unique 100B --flops 1e23")
def epochs(
    unique: Annotated[str, Option("--unique", metavar="U", help="Unique tokens of the corpus, such as 1e11 or 100B.")],
    name: Annotated[
        str | None,
        Argument(metavar="FIT", help="A saved fit of data_constrained; without one, what arXiv:2305.16264 printed."),
    ] = None,
    flops: Annotated[
        list[str] | None, Option("--flops", metavar="C", help="Budgets to split between parameters and epochs.")
    ] = None,
    share: Annotated[
        list[float] | None, Option("--share", help="Of the gain of fresh data; 0.5 and 0.1 by default.")
    ] = None,
    upto: Annotated[int, Option("--upto", min=1, max=1000, help="Epochs in the table.")] = 16,
    level: Level = 0.9,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Say what repeating a corpus is worth, and split compute when only so many unique tokens are there."""
    from db.saved import load_fit
    from db.store import Store
    from reports.allocation_rows import fit_about, fit_line
    from reports.epoch_rows import repeated_shown, until_rows, until_sentence, worth_shown
    from scaling.allocation.data_constrained import allocate_repeated, epochs_until, worth_of_epochs
    from scaling.allocation.repetition import PUBLISHED

    tokens, budgets, shares = arguments.size(unique, "--unique"), arguments.sizes(flops, "--flops"), share or [0.5, 0.1]
    saved = None
    if name is not None:
        with Store(db, read_only=True) as store:
            saved = load_fit(store, name)
    source = PUBLISHED if saved is None else saved.fit
    about = fit_about(None if saved is None else saved.name, None if saved is None else saved.fit)
    until = until_rows(shares, *epochs_until(source, shares, level, force))
    if budgets:
        plan = allocate_repeated(source, budgets, tokens, level, force)
        extra = {"epochs_until": until, "verdict": plan.verdict, "method": plan.method} | about
        emit([row | extra for row in plan.rows()], format_, repeated_shown(plan))
    else:
        worth = worth_of_epochs(source, tokens, range(1, upto + 1), level, force)
        extra = {"epochs_until": until, "method": worth.method} | about
        emit([row | extra for row in worth.rows()], format_, worth_shown(worth))
    for row in until:
        say(until_sentence(row, level))
    if saved is None:
        say("Coefficients of C4, arXiv:2305.16264, which come without intervals. For another corpus fit your own runs.")
        return
    say(fit_line(saved.name, saved.fit))
    if budgets:
        for line in dict.fromkeys((f"Intervals of the loss: {plan.loss_method}.", *plan.backtests)):
            say(line)
    say_verdict(saved)
    fail_on_verdict(fail_on, saved.fit.verdict, *([plan.verdict] if budgets else []))


def say_verdict(saved: Any) -> None:
    """Say what is wrong with the fit behind an answer."""
    if saved.fit.verdict != "ok":
        say(f"The fit {saved.name} is {saved.fit.verdict}. {' '.join(saved.fit.diagnostics.reasons)}")


# --- Decide: from loss to loss --------------------------------------------------------------------------------------

transfer = typer.Typer(
    no_args_is_help=True,
    epilog="Example: scaling transfer pairs --from web --to code",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(transfer, name="transfer", rich_help_panel=DECIDE)

FromSide = Annotated[str, Option("--from", metavar="CORPUS", help="The source: what x was trained on.")]
ToSide = Annotated[str, Option("--to", metavar="CORPUS", help="The target: what y was trained on; may be the same.")]
PairMetric = Annotated[str | None, Option("--metric", help="Metric of both sides; that of the ingest by default.")]
MetricFrom = Annotated[str | None, Option("--metric-from", metavar="METRIC", help="Metric of the source alone.")]
MetricTo = Annotated[str | None, Option("--metric-to", metavar="METRIC", help="Metric of the target alone.")]
ByColumn = Annotated[
    str, Option("--by-column", metavar="COLUMN", help="Column whose values --from and --to are, corpus by default.")
]
PairBy = Annotated[
    str,
    Option("--pair-by", metavar="WAY", help="cell (same parameters and tokens), run (same run) or compute (best run)."),
]
PairTolerance = Annotated[
    float | None,
    Option("--tolerance", help="Largest relative difference inside a pair; 0.001, or 0.01 by compute."),
]
Complement = Annotated[bool, Option("--complement", help="Predict 1 - the target metric: an error from an accuracy.")]
BytesFrom = Annotated[
    float | None,
    Option("--bytes-per-token-from", metavar="BYTES", help="Turn the source loss from nats/token into bits/byte."),
]
BytesTo = Annotated[float | None, Option("--bytes-per-token-to", metavar="BYTES", help="The same for the target loss.")]


@transfer.callback()
def transfer_options() -> None:
    """Predict one loss from another: across corpora, from train to test loss, from test to test loss."""


@command(
    None,
    "Examples: scaling transfer pairs --from web --to code;  "
    "scaling transfer pairs --from web --to web --metric-from loss --metric-to test_loss",
    of=transfer,
    name="pairs",
)
def transfer_pairs(
    source: FromSide,
    target: ToSide,
    metric: PairMetric = None,
    metric_from: MetricFrom = None,
    metric_to: MetricTo = None,
    where: Where = None,
    by_column: ByColumn = "corpus",
    pair_by: PairBy = "cell",
    tolerance: PairTolerance = None,
    complement: Complement = False,
    bytes_from: BytesFrom = None,
    bytes_to: BytesTo = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Show which runs a map would be fitted to, as pairs, and which are left unpaired, with the reason."""
    from db.pairs import ask_pairs, select_pairs
    from db.select import shut_out_files
    from db.store import Store
    from reports.transfer_rows import pair_rows, pairs_shown

    with Store(db, read_only=True) as store:
        shut_out_files(store)
        question = ask_pairs(
            store, source, target, metric, metric_source=metric_from, metric_target=metric_to, column=by_column,
            where=where, by=pair_by, tolerance=tolerance, complement=complement, bytes_per_token_source=bytes_from,
            bytes_per_token_target=bytes_to,
        )  # fmt: skip
        found = select_pairs(store, question)
    emit(pair_rows(found), format_, pairs_shown(found))
    say_pairs(found)


@command(
    None,
    "Examples: scaling transfer fit --from web --to code --name web_to_code;  "
    "scaling transfer fit --from web --to code --floors both --form shifted_power",
    of=transfer,
    name="fit",
)
def transfer_fit(
    source: FromSide,
    target: ToSide,
    metric: PairMetric = None,
    metric_from: MetricFrom = None,
    metric_to: MetricTo = None,
    where: Where = None,
    by_column: ByColumn = "corpus",
    pair_by: PairBy = "cell",
    tolerance: PairTolerance = None,
    complement: Complement = False,
    bytes_from: BytesFrom = None,
    bytes_to: BytesTo = None,
    floors: Annotated[
        str,
        Option("--floors", metavar="WHICH", help="both, source or free: which come from a law fitted to each side."),
    ] = "free",
    floor_from: Annotated[
        str | None,
        Option("--floor-from", metavar="E|FIT", help="Floor of the source: a number, or a saved fit whose E it is."),
    ] = None,
    floor_to: Annotated[
        str | None, Option("--floor-to", metavar="E|FIT", help="Floor of the target, likewise.")
    ] = None,
    floor_law: Annotated[
        str, Option("--floor-law", metavar="LAW", help="Law of N and D that gives the floors that are not named.")
    ] = "chinchilla",
    form: Annotated[
        str,
        Option(
            "--form",
            help="auto (by its back-test), shifted_power, offset_power, log_log, affine, quadratic or log_quadratic.",
        ),
    ] = "auto",
    bootstrap: Bootstrap = 1000,
    seed: Seed = 0,
    level: Level = 0.95,
    name: Annotated[str | None, Option("--name", help="Name of the fit and of its SQL macro.")] = None,
    replace: Replace = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Fit a map from one loss to another to pairs of runs, and save it; the form is chosen by its back-test."""
    from db.pairs import ask_pairs
    from db.select import shut_out_files
    from db.store import Store
    from db.transfers import fit_transfer
    from reports.transfer_rows import transfer_row, transfer_text
    from scaling.formatting import format_plural
    from scaling.inputs import check_level

    check_level(level)
    with Store(db, create=False) as store, progress("choosing") as advance:
        shut_out_files(store)
        question = ask_pairs(
            store, source, target, metric, metric_source=metric_from, metric_target=metric_to, column=by_column,
            where=where, by=pair_by, tolerance=tolerance, complement=complement, bytes_per_token_source=bytes_from,
            bytes_per_token_target=bytes_to,
        )  # fmt: skip
        saved = fit_transfer(
            store, question, floors=floors, floor_source=floor_from, floor_target=floor_to, floor_law=floor_law,
            form=form, name=name, replace=replace, bootstrap=bootstrap, seed=seed, progress=advance,
        )  # fmt: skip
    for note in saved.config["notes"]:
        say(note)
    for reason, count in saved.excluded["counts"].items():
        say(f"left out: {format_plural(count, 'run')}, {reason}")
    emit([transfer_row(saved, level)], format_, transfer_text(saved, level))
    fail_on_verdict(fail_on, saved.fit.verdict)


@command(
    None,
    "Example: scaling transfer accuracy --corpus web --loss val_loss --metric acc --chance 0.25 --name task",
    of=transfer,
    name="accuracy",
)
def transfer_accuracy(
    corpus: Annotated[str, Option("--corpus", metavar="CORPUS", help="What the runs were trained on.")],
    loss: Annotated[str, Option("--loss", metavar="METRIC", help="Metric of the loss.")],
    metric: Annotated[str, Option("--metric", metavar="METRIC", help="Metric of the accuracy, a share from 0 to 1.")],
    chance: Annotated[
        float | None, Option("--chance", metavar="SHARE", help="Accuracy of guessing, such as 0.25 for four choices.")
    ] = None,
    questions: Annotated[
        int | None, Option("--questions", metavar="N", help="How many questions there are; runs are weighted by it.")
    ] = None,
    floor: Annotated[
        str | None,
        Option("--floor", metavar="E|FIT|free", help="Floor of the loss: a number, a fit whose E it is, or none."),
    ] = None,
    floor_law: Annotated[
        str, Option("--floor-law", metavar="LAW", help="Law of N and D that gives the floor where none is named.")
    ] = "chinchilla",
    form: Annotated[
        str,
        Option(
            "--form",
            help="auto (by its back-test), power_error, capped_power, chance_power, free_sigmoid, chance_sigmoid or "
            "downstream_error.",
        ),
    ] = "auto",
    where: Where = None,
    by_column: ByColumn = "corpus",
    bootstrap: Bootstrap = 1000,
    seed: Seed = 0,
    level: Level = 0.95,
    name: Annotated[str | None, Option("--name", help="Name of the fit and of its SQL macro.")] = None,
    replace: Replace = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Fit the error on a task, 1 - accuracy, over a loss of the same runs, and save it."""
    from db.accuracies import accuracy_question, fit_accuracy_runs
    from db.select import shut_out_files
    from db.store import Store
    from reports.accuracy_rows import accuracy_row, accuracy_text
    from scaling.formatting import format_plural
    from scaling.inputs import check_level

    check_level(level)
    with Store(db, create=False) as store, progress("choosing") as advance:
        shut_out_files(store)
        saved = fit_accuracy_runs(
            store, accuracy_question(corpus, loss, metric, column=by_column, where=where), chance=chance,
            n_questions=questions, floor=floor, floor_law=floor_law, form=form, name=name, replace=replace,
            bootstrap=bootstrap, seed=seed, progress=advance,
        )  # fmt: skip
    for note in saved.config["notes"]:
        say(note)
    for reason, count in saved.excluded["counts"].items():
        say(f"left out: {format_plural(count, 'run')}, {reason}")
    emit([accuracy_row(saved, level)], format_, accuracy_text(saved, level))
    fail_on_verdict(fail_on, saved.fit.verdict)


@command(
    None,
    "Examples: scaling transfer translate web web_to_code --name code;  "
    "scaling transfer translate web web_to_code --flops 1e23",
    of=transfer,
    name="translate",
)
def transfer_translate(
    source: Annotated[str, Argument(metavar="LAW", help="A fit of a law of N and D to the source.")],
    pair: Annotated[str, Argument(metavar="MAP", help="A fit of pairs from that source to the target.")],
    name: Annotated[str | None, Option("--name", help="Name of the translated fit and of its SQL macro.")] = None,
    replace: Replace = False,
    flops: Annotated[
        list[str] | None,
        Option("--flops", metavar="C", help="Budget to compare the optimum at, FLOP; repeat for more."),
    ] = None,
    seed: Seed = 0,
    level: Level = 0.95,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Translate a law of the source to the target by a map, and save it; the loss on the source is predicted."""
    from db.saved import load_fit
    from db.select import shut_out_files
    from db.store import Store
    from db.translations import translate_runs
    from reports.translation_rows import translation_row, translation_text
    from scaling.inputs import check_level

    check_level(level)
    budgets = [arguments.size(c, "--flops") for c in flops or ()]
    with Store(db, create=False) as store:
        shut_out_files(store)
        first, second = load_fit(store, source), load_fit(store, pair)
        saved = translate_runs(store, first.fit_id, second.fit_id, name=name, replace=replace, seed=seed)
    parts = (saved, first, second, budgets, level)
    emit([translation_row(*parts)], format_, translation_text(*parts))
    fail_on_verdict(fail_on, saved.fit.verdict)


@command(
    None,
    "Examples: scaling transfer forecast web_to_code --run big-web;  "
    "scaling transfer forecast web_to_code --source-fit web --params 3B --tokens 50B",
    of=transfer,
    name="forecast",
)
def transfer_forecast(
    name: FitName,
    run: Annotated[
        list[str] | None, Option("--run", metavar="RUN", help="A run of the source in the store: its loss is x.")
    ] = None,
    x: Annotated[
        list[str] | None, Option("--x", metavar="LOSS", help="Or the loss itself, as it was measured.")
    ] = None,
    flops: Annotated[
        list[str] | None,
        Option(
            "--flops",
            metavar="C",
            help="In FLOP: training compute of the run that --x is of; with --source-fit a budget, split as that law "
            "has it best (repeat).",
        ),
    ] = None,
    source_fit: Annotated[
        str | None,
        Option(
            "--source-fit",
            metavar="FIT",
            help="Or a law of the source that predicts x, for --params and --tokens or for --flops.",
        ),
    ] = None,
    params: Params = None,
    tokens: Tokens = None,
    level: Level = 0.9,
    curve: Annotated[bool, Option("--curve", help="Interval of the map's curve, without the scatter of runs.")] = False,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Forecast a loss on the target: from a loss of the source that was measured, or from one that a law predicts."""
    from db.measured import measured_run, pair_question, question_words
    from db.saved import load_fit
    from db.store import Store
    from reports.map_forecast_rows import map_forecast_notes, map_forecast_rows, map_forecasts_shown
    from scaling.loss_to_loss.forecast import forecast_map

    measured, predicted = bool(run or x), bool(source_fit or params or tokens)
    if measured == predicted:
        raise UsageError(
            "Say where x comes from: measured (--run, or --x) or predicted (--source-fit with --params and --tokens).",
            f"Such as: scaling transfer forecast {shlex.quote(name)} --run RUN, --x 2.13 --flops 1e21, or --source-fit "
            "LAW --flops 1e21. One of them at a time.",
        )
    if flops and not predicted and (not x or len(flops) > 1):
        raise UsageError(
            "--flops is the compute of the run that --x is of.",
            "Add --x, and one --flops, or leave --flops out: that of a --run is in the store.",
        )
    kind = "curve" if curve else "run"
    if predicted:
        if source_fit is None or not (params or tokens or flops):
            raise UsageError(
                "A predicted x needs --source-fit, --params and --tokens.",
                "Name a size, --params 7B --tokens 2T, or a budget to split, --flops 1e21.",
            )
        targets = arguments.targets(params, tokens, None) if params or tokens else []
        targets += [{"C": arguments.size(one, "--flops")} for one in flops or ()]
        forecast_predicted(name, source_fit, targets, level, kind, force, fail_on, db, format_)
        return
    compute = arguments.size(flops[0], "--flops") if flops else None
    losses = [arguments.quantity(one, "--x") for one in x or ()]
    if (low := next((one for one in losses if one <= 0), None)) is not None:
        raise InputDataError(
            f"a loss is a number above 0, not {low:g}", "--x takes a loss as it was measured, in the unit of the map."
        )
    with Store(db, read_only=True) as store:
        saved = load_fit(store, name)
        pair_question(saved)
        runs = [measured_run(store, saved, one) for one in run or ()]
    given = [(None, one, compute) for one in losses]
    asked = [*((one.run_id, one.x, one.compute_flop) for one in runs), *given]
    found = [forecast_map(saved.fit, loss, level, kind, flop, force) for _, loss, flop in asked]
    names = [one for one, *_ in asked]
    head = {"fit": saved.name, "fit_id": saved.fit_id} | question_words(saved)
    emit(map_forecast_rows(head, found, names), format_, map_forecasts_shown(found, names))
    say(f"{head['map']}, in {head['y_unit'] or 'an unknown unit'}. x was measured: it has no error here.")
    about = "a new run" if kind == "run" else "the map's curve"
    for method in dict.fromkeys(one.prediction.method for one in found):
        say(f"Interval for {about}: {method}.")
    for line in [*(remark for one in runs for remark in one.remarks), *map_forecast_notes(found)]:
        say(line)
    say_verdict(saved)
    fail_on_verdict(fail_on, *(one.prediction.verdict for one in found), saved.fit.verdict)


def forecast_predicted(
    name: str,
    source_fit: str,
    targets: list[dict[str, float]],
    level: float,
    kind: str,
    force: bool,
    fail_on: str | None,
    db: str,
    format_: str | None,
) -> None:
    """Forecast a loss on the target through the law of the source: both laws' errors are in it."""
    from db.chained import check_source_law
    from db.measured import pair_question, question_words
    from db.saved import load_fit
    from db.store import Store
    from reports.chain_rows import chain_notes, chain_shown, predicted_rows
    from scaling.loss_to_loss.predicted import forecast_through

    with Store(db, read_only=True) as store:
        saved, first = load_fit(store, name), load_fit(store, source_fit)
        pair_question(saved)
        remarks = check_source_law(store, first, saved)
    for target in targets:
        if "C" not in target:
            arguments.check_targets([target], first.fit.law.name, list(first.fit.law.inputs))
    through = [forecast_through(first.fit, saved.fit, target, level, kind, force=force) for target in targets]
    found, targets = [one.chained for one in through], [one.inputs for one in through]
    head = {"fit": saved.name, "fit_id": saved.fit_id, "source_fit": first.name, "source_fit_id": first.fit_id}
    head |= {"then": saved.name, "then_id": saved.fit_id} | question_words(saved) | {"question": "x predicted"}
    emit(
        [head | row for row in predicted_rows(first.fit, saved.fit, through)],
        format_,
        chain_shown(first.fit, saved.fit, targets, found),
    )
    say(f"{head['map']}, in {head['y_unit'] or 'an unknown unit'}. x is predicted by {first.name}: its error is in it.")
    say(f"Interval: {found[0].method}.")
    lines = [line for one in through for line in one.sentences]
    for line in dict.fromkeys([*remarks, *lines, *chain_notes(first.name, saved.name, found)]):
        say(line)
    for one in (first, saved):
        say_verdict(one)
    fail_on_verdict(fail_on, *(one.verdict for one in found), first.fit.verdict, saved.fit.verdict)


@command(
    None,
    "Examples: scaling transfer report --from web -o maps.html;  "
    "scaling transfer report --metric val_loss --where 'compute_flop < 1e20' -o maps.html",
    of=transfer,
    name="report",
)
def transfer_report(
    source: Annotated[
        list[str] | None, Option("--from", metavar="CORPUS,...", help="Sources; all that have the metric by default.")
    ] = None,
    target: Annotated[
        list[str] | None, Option("--to", metavar="CORPUS,...", help="Targets; all that have the metric by default.")
    ] = None,
    output: Annotated[Path, Option("--output", "-o", metavar="FILE", help="The page.")] = Path("maps.html"),
    metric: PairMetric = None,
    metric_from: MetricFrom = None,
    metric_to: MetricTo = None,
    where: Where = None,
    by_column: ByColumn = "corpus",
    pair_by: PairBy = "cell",
    tolerance: PairTolerance = None,
    floors: Annotated[
        str, Option("--floors", metavar="WHICH", help="both, source or free: which are given, by a law of each side.")
    ] = "free",
    floor_law: Annotated[
        str, Option("--floor-law", metavar="LAW", help="Law of N and D that gives these floors.")
    ] = "chinchilla",
    form: Annotated[str, Option("--form", help="As of transfer fit; auto (by its back-test) by default.")] = "auto",
    x: Annotated[float | None, Option("--x", help="Loss of the large run on the source, measured.")] = None,
    target_run: Annotated[
        str | None,
        Option("--target-run", metavar="RUN", help="The large run; by default the largest that is in no pair."),
    ] = None,
    source_fit: Annotated[
        str | None, Option("--source-fit", metavar="FIT", help="A law that forecasts x, at --params and --tokens.")
    ] = None,
    params: Annotated[str | None, Option("--params", metavar="N", help="Parameters of the run it forecasts.")] = None,
    tokens: Annotated[str | None, Option("--tokens", metavar="D", help="Its tokens.")] = None,
    flops: Annotated[str | None, Option("--flops", metavar="C", help="Compute of the run of --x, FLOP.")] = None,
    bootstrap: Bootstrap = 200,
    seed: Seed = 0,
    level: Level = 0.9,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Write all maps of a source, or between all corpora, on one sheet, with their forecasts of the large run."""
    from db.map_sheet import SheetQuestion, map_sheet
    from db.select import shut_out_files
    from db.store import Store
    from reports import check_place
    from reports.maps_page import map_row, maps_shown, write_maps

    check_place(output)
    sides = [
        tuple(dict.fromkeys(name for text in texts or [] for name in text.split(",") if name))
        for texts in (source, target)
    ]
    sizes = [
        None if text is None else arguments.size(text, option)
        for text, option in ((params, "--params"), (tokens, "--tokens"), (flops, "--flops"))
    ]
    asked = SheetQuestion(
        *sides, metric, metric_from, metric_to, by_column, where, pair_by, tolerance, floors, floor_law, form, x,
        target_run, source_fit, *sizes, level, bootstrap, seed,
    )  # fmt: skip
    with Store(db, read_only=True) as store, progress("mapping") as advance:
        shut_out_files(store)
        sheet = map_sheet(store, asked, advance)
    path = write_maps(sheet, output)
    say(f"Wrote {path} ({path.stat().st_size / 1000:.0f} kB).")
    emit([{"path": str(path)} | map_row(one, False) for one in sheet.maps], format_, maps_shown(sheet))
    fail_on_verdict(fail_on, *(one.verdict for one in sheet.maps if one.fit is not None))


@command(
    None,
    "Examples: scaling transfer rank --metric c4_val_loss --flops 1e21;  "
    "scaling transfer rank --metric arc --metric sciq --corpora web,code --flops 1e21 --no-backtest",
    of=transfer,
    name="rank",
)
def transfer_rank(
    metric: Annotated[
        list[str], Option("--metric", help="Metric to rank by, lower is better (of an accuracy its error); repeat.")
    ],
    flops: Annotated[str, Option("--flops", metavar="C", help="The budget to rank at, in FLOP.")],
    corpora: Annotated[
        list[str] | None, Option("--corpora", metavar="CORPUS,...", help="Which; all that have the metric by default.")
    ] = None,
    law: Annotated[
        str, Option("--law", metavar="LAW", help="Law of N and D of each corpus; auto is by its back-test.")
    ] = "auto",
    method: Annotated[
        str, Option("--method", help="laws (of each corpus), maps (of one to the others) or both.")
    ] = "both",
    params: Annotated[
        str | None, Option("--params", metavar="N", help="Parameters there; where each law is lowest by default.")
    ] = None,
    reference: Annotated[
        str | None, Option("--reference", metavar="CORPUS", help="Where maps start; that with most pairs by default.")
    ] = None,
    backtest: Annotated[
        bool, Option("--backtest/--no-backtest", help="Rank from smaller budgets too, and say which way was right.")
    ] = True,
    where: Where = None,
    by_column: Annotated[str, Option("--by-column", metavar="COLUMN", help="Column of the corpora.")] = "corpus",
    bootstrap: Bootstrap = 500,
    seed: Seed = 0,
    level: Level = 0.9,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Rank training corpora at a budget: the probability that each is best, beside the best loss tried so far."""
    from db.ranking import rank_runs
    from db.select import shut_out_files
    from db.store import Store
    from reports.ranking_rows import ranking_rows, ranking_text

    named = [name for text in corpora or () for name in text.split(",") if name]
    target = arguments.size(flops, "--flops")
    size = None if params is None else arguments.size(params, "--params")
    with Store(db, read_only=True) as store, progress("back-testing") as advance:
        shut_out_files(store)
        found = rank_runs(
            store, metric, target, corpora=named, column=by_column, where=where, backtest=backtest, law=law,
            progress=advance, method=method, n_params=size, reference=reference, level=level, bootstrap=bootstrap,
            seed=seed,
        )  # fmt: skip
    emit(ranking_rows(found), format_, ranking_text(found))
    for one, ranking in found.rankings:
        for note in (*one.notes, *ranking.notes):
            say(f"{one.metric}: {note}" if len(found.rankings) > 1 else note)


@command(
    None,
    "Examples: scaling transfer plan --from web --metric loss --error 0.01;  "
    "scaling transfer plan --from web --metric loss --target-run big-web --budget 5e19",
    of=transfer,
    name="plan",
)
def transfer_plan(
    source: FromSide,
    metric: Annotated[str, Option("--metric", help="Loss of both sides.")],
    budget: Annotated[str | None, Option("--budget", metavar="C", help="FLOP to spend on the new corpus.")] = None,
    error: Annotated[
        float | None, Option("--error", help="Or the error that is wanted at the target, as a share: 0.01 is 1 %.")
    ] = None,
    measure: Annotated[
        str, Option("--measure", help="Which error is meant: mean, or p90, which nine in ten stay below.")
    ] = "mean",
    target_x: Annotated[
        float | None, Option("--target-x", metavar="LOSS", help="Loss of the source at the target, measured.")
    ] = None,
    target_run: Annotated[
        str | None, Option("--target-run", metavar="RUN", help="Or the run of the source that has it.")
    ] = None,
    where: Where = None,
    by_column: Annotated[str, Option("--by-column", metavar="COLUMN", help="Column of the corpora.")] = "corpus",
    simulations: Annotated[int, Option("--simulations", help="Outcomes that are drawn.")] = 400,
    seed: Seed = 0,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Say how many runs to buy on a new corpus, and which, so that a map from an old one forecasts its large run."""
    from db.purchases import chosen_designs, plan_purchase
    from db.select import shut_out_files
    from db.store import Store
    from reports.purchase_rows import purchase_rows, purchase_text

    spend = None if budget is None else arguments.size(budget, "--budget")
    with Store(db, read_only=True) as store:
        shut_out_files(store)
        found = plan_purchase(
            store, source, metric, target_x=target_x, target_run=target_run, column=by_column, where=where,
            simulations=simulations, seed=seed,
        )  # fmt: skip
    answers = chosen_designs(found, error, spend, measure)
    emit(purchase_rows(found, answers), format_, purchase_text(found, answers))
    for note in found.notes:
        say(note)


def say_pairs(found: Any) -> None:
    """Say how runs were paired, how many are left over, and what is to be known of it."""
    from scaling.formatting import format_plural

    for note in found.notes:
        say(note)
    for reason, count in found.reasons().items():
        say(f"left out: {format_plural(count, 'run')}, {reason}")


# --- Decide: the score that compute buys ----------------------------------------------------------------------------

boundary = typer.Typer(
    no_args_is_help=True,
    epilog="Example: scaling boundary tasks",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(boundary, name="boundary", rich_help_panel=DECIDE)

Task = Annotated[str, Argument(metavar="TASK", help="A task of the store: scaling boundary tasks")]
BoundaryName = Annotated[str, Argument(metavar="BOUNDARY", help="Name or identifier of a boundary, or 'latest'.")]
Tau = Annotated[float, Option("--tau", metavar="SHARE", help="Share of the models below the boundary.")]
BoundaryPreset = Annotated[
    str | None, Option("--preset", metavar="NAME", help="Published settings: zhang2026 (kappa 50, ridge 0.001).")
]
Kappa = Annotated[
    float | None, Option("--kappa", help="Sharpness of the corner of the loss, one over score; 2000 by default.")
]
Ridge = Annotated[
    float | None, Option("--ridge", help="Pull on the squared steepness; 0.2 over the models by default.")
]
Periods = Annotated[
    str | None,
    Option("--period", metavar="WHICH", help="quarter, year, month, zhang2026, or first days: 2024-07-01,2024-10-01."),
]
Mode = Annotated[
    str,
    Option("--mode", help="single (fitted to one period) or cumulative (to all until then), held against the next."),
]


def score_options(
    metric: Annotated[str | None, Option("--metric", help="Metric of the task, where it has several.")] = None,
    harness: Annotated[str | None, Option("--harness", help="Who ran the task, where several did.")] = None,
    task_version: Annotated[
        str | None, Option("--task-version", metavar="VERSION", help="Version of the task or its grader.")
    ] = None,
    where: Annotated[str | None, Option("--where", metavar="SQL", help="Condition on columns of scores.")] = None,
    group: Annotated[
        str,
        Option("--group", metavar="COLUMN", help="Whose models are resampled whole: base_model, organisation or none."),
    ] = "base_model",
    date_column: Annotated[
        str, Option("--date-column", metavar="COLUMN", help="Date of a model: date, released or evaluated_on.")
    ] = "date",
    period: Periods = None,
    exclude: Annotated[
        list[str] | None,
        Option("--exclude", metavar="WHAT,...", help="Leave out: flagged, merged, moe, concerns, or one concern."),
    ] = None,
    repeats: Annotated[str, Option("--repeats", help="Of several scores of one entry: best, latest or all.")] = "best",
    per: Annotated[
        str, Option("--per", help="What an entry is: model_id, or model, for all entries of one name.")
    ] = "model_id",
) -> dict[str, Any]:
    """Read the options that choose scores of a task; `choosing` gives them to a command."""
    return {
        "metric": metric,
        "harness": harness,
        "version": task_version,
        "where": where,
        "group": None if group == "none" else group,
        "date": date_column,
        "period": read_period(period),
        "exclude": tuple(name for text in exclude or () for name in text.split(",") if name),
        "repeats": repeats,
        "per": per,
    }


def read_period(text: str | None) -> str | tuple[str, ...] | None:
    """Read --period: the name of a scheme, or first days."""
    return tuple(text.split(",")) if text and text[0].isdigit() else text


def several_score_options(
    metric: Annotated[
        list[str] | None, Option("--metric", metavar="[TASK=]METRIC", help="Metric, of all tasks or of one; repeat.")
    ] = None,
    harness: Annotated[
        list[str] | None, Option("--harness", metavar="[TASK=]NAME", help="Who ran them, all or one; repeat.")
    ] = None,
    task_version: Annotated[
        list[str] | None, Option("--task-version", metavar="[TASK=]VERSION", help="Version, of all or of one; repeat.")
    ] = None,
    where: Annotated[str | None, Option("--where", metavar="SQL", help="Condition on columns of scores.")] = None,
    group: Annotated[
        str, Option("--group", metavar="COLUMN", help="Whose models may be alike: a column of scores, or none.")
    ] = "base_model",
    date_column: Annotated[
        str, Option("--date-column", metavar="COLUMN", help="Date of a model: date, released or evaluated_on.")
    ] = "date",
    exclude: Annotated[
        list[str] | None,
        Option("--exclude", metavar="WHAT,...", help="Leave out: flagged, merged, moe, concerns, or one concern."),
    ] = None,
    repeats: Annotated[str, Option("--repeats", help="Of several scores of one entry: best or latest.")] = "best",
    per: Annotated[
        str, Option("--per", help="What an entry is: model_id, or model, for all entries of one name.")
    ] = "model_id",
) -> dict[str, Any]:
    """Read the options that choose scores of several tasks."""
    asked = score_options(None, None, None, where, group, date_column, None, exclude, repeats, per)
    return asked | {"metric": metric or (), "harness": harness or (), "version": task_version or ()}


def choosing(
    function: Callable[..., None] | None = None,
    *,
    options: Callable[..., dict[str, Any]] = score_options,
    without: Sequence[str] = (),
    **defaults: Any,
) -> Any:
    """Give a command the options of `score_options`, or of others, which it gets as one argument: `asked`.

    Those of `without` are left to their defaults; `defaults` are those of the command.
    """
    if function is None:
        return functools.partial(choosing, options=options, without=without, **defaults)
    block = [
        p.replace(kind=p.KEYWORD_ONLY, default=defaults.get(p.name, p.default))
        for p in signature(options, eval_str=True).parameters.values()
        if p.name not in without
    ]
    own = signature(function, eval_str=True).parameters.values()

    def run(**kwargs: Any) -> None:
        asked = options(**{p.name: kwargs.pop(p.name) for p in block})
        function(asked=asked, **kwargs)

    functools.update_wrapper(run, function)
    parts = [part for p in own for part in (block if p.name == "asked" else [p.replace(kind=p.KEYWORD_ONLY)])]
    run.__dict__["__signature__"] = Signature(parts)  # what Typer reads, by way of inspect
    run.__annotations__ = {p.name: p.annotation for p in parts}
    return run


@boundary.callback()
def boundary_options() -> None:
    """What score a compute budget can buy: a high quantile of the scores of many models over their compute."""


@command(None, "Example: scaling boundary tasks --format csv", of=boundary, name="tasks")
def boundary_tasks(db: Database = "scaling.duckdb", format_: Format = None) -> None:
    """List the tasks that have scores, with how many of their models have a compute."""
    from db.scores import tasks
    from db.store import Store
    from reports.boundary_rows import tasks_shown

    with Store(db, read_only=True) as store:
        rows = [one.to_dict() for one in tasks(store)]
    emit(rows, format_, tasks_shown(rows))


@command(
    None,
    "Examples: scaling boundary fit GPQA --name gpqa --period quarter;  "
    "scaling boundary fit GPQA --tau 0.5 --tau 0.9 --tau 0.98 --name gpqa",
    of=boundary,
    name="fit",
)
@choosing
def boundary_fit(
    task: Task,
    asked: Any,
    tau: Annotated[
        list[float] | None,
        Option("--tau", metavar="SHARE", help="Share of the models below it, 0.98 by default; repeat for a grid."),
    ] = None,
    preset: BoundaryPreset = None,
    kappa: Kappa = None,
    ridge: Ridge = None,
    bootstrap: Annotated[int, Option("--bootstrap", min=0, help="Replicates behind the bands; 0 for none.")] = 1000,
    seed: Seed = 0,
    level: Level = 0.9,
    name: Annotated[str | None, Option("--name", help="Name of the fit and of its SQL macro.")] = None,
    replace: Replace = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Fit the score that compute can buy on a task, and save it as a SQL macro."""
    from db.boundaries import fit_boundaries
    from db.select import shut_out_files
    from db.store import Store
    from reports.boundary_rows import boundary_row, boundary_text, grid_text
    from scaling.boundary.grid import QuantileGrid
    from scaling.inputs import check_level

    check_level(level)
    with Store(db, create=False) as store, progress("resampling") as advance:
        shut_out_files(store)
        made = fit_boundaries(
            store, {"task": task} | asked, taus=tau or [0.98], preset=preset, kappa=kappa, ridge=ridge, name=name,
            replace=replace, bootstrap=bootstrap, seed=seed, progress=advance,
        )  # fmt: skip
    texts, crossing = [boundary_text(one, level) for one in made], None
    if len(made) > 1:
        grid = QuantileGrid(tuple(one.boundary for one in made))
        crossing = grid.crossing
        texts.append(grid_text(grid))
    emit([boundary_row(one, level, crossing) for one in made], format_, "\n\n".join(texts))
    fail_on_verdict(fail_on, *(one.boundary.verdict for one in made))


@command(
    None,
    "Examples: scaling boundary forecast gpqa --flops 1e24 --score 0.6;  "
    "scaling boundary forecast gpqa --flops 1e24 --flops 1e25 --out-of-period",
    of=boundary,
    name="forecast",
)
def boundary_forecast(
    name: BoundaryName,
    flops: Annotated[list[str], Option("--flops", metavar="C", help="Compute in FLOP; repeat for more.")],
    score: Annotated[
        list[float] | None, Option("--score", metavar="SCORE", help="Also the chance to reach this score; repeat.")
    ] = None,
    out_of_period: Annotated[
        bool, Option("--out-of-period", help="For models of a period to come: with the margin learned from periods.")
    ] = False,
    date: Annotated[
        str | None, Option("--date", metavar="DAY", help="For models of a date, by a boundary that a year moves.")
    ] = None,
    level: Level = 0.9,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Say what score a compute can buy, how sure that is, and what the chance of a score is."""
    from db.boundaries import load_boundary, require_boundary
    from db.boundary_answers import forecast_boundary
    from db.select import shut_out_files
    from db.store import Store
    from reports.boundary_rows import forecast_rows, forecast_shown

    compute = [arguments.size(c, "--flops") for c in flops]
    with Store(db, read_only=True) as store:
        shut_out_files(store)
        one = load_boundary(store, name)
    require_boundary(one, force)
    found = forecast_boundary(one, compute, score or (), level, out_of_period=out_of_period, date=date)
    rows = forecast_rows(one, found)
    emit(rows, format_, forecast_shown(rows))
    for note in found.notes:
        say(note)
    say_verdict(one.saved)
    fail_on_verdict(fail_on, *(row["verdict"] for row in rows), one.boundary.verdict)


@command(
    None,
    "Examples: scaling boundary invert gpqa --score 0.5;  "
    "scaling boundary invert gpqa --score 0.4 --score 0.6 --probability 0.1",
    of=boundary,
    name="invert",
)
def boundary_invert(
    name: BoundaryName,
    score: Annotated[list[float], Option("--score", metavar="SCORE", help="A score, 0 to 1; repeat for more.")],
    probability: Annotated[
        list[float] | None,
        Option("--probability", metavar="P", help="Chance to reach it; 1 - tau, the boundary itself, by default."),
    ] = None,
    level: Level = 0.9,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Say which compute a score needs, and where none is enough."""
    from db.boundaries import load_boundary, require_boundary
    from db.select import shut_out_files
    from db.store import Store
    from reports.boundary_rows import inverse_notes, inverse_rows, inverse_shown

    with Store(db, read_only=True) as store:
        shut_out_files(store)
        one = load_boundary(store, name)
    require_boundary(one, force)
    found = [one.boundary.invert(x, p, level) for p in probability or [None] for x in score]
    rows = inverse_rows(one, found)
    emit(rows, format_, inverse_shown(rows))
    for note in inverse_notes(one, found):
        say(note)
    say_verdict(one.saved)
    fail_on_verdict(fail_on, *(row["verdict"] for row in rows), one.boundary.verdict)


@command(
    None,
    "Examples: scaling boundary backtest GPQA --period zhang2026;  scaling boundary backtest gpqa;  "
    "scaling boundary backtest --all-tasks --period quarter",
    of=boundary,
    name="backtest",
)
@choosing
def boundary_backtest(
    name: Annotated[
        str | None, Argument(metavar="TASK|BOUNDARY", help="A task, or a saved boundary, dated or not.")
    ] = None,
    task: Annotated[list[str] | None, Option("--task", metavar="TASK", help="A task; repeat for more.")] = None,
    all_tasks: Annotated[bool, Option("--all-tasks", help="Every task that has such scores.")] = False,
    asked: Any = None,
    mode: Mode = "single",
    tau: Annotated[
        float | None, Option("--tau", metavar="SHARE", help="Share of the models below it, 0.98 by default.")
    ] = None,
    preset: BoundaryPreset = None,
    kappa: Kappa = None,
    ridge: Ridge = None,
    seed: Annotated[int | None, Option("--seed", min=0, help="Of the folds; that of the boundary, or 0.")] = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Fit to one period and hold against the next, beside every baseline; without periods, hold the largest out."""
    from db.boundary_backtests import backtest_saved, backtest_tasks, find_tasks
    from db.select import shut_out_files
    from db.store import Store

    settings = {"tau": tau, "preset": preset, "kappa": kappa, "ridge": ridge}
    with Store(db, read_only=True) as store, progress("back-testing") as advance:
        shut_out_files(store)
        tasks, saved = find_tasks(store, name, task or (), all_tasks, asked)
        if saved is not None:
            refuse_own(saved, asked, settings)
            label, one = backtest_saved(store, saved, asked["period"], mode, seed)
            found, failures = {label: one}, {}
        else:
            settings |= {"tau": 0.98 if tau is None else tau, "mode": mode, "seed": seed or 0}
            found, failures = backtest_tasks(store, tasks, asked, advance, lenient=all_tasks, **settings)
    emit_boundary_backtest(found, format_)
    for label, error in failures.items():
        say(f"not back-tested: {label}: {error.message}")


def refuse_own(name: str, asked: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Refuse options that a saved boundary has of its own."""
    usual = score_options()
    given = [key for key, value in asked.items() if key != "period" and value != usual[key]]
    given += [key for key, value in settings.items() if value is not None]
    if given:
        options = {"version": "task-version", "date": "date-column"}
        raise UsageError(
            f"'{name}' is a saved boundary and has its own scores and settings.",
            f"Leave --{options.get(given[0], given[0])} out, or name the task in place of the boundary.",
        )


def emit_boundary_backtest(found: Mapping[str, Any], format_: str | None) -> None:
    """Print back-tests of boundaries by task, or that of a dated one, which has no others beside it."""
    from reports.boundary_backtest_rows import backtest_rows, backtest_text
    from reports.dated_backtest_rows import dated_backtest_rows, dated_backtest_text, is_dated
    from scaling.boundary.evaluation.result import combine

    [task, first], *_ = found.items()
    if is_dated(first):
        emit(dated_backtest_rows(task, first), format_, dated_backtest_text(first))
        return

    whole = combine(found) if len(found) > 1 else next(iter(found.values()))
    emit(backtest_rows(found, whole), format_, backtest_text(found, whole))


# Answers of the commands below are one object; sheets (csv, markdown) get its main table.


def emit_result(row: Mapping[str, Any], format_: str | None, text: str, table: Sequence[Mapping[str, Any]]) -> None:
    """Print one object: as it is for programs, its main table for sheets, a text for people."""
    from reports.terminal import choose_format

    sheet = choose_format(format_) in ("csv", "markdown")
    known = [{k: None if isinstance(v, float) and math.isnan(v) else v for k, v in line.items()} for line in table]
    emit(known if sheet else [row], format_, None if sheet else text)


def check_finding(stop_on: str | None, word: str) -> None:
    """Refuse what a command cannot fail on, before anything is done."""
    if stop_on not in (None, word):
        raise UsageError(f"There is nothing called '{stop_on}' to fail on.", f"Here it is: --fail-on {word}")


def fail_on_finding(stop_on: str | None, found: bool | None, verdict: str) -> None:
    """End with exit code 1 where what was found is what the user fails on."""
    if stop_on and found:
        raise VerdictError(f"{verdict} And --fail-on {stop_on} was asked for.")


StopOnShift = Annotated[str | None, Option("--fail-on", metavar="shift", help="Exit with 1 where a shift can be told.")]
ShiftLevel = Annotated[float, Option("--level", help="Nominal coverage of the intervals.")]
Permutations = Annotated[int, Option("--permutations", min=1, help="Randomisations behind the p-values.")]
Cutoffs = Annotated[
    list[str] | None,
    Option("--cutoff", metavar="DAY", help="First day of the later side; repeat. Starts of months by default."),
]


@command(
    None,
    "Examples: scaling boundary drift GPQA --name gpqa_dated;  "
    "scaling boundary drift GPQA --period year --at 1e23 --at 1e24 --gain 2024-10-01 --density",
    of=boundary,
    name="drift",
)
@choosing(period="quarter")
def boundary_drift(
    task: Task,
    asked: Any,
    at: Annotated[
        list[str] | None, Option("--at", metavar="C", help="Compute, in FLOP, at which periods are compared; repeat.")
    ] = None,
    least: Annotated[
        int | None, Option("--least", min=2, help="Models that a period needs to be compared; 50 of 0.98 by default.")
    ] = None,
    earliest: Annotated[
        str | None, Option("--earliest", metavar="DAY", help="Older models count as of this day, so they set no rate.")
    ] = None,
    gain: Annotated[
        str | None,
        Option("--gain", metavar="DAY|SQL", help="Also the compute that models since a day, or with this, are ahead."),
    ] = None,
    density: Annotated[bool, Option("--density", help="Also how much models pack into their compute.")] = False,
    reference: Annotated[
        str | None, Option("--reference", metavar="DAY", help="Of the boundary that densities are measured by.")
    ] = None,
    tau: Tau = 0.98,
    preset: BoundaryPreset = None,
    kappa: Kappa = None,
    ridge: Ridge = None,
    bootstrap: Annotated[
        int, Option("--bootstrap", min=0, help="Replicates behind the intervals and the test; 0 for none.")
    ] = 200,
    seed: Seed = 0,
    level: Level = 0.9,
    name: Annotated[
        str | None,
        Option("--name", help="Save the boundary that a year moves, with its SQL macro of compute and year."),
    ] = None,
    replace: Replace = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Say how far a boundary moved from period to period, and what a year is worth in compute."""
    from db.boundary_drift import drift_of
    from db.select import shut_out_files
    from db.store import Store
    from reports.boundary_drift_rows import drift_row, drift_table, drift_text
    from scaling.inputs import check_level

    check_level(level)
    if reference is not None and not density:
        raise UsageError("--reference is of densities, and none are measured.", "Add --density.")
    earliest = None if earliest is None else arguments.day(earliest, "--earliest")
    reference = None if reference is None else arguments.day(reference, "--reference")
    fit = {"tau": tau, "preset": preset, "kappa": kappa, "ridge": ridge}
    with Store(db, read_only=name is None, create=False) as store, progress("parts") as advance:
        shut_out_files(store)
        answer = drift_of(
            store, task, asked, fit=fit, at=arguments.sizes(at, "--at"), least=least, earliest=earliest, gain=gain,
            density=density, reference=reference, name=name, replace_fit=replace, bootstrap=bootstrap, level=level,
            seed=seed, progress=advance,
        )  # fmt: skip
    emit_result(drift_row(answer, level), format_, drift_text(answer, level), drift_table(answer))
    found = (answer.drift, answer.in_time, answer.gain, answer.density)
    fail_on_verdict(fail_on, *(one.verdict for one in found if one is not None))


@command(
    None,
    "Examples: scaling boundary saturation GPQA --threshold 13B;  scaling boundary saturation MUSR --format csv",
    of=boundary,
    name="saturation",
)
@choosing(without=("period",), group="organisation")
def boundary_saturation(
    task: Task,
    asked: Any,
    threshold: Annotated[
        str, Option("--threshold", metavar="N", help="Parameters that part small models from large ones.")
    ] = "13B",
    window: Annotated[
        int, Option("--window", min=1, help="Days whose small models a large one is held against.")
    ] = 180,
    quantile: Annotated[float, Option("--quantile", help="Of the scores of those small models.")] = 0.95,
    matched: Annotated[int, Option("--matched", min=2, help="Small models drawn, where numbers are equal.")] = 20,
    interval: Annotated[str, Option("--interval", help="Of the shares: wilson or jeffreys.")] = "wilson",
    permutations: Annotated[int, Option("--permutations", min=1, help="Shuffles of the sizes within months.")] = 200,
    level: ShiftLevel = 0.95,
    seed: Seed = 0,
    stop_on: Annotated[
        str | None,
        Option("--fail-on", metavar="saturated", help="Exit with 1 where no advantage of large models can be told."),
    ] = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Hold large models against small ones over time, also against as many small ones as before."""
    from db.boundary_shift import saturation_of

    check_finding(stop_on, "saturated")
    found = answer_shift(
        db, format_, saturation_of, task, asked, threshold=arguments.size(threshold, "--threshold"), window=window,
        quantile=quantile, matched=matched, interval=interval, permutations=permutations, level=level, seed=seed,
    )  # fmt: skip
    fail_on_finding(stop_on, found.saturated, found.verdict)


def answer_shift(db: str, format_: str | None, ask: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    """Ask the store for a test of scores, print it, and give its result."""
    from db.select import shut_out_files
    from db.store import Store
    from reports.boundary_shift_rows import shift_row, shift_table, shift_text

    with Store(db, read_only=True) as store:
        shut_out_files(store)
        answer = ask(store, *args, **settings)
    emit_result(shift_row(answer), format_, shift_text(answer), shift_table(answer))
    return answer.result


shift = typer.Typer(
    no_args_is_help=True,
    epilog="Example: scaling boundary shift contamination MATH-500 AIME-2025",
    context_settings={"help_option_names": ["-h", "--help"]},
)
boundary.add_typer(shift, name="shift")


@shift.callback()
def shift_options() -> None:
    """Whether scores moved for another reason than models: contamination, a harness, a grader."""


@command(
    None,
    "Examples: scaling boundary shift contamination MATH-500 AIME-2025 --cutoff 2025-02-06;  "
    "scaling boundary shift contamination MATH-500 AIME-2025 --items-a 500 --items-b 300",
    of=shift,
    name="contamination",
)
@choosing(options=several_score_options, group="organisation")
def boundary_shift_contamination(
    task_a: Annotated[str, Argument(metavar="TASK_A", help="The task that predicts.")],
    task_b: Annotated[str, Argument(metavar="TASK_B", help="The task that may have moved against it.")],
    asked: Any,
    cutoff: Cutoffs = None,
    items_a: Annotated[
        float | None, Option("--items-a", min=1, help="Items of A, repeats included; those of the store by default.")
    ] = None,
    items_b: Annotated[
        float | None, Option("--items-b", min=1, help="Items of B; those of the store by default.")
    ] = None,
    preset: Annotated[
        str | None, Option("--preset", metavar="NAME", help="The published way: zhang2026; needs --cutoff.")
    ] = None,
    alternative: Annotated[
        str | None, Option("--alternative", help="two-sided, or greater where only a rise of B counts.")
    ] = None,
    scheme: Annotated[str, Option("--scheme", help="flip (signs of groups) or permute (dates of models).")] = "flip",
    permutations: Permutations = 2000,
    level: ShiftLevel = 0.95,
    seed: Seed = 0,
    stop_on: StopOnShift = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Test whether one task rose against another from some date on, over several cutoffs at once."""
    from db.boundary_shift import contamination_of

    check_finding(stop_on, "shift")
    found = answer_shift(
        db, format_, contamination_of, task_a, task_b, asked, items_a=items_a, items_b=items_b,
        cutoffs=arguments.days(cutoff, "--cutoff"), preset=preset, alternative=alternative, scheme=scheme,
        permutations=permutations, level=level, seed=seed,
    )  # fmt: skip
    fail_on_finding(stop_on, found.shifted, found.verdict)


@command(
    None,
    "Examples: scaling boundary shift harness BBH;  scaling boundary shift harness BBH --harness site --against mine",
    of=shift,
    name="harness",
)
@choosing(without=("period", "task_version"))
def boundary_shift_harness(
    task: Task,
    asked: Any,
    against: Annotated[
        str | None, Option("--against", metavar="NAME", help="The other harness; the only other one by default.")
    ] = None,
    metric_against: Annotated[
        str | None, Option("--metric-against", metavar="METRIC", help="Its metric, where it has another name.")
    ] = None,
    bootstrap: Annotated[int, Option("--bootstrap", min=1, help="Replicates, and flips behind the p-value.")] = 2000,
    level: ShiftLevel = 0.95,
    seed: Seed = 0,
    stop_on: StopOnShift = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Measure how far two harnesses score the same models apart, and whether it depends on the score."""
    from db.boundary_shift import harness_of

    check_finding(stop_on, "shift")
    found = answer_shift(
        db, format_, harness_of, task, asked, against=against, metric_against=metric_against, bootstrap=bootstrap,
        level=level, seed=seed,
    )  # fmt: skip
    fail_on_finding(stop_on, found.told, found.verdict)


@command(
    None,
    "Examples: scaling boundary shift regrade 'MATH Lvl 5';  "
    "scaling boundary shift regrade 'MATH Lvl 5' --task-version old --against new",
    of=shift,
    name="regrade",
)
@choosing(without=("period",))
def boundary_shift_regrade(
    task: Task,
    asked: Any,
    against: Annotated[
        str | None, Option("--against", metavar="VERSION", help="The later version; the one in force by default.")
    ] = None,
    tolerance: Annotated[float, Option("--tolerance", help="Difference up to which two scores are the same.")] = 1e-9,
    permutations: Permutations = 2000,
    level: ShiftLevel = 0.95,
    seed: Seed = 0,
    stop_on: StopOnShift = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Compare two gradings of the same models: --task-version is the earlier one."""
    from db.boundary_shift import regrade_of

    check_finding(stop_on, "shift")
    found = answer_shift(
        db, format_, regrade_of, task, asked, against=against, tolerance=tolerance, permutations=permutations,
        level=level, seed=seed,
    )  # fmt: skip
    fail_on_finding(stop_on, found.shifted, found.verdict)


@command(
    None,
    "Examples: scaling boundary shift jump GPQA;  scaling boundary shift jump GPQA MUSR BBH --cutoff 2024-11-01",
    of=shift,
    name="jump",
)
@choosing(options=several_score_options, group="none", date_column="evaluated_on")
def boundary_shift_jump(
    task: Annotated[
        list[str], Argument(metavar="TASK...", help="Tasks; one alone is held against all others of its harness.")
    ],
    asked: Any,
    cutoff: Cutoffs = None,
    no_trend: Annotated[bool, Option("--no-trend", help="Take a steady rise for a jump too.")] = False,
    most: Annotated[int, Option("--most", min=1, help="Jumps to look for.")] = 3,
    permutations: Permutations = 2000,
    level: ShiftLevel = 0.95,
    seed: Seed = 0,
    stop_on: StopOnShift = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Look for a date at which one task jumps at equal compute and the others do not: a new grader."""
    from db.boundary_shift import jump_of

    check_finding(stop_on, "shift")
    found = answer_shift(
        db, format_, jump_of, task, asked, cutoffs=arguments.days(cutoff, "--cutoff"), trend=not no_trend, most=most,
        permutations=permutations, level=level, seed=seed,
    )  # fmt: skip
    fail_on_finding(stop_on, bool(found.found), found.verdict)


def read_budget(text: str) -> tuple[float, str]:
    """Read --budget: a share of what the pool costs (20%, 0.2), or an amount above 1 in the unit of the cost."""
    if text.endswith("%"):
        percent = arguments.quantity(text[:-1], "--budget")
        if percent > 100:
            said = f"The --budget {text} is more than the whole pool: as a share it is at most 100%."
            raise UsageError(said, "Such as 20%, or an amount: 500B.")
        return percent / 100, "share"
    value = arguments.quantity(text, "--budget")
    return (value, "share") if value <= 1 else (value, "cost")


@command(
    None,
    "Examples: scaling boundary design GPQA --budget 20%;  "
    "scaling boundary design GPQA --budget 10% --known \"date < '2024-07-01'\" --format csv",
    of=boundary,
    name="design",
)
@choosing(without=("period", "date_column"))
def boundary_design(
    task: Annotated[
        str | None, Argument(metavar="TASK", help="A task of the store; left out for one that nobody has run.")
    ] = None,
    budget: Annotated[
        str, Option("--budget", metavar="AMOUNT", help="20% of what all models cost, or an amount such as 500B.")
    ] = "20%",
    asked: Any = None,
    design: Annotated[
        str, Option("--design", metavar="NAME", help="stratified, random, i_optimal or d_optimal.")
    ] = "stratified",
    cost: Annotated[
        str,
        Option("--cost", metavar="COLUMN", help="Cost of a model: n_params, n_params_active, or one for all alike."),
    ] = "n_params",
    known: Annotated[
        str | None,
        Option(
            "--known", metavar="SQL", help="Which scores of the task count as there; all by default, false for none."
        ),
    ] = None,
    by_group: Annotated[
        bool, Option("--by-group", help="Stratified: one model of each group before a second of any.")
    ] = False,
    bins: Annotated[int | None, Option("--bins", min=1, help="Bins of the design.")] = None,
    compare: Annotated[
        bool, Option("--compare/--no-compare", help="Hold designs against random choice on the scores that exist.")
    ] = True,
    test: Annotated[
        str | None,
        Option("--test", metavar="SQL", help="Scores that the comparison forecasts, such as \"date >= '2024-10-01'\"."),
    ] = None,
    draws: Annotated[int, Option("--draws", min=2, help="Of each design in the comparison.")] = 20,
    tau: Tau = 0.98,
    preset: BoundaryPreset = None,
    kappa: Kappa = None,
    ridge: Ridge = None,
    seed: Seed = 0,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Choose which models to evaluate next for a budget, beside random choice at equal cost."""
    from db.boundary_design import design_of
    from db.select import shut_out_files
    from db.store import Store
    from reports.boundary_design_rows import choice_rows, design_row, design_text

    amount = read_budget(budget)
    own: dict[str, Any] = {} if bins is None else {"n_bins": bins}
    if by_group:
        own["by_group"] = True
    fit = {"tau": tau, "preset": preset, "kappa": kappa, "ridge": ridge}
    with Store(db, read_only=True) as store:
        shut_out_files(store)
        answer = design_of(
            store, task, asked, amount, design=design, cost=cost, known=known, test=test, compare=compare, fit=fit,
            draws=draws, seed=seed, **own,
        )  # fmt: skip
    emit_result(design_row(answer, cost), format_, design_text(answer, cost), choice_rows(answer))


@command(
    None,
    "Examples: scaling boundary observational GPQA --benchmarks MMLU,ARC-C,HellaSwag --cutoff 84e21;  "
    "scaling boundary observational --benchmarks MMLU,ARC-C,HellaSwag --select-families 8 --force Llama-2",
    of=boundary,
    name="observational",
)
@choosing(options=several_score_options, group="family")
def boundary_observational(
    task: Annotated[
        str | None,
        Argument(metavar="TASK", help="The task to forecast; left out to select families for one nobody has run."),
    ] = None,
    benchmarks: Annotated[
        list[str] | None, Option("--benchmarks", metavar="TASK,...", help="Tasks that components are made of.")
    ] = None,
    asked: Any = None,
    cutoff: Annotated[
        str | None, Option("--cutoff", metavar="C", help="Models up to this compute, in FLOP, teach; the others test.")
    ] = None,
    reference: Annotated[
        str, Option("--reference", metavar="FAMILY", help="Family that compute of equal worth is measured in.")
    ] = "Llama-2",
    components: Annotated[
        int | None, Option("--components", min=1, help="In the link; chosen by leaving the largest out by default.")
    ] = None,
    preset: Annotated[
        str | None, Option("--preset", metavar="NAME", help="Published settings: ruan2024 (3 components).")
    ] = None,
    chance: Annotated[float, Option("--chance", help="Score of a guess on the task: 0.25 for four choices.")] = 0.0,
    objective: Annotated[str, Option("--objective", help="Of the link: squared or huber.")] = "squared",
    select: Annotated[
        int | None,
        Option("--select-families", min=1, metavar="MODELS", help="Select families of at most so many models."),
    ] = None,
    force: Annotated[
        list[str] | None, Option("--force", metavar="FAMILY", help="A family that is to be among them; repeat.")
    ] = None,
    method: Annotated[
        str, Option("--method", help="Of the selection: exact, or exchange where there are many.")
    ] = "exact",
    bootstrap: Annotated[int, Option("--bootstrap", min=0, help="Replicates that draw families; 0 for none.")] = 200,
    level: Level = 0.9,
    seed: Seed = 0,
    name: Annotated[
        str | None,
        Option("--name", help="Save the link as a law of the benchmark scores, with its SQL macro of them."),
    ] = None,
    replace: Replace = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Forecast a task from components of other benchmarks, beside compute alone.

    With --name the link is saved as a law whose inputs are the benchmark scores.
    Its macro takes them in the order of --benchmarks, and the text that comes writes the SQL which calls it.
    """
    from db.boundary_observational import observe
    from db.select import shut_out_files
    from db.store import Store
    from reports.boundary_observational_rows import observational_row, observational_table, observational_text

    named = [name for text in benchmarks or () for name in (part.strip() for part in text.split(",")) if name]
    limit = None if cutoff is None else arguments.size(cutoff, "--cutoff")
    with Store(db, read_only=name is None, create=False) as store:
        shut_out_files(store)
        answer = observe(
            store, task, named, asked, select=select, forced=force or (), method=method, components=components,
            preset=preset, cutoff_flop=limit, chance=chance, objective=objective, reference=reference,
            bootstrap=bootstrap, level=level, seed=seed, name=name, replace_fit=replace,
        )  # fmt: skip
    emit_result(observational_row(answer), format_, observational_text(answer), observational_table(answer))
    if answer.analysis is not None:
        fail_on_verdict(fail_on, answer.analysis.link.fit.verdict)


# --- Decide: how large a batch may be -------------------------------------------------------------------------------

batch_size = typer.Typer(
    no_args_is_help=True,
    epilog="Example: scaling batch-size fit --by n_params --name steps",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(batch_size, name="batch-size", rich_help_panel=DECIDE)

BatchUnit = Annotated[
    str | None,
    Option("--batch-unit", metavar="UNIT", help="What the batch counts: tokens, sequences or samples; by its name."),
]
ContextLength = Annotated[
    str | None, Option("--context-length", metavar="TOKENS", help="Of a sequence; turns batches into tokens.")
]
BatchColumn = Annotated[
    str | None, Option("--batch", metavar="COLUMN", help="Batch size: a column or SQL expression; found by its name.")
]
LawName = Annotated[str | None, Option("--name", help="Name of the fit and of its SQL macro.")]
Gpu = Annotated[str | None, Option("--gpu", metavar="NAME", help="Device: a100, h100, h200, b200, mi300x, ...")]


def batch_options(
    batch: BatchColumn = None,
    context_length: ContextLength = None,
    batch_unit: BatchUnit = None,
    lr: Annotated[
        str | None, Option("--lr", metavar="COLUMN", help="Learning rate, over which the best run is taken.")
    ] = None,
    metric: Metric = None,
    where: Where = None,
) -> dict[str, Any]:
    """Read the options that say what the batch is, and which runs."""
    return {
        "batch": batch,
        "context_length": None if context_length is None else arguments.size(context_length, "--context-length"),
        "batch_unit": batch_unit,
        "rate": lr,
        "metric": metric,
        "where": where,
    }


def sweep_options(
    batch: BatchColumn = None,
    context_length: ContextLength = None,
    batch_unit: BatchUnit = None,
    lr: Annotated[
        str | None, Option("--lr", metavar="COLUMN", help="Learning rate, over which the best run is taken.")
    ] = None,
    by: Annotated[
        str | None, Option("--by", metavar="COLUMN", help="What parts the runs into sweeps, such as n_params.")
    ] = None,
    target: Annotated[
        list[str] | None,
        Option("--target", metavar="[SWEEP=]LOSS|COLUMN", help="Loss to reach; derived from the runs by default."),
    ] = None,
    anchor: Annotated[
        str | None,
        Option("--anchor", metavar="B", help="Batch that linear scaling starts from, as the batch column counts."),
    ] = None,
    at_samples: Annotated[
        str | None,
        Option("--at-samples", metavar="E", help="Samples at which the target is derived, as the batch counts them."),
    ] = None,
    steps: Annotated[
        str | None, Option("--steps", metavar="COLUMN", help="Steps to the target, known already; reads no curve.")
    ] = None,
    censored: Annotated[
        str | None, Option("--censored", metavar="COLUMN", help="With --steps: which runs did not reach the target.")
    ] = None,
    smooth: Annotated[int, Option("--smooth", min=1, help="Evaluations averaged before the crossing is sought.")] = 1,
    form: Annotated[
        str,
        Option("--form", help="steps_to_target (a + b/B), steps_to_target_power, steps_to_target_sharp; or auto."),
    ] = "steps_to_target",
    metric: Metric = None,
    where: Where = None,
) -> dict[str, Any]:
    """Read the options that say how steps to a target are had."""
    return batch_options(batch, context_length, batch_unit, lr, metric, where) | {
        "by": by,
        "target": arguments.losses(target, "--target"),
        "anchor": None if anchor is None else arguments.size(anchor, "--anchor"),
        "samples": None if at_samples is None else arguments.size(at_samples, "--at-samples"),
        "steps": steps,
        "censored": censored,
        "smooth": smooth,
        "form": form,
    }


@batch_size.callback()
def batch_size_options() -> None:
    """How large a batch may be before it wastes compute: critical batch sizes, their growth, and plans."""


@command(
    None,
    "Examples: scaling batch-size fit --by n_params --name steps;  "
    "scaling batch-size fit --steps steps_to_target --target target_loss --by n_params --anchor 256 --conventions",
    of=batch_size,
    name="fit",
)
@choosing(options=sweep_options)
def batch_size_fit(
    asked: Any,
    overhead: Annotated[
        float, Option("--overhead", metavar="SHARE", help="Samples that a critical batch may take above linear.")
    ] = 0.2,
    forms: Annotated[
        bool, Option("--forms", help="Also hold the three forms of the curve against each other.")
    ] = False,
    conventions: Annotated[
        bool, Option("--conventions", help="Also what overheads and anchors make of the exponent over the sweeps.")
    ] = False,
    bootstrap: Bootstrap = 1000,
    seed: Seed = 0,
    level: Level = 0.9,
    name: LawName = None,
    replace: Replace = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Fit the steps that a target loss takes over the batch size, and read critical batch sizes off."""
    from db.batch_answers import conventions_of, fit_sweeps
    from db.select import shut_out_files
    from db.store import Store
    from reports.batch_rows import conventions_words, steps_row, steps_text
    from scaling.inputs import check_level

    check_level(level)
    with Store(db, create=False) as store, progress("resampling") as advance:
        shut_out_files(store)
        made, failures = fit_sweeps(
            store, asked | {"overhead": overhead}, name=name, replace=replace, forms=forms, level=level,
            bootstrap=bootstrap, seed=seed, progress=advance,
        )  # fmt: skip
    table = conventions_of(made, overhead, level, seed) if conventions else None
    texts = [*(steps_text(one, level) for one in made), *([] if table is None else [conventions_words(table)])]
    emit([steps_row(one, level, table) for one in made], format_, "\n\n".join(texts))
    for sweep, error in failures.items():
        say(f"not fitted: {sweep}: {error.message}")
    fail_on_verdict(fail_on, *(one.steps.verdict for one in made))


@command(
    None,
    "Examples: scaling batch-size law --by n_params --over tokens --params 7B --tokens 2T;  "
    "scaling batch-size law --iso-loss --context-length 2048 --name cbs",
    of=batch_size,
    name="law",
)
@choosing(options=sweep_options)
def batch_size_law(
    asked: Any,
    over: Annotated[
        str, Option("--over", help="What it grows with: tokens, params, both, loss; auto goes by what varies.")
    ] = "auto",
    overhead: Annotated[
        float | None, Option("--overhead", metavar="SHARE", help="Samples above linear scaling; b/a without it.")
    ] = None,
    tokens_from: Annotated[
        str | None,
        Option("--tokens-from", help="Tokens of a point: runs (their training tokens) or fit (its fewest samples b)."),
    ] = None,
    iso_loss: Annotated[
        bool, Option("--iso-loss", help="Read tokens at a loss across runs of several lengths, decayed to their end.")
    ] = False,
    targets: Annotated[int, Option("--targets", min=1, help="With --iso-loss: losses of each size.")] = 6,
    between: Annotated[
        str, Option("--between", help="With --iso-loss: how losses are read between lengths, interpolated or power.")
    ] = "interpolated",
    keep_untuned: Annotated[
        bool, Option("--keep-untuned", help="With --iso-loss: keep cells whose best learning rate is an end.")
    ] = False,
    params: Params = None,
    tokens: Tokens = None,
    loss: Annotated[list[str] | None, Option("--loss", metavar="L", help="Loss to forecast at, nats/token.")] = None,
    conventions: Annotated[
        bool, Option("--conventions", help="Also what overheads and anchors make of the exponent.")
    ] = False,
    bootstrap: Bootstrap = 1000,
    seed: Seed = 0,
    level: Level = 0.9,
    name: LawName = None,
    replace: Replace = False,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Fit how the critical batch size grows, forecast it, and set published laws beside it."""
    from db.batch_law_answers import fit_batch_law
    from db.select import shut_out_files
    from db.store import Store
    from reports.batch_law_rows import forecast_rows, law_row, law_text
    from scaling.inputs import check_level

    check_level(level)
    places = arguments.places(params, tokens, loss)
    if iso_loss:
        asked |= {"targets": targets, "between": between, "keep_untuned": keep_untuned}
    asked |= {"over": over, "overhead": overhead, "tokens_from": tokens_from}
    with Store(db, create=False) as store:
        shut_out_files(store)
        made = fit_batch_law(
            store, asked, iso_loss=iso_loss, conventions=conventions, level=level, name=name, replace=replace,
            bootstrap=bootstrap, seed=seed,
        )  # fmt: skip
    forecasts = forecast_rows(made.law, places, level, force)
    row = law_row(
        made.saved, made.rows, made.law, level, held=made.held, forecasts=forecasts, conventions=made.conventions
    )  # fmt: skip
    emit_result(row, format_, law_text(row, made.law, made.conventions), row["points"])
    fail_on_verdict(fail_on, made.law.verdict, *(one["verdict"] for one in forecasts))


@command(
    None,
    "Examples: scaling batch-size noise-scale --small sqnorm_micro --big sqnorm --batch-small 8 --batch-big 64;  "
    "scaling batch-size noise-scale --small g1 --small g2 --big g --batch-small 4 --run a1 --against steps",
    of=batch_size,
    name="noise-scale",
)
def batch_size_noise_scale(
    small: Annotated[
        list[str],
        Option("--small", metavar="METRIC", help="Squared gradient norm of a small batch; repeat for micro-batches."),
    ],
    big: Annotated[str, Option("--big", metavar="METRIC", help="Squared norm of the gradient of the big batch.")],
    batch_small: Annotated[
        str, Option("--batch-small", metavar="B", help="Samples of the small batch: a number, or a column.")
    ],
    batch_big: Annotated[
        str | None, Option("--batch-big", metavar="B", help="Of the big one; all micro-batches by default.")
    ] = None,
    run: Annotated[str | None, Option("--run", metavar="RUN", help="Which run; all that logged these metrics.")] = None,
    where: Where = None,
    over: Annotated[str, Option("--over", help="What windows count: steps or tokens.")] = "steps",
    window: Annotated[str | None, Option("--window", metavar="WIDTH", help="Width of a window.")] = None,
    windows: Annotated[
        int | None, Option("--windows", min=1, help="Windows of as many rows each; 10 by default.")
    ] = None,
    block: Annotated[
        int | None, Option("--block", min=1, metavar="ROWS", help="Rows averaged before their scatter; by the data.")
    ] = None,
    context_length: ContextLength = None,
    batch_unit: BatchUnit = None,
    against: Annotated[
        str | None, Option("--against", metavar="FIT", help="Steps to a target: their b/a over the noise scale.")
    ] = None,
    bootstrap: Bootstrap = 1000,
    seed: Seed = 0,
    level: Level = 0.9,
    name: Annotated[str | None, Option("--name", help="Save the law of the noise scale over the windows.")] = None,
    replace: Replace = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Estimate the gradient noise scale from squared gradient norms at two batch sizes, over training."""
    from db.noise_answers import noise_of
    from db.select import shut_out_files
    from db.store import Store
    from reports.batch_noise_rows import noise_row, noise_table, noise_text
    from reports.terminal import choose_format

    asked = {
        "run": run,
        "small": list(small),
        "big": big,
        "batch_small": arguments.number_or_name(batch_small),
        "batch_big": arguments.number_or_name(batch_big),
        "context_length": None if context_length is None else arguments.size(context_length, "--context-length"),
        "batch_unit": batch_unit,
        "where": where,
        "over": over,
        "window": None if window is None else arguments.size(window, "--window"),
        "windows": windows,
        "block": block,
        "level": level,
    }
    with Store(db, read_only=name is None, create=False) as store:
        shut_out_files(store)
        made = noise_of(store, asked, against=against, name=name, replace=replace, bootstrap=bootstrap, seed=seed)
    rows = [
        noise_row(one, saved=made.saved.get(one.run_id), calibration=made.calibration, against=made.against)
        for one in made.found
    ]
    sheet = choose_format(format_) in ("csv", "markdown")
    saved = list(made.saved.values())
    emit(noise_table(rows) if sheet else rows, format_, None if sheet else noise_text(made.found, rows, saved))
    if name is None:
        say("Nothing is saved; the law of the noise scale over these windows is with --name.")
    fail_on_verdict(fail_on, *(one.fit.verdict for one in saved))


@command(
    None,
    "Examples: scaling batch-size plan steps_302m --gpu h100 --price 2.5 --deadline 48;  "
    "scaling batch-size plan cbs --params 7B --tokens 2T --gpu h100 --smallest-per-gpu 8192 --warmup-share 0.2",
    of=batch_size,
    name="plan",
)
def batch_size_plan(
    name: FitName,
    params: Annotated[str | None, Option("--params", metavar="N", help="Parameters; those of the runs.")] = None,
    tokens: Annotated[
        str | None, Option("--tokens", metavar="D", help="Of a law: tokens of the run at a small batch.")
    ] = None,
    loss: Annotated[str | None, Option("--loss", metavar="L", help="Of a law over the loss.")] = None,
    overhead: Annotated[
        float, Option("--overhead", metavar="SHARE", help="Compute above the least that is accepted.")
    ] = 0.2,
    context_length: Annotated[
        str | None, Option("--context-length", metavar="TOKENS", help="Of a sequence; that of the fit.")
    ] = None,
    batch: Annotated[list[str] | None, Option("--batch", metavar="B", help="Batch sizes of the table; repeat.")] = None,
    gpu: Gpu = None,
    peak_flops: Annotated[
        str | None, Option("--peak-flops", metavar="FLOP/S", help="Peak of a device that is not in the list.")
    ] = None,
    mfu: Annotated[float, Option("--mfu", help="Share of the peak that training reaches.")] = 0.4,
    price: Annotated[str | None, Option("--price", metavar="MONEY", help="Of a device hour, in any currency.")] = None,
    gpus: Annotated[
        list[int] | None, Option("--gpus", min=1, help="Numbers of devices to choose from; repeat.")
    ] = None,
    most_gpus: Annotated[int, Option("--most-gpus", min=1, help="Devices that there are.")] = 65536,
    multiple: Annotated[int, Option("--multiple", min=1, help="Devices that come together, such as 8.")] = 1,
    smallest_per_gpu: Annotated[
        str | None,
        Option("--smallest-per-gpu", metavar="B", help="Batch a device below which its utilisation is not kept."),
    ] = None,
    step_floor: Annotated[float | None, Option("--step-floor", metavar="SECONDS", help="Least time of a step.")] = None,
    bandwidth: Annotated[
        str | None, Option("--bandwidth", metavar="BYTE/S", help="Of a device, for gradients of 2 bytes a parameter.")
    ] = None,
    latency: Annotated[float, Option("--latency", metavar="SECONDS", help="For each doubling of the devices.")] = 0.0,
    deadline: Annotated[float | None, Option("--deadline", metavar="HOURS", help="Wall clock that is allowed.")] = None,
    budget: Annotated[str | None, Option("--budget", metavar="MONEY", help="Money that is allowed.")] = None,
    most_overhead: Annotated[
        float | None, Option("--most-overhead", metavar="SHARE", help="Most compute above the least of any run.")
    ] = None,
    warmup: Annotated[
        str | None, Option("--warmup", metavar="LAW", help="Law over tokens that a warm-up of the batch follows.")
    ] = None,
    warmup_share: Annotated[
        float | None, Option("--warmup-share", metavar="SHARE", help="Of the critical batch that a warm-up uses.")
    ] = None,
    warmup_start: Annotated[
        str | None, Option("--warmup-start", metavar="B", help="First batch of the warm-up, in tokens.")
    ] = None,
    warmup_most: Annotated[
        str | None, Option("--warmup-most", metavar="B", help="Largest batch of the warm-up, in tokens.")
    ] = None,
    level: Level = 0.9,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Plan batch size, devices, time and money: how much a larger batch buys, and where it stops to pay."""
    from db.batch_plans import plan_of
    from db.select import shut_out_files
    from db.store import Store
    from reports.batch_plan_rows import plan_row, plan_shown
    from scaling.allocation.hardware import find_hardware

    def read_size(text: str | None, option: str) -> float | None:
        return None if text is None else arguments.size(text, option)

    device = None
    if gpu is not None or peak_flops is not None or price is not None:
        cost = None if price is None else arguments.quantity(price, "--price")
        device = find_hardware(gpu, read_size(peak_flops, "--peak-flops"), mfu=mfu, price_per_hour=cost)
    asked = {
        "share": warmup_share,
        "start": read_size(warmup_start, "--warmup-start"),
        "most": read_size(warmup_most, "--warmup-most"),
    }
    with Store(db, read_only=True) as store:
        shut_out_files(store)
        saved, law, found = plan_of(
            store, name, n_params=read_size(params, "--params"), n_tokens=read_size(tokens, "--tokens"),
            loss=read_size(loss, "--loss"), context_length=read_size(context_length, "--context-length"),
            overhead=overhead, batch=arguments.sizes(batch, "--batch") or None, hardware=device, gpus=gpus,
            most_gpus=most_gpus, multiple=multiple, smallest_per_gpu=read_size(smallest_per_gpu, "--smallest-per-gpu"),
            step_floor_seconds=step_floor, bandwidth=read_size(bandwidth, "--bandwidth"), latency=latency,
            deadline_hours=deadline, budget=read_size(budget, "--budget"), most_overhead=most_overhead, warmup=warmup,
            warmup_settings={k: v for k, v in asked.items() if v is not None}, level=level, force=force,
        )  # fmt: skip
    row = plan_row(saved.name, saved.fit_id, found, None if law is None else law.name)
    emit_result(row, format_, plan_shown(found), row["front"])
    say_verdict(saved)
    fail_on_verdict(fail_on, found.verdict)


@command(
    None,
    "Example: scaling batch-size branches --anchor branched_at --tolerance 0.01 --window 2B",
    of=batch_size,
    name="branches",
)
@choosing(options=batch_options, without=("lr",))
def batch_size_branches(
    anchor: Annotated[
        str, Option("--anchor", metavar="COLUMN", help="Tokens that were trained before a run branched off.")
    ],
    tolerance: Annotated[
        float, Option("--tolerance", metavar="NATS", help="By which a loss may lie above those of smaller batches.")
    ],
    window: Annotated[
        str, Option("--window", metavar="TOKENS", help="Since the branch, after which losses are compared.")
    ],
    asked: Any = None,
    smoothing: Annotated[
        str | None, Option("--smoothing", metavar="TOKENS", help="Over which they are averaged; a tenth of the window.")
    ] = None,
    counted_from: Annotated[
        str, Option("--counted-from", help="Whether logged tokens count from the branch or from the start.")
    ] = "branch",
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Find the critical batch size at moments of one training run, from branches of its checkpoints."""
    from db.batch_branches import branches_of
    from db.select import shut_out_files
    from db.store import Store
    from reports.batch_noise_rows import branch_rows, branches_text

    length = arguments.size(window, "--window")
    with Store(db, read_only=True) as store:
        shut_out_files(store)
        found = branches_of(
            store, asked | {"anchor": anchor, "counted_from": counted_from}, tolerance=tolerance, window=length,
            smoothing=length / 10 if smoothing is None else arguments.size(smoothing, "--smoothing"),
        )  # fmt: skip
    emit(branch_rows(found), format_, branches_text(found))


# --- Decide: which learning rate and batch to run -------------------------------------------------------------------

tune = typer.Typer(
    no_args_is_help=True,
    epilog="Example: scaling tune fit --context-length 2048 --name sweep",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(tune, name="tune", rich_help_panel=DECIDE)

OneSize = Annotated[str, Option("--params", metavar="N", help="Parameters, such as 7e9 or 7B.")]
OneLength = Annotated[str, Option("--tokens", metavar="D", help="Training tokens, such as 1.4e12 or 1.4T.")]
OneBatch = Annotated[
    str | None, Option("--batch", metavar="B", help="Batch size that is settled, tokens a step unless --batch-unit.")
]
GivenUnit = Annotated[
    str, Option("--batch-unit", metavar="UNIT", help="What --batch counts: tokens, or sequences.")
]  # fmt: skip


def tuning_options(
    batch: BatchColumn = None,
    lr: Annotated[
        str | None, Option("--lr", metavar="COLUMN", help="Peak learning rate; found by its name.")
    ] = None,
    weight_decay: Annotated[
        str | None, Option("--weight-decay", metavar="COLUMN", help="AdamW's lambda, for a law of it; by its name.")
    ] = None,
    context_length: ContextLength = None,
    batch_unit: BatchUnit = None,
    method: Annotated[
        str, Option("--method", help="Optima of cells: bowl (a surface's lowest point), threshold or argmin.")
    ] = "bowl",
    cutoff: Annotated[
        float | None,
        Option("--cutoff", metavar="SHARE", help="Runs within this share of the best loss count; .02, or .0025."),
    ] = None,
    order: Annotated[int, Option("--order", min=2, max=3, help="Of a bowl's polynomial: 2 is quadratic.")] = 3,
    surface: Annotated[
        bool, Option("--surface", help="Also one law of the loss of all runs; takes seconds.")
    ] = False,
    surface_cutoff: Annotated[
        float, Option("--surface-cutoff", metavar="SHARE", help="With --surface: runs beyond it are left out.")
    ] = 0.2,
    surface_bootstrap: Annotated[
        int, Option("--surface-bootstrap", min=0, help="With --surface: its replicates, each a fit of seconds.")
    ] = 0,
    metric: Metric = None,
    where: Where = None,
) -> dict[str, Any]:  # fmt: skip
    """Read the options that say which runs are a sweep, and how its optima are found."""
    return batch_options(batch, context_length, batch_unit, lr, metric, where) | {
        "weight_decay": weight_decay,
        "method": method,
        "cutoff": cutoff,
        "order": order,
        "surface": surface,
        "surface_cutoff": surface_cutoff,
        "surface_bootstrap": surface_bootstrap,
    }


@tune.callback()
def tune_options() -> None:
    """Which learning rate and batch give the lowest loss, how they grow, and what it costs to be wrong."""


@command(
    None,
    "Examples: scaling tune fit --context-length 2048 --name sweep;  "
    "scaling tune fit --batch bs --batch-unit tokens --method threshold --cutoff 0.0025 --name published",
    of=tune,
    name="fit",
)
@choosing(options=tuning_options)
def tune_fit(
    asked: Any,
    bootstrap: Bootstrap = 1000,
    seed: Seed = 0,
    level: Level = 0.9,
    name: Annotated[
        str | None, Option("--name", help="What the names of the fits and macros begin with: NAME_lr, NAME_batch, ...")
    ] = None,
    replace: Replace = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Fit laws of the best learning rate and batch from sweeps over both, and save them as SQL macros."""
    from db.select import shut_out_files
    from db.store import Store
    from db.tunings import fit_tuning
    from reports.tuning_rows import cell_rows, fit_row, fit_text
    from scaling.hyperparameters import published_regrets
    from scaling.inputs import check_level

    check_level(level)
    with Store(db, create=False) as store:
        shut_out_files(store)
        one = fit_tuning(store, asked, name=name, replace_fits=replace, bootstrap=bootstrap, seed=seed)
    found = one.sweep.regrets(), published_regrets(one.laws.cells), level
    emit_result(fit_row(one, *found), format_, fit_text(one, *found), cell_rows(one.laws))
    fail_on_verdict(fail_on, one.laws.verdict)


@command(
    None,
    "Examples: scaling tune recommend sweep --params 7B --tokens 2T;  "
    "scaling tune recommend sweep --params 7B --tokens 2T --batch 2048 --batch-unit sequences",
    of=tune,
    name="recommend",
)
def tune_recommend(
    name: Annotated[str, Argument(metavar="NAME", help="As given to tune fit, or one of its fits, or 'latest'.")],
    params: OneSize,
    tokens: OneLength,
    batch: OneBatch = None,
    batch_unit: GivenUnit = "tokens",
    context_length: ContextLength = None,
    level: Level = 0.9,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Recommend a learning rate and a batch, with intervals, the loss given up, and published laws beside them."""
    from db.select import shut_out_files
    from db.store import Store
    from db.tuning_advice import advise
    from db.tunings import load_tuning
    from reports.tuning_advice_rows import advice_row, advice_rows, advice_text

    run = arguments.size(params, "--params"), arguments.size(tokens, "--tokens")
    with Store(db, read_only=True) as store:
        shut_out_files(store)
        one = load_tuning(store, name)
    found = advise(
        one, *run, batch=None if batch is None else arguments.size(batch, "--batch"), batch_unit=batch_unit,
        context_length=None if context_length is None else arguments.size(context_length, "--context-length"),
        level=level, force=force,
    )  # fmt: skip
    emit_result(advice_row(found), format_, advice_text(found), advice_rows(found))
    fail_on_verdict(fail_on, found.recommendation.verdict, one.laws.verdict)


@command(
    None,
    "Examples: scaling tune published --params 7B --tokens 2T --context-length 2048;  "
    "scaling tune published --params 7B --tokens 2T --loss 2.1 --batch 4M",
    of=tune,
    name="published",
)
def tune_published(
    params: OneSize,
    tokens: OneLength,
    flops: Annotated[
        str | None, Option("--flops", metavar="C", help="Of the run without embeddings, FLOP; 6*N*D by default.")
    ] = None,
    loss: Annotated[
        float | None, Option("--loss", metavar="L", help="Loss that the run will reach, for laws of the loss.")
    ] = None,
    batch: OneBatch = None,
    batch_unit: GivenUnit = "tokens",
    context_length: ContextLength = None,
    format_: Format = None,
) -> None:  # fmt: skip
    """Say what published laws give for a run: learning rate and batch in one unit. Needs no store."""
    from db.tuning_advice import batch_in_tokens
    from reports.tuning_advice_rows import published_rows, published_shown
    from scaling.hyperparameters import published_rules

    n, d = arguments.size(params, "--params"), arguments.size(tokens, "--tokens")
    length = None if context_length is None else arguments.size(context_length, "--context-length")
    given = None if batch is None else batch_in_tokens(arguments.size(batch, "--batch"), batch_unit, length)
    each = None if flops is None else arguments.size(flops, "--flops") / d
    rules = published_rules(n, d, loss=loss, flops_per_token=each)
    emit(published_rows(rules, length, given), format_, published_shown(rules, length, given))
    say("A critical batch begins to waste tokens; the best one gives the lowest loss.")
    if given is not None:
        say("Learning rates are carried over to that batch as its square root, which is how Adam is mostly scaled.")


# --- Decide: what data is worth, and which part of it ---------------------------------------------------------------

value = typer.Typer(
    no_args_is_help=True,
    epilog="Example: scaling value select embeddings.npy -k 1000 --objective facility_location -o chosen.npy",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(value, name="value", rich_help_panel=DECIDE)


@value.callback()
def value_options() -> None:
    """What data is worth, and which part of it to take: scores, selections, values, worth in random tokens."""


Data = Annotated[
    str, Argument(metavar="DATA", help="Embeddings (.npy, .parquet, a folder of either), or a set of the store.")
]
DataColumns = Annotated[
    list[str] | None,
    Option("--column", metavar="COLUMN", help="Of Parquet files: the list, or each of the numbers, of an example."),
]
Settings = Annotated[
    list[str] | None, Option("--option", metavar="KEY=VALUE", help="Of the objective or method; a file for arrays.")
]
Queries = Annotated[
    str | None, Option("--queries", metavar="FILE", help="Embeddings of what is asked for, or a set of the store.")
]
Represent = Annotated[
    str | None, Option("--represent", metavar="FILE", help="Embeddings of what has to be represented, or a set.")
]
Labels = Annotated[
    str | None,
    Option("--labels", metavar="COLUMN|FILE", help="Class of each example: of the set (label), a column, or a file."),
]


def again(context: typer.Context, *without: str) -> str:
    """Write the command that is running as it can be given again; where the store is and how to print stays out."""
    names: list[str] = []
    at: Any = context
    while at.parent is not None:
        names.insert(0, str(at.info_name))
        at = at.parent
    words = ["scaling", *names]
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE" or name in ("db", "format_", *without):
            continue
        given = context.params[name]
        for one in given if isinstance(given, list | tuple) else [given]:
            option = [parameter.opts[0]] if parameter.param_type_name == "option" else []
            words += option if isinstance(one, bool) else [*option, str(one)]
    return shlex.join(words)


@command(
    None,
    "Examples: scaling value add examples.csv --set web --embeddings shards/ --loss prior=loss_general;  "
    "scaling value add losses.csv --set web --role learner --step step",
    of=value,
    name="add",
)
def value_add(
    path: Annotated[
        str, Argument(metavar="FILE", help="A table, one row an example; or embeddings alone (.npy, a folder).")
    ],
    set_name: Annotated[str, Option("--set", metavar="NAME", help="Of the set.")],
    id_: Annotated[
        str | None, Option("--id", metavar="COLUMN", help="Identifiers; example_id or id by default.")
    ] = None,
    label: Annotated[str | None, Option("--label", metavar="COLUMN", help="Class, or target of a regression.")] = None,
    group: Annotated[str | None, Option("--group", metavar="COLUMN", help="Group, such as the source.")] = None,
    cost: Annotated[
        str | None, Option("--cost", metavar="COLUMN", help="What an example costs, such as tokens.")
    ] = None,
    loss: Annotated[
        list[str] | None,
        Option("--loss", metavar="ROLE=COLUMN", help="A logged loss; of a checkpoint ROLE@STEP=COLUMN."),
    ] = None,
    embeddings: Annotated[
        str | None, Option("--embeddings", metavar="FILE|COLUMN", help="Row by row beside the table.")
    ] = None,
    columns: DataColumns = None,
    step: Annotated[
        str | None,
        Option("--step", metavar="COLUMN", help="FILE holds losses of a set that is there, a row a checkpoint."),
    ] = None,
    role: Annotated[str | None, Option("--role", help="With --step: the role of all losses of FILE.")] = None,
    replace: Replace = False,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Read a set of examples into the store: classes, groups, costs, logged losses, and where the embeddings are."""
    from db.value_add import add_examples, add_losses
    from db.value_data import store_for
    from reports.value_points_rows import added_shown

    with store_for(db, (), write=True) as store:
        if step is not None or role is not None:
            row = add_losses(store, path, set_name, id_=id_, step=step, role=role, losses=loss)
        else:
            row = add_examples(
                store, path, set_name, id_=id_, label=label, group=group, cost=cost, losses=loss,
                embeddings=embeddings, columns=columns, replace=replace,
            )  # fmt: skip
    say(row.pop("said"))
    for warning in row["warnings"]:
        say(f"warning: {warning}")
    emit([row], format_, added_shown(row))


@command(
    None,
    "Examples: scaling value objectives --format csv;  scaling value objectives vendi --option q=3",
    of=value,
    name="objectives",
)
def value_objectives(
    name: Annotated[str | None, Argument(metavar="[OBJECTIVE]", help="One alone.")] = None,
    options_: Settings = None,
    k: Annotated[int, Option("-k", min=1, help="Members: ratios of weakly submodular objectives fall with it.")] = 100,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """List what a set can be scored by and chosen for: what each promises of a greedy set, why, and its options."""
    from db.value_data import store_for
    from db.value_options import read_options
    from reports.terminal import choose_format
    from reports.value_objectives_rows import objectives_shown, objectives_text
    from scaling.valuation.catalogue import OBJECTIVES
    from scaling.valuation.descriptions import describe_objective

    if name is None and options_:
        raise UsageError("Options belong to one objective.", "Name it: scaling value objectives OBJECTIVE --option ...")
    given: dict[str, Any] = {}
    if name is not None:
        with store_for(db, options_ or (), write=False) as store:
            given = read_options(store, None, name, options_).values
    found = [describe_objective(one, k, **given) for one in ([name] if name else OBJECTIVES)]
    sheet = choose_format(format_) in ("csv", "markdown")
    rows = objectives_shown(found) if sheet else [one.to_dict() for one in found]
    emit(rows, format_, None if sheet else objectives_text(found))


def measure_options(
    kernel: Annotated[
        str | None,
        Option(
            "--kernel", help="Of diversity: cosine (default), shifted_cosine, linear, gaussian, or precomputed (DATA)."
        ),
    ] = None,
    truncate: Annotated[int | None, Option("--truncate", help="Largest eigenvalues to keep.")] = None,
    landmarks: Annotated[int | None, Option("--landmarks", help="Examples that stand for all (Nystrom).")] = None,
    features: Annotated[int | None, Option("--features", help="Pairs of random features of a Gaussian.")] = None,
    bandwidth: Annotated[float | None, Option("--bandwidth", help="Of the Gaussian kernel.")] = None,
    ridge: Annotated[float, Option("--ridge", help="Of log_det.")] = 1.0,
    options_: Settings = None,
    queries: Queries = None,
    represent: Represent = None,
) -> dict[str, Any]:
    """Read the options that say how examples are measured."""
    return {
        "kernel": kernel, "truncate": truncate, "landmarks": landmarks, "features": features, "bandwidth": bandwidth,
        "ridge": ridge, "options": options_ or (), "queries": queries, "represent": represent,
    }  # fmt: skip


@command(
    None,
    "Examples: scaling value score embeddings.npy --q 1 --q inf;  "
    "scaling value score embeddings.npy --subset chosen.npy --all",
    of=value,
    name="score",
)
@choosing(options=measure_options)
def value_score(
    data: Data,
    asked: Any,
    objective: Annotated[
        list[str] | None,
        Option(
            "--objective",
            metavar="NAME",
            help="vendi (default), renyi, tsallis, leinster_cobbold, von_neumann, log_det, or any objective.",
        ),
    ] = None,
    all_: Annotated[bool, Option("--all", help="All scores that need nothing further.")] = False,
    order: Annotated[
        list[str] | None, Option("--q", metavar="Q", help="Order, 0 to inf; 0, .5, 1, 2 and inf by default.")
    ] = None,
    subset: Annotated[
        str | None, Option("--subset", metavar="FILE|NAME", help="Score these, beside random ones of their number.")
    ] = None,
    weights: Annotated[
        str | None, Option("--weights", metavar="COLUMN|FILE", help="Weights of the examples, for diversity.")
    ] = None,
    labels: Labels = None,
    baseline: Annotated[
        int, Option("--baseline", min=0, help="Random subsets to compare a subset with; 0 for none.")
    ] = 100,
    columns: DataColumns = None,
    seed: Seed = 0,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Score a set of examples, or a subset beside random ones of the same size.

    With --labels the random subsets hold as many of each class.
    """
    from db.value_data import store_for
    from db.value_measures import Settings as How
    from db.value_scores import score_data
    from reports.value_scores_rows import score_rows, scores_text

    named = (data, subset, asked["queries"], asked["represent"], *asked["options"])
    with store_for(db, named, write=False) as store, progress("scoring") as advance:
        found = score_data(
            store, data, objectives=objective or (), all_=all_, orders=order or (), subset=subset, weights=weights,
            labels=labels, baseline=baseline, settings=How(**asked), columns=columns, seed=seed, progress=advance,
        )  # fmt: skip
    emit_result(found.to_dict(), format_, scores_text(found), score_rows(found))


def limit_options(
    labels: Labels = None,
    per_class: Annotated[int | None, Option("--per-class", min=0, help="Most members of each class.")] = None,
    cap: Annotated[
        list[str] | None, Option("--cap", metavar="LABEL=N", help="Most members of that class; others have none.")
    ] = None,
    costs: Annotated[
        str | None, Option("--costs", metavar="COLUMN|FILE", help="Cost of each example, such as its tokens.")
    ] = None,
    budget: Annotated[str | None, Option("--budget", help="Most that the members may cost together.")] = None,
    swaps: Annotated[int, Option("--swaps", min=0, help="Most members swapped for better ones at the end.")] = 0,
    epsilon: Annotated[float | None, Option("--epsilon", help="Of stochastic and sieve.")] = None,
    parts: Annotated[int | None, Option("--parts", help="Of partitions.")] = None,
) -> dict[str, Any]:
    """Read the options that limit a selection."""
    return {
        "labels": labels, "per_class": per_class, "caps": cap, "costs": costs,
        "budget": None if budget is None else arguments.size(budget, "--budget"), "swaps": swaps, "epsilon": epsilon,
        "parts": parts,
    }  # fmt: skip


@command(
    None,
    "Examples: scaling value select embeddings.npy -k 1000 --objective facility_location -o chosen.npy;  "
    "scaling value select web -k 500 --objective flqmi --queries target.npy --labels label --name for_target",
    of=value,
    name="select",
)
@choosing(options=limit_options)
def value_select(
    context: typer.Context,
    data: Data,
    asked: Any,
    k: Annotated[int | None, Option("-k", help="How many; as many as the budget buys where left out.")] = None,
    objective: Annotated[str, Option("--objective", help="See: scaling value objectives.")] = "vendi",
    method: Annotated[str, Option("--method", help="lazy, eager, stochastic, sieve, partitions, or random.")] = "lazy",
    options_: Settings = None,
    queries: Queries = None,
    represent: Represent = None,
    baseline: Annotated[
        int, Option("--baseline", min=0, help="Random subsets of that size to compare with; 0 for none.")
    ] = 30,
    worth: Annotated[bool, Option("--worth", help="Say how many random examples score the same.")] = False,
    stream: Annotated[bool, Option("--stream", help="Read a shard at a time even where all would fit.")] = False,
    memory_gib: Annotated[
        float | None, Option("--memory-gib", help="Beyond which data are streamed; half of the machine's by default.")
    ] = None,
    columns: DataColumns = None,
    seed: Seed = 0,
    output: Annotated[
        str | None, Option("--output", "-o", metavar="FILE", help="Positions: .npy, .txt, .csv or .parquet.")
    ] = None,
    name: Annotated[str | None, Option("--name", help="Of the subset in the store.")] = None,
    replace: Replace = False,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Choose the part of the data that an objective values most, with what is certain of it.

    Beside it stand random subsets of the same size. Classes are balanced with --labels, alone or with --per-class or
    --cap; --costs and --budget buy as much as fits. With --name the subset is kept in the store.
    """
    from db.value_data import store_for
    from db.value_select import select_data
    from reports.value_select_rows import selection_text

    named = (data, queries, represent, *(options_ or ()))
    with store_for(db, named, write=name is not None) as store, progress("choosing") as advance:
        found = select_data(
            store, data, k, objective, method, options=options_, queries=queries, represent=represent, stream=stream,
            memory_gib=memory_gib, baseline=baseline, worth=worth, columns=columns, seed=seed, output=output,
            name=name, replace=replace, command=again(context, "replace", "output"), progress=advance, **asked,
        )  # fmt: skip
    emit_result(found.to_dict(), format_, selection_text(found), found.members())


def point_options(
    labels: Labels = None,
    test: Annotated[
        str | None, Option("--test", metavar="FILE|SET", help="Embeddings of the examples to be predicted (knn).")
    ] = None,
    test_labels: Annotated[
        str | None, Option("--test-labels", metavar="COLUMN|FILE", help="Their classes; of a set its own by default.")
    ] = None,
    queries: Queries = None,
    probabilities: Annotated[
        str | None, Option("--probabilities", metavar="FILE", help="Of the classes, .npy (el2n).")
    ] = None,
    role: Annotated[
        list[str] | None, Option("--role", metavar="WHAT=ROLE", help="Role of a logged loss where names differ.")
    ] = None,
    columns: DataColumns = None,
    shard_rows: Annotated[int | None, Option("--shard-rows", min=1, help="Rows of a shard at most.")] = None,
    keep: Annotated[float | None, Option("--keep", metavar="SHARE", help="Share of the examples to keep.")] = None,
    end: Annotated[str | None, Option("--end", help="Which end to keep: highest or lowest.")] = None,
    floor: Annotated[
        float, Option("--floor", help="With --labels: share of an equal part that each class keeps at least.")
    ] = 0.0,
) -> dict[str, Any]:
    """Read the options that say what values rest on, and what is kept."""
    return {
        "labels": labels, "test": test, "test_labels": test_labels, "queries": queries,
        "probabilities": probabilities, "roles": role, "columns": columns, "shard_rows": shard_rows, "keep": keep,
        "end": end, "floor": floor,
    }  # fmt: skip


@command(
    None,
    "Examples: scaling value points web --method color-filter --name color --keep 0.1 -o kept.npy;  "
    "scaling value points X.npy --method knn-shapley --labels y.npy --test test.npy --test-labels yt.npy --name knn",
    of=value,
    name="points",
)
@choosing(options=point_options)
def value_points(
    context: typer.Context,
    data: Data,
    asked: Any,
    method: Annotated[
        str,
        Option(
            "--method",
            help="knn-shapley, knn-banzhaf, knn-leave-one-out, color-filter, learnability, jest, "
            "prototypes, sensitivity, alignment, el2n, forgetting, maps, relevance, leverage.",
        ),
    ],
    name: Annotated[str, Option("--name", help="Of the values in the store.")],
    options_: Settings = None,
    output: Annotated[
        str | None, Option("--output", "-o", metavar="FILE", help="Positions that are kept, the best first.")
    ] = None,
    seed: Seed = 0,
    replace: Replace = False,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Value every example, and keep the values in the store.

    Values are written a shard at a time: after a kill, the same command goes on where it was stopped. Methods of losses
    take a set of the store, or a file with the losses of an example in a row.
    """
    from db.value_data import store_for
    from db.value_points import value_points as work
    from reports.value_points_rows import ends_rows, points_text

    with store_for(db, (), write=True) as store, progress("valuing") as advance:
        found = work(
            store, data, method, name, options=options_, output=output, seed=seed, replace=replace,
            command=again(context, "replace", "output", "keep", "end", "floor"), progress=advance, **asked,
        )  # fmt: skip
    emit_result(found.to_dict(), format_, points_text(found), ends_rows(found))


def curve_options(
    count: Annotated[
        str | None, Option("--count", metavar="COLUMN", help="Examples of its group that a run was trained on.")
    ] = None,
    by: Annotated[
        str | None, Option("--by", metavar="COLUMN", help="What parts the runs into groups, such as domain.")
    ] = None,
    value_: Annotated[
        str | None, Option("--value", metavar="COLUMN", help="What was measured; the loss by default.")
    ] = None,
    higher_is_better: Annotated[
        bool, Option("--higher-is-better", help="It is a share of right answers; the curve is of the error, 1 - value.")
    ] = False,
    law: Annotated[
        str, Option("--law", help="power_floor (E + A/n^alpha), power (A/n^alpha), or auto: what forecasts best.")
    ] = "power_floor",
    pool: Annotated[
        bool, Option("--pool", help="Let groups share what they know of their exponents; for few sizes a group.")
    ] = False,
    metric: Metric = None,
    where: Where = None,
) -> dict[str, Any]:
    """Read the options that say which learning curves."""
    return {
        "count": count, "by": by, "value": value_, "higher": higher_is_better, "law": law, "pool": pool,
        "metric": metric, "where": where,
    }  # fmt: skip


@command(
    None,
    "Examples: scaling value curves --count n_examples --by domain --name lc;  "
    "scaling value curves --count n_examples --by domain --value accuracy --higher-is-better --pool --name lc",
    of=value,
    name="curves",
)
@choosing(options=curve_options)
def value_curves(
    asked: Any,
    held_out: Annotated[
        bool, Option("--held-out", help="Also forecast the largest size of each group from its smaller ones.")
    ] = False,
    bootstrap: Bootstrap = 200,
    seed: Seed = 0,
    level: Level = 0.9,
    name: Annotated[
        str | None, Option("--name", help="Of the fit; of several groups what their names begin with.")
    ] = None,
    replace: Replace = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Fit the learning curve of each group of runs: how the error falls with its number of examples."""
    from db.collection_answers import fit_curves
    from db.select import shut_out_files
    from db.store import Store
    from reports.value_collection_rows import curves_row, curves_text
    from scaling.inputs import check_level

    check_level(level)
    with Store(db, create=False) as store, progress("fitting") as advance:
        shut_out_files(store)
        found = fit_curves(
            store, asked, name=name, replace=replace, held_out=held_out, bootstrap=bootstrap, seed=seed,
            progress=advance,
        )  # fmt: skip
    row = curves_row(found, level)
    emit_result(row, format_, curves_text(row), row["curves"])
    fail_on_verdict(fail_on, *(curve["verdict"] for curve in row["curves"]))


@command(
    None,
    "Examples: scaling value collect lc --budget 50K --cost 1;  "
    "scaling value collect lc --budget 50K --cost web=1 --cost code=4 --goal worst --rounds 3",
    of=value,
    name="collect",
)
def value_collect(
    names: Annotated[
        list[str], Argument(metavar="CURVES...", help="What the names of saved curves begin with, or fits.")
    ],
    budget: Annotated[str, Option("--budget", metavar="MONEY", help="Of all rounds, in the unit of the prices.")],
    cost: Annotated[
        list[str], Option("--cost", metavar="[GROUP=]PRICE", help="Price of an example; one for all, or of each group.")
    ],
    have: Annotated[
        list[str] | None,
        Option("--have", metavar="GROUP=N", help="Examples at hand; the most that were measured with by default."),
    ] = None,
    available: Annotated[
        list[str] | None, Option("--available", metavar="[GROUP=]N", help="Examples to be had; any number by default.")
    ] = None,
    weight: Annotated[
        list[str] | None, Option("--weight", metavar="GROUP=W", help="How much its loss counts; 1 by default.")
    ] = None,
    goal: Annotated[
        str, Option("--goal", help="sum: the weighted sum of the losses; worst: the worst of them.")
    ] = "sum",
    rounds: Annotated[int, Option("--rounds", min=1, help="Rounds to spend it in; what is shown is the next one.")] = 1,
    least_gain: Annotated[
        float | None, Option("--least-gain", help="Say stop where the round lowers the goal by less than this.")
    ] = None,
    level: Level = 0.9,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Spend a collection budget: how many examples of each group to buy, beside plainer splits.

    With --rounds only the next part is spent.
    Measure, ingest, fit the curves again, and ask for the rest with one round less.
    """
    from db.collection_answers import plan_collection
    from db.store import Store
    from reports.value_collection_rows import plan_row, plan_text

    money = arguments.size(budget, "--budget")
    options = {
        "cost": arguments.by_name(cost, "--cost"),
        "have": arguments.by_name(have, "--have"),
        "available": arguments.by_name(available, "--available"),
        "weights": arguments.by_name(weight, "--weight"),
    }
    with Store(db, read_only=True) as store:
        found, plan = plan_collection(
            store, names, money, rounds=rounds, goal=goal, level=level, force=force, **options
        )  # fmt: skip
    row = plan_row(found, plan, money, rounds, least_gain)
    emit_result(row, format_, plan_text(row, plan), row["groups"])
    fail_on_verdict(fail_on, plan.verdict)


def appraisal_options(
    performance: Annotated[
        str | None,
        Option("--performance", metavar="COLUMN", help="What training on each subset gave, on held-out data."),
    ] = None,
    lower_is_better: Annotated[
        bool, Option("--lower-is-better", help="The performance is a loss or an error.")
    ] = False,
    score: Annotated[
        list[str] | None, Option("--score", metavar="COLUMN", help="A score of the subsets; repeat.")
    ] = None,
    size: Annotated[
        str | None,
        Option("--size", metavar="COLUMN", help="Examples or tokens in each; from the store where --id names subsets."),
    ] = None,
    random: Annotated[
        str | None, Option("--random", metavar="COLUMN", help="Whether a subset was drawn at random: true or false.")
    ] = None,
    class_entropy: Annotated[
        str | None, Option("--class-entropy", metavar="COLUMN", help="Entropy of its classes, nats.")
    ] = None,
    class_count: Annotated[
        list[str] | None, Option("--class-count", metavar="COLUMN", help="Members of a class; repeat for each class.")
    ] = None,
    regime: Annotated[
        str | None,
        Option("--regime", metavar="COLUMN", help="How the subsets were trained on; each value is a table of its own."),
    ] = None,
    budget: Annotated[
        str | None, Option("--budget", metavar="COLUMN", help="What training was given; those of one budget compare.")
    ] = None,
    id_: Annotated[
        str | None, Option("--id", metavar="COLUMN", help="Names of the subsets; row numbers by default.")
    ] = None,
    measure: Annotated[
        str, Option("--measure", help="What decides which score predicts best: spearman, kendall or pearson.")
    ] = "spearman",
    level: Annotated[float, Option("--level", help="Nominal coverage of the intervals.")] = 0.95,
    permutations: Annotated[int, Option("--permutations", min=19, help="Behind the p-value of a bend.")] = 999,
) -> dict[str, Any]:
    """Read the options that say what a table of scored subsets holds."""
    return {
        "performance": performance, "lower": lower_is_better, "score": score, "size": size, "random": random,
        "class_entropy": class_entropy, "class_count": class_count, "regime": regime, "budget": budget, "id": id_,
        "measure": measure, "level": level, "permutations": permutations,
    }  # fmt: skip


@command(
    None,
    "Examples: scaling value appraise subsets.csv --performance accuracy --score vendi --score facility_location "
    "--size size --random random --name digits;  scaling value appraise digits --measure pearson",
    of=value,
    name="appraise",
)
@choosing(options=appraisal_options)
def value_appraise(
    table: Annotated[
        str, Argument(metavar="TABLE", help="One row a subset (CSV, JSON lines, Parquet), or a saved appraisal.")
    ],
    asked: Any,
    bootstrap: Annotated[int, Option("--bootstrap", min=2, help="Replicates behind the intervals.")] = 1000,
    seed: Seed = 0,
    name: Annotated[
        str | None, Option("--name", help="Save the appraisal, and the bent line of each score as NAME_SCORE.")
    ] = None,
    replace: Replace = False,
    stop_on: Annotated[
        str | None,
        Option("--fail-on", metavar="over-optimised", help="Exit with 1 where a score was pushed too far."),
    ] = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Hold scores of subsets against what training on them gave: which predicts best, and up to where."""
    from db.select import shut_out_files
    from db.value_appraisals import appraise_table
    from db.value_data import store_for
    from reports.value_appraisal_rows import appraisal_row, appraisal_text, relation_rows

    check_finding(stop_on, "over-optimised")
    missing = None if asked["size"] and asked["random"] else asked["id"]  # which the store may know
    with store_for(db, (table, missing), write=name is not None) as store:
        if store is not None and not Path(table).exists():
            shut_out_files(store)
        found = appraise_table(store, table, asked, name=name, replace=replace, bootstrap=bootstrap, seed=seed)
    row = appraisal_row(found)
    emit_result(row, format_, appraisal_text(row), relation_rows(row))
    flagged = ", ".join(dict.fromkeys(one.objective for one in found.flagged))
    fail_on_finding(stop_on, bool(flagged), f"Over-optimised: {flagged}.")


@command(
    None,
    "Examples: scaling value baseline embeddings.npy --objective facility_location --subset chosen.npy;  "
    "scaling value baseline web --objective vendi --sizes 50,100,200,400 --labels label --name web_random",
    of=value,
    name="baseline",
)
@choosing(options=measure_options)
def value_baseline(
    context: typer.Context,
    data: Data,
    asked: Any,
    objective: Annotated[
        list[str] | None, Option("--objective", metavar="NAME", help="As of value score; vendi by default; repeat.")
    ] = None,
    order: Annotated[list[str] | None, Option("--q", metavar="Q", help="Order of a diversity; 1 by default.")] = None,
    sizes: Annotated[
        str | None, Option("--sizes", metavar="N,N,...", help="Of random subsets; eight up to all by default.")
    ] = None,
    draws: Annotated[int, Option("--draws", min=2, help="Random subsets of each size.")] = 15,
    band_draws: Annotated[int, Option("--band-draws", min=10, help="Random subsets of the size of --subset.")] = 100,
    subset: Annotated[
        str | None, Option("--subset", metavar="FILE|NAME", help="Positions, or a saved subset, to hold against them.")
    ] = None,
    labels: Labels = None,
    columns: DataColumns = None,
    level: Annotated[float, Option("--level", help="Nominal coverage of the interval.")] = 0.95,
    bootstrap: Annotated[int, Option("--bootstrap", min=2, help="Replicates behind the interval.")] = 500,
    seed: Seed = 0,
    name: Annotated[str | None, Option("--name", help="Save the random subsets and their scores.")] = None,
    replace: Replace = False,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Score random subsets of several sizes: the band, and how many random examples a subset is worth."""
    from db.value_baselines import random_baselines, save_baselines
    from db.value_data import store_for
    from db.value_measures import Settings as How
    from reports.value_appraisal_rows import baseline_row, baseline_text, curve_rows

    asked_sizes = None if sizes is None else arguments.whole_numbers(sizes, "--sizes")
    named = (data, subset, asked["queries"], asked["represent"], *asked["options"])
    with store_for(db, named, write=name is not None) as store, progress("scoring") as advance:
        found = random_baselines(
            store, data, objectives=objective or ("vendi",), orders=order or (), sizes=asked_sizes, draws=draws,
            band_draws=band_draws, subset=subset, labels=labels, settings=How(**asked), columns=columns, level=level,
            bootstrap=bootstrap, seed=seed, progress=advance,
        )  # fmt: skip
        if name is not None and store is not None:
            save_baselines(store, name, found, command=again(context, "replace"), replace=replace)
    row = baseline_row(found, name, again(context, "replace"))
    emit_result(row, format_, baseline_text(row, found), curve_rows(row))


@command(
    None,
    "Example: scaling value imitation --count n_images --metric imitation --name faces",
    of=value,
    name="imitation",
)
def value_imitation(
    count: Annotated[
        str | None, Option("--count", metavar="COLUMN", help="Training examples of each concept; a run is a concept.")
    ] = None,
    metric: Annotated[str | None, Option("--metric", help="How well a concept is imitated.")] = None,
    where: Where = None,
    min_size: Annotated[int, Option("--min-size", min=1, help="Fewest concepts in a stretch of one mean.")] = 5,
    penalty: Annotated[
        float | None,
        Option("--penalty", help="What a further stretch takes off the squares; from the scatter if missing."),
    ] = None,
    permutations: Annotated[int, Option("--permutations", min=19, help="Behind the p-value of a break.")] = 999,
    bootstrap: Annotated[int, Option("--bootstrap", min=2, help="Replicates of concepts behind the intervals.")] = 300,
    seed: Seed = 0,
    level: Annotated[float, Option("--level", help="Nominal coverage of the intervals.")] = 0.95,
    name: Annotated[str | None, Option("--name", help="Of the saved rise.")] = None,
    replace: Replace = False,
    stop_on: Annotated[
        str | None, Option("--fail-on", metavar="no-break", help="Exit with 1 where chance breaks scores as much.")
    ] = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Find how often a concept has to be trained on before it is imitated: the change point, and the rise."""
    from db.imitation_fits import answer_imitation
    from db.select import shut_out_files
    from db.store import Store
    from reports.value_imitation_rows import imitation_row, imitation_text, isotonic_rows
    from scaling.valuation.imitation import ERROR_RATE

    check_finding(stop_on, "no-break")
    asked = {
        "count": count, "metric": metric, "where": where, "min_size": min_size, "penalty": penalty, "level": level,
        "permutations": permutations,
    }  # fmt: skip
    with Store(db, create=False) as store:
        shut_out_files(store)
        found = answer_imitation(store, asked, name=name, replace=replace, bootstrap=bootstrap, seed=seed)
    row = imitation_row(found)
    emit_result(row, format_, imitation_text(row, found), isotonic_rows(row))
    p = found.threshold.p_value
    fail_on_finding(stop_on, p > ERROR_RATE, f"Scores in any other order break as much with a chance of {p:.2g}.")


AtOne = Annotated[str | None, Option("--at", metavar="NAME=VALUE,...", help="Other inputs of the law.")]
TokenInput = Annotated[
    str | None, Option("--token-input", metavar="NAME", help="Input of the law that holds tokens; D by default.")
]
OneSize = Annotated[str | None, Option("--params", metavar="N", help="Parameters, such as 7e9 or 7B.")]
Decay = Annotated[
    float | None,
    Option(
        "--decay", metavar="R", help="Repeats after which a token has lost 1 - 1/e of its worth, where none is given."
    ),
]
Currency = Annotated[str, Option("--currency", help="Of the costs, for the words.")]


def inputs_at(text: str | None) -> dict[str, float] | None:
    """Read other inputs of a law."""
    return (
        None
        if text is None
        else {k: arguments.quantity(v, f"--at {k}") for k, v in arguments.pairs(text.split(","), "--at")}
    )


@command(
    None,
    "Examples: scaling value sources c4 --source web=100B --source code=20B,weight=1.5 --base 1B --params 1B;  "
    "scaling value sources mix --sources sources.csv --params 1B --method all --name worth",
    of=value,
    name="sources",
)
def value_sources(
    context: typer.Context,
    name: FitName,
    source: Annotated[
        list[str] | None,
        Option("--source", metavar="NAME=TOKENS,...", help="A source; weight=, unique=, decay= and cost= may follow."),
    ] = None,
    sources: Annotated[
        str | None,
        Option("--sources", metavar="FILE", help="A table of them: source, tokens, and weight, unique, decay, cost."),
    ] = None,
    params: OneSize = None,
    base: Annotated[
        str | None, Option("--base", metavar="TOKENS", help="Tokens that are there without any source; 0 by default.")
    ] = None,
    method: Annotated[
        list[str] | None,
        Option("--method", help="shapley (default), banzhaf, beta, leave-one-out, aumann-shapley; or all."),
    ] = None,
    beta: Annotated[str, Option("--beta", metavar="A:B", help="Parameters of the Beta values.")] = "16:1",
    rounds: Annotated[
        int | None, Option("--rounds", min=2, help="Sample orders in place of all coalitions, 2 k of them a round.")
    ] = None,
    decay: Decay = None,
    currency: Currency = "",
    at: AtOne = None,
    token_input: TokenInput = None,
    seed: Seed = 0,
    level: Level = 0.9,
    keep_as: Annotated[
        str | None, Option("--name", help="Of the values in the store; of several methods what the names begin with.")
    ] = None,
    replace: Replace = False,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Divide what all sources take off the loss among them by a fitted law, and price the next token of each.

    Nothing is trained: the law says what any coalition of sources would reach. Weights and decays are given, or those
    of the law, with their uncertainty: see scaling value quality.
    """
    from db.store import Store
    from db.value_entries import read_entries
    from db.value_sources import KEYS, values_of_sources
    from reports.value_sources_rows import sources_row, sources_text

    entries = read_entries(source, sources, "--source", "source", KEYS)
    settings = {
        "methods": method, "base": 0.0 if base is None else arguments.quantity(base, "--base"), "decay": decay,
        "beta": arguments.two(beta, "--beta"), "level": level, "rounds": rounds, "seed": seed,
        "at": inputs_at(at), "input_name": token_input, "currency": currency, "force": force,
    }  # fmt: skip
    with Store(db, read_only=keep_as is None, create=False) as store:
        found = values_of_sources(
            store, name, entries, None if params is None else arguments.size(params, "--params"), **settings,
            keep_as=keep_as, replace=replace, command=again(context, "replace"),
        )  # fmt: skip
    row = sources_row(found)
    emit_result(row, format_, sources_text(found), row["values"])
    say_verdict(found.saved)
    fail_on_verdict(fail_on, found.saved.fit.verdict, found.values.verdict)


@command(
    None,
    "Examples: scaling value worth c4 --loss 2.61 --params 1B --tokens 20B;  "
    "scaling value worth c4 --across filtered.csv;  scaling value worth c4 --runs \"corpus = 'filtered'\"",
    of=value,
    name="worth",
)
def value_worth(
    name: FitName,
    loss: Annotated[
        list[str] | None, Option("--loss", metavar="L", help="Of a model trained on the data; repeat for more.")
    ] = None,
    params: Params = None,
    tokens: Tokens = None,
    across: Annotated[
        str | None, Option("--across", metavar="FILE", help="A table of n_params, loss, n_tokens (and run).")
    ] = None,
    runs: Annotated[
        str | None, Option("--runs", metavar="SQL", help="Runs of the store, by a condition on runs_final.")
    ] = None,
    loss_se: Annotated[
        float | None, Option("--loss-se", help="Standard error of a loss; the scatter of the law's runs by default.")
    ] = None,
    method: Annotated[
        str | None, Option("--method", help="Of the interval: bootstrap, delta, profile or band; by the fit.")
    ] = None,
    at: AtOne = None,
    token_input: TokenInput = None,
    seed: Seed = 0,
    level: Level = 0.9,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Say how many random tokens a loss is worth, by a law of random data; and whether that depends on the size.

    Several losses are given one each with their --params and --tokens, as a table, or as runs of the store.
    """
    from db.select import shut_out_files
    from db.store import Store
    from db.value_worth import Measured, losses_of_table, worths_of
    from reports.value_worth_rows import worth_row, worth_rows, worth_text

    if sum(way is not None for way in (loss, across, runs)) != 1:
        raise UsageError(
            "A loss to value is given as --loss, as a table (--across), or as runs of the store (--runs).",
            "Give one of the three.",
        )
    if loss is None and (params or tokens):
        raise UsageError("--params and --tokens go with --loss: the table, or the runs, say them.", "Leave them out.")
    losses = None
    if loss is not None:
        losses = [
            Measured(None, one["L"], one.get("N"), one.get("D")) for one in arguments.places(params, tokens, loss)
        ]
    elif across is not None:
        losses = losses_of_table(across)
    with Store(db, read_only=True) as store:
        shut_out_files(store)
        found = worths_of(
            store, name, losses, where=runs, loss_se=loss_se, level=level, method=method, at=inputs_at(at),
            tokens=token_input, seed=seed, force=force, need_trend=across is not None,
        )  # fmt: skip
    emit_result(worth_row(found), format_, worth_text(found), worth_rows(found))
    say_verdict(found.saved)
    fail_on_verdict(fail_on, *found.verdicts)


@command(
    None,
    "Examples: scaling value pools --pool books=1B --pool web=100B,quality=0.4 --params 1B --tokens 20B;  "
    "scaling value pools c4 --pool a=10B,cost=2e-9 --pool b=90B,quality=0.5,cost=0 --decay 15 --params 7B --flops 1e22",
    of=value,
    name="pools",
)
def value_pools(
    name: Annotated[
        str | None,
        Argument(
            metavar="FIT", help="A saved law of tokens; without one, of repeated data as arXiv:2305.16264 printed."
        ),
    ] = None,
    pool: Annotated[
        list[str] | None,
        Option("--pool", metavar="NAME=UNIQUE,...", help="A pool; quality=, decay= and cost= may follow."),
    ] = None,
    pools: Annotated[
        str | None, Option("--pools", metavar="FILE", help="A table of them: pool, unique, and quality, decay, cost.")
    ] = None,
    params: OneSize = None,
    tokens: Annotated[str | None, Option("--tokens", metavar="D", help="To train on, repeats counted.")] = None,
    flops: Annotated[str | None, Option("--flops", metavar="C", help="In their place: compute, 6 N D.")] = None,
    between: Annotated[
        str | None, Option("--between", metavar="LOW:HIGH", help="Budgets in tokens that filters are compared at.")
    ] = None,
    kind: Annotated[
        str, Option("--filters", help="nested: the best pools down to some quality; single: one pool alone.")
    ] = "nested",
    decay: Decay = None,
    at: AtOne = None,
    token_input: TokenInput = None,
    level: Level = 0.9,
    force: Force = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Say how many epochs of which pool to train on at a budget, when good data are few and other data are plenty."""
    from contextlib import nullcontext

    from db.store import Store
    from db.value_entries import read_entries
    from db.value_pools import KEYS, use_pools
    from reports.value_pools_rows import pools_row, pools_text

    entries = read_entries(pool, pools, "--pool", "pool", KEYS)
    n = None if params is None else arguments.size(params, "--params")
    budget = arguments.tokens_of(tokens, flops, n)
    with nullcontext(None) if name is None else Store(db, read_only=True) as store:
        found = use_pools(
            store, name, entries, budget, n, budgets=arguments.ends(between, "--between"), kind=kind, decay=decay,
            level=level, at=inputs_at(at), input_name=token_input, force=force,
        )  # fmt: skip
    row = pools_row(found)
    emit_result(row, format_, pools_text(found), row["pools"])
    if found.saved is None:
        say("Coefficients of C4, arXiv:2305.16264, which come without intervals. For other data fit your own runs.")
        return
    say_verdict(found.saved)
    fail_on_verdict(fail_on, found.saved.fit.verdict, found.plan.verdict)


@command(
    None,
    "Example: scaling value quality --tokens web=web_tokens --tokens code=code_tokens --reference web --name mix",
    of=value,
    name="quality",
)
def value_quality(
    tokens: Annotated[
        list[str],
        Option("--tokens", metavar="SOURCE=COLUMN", help="Tokens of a source in each run: a column or SQL expression."),
    ],
    reference: Annotated[
        str | None, Option("--reference", metavar="SOURCE", help="Whose weight is 1; that of the most tokens.")
    ] = None,
    one_size: Annotated[
        bool, Option("--one-size", help="Take all runs as of one size: a law of tokens alone.")
    ] = False,
    metric: Metric = None,
    where: Where = None,
    bootstrap: Bootstrap = 1000,
    seed: Seed = 0,
    level: Level = 0.9,
    name: LawName = None,
    replace: Replace = False,
    fail_on: FailOn = None,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Fit what a token of each source is worth, from runs on different mixtures: one law, one weight a source.

    The law is E + A/N^alpha + B/(D_ref + w_a*D_a + ...)^beta, and a saved fit, from which the other commands of
    scaling value take the weights.
    """
    from db.select import shut_out_files
    from db.source_quality import fit_quality
    from db.store import Store
    from reports.value_sources_rows import quality_row, quality_text
    from scaling.inputs import check_level

    check_level(level)
    asked = {
        "tokens": dict(arguments.pairs(tokens, "--tokens")), "reference": reference, "one_size": one_size,
        "metric": metric, "where": where,
    }  # fmt: skip
    with Store(db, create=False) as store:
        shut_out_files(store)
        found = fit_quality(store, asked, name=name, replace=replace, bootstrap=bootstrap, seed=seed)
    row = quality_row(found, level)
    emit_result(row, format_, quality_text(row), row["sources"])
    fail_on_verdict(fail_on, found.saved.fit.verdict)


@command(
    None,
    "Examples: scaling value report --selection fl100 --appraisal study -o data.html;  "
    "scaling value report --worth c4 --loss 2.61 --params 1B --tokens 20B;  "
    "scaling value report --curves lc --budget 50K --cost 1",
    of=value,
    name="report",
)
def value_report(
    context: typer.Context,
    selection: Annotated[
        list[str] | None, Option("--selection", metavar="NAME", help="A saved selection, beside random ones; repeat.")
    ] = None,
    appraisal: Annotated[
        list[str] | None, Option("--appraisal", metavar="NAME", help="Which scores predict, and up to where; repeat.")
    ] = None,
    worth: Annotated[
        str | None, Option("--worth", metavar="FIT", help="A law of random data, for --loss, --params and --tokens.")
    ] = None,
    loss: Annotated[list[str] | None, Option("--loss", metavar="L", help="Of a model trained on the data.")] = None,
    params: Params = None,
    tokens: Tokens = None,
    sources: Annotated[
        list[str] | None, Option("--sources", metavar="NAME", help="Values of sources; several methods side by side.")
    ] = None,
    values: Annotated[
        list[str] | None, Option("--values", metavar="NAME", help="Values of examples; repeat for more.")
    ] = None,
    curves: Annotated[
        list[str] | None, Option("--curves", metavar="NAME", help="Learning curves, or what their names begin with.")
    ] = None,
    budget: Annotated[
        str | None, Option("--budget", metavar="MONEY", help="To spend by the curves, with --cost.")
    ] = None,
    cost: Annotated[
        list[str] | None, Option("--cost", metavar="[GROUP=]PRICE", help="Of an example: one for all, or a group's.")
    ] = None,
    output: Annotated[Path, Option("--output", "-o", metavar="FILE", help="The page.")] = Path("value.html"),
    seed: Seed = 0,
    level: Level = 0.9,
    force: Force = False,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Write which data to take, and what they are worth, as one self-contained HTML page."""
    from db.select import shut_out_files
    from db.store import Store
    from reports import check_place
    from scaling.inputs import check_level

    check_place(output)
    check_level(level)
    if (worth is None) != (loss is None):
        raise UsageError("A worth takes a law of random data and a loss.", "Give both: --worth FIT --loss L --params N")
    if (budget is None) != (cost is None) or (budget is not None and not curves):
        raise UsageError(
            "A budget is spent by learning curves, at a price.",
            "Give them all: --curves NAME --budget MONEY --cost PRICE",
        )
    asked = {
        "selection": selection or [], "appraisal": appraisal or [], "sources": sources or [], "values": values or [],
        "curves": curves or [], "worth": worth,
        "losses": [] if loss is None else arguments.places(params, tokens, loss),
        "budget": None if budget is None else arguments.size(budget, "--budget"),
        "cost": arguments.by_name(cost, "--cost"), "seed": seed, "force": force,
    }  # fmt: skip
    with Store(db, read_only=True) as store:
        shut_out_files(store)
        report_valued(store, asked, output, level, format_, again(context, "output"))


# --- Report ---------------------------------------------------------------------------------------------------------


@command(REPORT, "Example: scaling report c4 --params 70B --tokens 1.4T -o report.html")
def report(
    name: FitName,
    output: Annotated[Path, Option("--output", "-o", metavar="FILE", help="The page.")] = Path("report.html"),
    params: Params = None,
    tokens: Tokens = None,
    at: At = None,
    flops: Budgets = None,
    score: Annotated[
        list[float] | None, Option("--score", metavar="SCORE", help="Of a boundary: a score to invert; repeat.")
    ] = None,
    level: Level = 0.9,
    db: Database = "scaling.duckdb",
    format_: Format = None,
) -> None:
    """Write the forecast, and how far to trust it, as one self-contained HTML page."""
    from db.batch_pages import load_named
    from db.freed import freed_fit
    from db.kinds import has_plain_page
    from db.provenance import is_simulated, sources_of, sources_of_scores
    from db.saved import unchanged_rows
    from db.select import shut_out_files
    from db.store import Store
    from db.value_page_parts import page_of_name
    from reports import check_place, write_report
    from reports.gather import gather
    from scaling.alternatives import alternatives
    from scaling.verdicts import NOT_IDENTIFIED

    check_place(output)
    targets = arguments.targets(params, tokens, at)
    budgets, scores = [arguments.size(c, "--flops") for c in flops or []], score or []
    with Store(db, read_only=True) as store:
        shut_out_files(store)
        if (found_page := page_of_name(store, name, forecast=bool(targets or budgets or scores))) is not None:
            if targets or budgets or scores:
                raise UsageError(f"'{name}' is no fit of a law, so it has no forecast.", "Name it alone.")
            report_valued(store, {found_page[0]: [found_page[1]]}, output, level, format_)
            return
        saved = load_named(store, name)
        if saved.derived and not has_plain_page(saved):
            report_derived(store, saved, output, targets, [*budgets, *scores], level, format_)
            return
        arguments.check_targets(targets, saved.fit.law.name, list(saved.fit.law.inputs))
        if saved.scores is not None and not saved.dated:
            report_boundary(store, saved.fit_id, output, [*(x["C"] for x in targets), *budgets], scores, level, format_)
            return
        if saved.dated:
            report_dated(store, saved, output, targets, budgets, scores, level, format_)
            return
        if scores:
            raise UsageError(f"The fit '{saved.name}' is no boundary of scores.", "Leave --score out.")
        rows = unchanged_rows(store, saved)
        found = sources_of_scores if saved.of_scores else sources_of
        sources, simulated = found(store, rows.runs), is_simulated(store, rows.runs)
        untied = (None, "") if saved.fit.verdict == NOT_IDENTIFIED else freed_fit(store, saved)  # no split, no refit
    with progress("refitting") as advance:
        others = alternatives(saved.fit, rows.inputs, rows.observed, rows.clusters, progress=advance)
        asked = {"targets": targets, "budgets": budgets, "level": level}
        page = gather(saved, rows, sources, others, store=db, simulated=simulated, untied=untied, **asked)
        path = write_report(page, output)
    say(f"Wrote {path} ({path.stat().st_size / 1000:.0f} kB).")
    emit([{"fit": page.name, "path": str(path), "verdict": page.fit.verdict}], format_)


def report_valued(
    store: Any, asked: Mapping[str, Any], output: Path, level: float, format_: str | None, command: str = ""
) -> None:
    """Write the page of selections, appraisals, values, worth and learning curves."""
    from db.value_page_parts import load_parts
    from reports.batch_page import write_decision
    from reports.value_gather_values import parts_of
    from reports.value_page import join_parts

    with progress("scoring") as advance:
        loaded = load_parts(store, asked, level, advance)
    decision, origin = join_parts(parts_of(loaded, level), level=level, store=Path(store.path).name, command=command)
    path = write_decision(decision, origin, output)
    say(f"Wrote {path} ({path.stat().st_size / 1000:.0f} kB).")
    parts = decision.machine["parts"]
    emit([{"kind": p["kind"], "name": p["name"], "path": str(path), "verdict": p["verdict"]} for p in parts], format_)


def report_derived(
    store: Any,
    saved: Any,
    output: Path,
    targets: Sequence[Mapping[str, float]],
    others: Sequence[float],
    level: float,
    format_: str | None,
) -> None:
    """Write the page of a fit of batch sizes or of tuning."""
    from db.batch_pages import load_page
    from reports.batch_gather import gather
    from reports.batch_page import write_decision

    if others:
        raise UsageError(
            f"The page of '{saved.name}' has no place for --flops or --score.", "Name what it is asked by with --at."
        )
    decision, origin = gather(load_page(store, saved, level), targets, level)
    path = write_decision(decision, origin, output)
    say(f"Wrote {path} ({path.stat().st_size / 1000:.0f} kB).")
    emit([{"fit": origin.name, "path": str(path), "verdict": decision.verdict}], format_)


def report_boundary(
    store: Any, name: str, output: Path, computes: list[float], scores: list[float], level: float, format_: str | None
) -> None:
    """Write the page of a boundary."""
    from db.boundaries import load_boundary
    from db.boundary_answers import check_scores, facts_of
    from db.provenance import sources_of_scores
    from reports.boundary_gather import gather_boundary
    from reports.boundary_page import write_boundary_report

    check_scores(scores)
    one = load_boundary(store, name)
    facts, sources = facts_of(store, one.rows), sources_of_scores(store, one.rows.eval_id)
    with progress("working out") as advance:
        asked = {"scores": scores, "computes": computes, "level": level}
        page, remarks = gather_boundary(one, facts, sources, store=str(store.path), progress=advance, **asked)
        path = write_boundary_report(page, output)
    say(f"Wrote {path} ({path.stat().st_size / 1000:.0f} kB).")
    for remark in remarks:
        say(remark)
    emit([{"fit": one.saved.name, "path": str(path), "verdict": one.boundary.verdict}], format_)


def report_dated(
    store: Any,
    saved: Any,
    output: Path,
    targets: Sequence[Mapping[str, float]],
    budgets: Sequence[float],
    scores: Sequence[float],
    level: float,
    format_: str | None,
) -> None:
    """Write the page of a boundary that a year moves; budgets are of the last date seen."""
    from db.boundary_answers import check_scores
    from db.boundary_dated import load_dated
    from db.provenance import sources_of_scores
    from reports.boundary_dated_page import write_dated_report
    from reports.boundary_gather import gather_dated

    check_scores(scores)
    one = load_dated(store, saved)
    points = [(x["C"], x["year"]) for x in targets] + [(c, one.dated.dates[1]) for c in budgets]
    sources = sources_of_scores(store, one.rows.eval_id)
    page = gather_dated(one, sources, points=points, scores=scores, level=level, store=str(store.path))
    path = write_dated_report(page, output)
    say(f"Wrote {path} ({path.stat().st_size / 1000:.0f} kB).")
    emit([{"fit": saved.name, "path": str(path), "verdict": one.dated.verdict}], format_)


@command(REPORT, "Example: scaling demo --output demo-out")
def demo(
    output: Annotated[Path, Option("--output", "-o", metavar="DIR", help="Folder for what it makes.")] = Path(
        "demo-out"
    ),
    seed: Seed = 0,
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
