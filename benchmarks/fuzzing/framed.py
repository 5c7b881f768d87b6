"""Damage to what has frames, checksums or an index: the parts change, and the whole is made right again around them."""

from __future__ import annotations

import gzip
import io
import os
import sqlite3
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.fuzzing import plain

_BLOCK = 32_768
_SCALARS = ((0, 2**64 - 1), (0, 2**63), (1, b"\xff" * 8), (5, b"\0\0\x80\x7f"), (2, b""))


def message(drawn: Random, content: bytes, depth: int = 0) -> bytes:
    """A field of a message of protocol buffers changes, with the lengths around it."""
    from db.readers.wire import WireError, fields

    try:
        found: list[tuple[int, int, Any]] = list(fields(content))
    except WireError:
        found = []
    if not found:
        return plain.bits(drawn, content, ()) or b"\xff"
    at = drawn.randrange(len(found))
    number, kind, value = found[at]
    what = drawn.randrange(10)
    if what == 0:
        del found[at]
    elif what == 1:
        found.insert(drawn.randrange(len(found)), found[at])
    elif what == 2:
        found[at] = (drawn.choice((1, 2, 3, 16, 17, 2**28)), kind, value)
    elif what == 3:
        found[at] = (number, *drawn.choice(_SCALARS))
    elif kind == 2 and what < 8 and depth < 6:
        found[at] = (number, 2, message(drawn, value, depth + 1))
    elif kind == 2:
        new = drawn.choice((drawn.choice(plain.ODD_JSON).encode(), plain.bits(drawn, value, ()) or b"", b"\xff\xfe"))
        found[at] = (number, 2, new)
    elif kind == 0:
        found[at] = (number, 0, drawn.choice((0, 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1)))
    else:
        found[at] = (number, kind, drawn.randbytes(len(value)))
    return b"".join(map(_field, found))


def _field(field: tuple[int, int, Any]) -> bytes:
    number, kind, value = field
    head = _varint(number << 3 | kind)
    if kind == 0:
        return head + _varint(value)
    return head + (_varint(len(value)) if kind == 2 else b"") + bytes(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def _records(drawn: Random, held: list[bytes]) -> list[bytes]:
    for _ in range(drawn.choice((1, 1, 3))):
        at = drawn.randrange(len(held))
        kind = drawn.randrange(8)
        if kind == 0:
            held.insert(drawn.randrange(len(held) + 1), held[at])
        elif kind == 1 and len(held) > 1:
            del held[at]
        elif kind == 2:
            held[at] = plain.spans(drawn, held[at], held) or b""
        else:
            held[at] = message(drawn, held[at])
    return held


def event_records(drawn: Random, content: bytes, others: Sequence[bytes]) -> bytes | None:
    """Records of an event file change, and their checksums with them."""
    from db.readers.crc32c import crc32c, masked

    del others
    held, at = [], 0
    while at + 16 <= len(content):
        (size,) = struct.unpack_from("<Q", content, at)
        held.append(content[at + 12 : at + 12 + size])
        at += 16 + size
    if not held:
        return None
    out = []
    for record in _records(drawn, held):
        head = struct.pack("<Q", len(record))
        sums = [struct.pack("<I", int(masked(_array(crc32c(part)))[0])) for part in (head, record)]
        out.append(head + sums[0] + record + sums[1])
    return b"".join(out)


def _array(value: int) -> Any:
    import numpy as np

    return np.array([value], np.uint32)


def wandb_records(drawn: Random, content: bytes, others: Sequence[bytes]) -> bytes | None:
    """Records of a ``.wandb`` file change, and their checksums with them."""
    del others
    held, at, begun = [], 7, b""
    while at + 7 <= len(content):
        left = _BLOCK - at % _BLOCK
        if left < 7:
            at += left
            continue
        _, size, kind = struct.unpack_from("<IHB", content, at)
        begun += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            held.append(begun)
            begun = b""
    if not held:
        return None
    out = bytearray(content[:7])
    for record in _records(drawn, held):
        first, rest = True, record
        while first or rest:
            left = _BLOCK - len(out) % _BLOCK
            if left < 7:
                out += b"\0" * left
                continue
            part, rest = rest[: left - 7], rest[left - 7 :]
            kind = (1 if not rest else 2) if first else (3 if rest else 4)
            out += struct.pack("<IHB", zlib.crc32(bytes((kind,)) + part), len(part), kind) + part
            first = False
    return bytes(out)


def packed(drawn: Random, content: bytes, others: Sequence[bytes]) -> bytes | None:
    """What is in a gzip file changes."""
    try:
        text = gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return None
    mutate = drawn.choice(plain.TEXT)
    return gzip.compress(mutate(drawn, text, others) or b"", 1)


@contextmanager
def _as_file(content: bytes, name: str) -> Iterator[Path]:
    shared = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


@lru_cache(maxsize=32)
def _members(content: bytes) -> dict[str, bytes]:
    from db.readers.zipped import opened_zip
    from scaling.errors import ReadError

    try:
        with _as_file(content, "a.zip") as path, opened_zip(path) as archive:
            return {name: archive.read(name, 2**24) for name in archive.names}
    except ReadError:
        return {}


@lru_cache(maxsize=1)
def _packed_spaces() -> bytes:
    return zlib.compress(b'{"a":"' + b" " * 2**28, 1)


def members(drawn: Random, content: bytes, others: Sequence[bytes]) -> bytes | None:
    """Members of a zip file change, go, come twice, unpack to very much, or are not what the index says."""
    kind = drawn.randrange(12)
    if kind == 0:  # sizes, offsets, methods and flags in the index
        at = content.rfind(b"PK\x01\x02", 0, drawn.randrange(len(content) + 1))
        if at < 0:
            return None
        place, size = drawn.choice(((8, 2), (10, 2), (20, 4), (24, 4), (28, 2), (42, 4)))
        new = int(drawn.choice((0, 1, 93, 2**31 - 1, 2**32 - 1, 200 * 2**20)) % 256**size)
        return content[: at + place] + new.to_bytes(size, "little") + content[at + place + size :]
    held = dict(_members(content))
    if not held:
        return None
    name = drawn.choice([one for one in held if not one.startswith("samples/")] or list(held))
    if kind == 1:
        del held[name]
    elif kind == 2:
        held[drawn.choice((name.upper(), "a/../b", "\u00e9", "_journal/summaries/9.json", name + "/"))] = held.pop(name)
    elif kind > 3:
        held[name] = plain.values(drawn, held[name], others) or held[name]
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        warnings.simplefilter("ignore")  # a name twice
        for one, data in held.items():
            archive.writestr(one, data)
        if kind == 3:
            archive.writestr(name, drawn.choice((b"{}", b"", b"[]")))
    return bomb(name) if kind == 2 and drawn.random() < 0.02 else out.getvalue()


def bomb(name: str) -> bytes:
    """A zip file with one member that unpacks to a quarter of a GiB, and says that it is small."""
    data, called = _packed_spaces()[2:-4], name.encode()
    head = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(data), 100, len(called), 0)
    local = b"PK\x03\x04" + head + called + data
    index = b"PK\x01\x02\x14\0" + head + struct.pack("<HHHII", 0, 0, 0, 0, 0) + called
    return local + index + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(index), len(local), 0)


_ODD_SQL = (
    "NULL", "'NaN'", "'x'", "1e999", "-1e999", "9223372036854775807", "-9223372036854775808", "x'ff00'", "''", "-1",
    "0.5", "'{\"a\": [1e400, NaN]}'", "'{'", "zeroblob(100000)", "'a' || char(0) || 'b'", "CAST(x'eda080' AS TEXT)",
    "'{\"loss\": {\"a\": \"NaN\"}, \"\": null}'", "hex(zeroblob(50000))", "'[' || hex(zeroblob(9))",
)  # fmt: skip


def database(drawn: Random, content: bytes, others: Sequence[bytes]) -> bytes | None:
    """Values, rows, columns and tables of a database change, and it stays a whole one."""
    del others
    with _as_file(content, "a.db") as path:
        db = sqlite3.connect(path)
        with suppress(sqlite3.Error, UnicodeDecodeError):
            db.execute("PRAGMA synchronous = OFF")
            db.execute("PRAGMA ignore_check_constraints = ON")
            db.execute("PRAGMA foreign_keys = OFF")
            names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            filled = [one for one in names if db.execute(f'SELECT 1 FROM "{one}" LIMIT 1').fetchone()] or names
            for _ in range(drawn.choice((1, 1, 2, 5))):
                table = drawn.choice((filled if drawn.random() < 0.8 else names) or ["x"])
                columns = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
                with suppress(sqlite3.Error, UnicodeDecodeError):
                    db.execute(_statement(drawn, table, drawn.choice(columns or ["x"])))
            db.commit()
        with suppress(sqlite3.Error):
            db.rollback()
        db.close()
        new = path.read_bytes()
    return None if new == content else new


def _statement(drawn: Random, table: str, column: str) -> str:
    kind = drawn.randrange(12)
    if kind == 0:
        return drawn.choice((f'DROP TABLE "{table}"', f'DELETE FROM "{table}"'))
    if kind == 1:
        return f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "{drawn.choice(("x", "", "step", "A b"))}"'
    if kind == 2:
        return f'ALTER TABLE "{table}" DROP COLUMN "{column}"'
    if kind == 3:
        return f'ALTER TABLE "{table}" RENAME TO "t{drawn.randrange(99)}"'
    if kind == 4:
        return f'INSERT INTO "{table}" SELECT * FROM "{table}" LIMIT 3'
    some = drawn.choice(("", f"WHERE rowid % {drawn.choice((2, 3, 7))} = 1"))
    return f'UPDATE OR REPLACE "{table}" SET "{column}" = {drawn.choice(_ODD_SQL)} {some}'


_COLUMNS = (
    "CAST({0} AS VARCHAR)", "NULL", "[{0}]", "{{'a': {0}}}", "'nan'::DOUBLE", "'inf'::DOUBLE", "-1", "1e300",
    "9223372036854775807", "18446744073709551615::UBIGINT", "170141183460469231731687303715884105727::HUGEINT",
    "'x'", "''", "DATE '2026-01-01'", "TIMESTAMP '1900-01-01'", "'\\xFF\\x00'::BLOB", "true", "1.5::DECIMAL(9,2)",
    "repeat('x', 10000)", "INTERVAL 1 DAY", "MAP {{'a': 1}}",
)  # fmt: skip


def columns(drawn: Random, content: bytes, others: Sequence[bytes]) -> bytes | None:
    """Columns of a Parquet file change their type, name and values; rows are dropped, doubled or turned round."""
    import duckdb

    del others
    with _as_file(content, "a.parquet") as path, duckdb.connect(config={"threads": 1}) as db:
        try:
            names = [row[0] for row in db.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
            name = '"' + drawn.choice(names).replace('"', '""') + '"'
            said = drawn.choice(_COLUMNS).format(name)
            if drawn.random() < 0.3:
                said = f"CASE WHEN random() < 0.5 THEN {name} ELSE TRY_CAST({said} AS VARCHAR) END"
            what = drawn.choice((
                f"* REPLACE ({said} AS {name})", f"* REPLACE ({said} AS {name})", f"* REPLACE ({said} AS {name})",
                f"* EXCLUDE ({name})", f"* RENAME ({name} AS x)", f"*, {said} AS y", f"* RENAME ({name} AS \"a.b\n\")",
            ))  # fmt: skip
            rows = drawn.choice(("", "", "", "LIMIT 0", "LIMIT 1", f"ORDER BY {name} DESC"))
            packing = drawn.choice(("uncompressed", "snappy", "gzip", "zstd"))
            query = f"SELECT {what} FROM '{path}' {rows}"
            db.execute("SELECT setseed(0.5)")
            db.execute(f"COPY ({query}) TO '{path}.new' (FORMAT parquet, COMPRESSION {packing})").fetchall()
            return Path(f"{path}.new").read_bytes()
        except duckdb.Error:
            return None
