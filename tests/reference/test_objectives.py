"""The objectives side by side on the 240 runs of arXiv:2404.10102: three of the rows have known values."""

import json

import pytest
from typer.testing import CliRunner

pytestmark = pytest.mark.reference

NAMES = ("E", "A", "B", "alpha", "beta")
GOLDEN = {
    "huber(0.001) on log residuals": ((1.8172181, 477.8259, 2143.417, 0.3473105, 0.3671724), 1.0182740178006e-3, 1e-12),
    "lad on log residuals": ((1.816864, 482.0061, 2085.436, 0.3478131, 0.3658542), 1.1294946536, 1e-9),
    "squared on linear residuals": ((1.8828136, 567.8054, 7581.852, 0.3576151, 0.4276206), 0.08320381, 1e-8),
}


@pytest.fixture(scope="module")
def scaling_command(reference, tmp_path_factory):
    import cli

    store = str(tmp_path_factory.mktemp("objectives") / "s.duckdb")

    def run(*words):
        answer = CliRunner().invoke(cli.app, [*words, "--db", store])
        assert answer.exit_code == 0, answer.stderr
        return answer.stdout

    run("ingest", str(reference("chinchilla_epoch", "runs.csv")))
    return run


def test_the_table_shows_the_known_rows(scaling_command):
    out = scaling_command("fit", "chinchilla", "--where", "NOT epoch_excluded", "--objective", "all", "--name", "e",
                          "--bootstrap", "0", "--format", "json")  # fmt: skip
    rows = {row["objective"]: row for row in json.loads(out)}
    assert len(rows) == 4
    for objective, (estimates, value, relative) in GOLDEN.items():
        row = rows[objective]
        assert row["n_obs"] == 240
        assert row["objective_value"] == pytest.approx(value, rel=relative, abs=5e-9 if "linear" in objective else 0)
        for name, expected in zip(NAMES, estimates, strict=True):
            assert row["parameters"][name]["estimate"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_people_see_them_too(scaling_command):
    out = scaling_command("fit", "chinchilla", "--where", "NOT epoch_excluded", "--objective", "all", "--name", "e",
                          "--replace", "--bootstrap", "0", "--format", "table")  # fmt: skip
    assert "477.8" in out
    assert "482.0" in out
    assert "567.8" in out
