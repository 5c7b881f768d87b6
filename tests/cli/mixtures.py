"""Runs for the commands that value sources: on random data, on mixtures of three sources, and on filtered data."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

DOCS = Path(__file__).resolve().parents[2] / "docs" / "value_sources.md"
LAW = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
WEIGHTS = {"web": 1.0, "code": 0.5, "books": 2.2}
MIXES = [(1, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0.7, 0.2, 0.1), (0.2, 0.6, 0.2), (0.1, 0.1, 0.8)]
COLUMNS = ("--tokens", "web=web_tokens", "--tokens", "code=code_tokens", "--tokens", "books=books_tokens")
QUALITY = ("value", "quality", *COLUMNS, "--reference", "web", "--where", "kind = 'mix'", "--bootstrap", "80")
SUBSET = 4e9  # tokens that models of every size were trained on, filtered


def loss_of(n: float, d: float) -> float:
    """The law, written out once more."""
    return LAW["E"] + LAW["A"] / n ** LAW["alpha"] + LAW["B"] / d ** LAW["beta"]


def log_text() -> str:
    """25 runs on random data, 96 on mixtures, and four on filtered data whose worth shrinks with the model."""
    random = np.random.default_rng(11)

    def line(name: str, kind: str, n: float, d: float, tokens: list[int], worth: float) -> str:
        loss = loss_of(n, worth) * np.exp(0.002 * random.standard_normal())
        return f"{name},{kind},{n:.6g},{d:.6g},{','.join(map(str, tokens))},{loss:.6g},{loss / 2:.6g}"

    lines = ["run_id,kind,n_params,n_tokens,web_tokens,code_tokens,books_tokens,loss,loss_code"]
    for i, n in enumerate(np.geomspace(5e7, 2e9, 5)):
        for j, d in enumerate(np.geomspace(1e9, 6e10, 5)):
            lines.append(line(f"random-{i}{j}", "random", n, d, [round(d), 0, 0], d))
    for i, n in enumerate(np.geomspace(5e7, 2e9, 4)):
        for j, d in enumerate(np.geomspace(1e9, 6e10, 4)):
            for k, mix in enumerate(MIXES):
                tokens = [round(share * d) for share in mix]
                worth = sum(t * w for t, w in zip(tokens, WEIGHTS.values(), strict=True))
                lines.append(line(f"mix-{i}{j}{k}", "mix", n, d, tokens, worth))
    for i, n in enumerate(np.geomspace(5e7, 2e9, 4)):
        lines.append(
            line(f"filtered-{i}", "filtered", n, SUBSET, [round(SUBSET), 0, 0], 1.8 * (n / 5e7) ** -0.15 * SUBSET)
        )
    lines.append("filtered-nan,filtered,5e7,4e9,4000000000,0,0,nan,nan")
    return "\n".join(lines) + "\n"


def documented(command: str) -> set[str]:
    """Keys that the page lists for a command."""
    text = DOCS.read_text(encoding="utf-8").partition(f"#### `scaling value {command}`")[2].partition("\n#")[0]
    cells = re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


def columns_of(command: str, key: str) -> set[str]:
    """Keys that the page lists for the rows of one entry: ``a row a source: `source n_tokens` ``."""
    text = DOCS.read_text(encoding="utf-8").partition(f"#### `scaling value {command}`")[2].partition("\n#")[0]
    [cell] = re.findall(rf"^\| `{key}` \|(.+)$", text, flags=re.MULTILINE)
    return max((set(words.split()) for words in re.findall(r"`([\w ]+)`", cell)), key=len)


def console(command: str) -> list[tuple[str, str]]:
    """Commands of the page's example that holds a command, with what they print."""
    blocks = re.findall(r"```console\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)
    [block] = [block for block in blocks if f"$ scaling value {command}" in block]
    return [
        (words, printed) for words, printed in re.findall(r"^\$ scaling (.+)\n((?:[^$].*\n|\n)+)", block, re.MULTILINE)
    ]
