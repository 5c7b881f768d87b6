"""Members of a zip file, in bounded memory, also those compressed with zstandard."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.readers.text import guarded
from db.readers.zstd import unpack_json
from scaling.errors import ReadError

ZSTANDARD = 93


class Zipped:
    """A zip file that is open.

    Parameters
    ----------
    path : Path
        The file.
    archive : zipfile.ZipFile
        The file, opened.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._archive = archive
        self.names = archive.namelist()

    def read(self, name: str, limit: int) -> bytes:
        """Read a member; raises `ReadError` if it is damaged or unpacks to more than `limit` bytes."""
        info = self._archive.getinfo(name)
        place = f"member {name!r}"
        if info.file_size > limit:
            raise ReadError(str(self._path), f"it would unpack to {info.file_size:,} bytes, above {limit:,}", place)
        try:
            if info.compress_type == ZSTANDARD and not hasattr(zipfile, "ZIP_ZSTANDARD"):
                return self._unpacked(info, limit)
            with self._archive.open(info) as stream:
                data = stream.read(limit + 1)
        except _DAMAGE as error:
            raise ReadError(str(self._path), f"it cannot be unpacked: {error}", place, "Copy it again.") from error
        if len(data) > limit:
            raise ReadError(str(self._path), f"it unpacks to more than {limit:,} bytes", place)
        return data

    def _unpacked(self, info: zipfile.ZipInfo, limit: int) -> bytes:
        packed = self._packed(info)
        data = unpack_json(packed, min(limit, max(info.file_size, 1)))
        if zlib.crc32(data) != info.CRC:
            raise zipfile.BadZipFile("its checksum is wrong")
        return data

    def _packed(self, info: zipfile.ZipInfo) -> bytes:
        """The bytes of a member as they stand in the file."""
        with self._path.open("rb") as stream:
            stream.seek(info.header_offset)
            header = stream.read(30)
            if len(header) < 30 or not header.startswith(b"PK\x03\x04"):
                raise zipfile.BadZipFile("its header is damaged")
            lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
            stream.seek(lengths, os.SEEK_CUR)
            return stream.read(min(info.compress_size, os.fstat(stream.fileno()).st_size))


_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError, OSError,
)  # fmt: skip


@contextmanager
def opened_zip(path: Path) -> Iterator[Zipped]:
    """Open a zip file; raises `ReadError` if it is none, or is cut off."""
    with guarded(path):
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError) as error:
            raise ReadError(
                str(path), f"it is no whole zip file: {error}", hint="If it is still being copied, read it later."
            ) from error
    with archive:
        yield Zipped(path, archive)
