"""The plot of rate against CPU cost, whose points are labeled where there is room."""

from __future__ import annotations

import math
from typing import Any

from . import numbers
from .drawing import Plot, cut
from .shown import Line, Shown


def scatter(shown: Shown) -> Plot:
    """Return rate against CPU seconds per GB; points have the places of the rows."""

    def draw(figure: Any, colors: dict[str, str], wide: bool) -> None:
        axes = figure.subplots()
        axes.set(xscale="log", yscale="log")
        axes.set_xlabel("CPU seconds per GB (less is better)")
        axes.set_ylabel("samples/s (more is better)")
        points = []
        for line in shown.lines[::-1]:
            f = line.figures
            color = colors["ours" if line.is_ours else "beat" if line.beats else "rival"]
            marker = "D" if line.is_ours else "s" if line.beats else "o"
            x, y = max(f.cpu_seconds_per_gb, 1e-6), f.rate
            axes.errorbar(
                x,
                y,
                yerr=[[y - f.slowest], [f.fastest - y]],
                fmt=marker,
                ms=7,
                color=color,
                mec=colors["sheet"],
                mew=0.8,
                lw=1.2,
            )
            points.append((x, y, line))
        _wide_limits(axes, points, shown)
        for y, name, side in _limit_names(shown):
            axes.axhline(y, color=colors["ink"], ls=(0, (4, 2)), lw=1)
            axes.annotate(
                name,
                (1, y),
                xycoords=("axes fraction", "data"),
                xytext=(0, 3 * side),
                textcoords="offset points",
                ha="right",
                va="bottom" if side > 0 else "top",
                fontsize="small",
            )
        _plain_ticks(axes.xaxis)
        _plain_ticks(axes.yaxis)
        _label(figure, axes, points, shown, colors, wide)

    order = "; ".join(
        f"{line.place} {line.name}: {numbers.count(line.figures.rate)} samples/s, "
        f"{numbers.count(line.figures.cpu_seconds_per_gb)} CPU s/GB"
        for line in shown.lines
    )
    return Plot(draw, f"Rate against CPU cost, {shown.title}. {order}.", (5.0, 4.4))


def _wide_limits(axes: Any, points: list[tuple[float, float, Line]], shown: Shown) -> None:
    """Leave room for the labels around all points."""
    xs = [x for x, _, _ in points]
    ys = [y for _, y, _ in points] + [line.figures.rate for line in shown.limits]
    axes.set_xlim(*_wide(min(xs) / 1.6, max(xs) * 2.2))
    axes.set_ylim(*_wide(min(ys) / 1.5, max(ys) * 1.5))


def _wide(low: float, high: float, least: float = 10.0) -> tuple[float, float]:
    """Return a range whose ends differ at least by that factor, around the same middle."""
    more = max(1.0, math.sqrt(least * low / high))
    return low / more, high * more


def _limit_names(shown: Shown) -> list[tuple[float, str, int]]:
    """Return rate, name and side of each limit: 1 is above its line, -1 below it."""
    rates = [line.figures.rate for line in (*shown.lines, *shown.limits)]
    room = (max(rates) / min(rates)) ** 0.08  # a name's height, on a logarithmic axis
    found: list[tuple[float, str, int]] = []
    for line in sorted(shown.limits, key=lambda line: -line.figures.rate):
        near = bool(found) and found[-1][0] < max(1.3, room) * line.figures.rate
        found.append((line.figures.rate, line.label, -1 if near else 1))
    return found


def _plain_ticks(axis: Any) -> None:
    """Numbers at 1, 2 and 5, as people write them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.10g}"))
    axis.set_minor_locator(NullLocator())


def _label(
    figure: Any,
    axes: Any,
    points: list[tuple[float, float, Line]],
    shown: Shown,
    colors: dict[str, str],
    wide: bool,
) -> None:
    """Write the place of each row beside its point, and its name where there is room."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    scale = figure.dpi / 72
    frame = axes.get_window_extent()
    at = [axes.transData.transform((x, y)) for x, y, _ in points]
    taken = [(px - 5 * scale, py - 5 * scale, px + 5 * scale, py + 5 * scale) for px, py in at]
    for rate, _, side in _limit_names(shown):
        y = axes.transData.transform((1, rate))[1]
        taken.append((frame.x0, y - 1, frame.x1, y + 1))
        low, high = sorted((y, y + 12 * scale * side))  # its name
        taken.append((frame.x1 - 80 * scale, low, frame.x1, high))
    order = sorted(range(len(points)), key=lambda k: (not points[k][2].is_ours, points[k][2].place))
    for k in order:
        x, y, line = points[k]
        name = f"{line.place} {cut(line.name, 44)}"
        words = [name, str(line.place)] if wide or line.is_ours else [str(line.place)]
        _place(axes, (x, y), at[k], words, taken, frame, scale, line, colors)


def _place(
    axes: Any,
    xy: Any,
    at: Any,
    words: list[str],
    taken: list[tuple[float, float, float, float]],
    frame: Any,
    scale: float,
    line: Line,
    colors: dict[str, str],
) -> None:
    """Write the first of ``words`` that fits at one of eight sides of a point."""
    size = 8.5
    for text in words:
        width, height = (0.62 * size * len(text) + 2) * scale, (size + 3) * scale
        for dx, dy in ((8, 0), (-8, 0), (6, 9), (6, -9), (-6, 9), (-6, -9), (0, 11), (0, -11)):
            left = at[0] + dx * scale - (width if dx < 0 else width / 2 if dx == 0 else 0)
            low = at[1] + dy * scale - height / 2
            box = left, low, left + width, low + height
            inside = box[0] >= frame.x0 and box[2] <= frame.x1
            inside = inside and box[1] >= frame.y0 and box[3] <= frame.y1
            if not inside or any(_overlap(box, one) for one in taken):
                continue
            taken.append(box)
            side = "right" if dx < 0 else "center" if dx == 0 else "left"
            axes.annotate(
                text,
                xy,
                xytext=(dx, dy),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=size,
                color=colors["ours" if line.is_ours else "ink"],
                fontweight="bold" if line.is_ours else "normal",
            )
            return


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
