"""Where the reference data lie: ``SCALING_REFERENCE_DATA``, or a folder beside the repository.

Where the variable is set, missing data are a failure: a run that was meant to check them must not pass without.
"""

import os
from pathlib import Path

import pytest

VARIABLE = "SCALING_REFERENCE_DATA"
DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def reference():
    """A function from the parts of a path to the file, below the folder of the reference data."""
    asked = os.environ.get(VARIABLE)
    folder = Path(asked) if asked else DEFAULT

    def find(*parts):
        file = folder.joinpath(*parts)
        if not file.is_file():
            if asked:
                pytest.fail(f"{VARIABLE} is set to {asked}, but {'/'.join(parts)} is not there", pytrace=False)
            pytest.skip(f"no reference data; set {VARIABLE} to the folder that holds {'/'.join(parts)}")
        return file

    return find
