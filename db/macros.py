"""Every saved fit is a SQL macro of its name: ``SELECT loss - c4(n_params, n_tokens) FROM runs_final``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from db.views import quote_name
from scaling.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from db.store import Store
    from scaling.results import Fit

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_LENGTH = 64
_RESERVED = ("latest",)  # stands for the newest fit wherever a fit is named


def check_name(store: Store, name: str) -> str:
    """Check that a name can be called in SQL and means nothing there yet.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        The name of a fit.

    Returns
    -------
    str
        The name.

    Raises
    ------
    UsageError
        For a name that is no SQL identifier, is that of a SQL function or keyword, or is ``latest``; suggests another.
    """
    if not _NAME.fullmatch(name) or len(name) > _MAX_LENGTH:
        raise UsageError(
            f"'{name}' cannot name a fit: it will be a SQL macro, so it takes letters, digits and underscores, "
            f"at most {_MAX_LENGTH}, and no digit first.",
            f"Take '{safe_name(store, name)}', for example.",
        )
    if name.lower() in _RESERVED:
        raise UsageError(
            f"'{name}' cannot name a fit: it stands for the newest fit.",
            f"Take '{safe_name(store, name)}', for example.",
        )
    if meaning := _meaning(store, name):
        raise UsageError(
            f"'{name}' cannot name a fit: it is a SQL {meaning}, and the fit's macro would clash with it.",
            f"Take '{safe_name(store, name)}', for example.",
        )
    return name


def safe_name(store: Store, text: str) -> str:
    """Make a name for a fit out of any text: letters, digits and underscores, and no SQL word."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_").lower()[: _MAX_LENGTH - 8] or "fit"
    if name[0].isdigit():
        name = f"fit_{name}"
    return f"{name}_fit" if name in _RESERVED or _meaning(store, name) else name


def _meaning(store: Store, name: str) -> str | None:
    """What a word means in SQL already: keyword, function, or nothing. Macros of saved fits do not count."""
    _, rows = store.query(
        """
        SELECT 'keyword', true FROM duckdb_keywords()
        WHERE keyword_name = lower($name) AND keyword_category <> 'unreserved'
        UNION ALL
        SELECT 'function', internal FROM duckdb_functions() WHERE lower(function_name) = lower($name)
        ORDER BY 2 DESC
        """,
        {"name": name},
    )
    if rows:
        return str(rows[0][0]) if rows[0][1] else None
    # The parser gives a meaning of its own to a few words that are on neither list, such as ifnull and try.
    import duckdb

    try:
        store.connection.execute(f"SELECT {name}(1, 2)").fetchall()
    except duckdb.Error as error:
        return None if "does not exist" in str(error) else "function"
    return "function"


def macro_sql(name: str, fit: Fit, arguments: Mapping[str, str]) -> str:
    """Write the statement that makes the macro of a fit.

    Parameters
    ----------
    name : str
        Of the fit.
    fit : Fit
        Its estimates are written into the macro.
    arguments : mapping of str to str
        Name of the macro's argument for each input of the law, in the order of the call.

    Returns
    -------
    str
        A CREATE OR REPLACE MACRO statement. The values are DOUBLE literals that read back exactly.
    """
    body = fit.law.sql(fit.estimates, {k: quote_name(v) for k, v in arguments.items()})
    names = ", ".join(quote_name(arguments[k]) for k in fit.law.inputs)
    return f"CREATE OR REPLACE MACRO {quote_name(name)}({names}) AS {body}"


def drop_sql(name: str) -> str:
    """Write the statement that drops the macro of a fit."""
    return f"DROP MACRO IF EXISTS {quote_name(name)}"
