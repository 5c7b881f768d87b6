"""CPU seconds of one thread, and what the parts of `valuation.py` say of where they ran."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np


def seconds(work: Callable[[], Any], repeat: int = 1) -> tuple[float, Any]:
    """Return CPU seconds, the best of several, and what came out."""
    best, out = np.inf, None
    for _ in range(repeat):
        start = time.process_time()
        out = work()
        best = min(best, time.process_time() - start)
    return best, out


def peak_gib() -> float:
    """Return the highest memory of this process; elsewhere than on Linux the parent's counts too, until it forked."""
    status = Path("/proc/self/status")
    for line in status.read_text(encoding="utf-8").splitlines() if status.is_file() else ():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def versions(packages: Iterable[str]) -> str:
    """Name Python and those packages that are there, with their versions."""
    found = [f"Python {platform.python_version()}"]
    for name in packages:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def table(*columns: str) -> None:
    """Print the head of a table."""
    row(*columns)
    row(*["---"] * len(columns))


def row(*cells: str) -> None:
    """Print a row of a table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def failed(why: str) -> int:
    """Say what was not kept; returns the exit code."""
    print(f"\nFAILED: {why}", flush=True)
    return 1


if __name__ == "__main__":
    print(versions(sys.argv[1:]))
