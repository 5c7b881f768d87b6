"""The store: one DuckDB file with runs, metrics, fits and where they came from."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as AbstractMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import duckdb

from db import migrations, views
from db.connect import MEMORY, connect, damaged_error, missing_error
from db.integrity import HEADER_BYTES, lost_table
from db.problems import nearest
from db.sql_errors import is_disk_full, translate
from db.version import package_version
from scaling.errors import StoreError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    import pandas as pd

    from db.ingest import IngestReport
    from db.mapping import Mapping
    from db.score_ingest import ScoreReport
    from db.score_mapping import ScoreMapping

Parameters = Sequence[Any] | dict[str, Any] | None


class StoreWarning(UserWarning):
    """The store is sound, but something about its file needs attention."""


class Store:
    """An open store.

    One process may write to a store while no other has it open; any number may read while none writes. So open it,
    work, and close it (the ``with`` statement does): a notebook that keeps a store open keeps everyone else out.

    Parameters
    ----------
    path : str or Path, default ":memory:"
        The file. ``:memory:`` is a store that vanishes when it is closed.
    read_only : bool, default False
        Open for reading only.
    create : bool, default True
        Make the file if there is none; only when writing.
    lock_timeout : float, default 2.0
        Seconds to wait while another process holds the store.

    Raises
    ------
    StoreError
        If the file is locked (the message names the process), missing, truncated, foreign, unreadable, or written by
        a newer version of the package.

    Examples
    --------
    >>> with Store(":memory:") as store:
    ...     store.query("SELECT count(*) AS n FROM runs")
    (['n'], [(0,)])
    """

    def __init__(
        self,
        path: str | Path = MEMORY,
        *,
        read_only: bool = False,
        create: bool = True,
        lock_timeout: float = 2.0,
    ) -> None:
        self.path = str(path)
        self.read_only = read_only
        if self.path == MEMORY and read_only:
            raise StoreError("A store in memory cannot be read-only: it would be empty.", "Name a file.")
        is_new = self.path != MEMORY and not Path(self.path).exists()
        if is_new and (read_only or not create):
            raise missing_error(self.path)
        self._connection: duckdb.DuckDBPyConnection | None = None
        try:
            self._connection = connect(self.path, read_only=read_only, lock_timeout=lock_timeout)
            self._prepare()
        except BaseException:
            opened = self._connection is not None
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            if is_new:
                self._remove_files(only_stub=not opened)
            raise

    @classmethod
    def open(
        cls,
        path: str | Path = MEMORY,
        *,
        read_only: bool = False,
        create: bool = True,
        lock_timeout: float = 2.0,
    ) -> Store:
        """Open a store; the same as calling the class."""
        return cls(path, read_only=read_only, create=create, lock_timeout=lock_timeout)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB connection.

        Fetch every result whole (``.fetchall()``, ``.df()``): from DuckDB 2.0 on, results stream, and one that is
        left half-read blocks the connection.

        Raises
        ------
        StoreError
            If the store is closed.
        """
        if self._connection is None:
            raise StoreError(f"The store {self.path} is closed.", "Open it again with Store(path).")
        return self._connection

    def query(self, sql: str, params: Parameters = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run a statement and fetch its whole result, without pandas.

        Parameters
        ----------
        sql : str
            The statement, with ``?`` or ``$name`` for values.
        params : sequence or dict, optional
            The values.

        Returns
        -------
        columns : list of str
            Names of the columns.
        rows : list of tuple
            The rows.

        Raises
        ------
        UsageError
            If the statement is wrong; names the nearest column or table.
        StoreError
            If the store or the disk is.
        """
        try:
            result = self.connection.execute(sql, params)
            rows = result.fetchall()
            return [column[0] for column in result.description or []], rows
        except duckdb.Error as error:
            raise translate(error, self.connection, self.path) from error

    def df(self, sql: str, params: Parameters = None) -> pd.DataFrame:
        """Run a statement and return its result as a pandas frame.

        Parameters
        ----------
        sql : str
            The statement, with ``?`` or ``$name`` for values.
        params : sequence or dict, optional
            The values.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        UsageError, StoreError
            As for `query`.
        """
        try:
            return self.connection.execute(sql, params).df()
        except duckdb.Error as error:
            raise translate(error, self.connection, self.path) from error

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Do everything in the block, or nothing.

        Yields
        ------
        duckdb.DuckDBPyConnection

        Raises
        ------
        StoreError
            If the disk is full or the store is open for reading only; nothing has changed then.
        """
        if self.read_only:
            raise StoreError(f"The store {self.path} is open for reading only.", "Open it with read_only=False.")
        connection = self.connection
        try:
            connection.begin()
            yield connection
            connection.commit()
        except BaseException as error:
            self._roll_back()
            if isinstance(error, duckdb.Error):
                raise translate(error, connection, self.path) from error
            raise

    def runs_final_sql(self, metric: str | None = None) -> str:
        """Write the SQL of ``runs_final``, the one place that does.

        Parameters
        ----------
        metric : str, optional
            Metric to show as ``loss``. By default each run shows the one named at its ingest, as the view does.

        Returns
        -------
        str
            A SELECT statement, to be used in parentheses.

        Raises
        ------
        UsageError
            If no run logged that metric.
        """
        if metric is not None:
            _, rows = self.query("SELECT metric FROM metric_defs ORDER BY metric")
            known = [row[0] for row in rows]
            if metric not in known:
                raise UsageError(f"No run in the store has the metric '{metric}'.", nearest(metric, known))
        return views.runs_final_sql(self.kept_columns(), metric)

    def kept_columns(self) -> list[views.KeptColumn]:
        """Columns of the sources that no mapping names; ``runs_final`` shows each of them."""
        return views.kept_columns(self.connection)

    def ingest(
        self,
        path: str | Path,
        mapping: Mapping | str | Path | None = None,
        *,
        metric: str | None = None,
        replace: bool = False,
        allow_units: bool = False,
    ) -> IngestReport:
        """Read a table of runs into the store; see :func:`db.ingest.ingest`."""
        from db.ingest import ingest

        return ingest(self, path, mapping, metric=metric, replace=replace, allow_units=allow_units)

    def ingest_scores(
        self,
        path: str | Path,
        mapping: ScoreMapping | str | Path | None = None,
        *,
        preset: str | None = None,
        tables: AbstractMapping[str, str | Path] | None = None,
        replace: bool = False,
    ) -> ScoreReport:
        """Read a table of scores of models on tasks into the store; see :func:`db.score_ingest.ingest_scores`."""
        from db.score_ingest import ingest_scores

        return ingest_scores(self, path, mapping, preset=preset, tables=tables, replace=replace)

    def close(self) -> None:
        """Write everything to the file and close it. Closing twice is no error."""
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        try:
            if not self.read_only:
                connection.execute("CHECKPOINT").fetchall()
        except duckdb.Error as error:
            if not is_disk_full(error):
                raise translate(error, connection, self.path) from error
            warnings.warn(
                f"The disk of the store {self.path} is full. What was written is safe in {self.path}.wal and is merged "
                "into the store once there is space; keep the two files together.",
                StoreWarning,
                stacklevel=2,
            )
        finally:
            connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        with suppress(StoreError, StoreWarning):  # the first error is the one to tell
            self.close()

    def __repr__(self) -> str:
        if self._connection is None:
            return f"Store({self.path!r}, closed)"
        mode = "read-only" if self.read_only else "open for writing"
        _, [(runs, sources, fits, scores)] = self.query(
            "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM sources), (SELECT count(*) FROM fits), "
            "(SELECT count(*) FROM evals)"
        )
        brought = format_plural(runs, "run") + (f" and {format_plural(scores, 'score')}" if scores else "")
        content = f"{brought} from {format_plural(sources, 'source')}, {format_plural(fits, 'fit')}"
        return f"Store({self.path!r}, {mode}: {content})"

    def _prepare(self) -> None:
        """Check the file and the version, and bring the schema up to date."""
        connection = self.connection
        try:
            lost = None if self.path == MEMORY else lost_table(connection, self.path)
            if lost is not None:
                raise damaged_error(self.path, f"the file ends before the data of table {lost}")
            version = migrations.check_version(connection, self.path, read_only=self.read_only)
            if not self.read_only and version < migrations.known_version():
                migrations.migrate(connection, package_version())
        except duckdb.Error as error:
            raise translate(error, connection, self.path) from error

    def _roll_back(self) -> None:
        # After a fatal error, such as a full disk, the connection is dead; nothing was committed then.
        with suppress(duckdb.Error):
            self.connection.rollback()

    def _remove_files(self, *, only_stub: bool) -> None:
        """Take away the file of a store that could not be made.

        Where it was not even opened, the file may be one that another process is making right now, so only a file
        without whole headers goes, such as a full disk leaves behind.
        """
        file = Path(self.path)
        if only_stub and not (file.is_file() and file.stat().st_size < HEADER_BYTES):
            return
        for name in (self.path, f"{self.path}.wal"):
            Path(name).unlink(missing_ok=True)
