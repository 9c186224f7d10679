"""Plots of a result: bars of a case, and growth; scatter.py has the third."""

from __future__ import annotations

import math
from typing import Any

from . import numbers
from .drawing import Plot, cut
from .shown import AXES, Line, Shown, curves

# ---- bars ----------------------------------------------------------------------------------------


def bars(shown: Shown) -> Plot:
    """Return the rates of a case as bars with their spread, and its limits as lines."""
    lines = shown.lines

    def draw(figure: Any, colors: dict[str, str], wide: bool) -> None:
        axes = figure.subplots()
        axes.grid(axis="y", visible=False)
        for k, line in enumerate(lines):
            f = line.figures
            color, hatch = _bar_style(line, colors)
            axes.barh(k, f.rate, 0.72, color=color, hatch=hatch, edgecolor=colors["sheet"], lw=0)
            spread = [[f.rate - f.slowest], [f.fastest - f.rate]]
            axes.errorbar(f.rate, k, xerr=spread, color=colors["ink"], capsize=2.5, lw=1.2)
            words = numbers.count(f.rate) + (", faster than cloudio" if line.beats else "")
            axes.annotate(
                words,
                (f.fastest, k),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                bbox={"facecolor": colors["sheet"], "edgecolor": "none", "pad": 0.5},
            )
        for line in shown.limits:
            axes.axvline(line.figures.rate, color=colors["ink"], ls=(0, (4, 2)), lw=1.2)
            axes.text(
                line.figures.rate,
                -0.8,
                f"{line.label} ",
                ha="right",
                color=colors["ink"],
            )
        names = [cut(line.name, 44 if wide else 22) for line in lines]
        axes.set_yticks(range(len(lines)), names, color=colors["ink"])
        axes.set_ylim(len(lines) - 0.4, -1.4 if shown.limits else -0.6)
        axes.set_xlim(0, 1.12 * shown.most)
        axes.set_xlabel("samples/s")
        axes.xaxis.set_major_formatter("{x:,.10g}")
        axes.set_title(cut(shown.title, 80 if wide else 40), loc="left", fontweight="bold")

    height = 1.2 + 0.25 * len(lines)
    order = ", ".join(f"{line.name} {numbers.count(line.figures.rate)}" for line in lines)
    return Plot(draw, f"Bars, samples/s, {shown.title}: {order}.", (height, height))


def _bar_style(line: Line, colors: dict[str, str]) -> tuple[str, str]:
    if line.is_ours:
        return colors["ours"], ""
    return (colors["beat"], "///") if line.beats else (colors["rival"], "")


# ---- growth --------------------------------------------------------------------------------------

_MARKERS, _DASHES = "DsovP^X", ((), (5, 1.5), (1.5, 1.5), (6, 2, 1.5, 2), (3, 1))


def growth(axes: dict[str, list[Shown]]) -> Plot:
    """Return GB/s of every row along each axis."""
    names: dict[str, str] = {}
    for cases in axes.values():
        for name, points in curves(cases).items():
            names.setdefault(name, points[0][1].kind)

    def draw(figure: Any, colors: dict[str, str], wide: bool) -> None:
        styles = _curve_styles(names, colors)
        grid = figure.subplots(-(-len(axes) // 2), 2) if wide else figure.subplots(len(axes), 1)
        flat = list(getattr(grid, "flat", [grid]))
        for axis, plot in zip(axes, flat, strict=False):
            _growth_axis(plot, axes[axis], styles)
            plot.set_title(f"GB/s by {AXES[axis]}", loc="left", fontsize="medium")
        for plot in flat[len(axes) :]:
            plot.remove()
        handles, labels = flat[0].get_legend_handles_labels()
        for plot in flat[1 : len(axes)]:
            for handle, label in zip(*plot.get_legend_handles_labels(), strict=True):
                if label not in labels:
                    handles.append(handle)
                    labels.append(label)
        labels = [cut(label, 48) for label in labels]
        figure.legend(
            handles,
            labels,
            loc="outside upper left",
            ncols=2 if wide else 1,
            frameon=False,
            handlelength=3,
            fontsize="small",
        )

    parts = [
        f"by {AXES[axis]}: "
        + "; ".join(
            f"{name} "
            + ", ".join(
                f"{value:g}: {numbers.count(line.figures.gb_per_second)}" for value, line in points
            )
            for name, points in curves(cases).items()
        )
        for axis, cases in axes.items()
    ]
    n, rows = len(names), -(-len(axes) // 2)
    height = 0.25 * -(-n // 2) + 2.6 * rows, 0.22 * n + 2.3 * len(axes)
    return Plot(draw, f"GB/s {'. '.join(parts)}.", height)


def _curve_styles(names: dict[str, str], colors: dict[str, str]) -> dict[str, dict[str, Any]]:
    styles: dict[str, dict[str, Any]] = {}
    seen = {"cloudio": 0, "rival": 0, "limit": 0}
    for name, kind in names.items():
        k = seen[kind]
        seen[kind] += 1
        if kind == "limit":
            styles[name] = {
                "color": colors["ink"],
                "dashes": (4, 2) if k == 0 else (1.5, 1.5),
                "lw": 1.2,
            }
        elif kind == "cloudio":
            styles[name] = {
                "color": colors["ours"],
                "lw": 2.6 if k == 0 else 1.6,
                "marker": "D" if k == 0 else "d",
                "dashes": _DASHES[k % 5],
            }
        else:
            styles[name] = {
                "color": colors[f"c{k % 5 + 1}"],
                "lw": 1.4,
                "marker": _MARKERS[1 + k % 6],
                "dashes": _DASHES[k // 5 % 5],
            }
    return styles


def _growth_axis(plot: Any, cases: list[Shown], styles: dict[str, dict[str, Any]]) -> None:
    values = [float(shown.case["value"]) for shown in cases]
    for name, points in curves(cases).items():
        style = {"ms": 5, "mec": "none", **styles[name]}
        plot.plot(
            [x for x, _ in points],
            [line.figures.gb_per_second for _, line in points],
            label=name,
            **style,
        )
    if max(values) / max(min(values), 1) >= 4:
        plot.set_xscale("log", base=2)
    plot.set_xticks(values, [f"{value:g}" for value in values])
    plot.minorticks_off()
    top = max(line.figures.gb_per_second for p in curves(cases).values() for _, line in p)
    plot.set_ylim(0, math.ceil(11 * top) / 10 if top < 10 else 1.1 * top)
