"""Read what people type: quantities, pairs, bounds, targets of a forecast."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from scaling.errors import UsageError, did_you_mean

_FACTORS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_SIZES = ("N", "D", "C")  # parameters, tokens and compute: none can be zero or below


def quantity(text: str, what: str) -> float:
    """Read a number, with K, M, B or T for thousands to trillions.

    Parameters
    ----------
    text : str
        Such as ``70e9``, ``7e10`` or ``70B``.
    what : str
        The option or name it belongs to, for the message.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        For anything else, infinities and NaN included.

    Examples
    --------
    >>> quantity("70B", "--params"), quantity("1.4T", "--tokens"), quantity("5.76e23", "--flops")
    (70000000000.0, 1400000000000.0, 5.76e+23)
    """
    body, factor = text.strip().replace("_", ""), 1.0
    if body and body[-1].upper() in _FACTORS:
        body, factor = body[:-1], _FACTORS[body[-1].upper()]
    try:
        value = float(body) * factor
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise UsageError(f"'{text}' is not a number that {what} can take.", "Write it as 70e9, 7e10 or 70B.")
    return value


def size(text: str, what: str) -> float:
    """Read a quantity that is above zero: parameters, tokens, compute.

    Parameters
    ----------
    text, what : str
        As of `quantity`.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        For anything else.
    """
    value = quantity(text, what)
    if value <= 0:
        raise UsageError(f"{what} takes a number above 0, not '{text}'.", "Such as 1e21, or 7B.")
    return value


def sizes(texts: Sequence[str] | None, what: str) -> tuple[float, ...]:
    """Read quantities that are above zero; none where there is no text. See `size`."""
    return tuple(size(text, what) for text in texts or ())


def whole_numbers(text: str, what: str) -> list[int]:
    """Read whole numbers from 1 on, with commas between them.

    Parameters
    ----------
    text : str
        Such as ``50,100,1K``.
    what : str
        The option, for the message.

    Returns
    -------
    list of int

    Raises
    ------
    UsageError
        For anything else.

    Examples
    --------
    >>> whole_numbers("50, 100,1K", "--sizes")
    [50, 100, 1000]
    """
    found = [size(part, what) for part in text.split(",")]
    if bad := [value for value in found if value != int(value)]:
        raise UsageError(f"{what} takes whole numbers, not {bad[0]:g}.", "Such as 50,100,200.")
    return [int(value) for value in found]


def day(text: str, what: str) -> str:
    """Read a day of the calendar.

    Parameters
    ----------
    text : str
        Such as ``2025-06-01``.
    what : str
        The option, for the message.

    Returns
    -------
    str
        As ISO 8601 writes it.

    Raises
    ------
    UsageError
        For anything else.

    Examples
    --------
    >>> day(" 2025-06-01", "--date")
    '2025-06-01'
    """
    try:
        return datetime.date.fromisoformat(text.strip()).isoformat()
    except ValueError as error:
        raise UsageError(f"'{text}' is no day that {what} can take.", "Write it as 2025-06-01.") from error


def days(texts: Sequence[str] | None, what: str) -> list[str] | None:
    """Read days from an option that can be repeated; None where there is none."""
    return [day(text, what) for text in texts] if texts else None


def ends(text: str | None, what: str) -> tuple[float, float] | None:
    """Read a range with two ends, smaller one first.

    Parameters
    ----------
    text : str, optional
        Such as ``1e20:1e24``.
    what : str
        The option, for the message.

    Returns
    -------
    (float, float) or None
        None where there is no text.

    Raises
    ------
    UsageError
        For anything that is not two numbers above 0, the smaller one first.

    Examples
    --------
    >>> ends("1e20:1e24", "--curve")
    (1e+20, 1e+24)
    """
    if text is None:
        return None
    first, colon, last = text.partition(":")
    if not colon:
        raise UsageError(f"'{text}' is not a range that {what} takes.", "Write it as 1e20:1e24.")
    low, high = size(first, what), size(last, what)
    if not low < high:
        raise UsageError(f"The range '{text}' of {what} is empty.", "Give the smaller end first.")
    return low, high


def pairs(texts: Sequence[str] | None, what: str) -> list[tuple[str, str]]:
    """Read ``NAME=VALUE`` texts.

    Parameters
    ----------
    texts : sequence of str, optional
        What was typed.
    what : str
        The option, for the message.

    Returns
    -------
    list of (str, str)

    Raises
    ------
    UsageError
        For a text without a name, an equals sign and a value, or a name given twice.
    """
    out: list[tuple[str, str]] = []
    for text in texts or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise UsageError(f"'{text}' is not of the form NAME=VALUE that {what} takes.")
        if name in dict(out):
            raise UsageError(f"{what} gives '{name}' twice.")
        out.append((name, value))
    return out


def bounds(texts: Sequence[str] | None) -> dict[str, dict[str, float]]:
    """Read bounds of parameters: ``alpha=0.01:2``, or ``alpha=0:`` with one end.

    Parameters
    ----------
    texts : sequence of str, optional
        What was typed.

    Returns
    -------
    dict of str to dict
        Keys ``low`` and ``high``, as `scaling.fit` takes them.

    Raises
    ------
    UsageError
        For a text without a colon.

    Examples
    --------
    >>> bounds(["alpha=0.01:2", "E=0:"])
    {'alpha': {'low': 0.01, 'high': 2.0}, 'E': {'low': 0.0}}
    """
    out = {}
    for name, text in pairs(texts, "--param"):
        low, colon, high = text.partition(":")
        if not colon:
            raise UsageError(
                f"'{name}={text}' gives no bounds.", "Write them as alpha=0.01:2, or with one end as alpha=0:"
            )
        ends = (("low", low), ("high", high))
        out[name] = {key: quantity(value, "--param") for key, value in ends if value.strip()}
    return out


def penalties(texts: Sequence[str] | None) -> dict[str, tuple[float, float]]:
    """Read penalties of parameters, ``alpha=0.35:0.1``: a centre and a strength.

    Parameters
    ----------
    texts : sequence of str, optional
        What was typed.

    Returns
    -------
    dict of str to (float, float)
        As `scaling.fit` takes them.

    Raises
    ------
    UsageError
        For a text without both numbers.

    Examples
    --------
    >>> penalties(["alpha=0.35:0.1"])
    {'alpha': (0.35, 0.1)}
    """
    out = {}
    for name, text in pairs(texts, "--penalty"):
        centre, _, strength = text.partition(":")
        if not (centre.strip() and strength.strip()):
            raise UsageError(f"'{name}={text}' gives no penalty.", "Write it as alpha=0.35:0.1, centre and strength.")
        out[name] = (quantity(centre, "--penalty"), quantity(strength, "--penalty"))
    return out


def targets(
    params: Sequence[str] | None, tokens: Sequence[str] | None, at: Sequence[str] | None
) -> list[dict[str, float]]:
    """Read the targets of a forecast.

    Parameters
    ----------
    params, tokens : sequence of str, optional
        N and D, one of each a target.
    at : sequence of str, optional
        ``NAME=VALUE,...``, inputs of any law, one text a target.

    Returns
    -------
    list of dict
        Inputs of each target; empty where nothing was given.

    Raises
    ------
    UsageError
        For numbers that cannot be read, sizes that are not above 0, or unequally many parameters and tokens.

    Examples
    --------
    >>> targets(["70B"], ["1.4T"], ["x=2,y=3"])
    [{'N': 70000000000.0, 'D': 1400000000000.0}, {'x': 2.0, 'y': 3.0}]
    """
    n, d = params or (), tokens or ()
    if len(n) != len(d):
        raise UsageError(
            f"There are {len(n)} --params and {len(d)} --tokens.",
            "Give both for each target; for a law of one of them, --at D=1.4T.",
        )
    out = [{"N": size(x, "--params"), "D": size(y, "--tokens")} for x, y in zip(n, d, strict=True)]
    named = [pairs(text.split(","), "--at") for text in at or ()]
    return out + [{k: (size if k in _SIZES else quantity)(v, f"--at {k}") for k, v in entry} for entry in named]


def check_targets(wanted: Sequence[Mapping[str, float]], law: str, inputs: Sequence[str]) -> None:
    """Refuse targets that do not name the inputs of a law.

    Parameters
    ----------
    wanted : sequence of mapping
        From `targets`.
    law : str
        Name of the law, for the message.
    inputs : sequence of str
        Its inputs.

    Raises
    ------
    UsageError
        For a target that leaves an input out or names another.
    """
    for target in wanted:
        if set(target) != set(inputs):
            example = " --at " + ",".join(f"{name}=..." for name in inputs)
            raise UsageError(
                f"The law '{law}' takes {', '.join(inputs)}, and a target names {', '.join(target)}.",
                "Write it as:" + (" --params ... --tokens ..." if set(inputs) == {"N", "D"} else example),
            )


def losses(texts: Sequence[str] | None, what: str) -> float | str | list[float] | dict[str, float] | None:
    """Read target losses: numbers, the name of a column, or numbers by sweep.

    Parameters
    ----------
    texts : sequence of str, optional
        Such as ``["2.7"]``, ``["target_loss"]`` or ``["85000000=3.42", "151000000=3.24"]``.
    what : str
        The option, for the message.

    Returns
    -------
    float, str, list of float, dict of str to float, or None
        None where there is no text, and a list for several numbers.

    Raises
    ------
    UsageError
        For a mixture, and for losses that are not above 0.

    Examples
    --------
    >>> losses(["2.7"], "--target"), losses(["a=3", "b=2.5"], "--target"), losses(["loss_at"], "--target")
    (2.7, {'a': 3.0, 'b': 2.5}, 'loss_at')
    """
    if not texts:
        return None
    by_sweep = [text.rpartition("=") for text in texts]
    if all(mark for _, mark, _ in by_sweep) and all(number_or_name(value) != value for *_, value in by_sweep):
        return {sweep: size(value, what) for sweep, _, value in by_sweep}
    numbers = [number_or_name(text) for text in texts]
    if len(texts) == 1 and isinstance(numbers[0], str):
        return numbers[0]
    if any(isinstance(value, str) for value in numbers):
        raise UsageError(f"{what} takes losses, one column that holds them, or SWEEP=LOSS for each sweep.")
    values = [size(text, what) for text in texts]
    return values[0] if len(values) == 1 else values


def by_name(texts: Sequence[str] | None, what: str) -> float | dict[str, float] | None:
    """Read one number, or a number for each name.

    Parameters
    ----------
    texts : sequence of str, optional
        Such as ``["2"]``, or ``["web=1", "code=4"]``.
    what : str
        The option, for the message.

    Returns
    -------
    float, dict of str to float, or None
        None where there is no text.

    Raises
    ------
    UsageError
        For a mixture, several numbers, or a name that comes twice.

    Examples
    --------
    >>> by_name(["2K"], "--cost"), by_name(["web=1", "code=4"], "--cost")
    (2000.0, {'web': 1.0, 'code': 4.0})
    """
    if not texts:
        return None
    parts = [text.rpartition("=") for text in texts]
    if len(parts) == 1 and not parts[0][1]:
        return quantity(texts[0], what)
    if not all(name and mark for name, mark, _ in parts):
        raise UsageError(f"{what} takes one number for all, or NAME=NUMBER for each.", f"Such as {what} web=1")
    if len({name for name, *_ in parts}) < len(parts):
        raise UsageError(f"{what} names something twice.", "Give each one number.")
    return {name: quantity(number, what) for name, _, number in parts}


def number_or_name(text: str | None) -> float | str | None:
    """Read a number; a text that is none, such as the name of a column, stays as it is.

    Parameters
    ----------
    text : str, optional
        Such as ``8`` or ``batch_size``.

    Returns
    -------
    float, str or None
    """
    try:
        return None if text is None else quantity(text, "")
    except UsageError:
        return text


def places(
    params: Sequence[str] | None, tokens: Sequence[str] | None, losses_at: Sequence[str] | None
) -> list[dict[str, float]]:
    """Read where a law is asked that may take sizes, tokens or losses.

    Parameters
    ----------
    params, tokens, losses_at : sequence of str, optional
        N, D and L, one of each a place; what is not given is known nowhere.

    Returns
    -------
    list of dict

    Raises
    ------
    UsageError
        For numbers that cannot be read, or unequally many of those that are given.
    """
    given = {"N": (params, "--params"), "D": (tokens, "--tokens"), "L": (losses_at, "--loss")}
    read = {name: sizes(texts, option) for name, (texts, option) in given.items() if texts}
    if len({len(values) for values in read.values()}) > 1:
        counts = ", ".join(f"{len(values)} {given[name][1]}" for name, values in read.items())
        raise UsageError(f"There are {counts}.", "Give as many of each, one a place.")
    return [dict(zip(read, values, strict=True)) for values in zip(*read.values(), strict=True)] if read else []


def entries(texts: Sequence[str] | None, what: str, keys: Sequence[str]) -> dict[str, dict[str, float]]:
    """Read ``NAME=NUMBER,key=NUMBER,...`` texts: things with a number each, and what else is known of them.

    Parameters
    ----------
    texts : sequence of str, optional
        What was typed.
    what : str
        The option, for the message.
    keys : sequence of str
        The key of the first number, and those that may follow.

    Returns
    -------
    dict of str to dict of str to float
        By name and key.

    Raises
    ------
    UsageError
        For a text that cannot be read, a key that is unknown or comes twice, or a name that comes twice.

    Examples
    --------
    >>> entries(["web=10B,weight=0.4", "books=1B"], "--source", ["tokens", "weight"])
    {'web': {'tokens': 10000000000.0, 'weight': 0.4}, 'books': {'tokens': 1000000000.0}}
    """
    out: dict[str, dict[str, float]] = {}
    example = f"Such as {what} web=10B" + (f",{keys[1]}=2" if len(keys) > 1 else "")
    for text in texts or ():
        first, *rest = text.split(",")
        name, equals, value = (part.strip() for part in first.rpartition("="))
        if not (name and equals and value):
            raise UsageError(f"'{text}' is not of the form NAME=NUMBER that {what} takes.", example)
        if name in out:
            raise UsageError(f"{what} gives '{name}' twice.", "Give each one number.")
        out[name] = {keys[0]: quantity(value, what)}
        for key, number in pairs([part for part in rest if part.strip()], f"{what} {name}"):
            if key not in keys[1:]:
                raise UsageError(f"{what} {name} has no '{key}'.", did_you_mean(key, keys[1:]))
            out[name][key] = quantity(number, f"{key} of {what} {name}")
    return out


def two(text: str, what: str) -> tuple[float, float]:
    """Read two numbers above 0 with a colon between them, in any order.

    Parameters
    ----------
    text : str
        Such as ``16:1``.
    what : str
        The option, for the message.

    Returns
    -------
    (float, float)

    Raises
    ------
    UsageError
        For anything else.

    Examples
    --------
    >>> two("16:1", "--beta")
    (16.0, 1.0)
    """
    first, colon, last = text.partition(":")
    if not (colon and first.strip() and last.strip()):
        raise UsageError(f"'{text}' is not the two numbers that {what} takes.", f"Such as {what} 16:1")
    return size(first, what), size(last, what)


def tokens_of(tokens: str | None, flops: str | None, n_params: float | None) -> float:
    """Read a budget of tokens, or one of compute that a model of a size spends on them.

    Parameters
    ----------
    tokens, flops : str, optional
        One of the two.
    n_params : float, optional
        N; needed with compute.

    Returns
    -------
    float
        D; ``C/(6 N)`` of compute.

    Raises
    ------
    UsageError
        For none or both, or compute without a size.

    Examples
    --------
    >>> tokens_of("20B", None, None), tokens_of(None, "6e20", 1e9)
    (20000000000.0, 100000000000.0)
    """
    if (tokens is None) == (flops is None):
        raise UsageError("The budget is given as --tokens or as --flops.", "Such as --tokens 20B.")
    if tokens is not None:
        return size(tokens, "--tokens")
    if n_params is None:
        raise UsageError("--flops buys tokens for a model of a size, which is not given.", "Add --params 7B.")
    return size(str(flops), "--flops") / (6 * n_params)
