"""How plots are drawn: colors, light and dark, as SVG and as PNG files.

Each plot is drawn once for PNG files, light or dark, and once as SVG whose colors follow the
reader's scheme.  The colors are of Okabe and Ito; marks and line styles say the same without them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROLES = ("sheet", "ink", "soft", "rule", "ours", "rival", "beat", "c1", "c2", "c3", "c4", "c5")
LIGHT = dict(
    zip(
        ROLES,
        "#ffffff #1b2026 #59626d #dcd8cf #0072b2 #86888b #d55e00 "
        "#d55e00 #007a59 #b0568f #8a6d00 #59626d".split(),
        strict=True,
    )
)
DARK = dict(
    zip(
        ROLES,
        "#1a1e23 #e9e6df #a7afb9 #343b44 #56b4e9 #808a95 #f0a030 "
        "#f0a030 #2fc49b #e59cc8 #f0e442 #a7afb9".split(),
        strict=True,
    )
)
#: Colors that stand for roles in an SVG until they are replaced.
PLACEHOLDERS = {role: f"#01{k:02x}f1" for k, role in enumerate(ROLES)}
STYLE = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "svg.fonttype": "none",
    "svg.hashsalt": "cloudio",
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.8,
    "axes.formatter.use_mathtext": False,
}
WIDE, NARROW = 8.8, 4.0  # inches
Draw = Callable[[Any, dict[str, str], bool], None]


def variables() -> str:
    """Return CSS that sets a variable for each role, by the reader's scheme."""
    light, dark = (
        "".join(f"--{role}:{color};" for role, color in theme.items()) for theme in (LIGHT, DARK)
    )
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"


@dataclass(frozen=True)
class Plot:
    """``draw(figure, colors, wide)`` draws it; ``alt`` says in words what it shows.

    ``height`` is that of the wide and of the narrow one, in inches.
    """

    draw: Draw
    alt: str
    height: tuple[float, float]

    @contextmanager
    def _figure(self, colors: dict[str, str], wide: bool) -> Iterator[Any]:
        import matplotlib
        from matplotlib.figure import Figure

        colored = {
            "figure.facecolor": colors["sheet"],
            "axes.facecolor": colors["sheet"],
            "savefig.facecolor": colors["sheet"],
            "text.color": colors["ink"],
            "axes.labelcolor": colors["ink"],
            "axes.edgecolor": colors["soft"],
            "xtick.color": colors["soft"],
            "ytick.color": colors["soft"],
            "grid.color": colors["rule"],
            "font.size": 10 if wide else 9,
        }
        with matplotlib.rc_context(STYLE | colored):
            size = (WIDE, self.height[0]) if wide else (NARROW, self.height[1])
            figure = Figure(size, layout="constrained")
            self.draw(figure, colors, wide)
            yield figure

    def svg(self, wide: bool = True) -> str:
        """Return it as SVG that follows the reader's scheme, light or dark."""
        text = io.StringIO()
        with self._figure(PLACEHOLDERS, wide) as figure:
            figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        svg = text.getvalue()
        svg = svg[svg.index("<svg") :]
        for role, color in PLACEHOLDERS.items():
            svg = svg.replace(color, f"var(--{role})")
        style = f"<style>{variables()}</style>"
        return svg.replace("<defs>", f"{style}<defs>", 1)

    def png(self, path: Path, *, dark: bool = False, wide: bool = True) -> None:
        """Write it as a PNG file."""
        with self._figure(DARK if dark else LIGHT, wide) as figure:
            figure.savefig(path, dpi=160, metadata={"Software": None})


def cut(text: str, most: int) -> str:
    """Return text on one line of at most so many characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
