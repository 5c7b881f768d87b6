"""The worked example of docs/valuation.md prints what the page shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.valued import DOCS


def test_the_example_of_the_page(ok: Callable[..., Any], tmp_path: Path) -> None:
    page = DOCS.read_text(encoding="utf-8").partition("\n## An example\n")[2].partition("\n## From Python\n")[0]
    exec(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[0], {})
    blocks = re.findall(r"```\n\$ (scaling value .*?)\n(.*?)\n```", page, flags=re.DOTALL)
    assert [block[0].split()[2] for block in blocks] == ["add", "select", "score", "points"]
    for words, shown in blocks:
        said = ok(*shlex.split(words)[1:], "--format", "table").out.replace(f"{tmp_path}/", "")
        assert said.rstrip("\n") == shown
