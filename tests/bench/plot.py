"""A small writer of line plots as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 720
HEIGHT: Final = 420
LEFT: Final = 64
RIGHT: Final = 24
TOP: Final = 44
BOTTOM: Final = 56
COLOURS: Final = ("#8a8f98", "#c8553d", "#1f6f8b")


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y) with a name, in the order in which they are joined."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of a plot, from 0 to the greatest values, with ticks."""

    title: str
    x: str
    y: str
    greatest: tuple[float, float]
    tick: tuple[float, float]
    mark: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a point."""
        across = LEFT + x / self.greatest[0] * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - y / self.greatest[1] * (HEIGHT - TOP - BOTTOM)


def write(path: Path, axes: Axes, lines: Sequence[Line]) -> None:
    """Write the plot, with a dashed upright line at `axes.mark`."""
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="13" role="img">',
        f"<title>{escape(axes.title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 24, axes.title, weight="600"),
        *_grid(axes),
        *(_curve(axes, line, colour) for line, colour in zip(lines, COLOURS, strict=False)),
        *_legend(lines),
        "</svg>",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(body) + "\n")


def _grid(axes: Axes) -> list[str]:
    found = []
    for step in range(round(axes.greatest[0] / axes.tick[0]) + 1):
        x, y = axes.place(step * axes.tick[0], 0)
        found.append(_text(x, y + 20, f"{step * axes.tick[0]:g}", anchor="middle"))
    for step in range(round(axes.greatest[1] / axes.tick[1]) + 1):
        x, y = axes.place(0, step * axes.tick[1])
        found.append(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="#e3e5e8"/>')
        found.append(_text(x - 8, y + 4, f"{step * axes.tick[1]:g}", anchor="end"))
    x, bottom = axes.place(axes.mark, 0)
    found.append(f'<path d="M{x:.1f} {bottom:.1f}V{TOP}" stroke="#2b2f36" stroke-dasharray="4 4"/>')
    found.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, axes.x, anchor="middle"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = _text(18, middle, axes.y, anchor="middle").replace(
        "<text ", f'<text transform="rotate(-90 18 {middle})" '
    )
    return [*found, turned]


def _curve(axes: Axes, line: Line, colour: str) -> str:
    inside = [point for point in line.points if point[0] <= axes.greatest[0]]
    path = "L".join("{:.1f} {:.1f}".format(*axes.place(*point)) for point in inside)
    return (
        f'<path d="M{path}" fill="none" stroke="{colour}" '
        'stroke-width="2.2" stroke-linejoin="round"/>'
    )


def _legend(lines: Sequence[Line]) -> list[str]:
    found = []
    for number, (line, colour) in enumerate(zip(lines, COLOURS, strict=False)):
        y = HEIGHT - BOTTOM - 20 * (len(lines) - number) + 4
        found.append(f'<path d="M{WIDTH - 270} {y - 4}h24" stroke="{colour}" stroke-width="3"/>')
        found.append(_text(WIDTH - 238, y, line.name))
    return found


def _text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "400") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
        f'font-weight="{weight}" fill="#2b2f36">'
        f"{escape(words)}</text>"
    )
