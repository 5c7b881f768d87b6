"""A set of examples into the store: a table, embeddings alone, or losses of a set that is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.embedding_files import FORMATS
from db.example_sets import ingest_examples, ingest_losses
from scaling import arguments
from scaling.errors import UsageError
from scaling.serial import plain

if TYPE_CHECKING:
    from db.store import Store


def add_examples(
    store: Store,
    path: str,
    set_name: str,
    *,
    id_: str | None = None,
    label: str | None = None,
    group: str | None = None,
    cost: str | None = None,
    losses: Sequence[str] | None = None,
    embeddings: str | None = None,
    columns: Sequence[str] | None = None,
    replace: bool = False,
) -> dict[str, Any]:
    """Read a set of examples.

    Parameters
    ----------
    store : Store
        Open for writing.
    path : str
        A table, one row an example; or embeddings alone: a ``.npy`` file, or a folder.
    set_name : str
        Name of the set.
    id_, label, group, cost : str, optional
        Columns.
    losses : sequence of str, optional
        ``ROLE=COLUMN``, or ``ROLE@STEP=COLUMN`` of a checkpoint.
    embeddings : str, optional
        Where they are; or a column of the table.
    columns : sequence of str, optional
        Columns that hold them.
    replace : bool
        Whether another set of that name gives way.

    Returns
    -------
    dict
        What was done, as plain data; ``said`` is a sentence.

    Raises
    ------
    UsageError
        For columns that there are not, or a name that is taken.
    InputDataError
        For a table or embeddings that cannot be used.
    """
    alone = Path(path).is_dir() or FORMATS.get(Path(path).suffix.lower()) == "npy"
    if alone and embeddings is not None:
        raise UsageError(f"{path} holds embeddings, and --embeddings names others.", "Name a table of examples first.")
    picked = list(columns) if columns else None
    report = ingest_examples(
        store, None if alone else path, set_name, id=id_, label=label, group=group, cost=cost, losses=_keys(losses),
        embeddings=path if alone else embeddings, embedding_columns=picked, replace=replace,
    )  # fmt: skip
    row = {
        "set_name": report.set_name,
        "status": report.status,
        "path": report.path,
        "n_examples": report.n_examples,
        "n_dims": report.n_dims,
        "n_labels": report.n_labels,
        "n_groups": report.n_groups,
        "losses": list(report.losses),
        "columns": report.columns,
        "warnings": list(report.warnings),
    }
    return {**plain(row), "said": str(report)}


def add_losses(
    store: Store, path: str, set_name: str, *, id_: str | None = None, step: str | None = None,
    role: str | None = None, losses: Sequence[str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Read losses in the long form, one row an example and checkpoint, into a set that is there.

    Parameters
    ----------
    store, path, set_name
        As of `add_examples`.
    id_, step : str, optional
        Columns of the identifiers and of the training steps.
    role : str, optional
        Of all losses of the file; the column ``role`` says it otherwise.
    losses : sequence of str, optional
        One ``ROLE=COLUMN``: the column of the losses, and their role.

    Returns
    -------
    dict
        As of `add_examples`.
    """
    keys = _keys(losses)
    if len(keys) > 1 or any(isinstance(key, tuple) for key in keys):
        raise UsageError("A file with a row a checkpoint has losses in one column.", "Give one --loss ROLE=COLUMN.")
    column = "loss"
    for key, named in keys.items():
        if role is not None and key != role:
            raise UsageError(f"The role is '{role}' by --role and '{key}' by --loss.", "Give one of them.")
        role, column = str(key), named
    report = ingest_losses(store, path, set_name, loss=column, id=id_, step=step, role=role)
    row = {
        "set_name": report.set_name,
        "status": report.status,
        "path": report.path,
        "roles": list(report.roles),
        "n_losses": report.n_losses,
        "n_not_ok": report.n_not_ok,
        "n_examples": report.n_examples,
        "warnings": [],
    }
    return {**plain(row), "said": str(report)}


def _keys(texts: Sequence[str] | None) -> dict[str | tuple[str, int], str]:
    """Read roles, with or without a training step."""
    found: dict[str | tuple[str, int], str] = {}
    for name, column in arguments.pairs(texts, "--loss"):
        role, at, step = name.partition("@")
        if at and not step.isdigit():
            raise UsageError(f"'--loss {name}={column}' has no training step after @.", "Write it as ROLE@1000=COLUMN.")
        found[(role, int(step)) if at else role] = column
    return found
