"""The name of a corpus from a setting, which may be a list of corpora and of their weights."""

from __future__ import annotations

import ast
import warnings
from typing import Any

_LONGEST = 20_000  # characters of a list that is text
_ENDING = "_text_document"  # which Megatron's preprocessing adds to a name


def corpus_of(value: Any) -> str | None:
    """Name the corpus that a setting tells.

    Parameters
    ----------
    value : object
        A name; or a list, or the text of one: of names, or of a weight before each name, as Megatron's ``data_path``.

    Returns
    -------
    str or None
        The name, or names joined by ``+``; "" where the setting says nothing; None where it is a list and not every
        weight has a name.

    Examples
    --------
    >>> corpus_of("['0.7', 'web_text_document', '0.3', 'books_text_document']")
    'web+books'
    """
    if isinstance(value, str):
        text = value.strip()
        if not (text.startswith("[") and text.endswith("]")):
            return text
        value = _parsed(text)
        if value is None:
            return None
    if not isinstance(value, list | tuple):
        return ""
    names = [item.strip() if isinstance(item, str) else item for item in value]
    if any(map(_is_weight, names)):
        pairs = list(zip(names[::2], names[1::2], strict=False))
        if len(names) % 2 or not all(_is_weight(weight) and not _is_weight(name) for weight, name in pairs):
            return None
        names = [name for _, name in pairs]
    if not all(isinstance(name, str) and name for name in names):
        return None
    return "+".join(dict.fromkeys(name.removesuffix(_ENDING) or name for name in names))


def _parsed(text: str) -> list[Any] | None:
    """A list that was printed as Python prints it; None where it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes, which are no matter of whoever reads a log
            value = ast.literal_eval(text) if len(text) <= _LONGEST else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, list) else None


def _is_weight(item: Any) -> bool:
    if isinstance(item, str):
        try:
            float(item)
        except ValueError:
            return False
        return True
    return isinstance(item, int | float) and not isinstance(item, bool)
