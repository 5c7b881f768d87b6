"""Embeddings in ``.npy`` files: opened by their header, read in pieces or mapped; never unpickled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError

Rows = NDArray[Any]


@dataclass(frozen=True)
class NpyPart:
    """A ``.npy`` file; read with its own memory in pieces, or mapped as a whole."""

    path: Path
    n: int
    m: int
    dtype: np.dtype[Any]
    offset: int
    fortran: bool

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    def mapped(self) -> Rows:
        """All rows, memory-mapped for reading."""
        order: Literal["C", "F"] = "F" if self.fortran else "C"
        mapped: Rows = np.memmap(self.path, self.dtype, "r", self.offset, (self.n, self.m), order)
        return mapped

    def read(self, start: int, stop: int) -> Rows:
        """Read rows into memory of their own: mapped pages of a whole file would count as resident."""
        if self.fortran:
            return np.array(self.mapped()[start:stop])
        at = self.offset + start * self.m * self.dtype.itemsize
        return np.fromfile(self.path, self.dtype, (stop - start) * self.m, offset=at).reshape(stop - start, self.m)

    def gather(self, rows: NDArray[np.int64]) -> Rows:
        """Rows by number, ascending."""
        return np.array(self.mapped()[rows])


def npy_part(path: Path) -> NpyPart:
    """Open a ``.npy`` file by its header alone.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    NpyPart

    Raises
    ------
    InputDataError
        If it is no ``.npy`` file, holds objects, records or other things than numbers, has not two axes, no rows, or
        is shorter than its header says.
    """
    try:
        with path.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = reader(stream)
            offset = stream.tell()
    except (ValueError, EOFError) as error:
        raise InputDataError(f"{path} is not a .npy file, or its header is damaged: {error}") from error
    except OSError as error:
        raise InputDataError(f"{path} cannot be read: {error.strerror}.") from error
    if dtype.hasobject:
        raise InputDataError(
            f"{path} holds pickled Python objects, which are not read: a pickle can run any program.",
            "Write numbers: numpy.save(FILE, numpy.stack(list_of_rows).astype('float32')).",
        )
    if dtype.kind not in "fiu":
        raise InputDataError(
            f"{path} holds values of type {dtype}, not numbers.", "float16, float32 or float64 is read."
        )
    if len(shape) != 2:
        raise InputDataError(
            f"{path} has shape {shape}; one row an example and one column a dimension is expected.",
            "Tokens of an example are averaged first: array.mean(axis=1).",
        )
    if 0 in shape:
        raise InputDataError(f"{path} has shape {shape}: there is nothing in it.")
    needed = offset + shape[0] * shape[1] * dtype.itemsize
    size = path.stat().st_size
    if size < needed:
        rows = max(0, size - offset) // (shape[1] * dtype.itemsize)
        raise InputDataError(
            f"{path} is truncated: its header says {shape[0]} rows, but it ends within row {rows}.",
            "Write or copy it again.",
        )
    return NpyPart(path, shape[0], shape[1], dtype, offset, fortran)
