"""From a matplotlib figure to inline SVG that follows the theme of its page and never changes between runs."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from reports.style import SENTINELS, styled
from reports.words import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GEOMETRY = re.compile(r'\b(d|x|y|transform|width|height)="([^"]*)"')
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_FONT_FAMILY = re.compile(r"font-family:[^;\"]*;?\s*")
_FONT_SHORTHAND = re.compile(r"font:\s*(?:(italic|oblique)\s+)?(?:(bold|\d{3})\s+)?([\d.]+)px[^;\"]*")
_PRODUCT = re.compile(r"(?<=[\w}]) (?=[A-Za-z]|\\(?!right|cdot))")  # where LaTeX multiplies by a blank


def themed_svg(
    figure: Figure,
    key: str,
    title: str,
    description: str,
    tooltips: Mapping[str, Iterable[str]] | None = None,
    outlines: bool = False,
) -> Markup:
    """Write a figure as inline SVG.

    Parameters
    ----------
    figure : Figure
        Drawn in the sentinel colours of `reports.style`.
    key : str
        Unique on the page; every id in the SVG starts with it.
    title, description : str
        The text alternative.
    tooltips : mapping of str to iterable of str, optional
        For groups of marks, by their gid: a text for each mark, shown by the browser on hovering.
    outlines : bool, default False
        Whether letters are drawn as shapes, as a formula needs, instead of written in the reader's font.

    Returns
    -------
    Markup
        One ``<svg>`` element. Colours are CSS variables, fonts are those of the page.
    """
    text = _save(figure, outlines)
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.S)
    text = re.sub(r"<defs>\s*</defs>", "", text)
    head, body = re.match(r"<svg[^>]*>", text).group(), text[text.index(">") + 1 :]  # type: ignore[union-attr]
    if not outlines:  # the shapes of letters are scaled up from small numbers, and would suffer
        body = _GEOMETRY.sub(lambda m: f'{m[1]}="{_LONG_NUMBER.sub(_shorter, m[2])}"', body)
    body = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", body)
    body = _FONT_SHORTHAND.sub(_longhand, _FONT_FAMILY.sub("", body))
    for sentinel, variable in SENTINELS.items():
        body = re.sub(re.escape(sentinel), f"var({variable})", body, flags=re.I)
    body = body.replace("xlink:href=", "href=")
    for group, words in (tooltips or {}).items():
        body = _with_tooltips(body, group, list(words))
    body = _own_ids(_hoist_styles(body), key)
    body = re.sub(r"\s*\n\s*", "\n", body)
    view_box = re.search(r'viewBox="[^"]*"', head).group()  # type: ignore[union-attr]
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" {view_box} role="img" aria-labelledby="{key}-title {key}-desc">'
        f'<title id="{key}-title">{escape(printable(title))}</title>'
        f'<desc id="{key}-desc">{escape(printable(description))}</desc>'
        f"{body.strip()}"
    )


def formula_svg(latex: str, key: str, description: str) -> Markup | None:
    """Typeset a formula.

    Parameters
    ----------
    latex : str
        Without dollar signs.
    key : str
        Unique on the page.
    description : str
        The formula as plain text, for those who do not see it.

    Returns
    -------
    Markup or None
        None where matplotlib's mathtext does not know a command of it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from reports.style import INK

    spaced = _PRODUCT.sub(r"\\,", latex)
    with styled():
        figure = Figure(figsize=(1, 1))
        text = figure.text(0, 0, f"${spaced}$", fontsize=15, color=INK, parse_math=True)
        try:
            renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
            box = text.get_window_extent(renderer)
        except ValueError:
            return None
        width, height = box.width / figure.dpi, box.height / figure.dpi
        figure.set_size_inches(width + 0.06, height + 0.08)
        text.set_position((0.03 / (width + 0.06), (0.04 - box.y0 / figure.dpi) / (height + 0.08)))
    svg = themed_svg(figure, key, "The law as a formula", description, outlines=True)
    # A formula keeps its natural size, while figures fill their column.
    size = f'<svg style="width:{(width + 0.06) * 72 / 11:.2f}em" '
    return Markup(str(svg).replace("<svg ", size, 1))


def _save(figure: Figure, outlines: bool) -> str:
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with styled(outlines):
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _shorter(match: re.Match[str]) -> str:
    text = f"{float(match[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _longhand(match: re.Match[str]) -> str:
    style = f"font-style: {match[1]}; " if match[1] else ""
    weight = f"font-weight: {match[2]}; " if match[2] else ""
    return f"{style}{weight}font-size: {match[3]}px"


def _with_tooltips(body: str, group: str, words: list[str]) -> str:
    """Put a title into each mark of a group, where the marks are one to one with the words."""
    start = body.find(f'<g id="{group}">')
    if start < 0:
        return body
    end = body.index("</g>\n   </g>", start) if "</g>\n   </g>" in body[start:] else len(body)
    part = body[start:end]
    marks = list(re.finditer(r"<use ([^>]*)/>", part))
    if len(marks) != len(words):
        return body
    pieces, last = [], 0
    for mark, word in zip(marks, words, strict=True):
        pieces += [part[last : mark.start()], f"<use {mark[1]}><title>{escape(printable(word))}</title></use>"]
        last = mark.end()
    return body[:start] + "".join(pieces) + part[last:] + body[end:]


def _hoist_styles(body: str) -> str:
    """Move the style that all marks of a group share to the group, which saves half of the page."""

    def hoist(match: re.Match[str]) -> str:
        styles = set(re.findall(r'<use [^>]*?style="([^"]*)"', match[2]))
        if len(styles) != 1:
            return match[0]
        style = styles.pop()
        inner = match[2].replace(f' style="{style}"', "")
        return f'<g{match[1]} style="{style}">{inner}</g>'

    return re.sub(
        r"<g((?: clip-path=\"[^\"]*\")?)>((?:\s*<use [^>]*(?:/>|><title>[^<]*</title></use>))+\s*)</g>", hoist, body
    )


def _own_ids(body: str, key: str) -> str:
    """Number the ids that something points to, after the figure's key; turn halos into a class; drop all others."""
    pointed = dict.fromkeys(re.findall(r'(?:url\(#|href="#)([^")]+)', body))
    short = {name: f"{key}-{i}" for i, name in enumerate(pointed)}

    def rename(match: re.Match[str]) -> str:
        if match[1] in short:
            return f' id="{short[match[1]]}"'
        return ' class="halo"' if match[1] == "halo" else ""

    body = re.sub(r' id="([^"]*)"', rename, body)
    return re.sub(r'(url\(#|href="#)([^")]+)', lambda m: m[1] + short[m[2]], body)
