"""The version that is recorded with everything the package writes."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def package_version() -> str:
    """Version of the installed package; ``unknown`` when run from a tree that is not installed."""
    try:
        return metadata.version("scaling-suite")
    except metadata.PackageNotFoundError:
        return "unknown"
