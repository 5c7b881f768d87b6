"""The page on the formats of logs, written from the formats themselves, so that it cannot be behind them."""

from __future__ import annotations

from db.readers.formats import formats

_HEAD = """# Formats of logs

`scaling ingest PATH...` tells the format of each file and directory by its signs: names in a directory, first bytes,
keys of JSON and names of columns, patterns of lines, and the ending of a name last. What could be two things is an
error that lists them; `--format NAME` says which it is. How logs become runs is in [ingest.md](ingest.md); with what
damaged logs the readers were tried, in [fuzz_readers.md](../benchmarks/fuzz_readers.md).

*Tried* names the versions whose own files the tests read; "from documentation" means that no file made by the tool
itself was at hand.

| format | what it is | what is read | what is not | tried |
|---|---|---|---|---|
"""
_TAIL = """
## A format of your own

A module with the names and the two functions of `db.readers.format.Format` (`NAME WHAT READS LEAVES_OUT TRIED FIELDS
UPSERTS`, `sniff`, `read`) is a format. A package brings it by an entry point:

```toml
[project.entry-points."scaling.readers"]
mine = "my_package.my_format"
```

`read` is a generator of what `db.readers.found` describes (`RunFound`, `Values`, `Restart`, `ScoreFound`, `Note`, and
problems), and raises `scaling.errors.ReadError` with a place where it cannot go on.
"""


def table_of_formats() -> str:
    """Write the page.

    Returns
    -------
    str
        Markdown.
    """
    rows = []
    for one in formats().values():
        cells = (f"`{one.NAME}`", one.WHAT, one.READS, one.LEAVES_OUT, one.TRIED)
        rows.append(f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |")
    return _HEAD + "\n".join(rows) + "\n" + _TAIL


if __name__ == "__main__":
    print(table_of_formats(), end="")
