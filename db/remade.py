"""Hold a fit that was made again against the one that is stored, number by number, and its SQL macro against both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.macros import macro_sql

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.fitting.backtest import Backtest

Array = NDArray[np.float64]

RELATIVE = 1e-9  # of an estimate: what another build of the same libraries may differ by
RELATIVE_SPREAD = 1e-6  # of a standard error: replicates are solved less far than the fit itself
#: What a fit made again does not answer for: its law and version go into it, and the last two are of other commands.
_NOT_COMPARED = ("law", "version", "json_version", "backtest", "rivals")
_CAST = re.compile(r"CAST\((-?[0-9.]+(?:[eE][-+]?[0-9]+)?) AS DOUBLE\)")
_NUMBER = re.compile(r"(?<![\w.])[0-9.]+(?:[eE][-+]?[0-9]+)?(?![\w.])")
_STRICT = ("estimates", "objective_value", "n_obs", "degrees", "support", "seed", "log_scaled")


@dataclass(frozen=True)
class Moved:
    """A number that came out differently.

    Parameters
    ----------
    quantity : str
        A parameter, ``objective_value``, ``se of`` a parameter, ``verdict``, or the part of the stored fit, such as
        ``residuals``, ``support of N``, ``diagnostics.structure_p``, ``back-test: error`` or ``SQL macro``.
    stored, now : float or str
        The number then and now; of a list the one that differs most.
    standard_errors : float
        How far it moved, in its stored standard errors; NaN where that means nothing.
    """

    quantity: str
    stored: Any
    now: Any
    standard_errors: float = float("nan")


def moved_numbers(stored: Mapping[str, Any], now: Mapping[str, Any], errors: Mapping[str, float]) -> list[Moved]:
    """Return what differs by more than another build of the libraries explains.

    Parameters
    ----------
    stored, now : mapping
        The fits as plain data (`scaling.results.Fit.to_dict`), the stored one as it stands in the store.
    errors : mapping of str to float
        Standard errors, for how far an estimate moved.

    Returns
    -------
    list of Moved
    """
    out = []
    for key, value in now.items():
        if key in _NOT_COMPARED or key not in stored:
            continue
        tolerance = RELATIVE if key in _STRICT else RELATIVE_SPREAD
        then = stored[key]
        if isinstance(value, dict) and isinstance(then, dict):
            for name in sorted(value.keys() & then.keys()) + sorted(value.keys() ^ then.keys()):
                pair = (then.get(name, "missing"), value.get(name, "missing"))
                if found := _moved(_quantity(key, name), *pair, tolerance):
                    out.append(_in_errors(found, errors.get(name)) if key == "estimates" else found)
        elif found := _moved(key, then, value, tolerance):
            out.append(found)
    return out


def moved_backtest(stored: Backtest, now: Backtest) -> list[Moved]:
    """Return what of a back-test came out differently, as `moved_numbers`."""
    then, new = stored.to_dict(), now.to_dict()
    pairs = ((key, then[key], new[key]) for key in new if key not in ("level", "seed"))
    return [m for key, a, b in pairs if (m := _moved(f"back-test: {key}", a, b, RELATIVE_SPREAD))]


def same_bits(stored: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether all that a fit made again answers for is stored to the last bit."""
    return all(stored[k] == v for k, v in now.items() if k not in _NOT_COMPARED and k in stored)


def largest_difference(stored: Mapping[str, Any], now: Mapping[str, Any]) -> float:
    """Return the largest relative difference of an estimate or a replicate; of replicates relative to their largest."""
    names = now["estimates"]
    parts = [_apart(_numbers([stored["estimates"][k]]), _numbers([names[k]])) for k in names]
    if len(now["replicates"]) and len(now["replicates"]) == len(stored["replicates"]):
        parts += map(_apart, _numbers(stored["replicates"]).T, _numbers(now["replicates"]).T)
    return max(parts)


def moved_macro(store: Store, saved: SavedFit) -> list[Moved]:
    """Hold the macro in the database, and its stored text, against the one that the stored estimates make.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        The fit.

    Returns
    -------
    list of Moved
        Nothing where all three are the same.
    """
    wanted = macro_sql(saved.name, saved.fit, saved.arguments)
    _, [(text,)] = store.query("SELECT macro_sql FROM fits WHERE fit_id = ?", [saved.fit_id])
    out = [] if text == wanted else [Moved("stored text of the SQL macro", text, wanted)]
    known = _definition(store.connection, saved.name)
    made = _read_back(wanted, saved.name)
    if known != made:
        out.append(Moved("SQL macro", known or "missing", made))
    return out


def _definition(connection: Any, name: str) -> str:
    """The macro of a name as the database holds it.

    A database opened again writes a literal 1.5e0 as CAST(1.5 AS DOUBLE), so both are brought to one form.
    """
    rows = connection.execute(
        "SELECT parameters, macro_definition FROM duckdb_functions() "
        "WHERE lower(function_name) = lower(?) AND NOT internal ORDER BY ALL",
        [name],
    ).fetchall()
    return "; ".join(f"({', '.join(parameters)}) AS {_literals(body)}" for parameters, body in rows)


def _literals(body: str) -> str:
    return _NUMBER.sub(lambda found: repr(float(found.group())), _CAST.sub(r"\1", body))


def _read_back(statement: str, name: str) -> str:
    """What a database makes of our own statement; in one of its own, so that nothing is written to the store."""
    import duckdb

    with duckdb.connect(":memory:") as connection:
        connection.execute(statement).fetchall()
        return _definition(connection, name)


def _quantity(key: str, name: str) -> str:
    words = {"estimates": name, "standard_errors": f"se of {name}", "support": f"support of {name}"}
    return words.get(key, f"{key}.{name}")


def _in_errors(moved: Moved, error: float | None) -> Moved:
    numbers = isinstance(moved.stored, float) and isinstance(moved.now, float)
    away = abs(moved.now - moved.stored) / error if numbers and error and error > 0 else float("nan")
    return Moved(moved.quantity, moved.stored, moved.now, away)


def _moved(quantity: str, then: Any, now: Any, tolerance: float) -> Moved | None:
    """Compare two plain values: numbers and lists of them by size, all else exactly."""
    if then == now:
        return None
    if isinstance(then, dict) and isinstance(now, dict) and then.keys() == now.keys():
        found = (_moved(f"{quantity}.{key}", then[key], now[key], tolerance) for key in now)
        return next((one for one in found if one is not None), None)
    try:
        a, b = _numbers(then), _numbers(now)
    except (TypeError, ValueError):
        return Moved(quantity, _words(then), _words(now))
    if a.shape != b.shape:
        return Moved(quantity, f"{a.size} numbers", f"{b.size} numbers")
    columns = (a.reshape(-1, 1), b.reshape(-1, 1)) if a.ndim < 2 else (a, b)
    if all(_apart(x, y) <= tolerance for x, y in zip(columns[0].T, columns[1].T, strict=True)):
        return None
    worst = int(np.argmax(np.where(_alike(a, b), 0.0, np.nan_to_num(np.abs(a - b), nan=np.inf)).ravel()))
    return Moved(quantity, float(a.ravel()[worst]), float(b.ravel()[worst]))


def _numbers(value: Any) -> Array:
    """Plain data as floats; None is NaN and "inf" infinity there."""
    if isinstance(value, str) and value not in ("inf", "-inf"):
        raise TypeError(value)
    return np.asarray(value, float)


def _alike(a: Array, b: Array) -> NDArray[np.bool_]:
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))


def _apart(a: Array, b: Array) -> float:
    """The largest difference, relative to the largest number."""
    other = ~_alike(a, b)
    if not other.any():
        return 0.0
    with np.errstate(all="ignore"):
        size = np.max(np.abs(a - b)[other]) / np.nanmax(np.abs(np.concatenate([a, b])))
    return float(size) if np.isfinite(size) else float("inf")


def _words(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
