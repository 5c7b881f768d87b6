"""The pages: one self-contained HTML file that gives the answer, says how far to trust it, and how it was made.

Everything is imported on first use, so ``import reports`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.answers import Answers, answer
    from reports.boundary_inputs import BoundaryPage
    from reports.boundary_page import render_boundary_report, write_boundary_report
    from reports.inputs import RefusedRow, ReportInput, Source, Target
    from reports.page import check_place, render_report, write_report
    from reports.series import FigureData, Series
    from scaling.alternatives import Alternative

_HOMES = {
    "Alternative": "scaling.alternatives",
    "Answers": "reports.answers",
    "BoundaryPage": "reports.boundary_inputs",
    "FigureData": "reports.series",
    "RefusedRow": "reports.inputs",
    "ReportInput": "reports.inputs",
    "Series": "reports.series",
    "Source": "reports.inputs",
    "Target": "reports.inputs",
    "answer": "reports.answers",
    "check_place": "reports.page",
    "render_boundary_report": "reports.boundary_page",
    "render_report": "reports.page",
    "write_boundary_report": "reports.boundary_page",
    "write_report": "reports.page",
}

__all__ = [
    "Alternative",
    "Answers",
    "BoundaryPage",
    "FigureData",
    "RefusedRow",
    "ReportInput",
    "Series",
    "Source",
    "Target",
    "answer",
    "check_place",
    "render_boundary_report",
    "render_report",
    "write_boundary_report",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'reports' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
