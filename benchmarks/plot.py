"""A plot of the figures as an SVG: a bar for each contender, on a scale of powers of ten."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.measure import Measured, Role

_COLOURS: dict[Role, str] = {"ours": "#0b7a5c", "peer": "#8a94a6", "floor": "#d9a441"}
_WIDTH, _LABEL, _BAR, _ROW, _HEAD = 860, 250, 480, 17, 30


def svg(groups: Sequence[tuple[str, Sequence[tuple[Measured, str]]]]) -> str:
    """``groups``: a title, and its contenders with what is written beside their bars."""
    height = sum(_HEAD + _ROW * len(rows) for _, rows in groups) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        *_legend(),
    ]
    top = 40
    for title, rows in groups:
        parts.append(
            f'<text x="10" y="{top + 16}" font-weight="bold" fill="#222">{escape(title)}</text>'
        )
        top += _HEAD - 6
        values = [row.median() or 0.0 for row, _ in rows]
        least = 10 ** math.floor(math.log10(min(values)))
        span = math.log10(max(values) / least) or 1.0
        for (row, said), value in zip(rows, values, strict=True):
            parts += _bar(row, said, top, math.log10(value / least) / span)
            top += _ROW
        top += 6
    return "\n".join([*parts, "</svg>", ""])


def _legend() -> list[str]:
    parts, x = [], 10
    for role, name in (("ours", "Roamgate"), ("peer", "peers"), ("floor", "floor")):
        parts.append(
            f'<rect x="{x}" y="12" width="12" height="12" fill="{_COLOURS[role]}"/>'
            f'<text x="{x + 18}" y="22" fill="#222">{name}</text>'
        )
        x += 110
    parts.append(
        f'<text x="{x}" y="22" fill="#222">processor time of one operation, logarithmic; '
        "shorter is better</text>"
    )
    return parts


def _bar(row: Measured, said: str, top: int, share: float) -> list[str]:
    width = max(2.0, share * _BAR)
    return [
        f'<text x="{_LABEL - 8}" y="{top + 11}" text-anchor="end" fill="#222">'
        f"{escape(row.name)}</text>",
        f'<rect x="{_LABEL}" y="{top + 1}" width="{width:.1f}" height="12" '
        f'fill="{_COLOURS[row.role]}"/>',
        f'<text x="{_LABEL + width + 6:.1f}" y="{top + 11}" fill="#222">{escape(said)}</text>',
    ]
