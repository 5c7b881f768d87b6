"""Documents of JSON that were compressed with zstandard, unpacked by DuckDB.

The standard library of Python below 3.14 does not know zstandard; DuckDB does. It reads files, so it is handed the
compressed bytes in a temporary one; nothing is unpacked to disk. It waits without end for the rest of what is cut off,
so that the blocks are walked before (RFC 8878, section 3.1).
"""

from __future__ import annotations

from pathlib import Path

from db.temporary import temporary_folder

_MAGIC = b"\x28\xb5\x2f\xfd"
_DUCKDB: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "python_enable_replacements": False,
    "threads": 1,
}
_LARGEST_BLOCK = 2**17
_SPLIT = 64  # times as many blocks as would do
_RAW, _REPEATED, _COMPRESSED = 0, 1, 2


def unpack_json(packed: bytes, limit: int) -> bytes:
    """Unpack one document of JSON.

    Parameters
    ----------
    packed : bytes
        One or several frames.
    limit : int
        Largest size in bytes that it is unpacked to.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If it is damaged, larger, or not one document of JSON.
    """
    import duckdb

    walk_frames(packed, limit)
    with temporary_folder("zstd") as folder:
        file = Path(folder) / "member.json.zst"
        file.write_bytes(packed)
        connection = duckdb.connect(":memory:", config=_DUCKDB)
        try:
            rows = connection.execute(
                "SELECT json FROM read_json_objects(?, format = 'unstructured', compression = 'zstd', "
                "maximum_object_size = ?) LIMIT 2",
                [str(file), limit + 16],
            ).fetchall()
        except duckdb.Error as error:
            raise ValueError(str(error).strip().splitlines()[0].replace(str(file), "it")) from error
        finally:
            connection.close()
    if len(rows) != 1:
        raise ValueError("it is not one document of JSON")
    found = str(rows[0][0]).encode()
    if len(found) > limit:  # DuckDB's own limit is a rough one
        raise ValueError(f"it unpacks to more than {limit:,} bytes")
    return found


def walk_frames(packed: bytes, limit: int) -> None:
    """Go from block to block to the end.

    Parameters
    ----------
    packed : bytes
        One or several frames.
    limit : int
        Largest size in bytes that they may unpack to. Blocks do not say what size they have unpacked; more of them
        than so much could fill, many times over, are refused too.

    Raises
    ------
    ValueError
        If one is cut off, of no known kind, or there is too much of them.
    """
    at = sizes = blocks = 0
    while at < len(packed) or not at:
        at, plain, squeezed = _frame(packed, at)
        sizes, blocks = sizes + plain, blocks + squeezed
        if sizes > limit or blocks > (limit // _LARGEST_BLOCK + 1) * _SPLIT:
            raise ValueError(f"it unpacks to more than {limit:,} bytes")


def _frame(packed: bytes, at: int) -> tuple[int, int, int]:
    """End of the frame that begins there, bytes in its plain and repeated blocks, and its compressed blocks."""
    if packed[at : at + 4] != _MAGIC or at + 5 > len(packed):
        raise ValueError("it is not compressed with zstandard, or cut off")
    descriptor = packed[at + 4]
    single, dictionary = bool(descriptor & 0x20), (0, 1, 2, 4)[descriptor & 3]
    content = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    if descriptor & 8 or dictionary:
        raise ValueError("it needs a dictionary, or its header is damaged")
    at += 5 + (not single) + content
    last, plain, squeezed = False, 0, 0
    while not last:
        if at + 3 > len(packed):
            raise ValueError("it is cut off")
        header = int.from_bytes(packed[at : at + 3], "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        if kind not in (_RAW, _REPEATED, _COMPRESSED):
            raise ValueError("one of its blocks is of no known kind")
        plain += 0 if kind == _COMPRESSED else size
        squeezed += kind == _COMPRESSED
        at += 3 + (1 if kind == _REPEATED else size)
    at += 4 * bool(descriptor & 4)  # a checksum
    if at > len(packed):
        raise ValueError("it is cut off")
    return at, plain, squeezed
