"""Histograms of the grids of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil, floor, log10

from dapatlas.publish.svg import drawing, element, hover, text

WIDTH, HEIGHT = 340.0, 170.0
LEFT, RIGHT, TOP, BOTTOM = 8.0, 332.0, 36.0, 144.0
MAX_KINDS = 7  # up to here each value has its own bar
BINS = 14
LABELS = 6


def histogram(values: Sequence[float], title: str) -> str:
    """How often values occur: a bar each where they are few, else in bins of a round width.

    Parameters
    ----------
    values
        At least one.
    title
        What they are, with the unit.
    """
    kinds = Counter(round(value, 2) for value in values)
    if len(kinds) <= MAX_KINDS:
        bars = [(f"{value:g}", f"{value:g}", kinds[value]) for value in sorted(kinds)]
    else:
        bars = _binned(values)
    return drawing(WIDTH, HEIGHT, text(LEFT, 12, title, cls="lab") + _bars(bars), title)


def _binned(values: Sequence[float]) -> list[tuple[str, str, int]]:
    """Label, description and count of each bin; bins are half open, the first begins at a multiple of the width."""
    width = _round_width((max(values) - min(values)) / BINS)
    if all(value == round(value) for value in values):  # voxels are counted in whole numbers
        width = float(ceil(width))
    first = floor(min(values) / width)
    counts = Counter(floor(value / width) - first for value in values)
    return [
        (f"{(first + n) * width:g}", f"{(first + n) * width:g} to {(first + n + 1) * width:g}", counts[n])
        for n in range(max(counts) + 1)
    ]


def _round_width(width: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power = floor(log10(width))
    factor = next((step for step in (1, 2, 2.5, 5) if step >= width / 10.0**power - 1e-9), 10)
    return float(factor * 10.0**power) if power >= 0 else factor / 10.0**-power


def _bars(bars: Sequence[tuple[str, str, int]]) -> str:
    tallest = max(count for _, _, count in bars)
    step = min((RIGHT - LEFT) / len(bars), 64.0)
    every = ceil(len(bars) / LABELS) if len(bars) > MAX_KINDS else 1
    parts = [element("path", d=f"M{LEFT:.0f} {BOTTOM:.0f}H{RIGHT:.0f}", cls="base")]
    for number, (label, words, count) in enumerate(bars):
        height = (BOTTOM - TOP) * count / tallest
        x = LEFT + step * number
        bar = element("rect", x=x + 1.5, y=BOTTOM - height, width=step - 3, height=height, rx=1.5, cls="bar")
        parts.append(element("g", hover(f"{words}: {count} case{'s' * (count != 1)}") + bar))
        if len(bars) <= MAX_KINDS:
            parts.append(
                text(x + step / 2, BOTTOM - height - 4, str(count), cls="tick", text_anchor="middle")
            )
        if number % every == 0:
            place = x + step / 2 if len(bars) <= MAX_KINDS else x
            anchor = "middle" if len(bars) <= MAX_KINDS else "start"
            parts.append(text(place, BOTTOM + 15, label, cls="tick", text_anchor=anchor))
    return "".join(parts)
