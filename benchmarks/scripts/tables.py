"""The tables of docs/benchmarks.md that the suite does not make, from what other benchmarks write.

    python benchmarks/scripts/interleaved.py --only kinds --json outputs.json
    cloudio bench --train --json DATA > train.json
    python benchmarks/scripts/tables.py outputs.json train.json [--write]

One of the two files will do.  `--write` puts the tables into docs/benchmarks.md, each in place of
the table below its heading.
"""

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
SIZES = (509, 224)
# A row of the table of outputs, and the kinds of output of interleaved.py: the least counts.
OUTPUTS = {
    "float16": ["float16"],
    "bfloat16": ["bfloat16"],
    "NHWC": ["NHWC"],
    "flips, at least": ["symmetry 2", "symmetry 4", "symmetry 6"],
    "quarter turns, at least": ["symmetry 1", "symmetry 3", "symmetry 5", "symmetry 7"],
    "mean and std": ["mean and std"],
    "clip": ["clip"],
    "10 bands int16, 3 float32 (bytes/s)": ["mixed int16 and float32"],
    "a mask over 13 bands too": ["valid=True"],
}


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown; a row whose first cell is bold is bold."""
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for first, *others in rows:
        cells = [f"**{cell}**" for cell in others] if first.startswith("**") else others
        lines.append("| " + " | ".join([first, *cells]) + " |")
    return "\n".join(lines) + "\n"


def two_digits(x: float) -> str:
    return f"{x:.2f}" if x < 0.995 else f"{x:.1f}" if x < 9.95 else f"{x:.0f}"


def output_tables(found: dict[str, Any]) -> dict[str, str]:
    def reached(size: int, begin: str) -> float:
        question = f"{size}: {begin}"
        (ratio,) = (r["reached"] for r in found["ratios"] if r["question"].startswith(question))
        return ratio

    def least(kinds: Sequence[str], what: str) -> list[float]:
        return [min(reached(size, f"{kind}, {what}") for kind in kinds) for size in SIZES]

    rows = [
        (
            row,
            " / ".join(f"{x:.2f}" for x in least(kinds, "of plain float32")),
            *(
                " / ".join(map(two_digits, least(kinds, f"over {name}")))
                for name in ("numpy", "torch")
            ),
        )
        for row, kinds in OUTPUTS.items()
    ]
    heads = [f"speed-up over the best {name}" for name in ("numpy", "torch")]
    return {"Outputs": table(["output", "speed relative to plain float32", *heads], rows)}


def train_tables(found: dict[str, Any]) -> dict[str, str]:
    rows = [
        (
            row["name"].replace(" *", ""),
            f"{row['computing']['waited']:.0%}",
            f"{row['fraction_of_loop']:.2f}",
            f"{1000 * row['computing']['cpu_seconds_per_batch']:.0f}",
            f"{row['more_bytes'] / 1e6:,.0f}",
        )
        for row in found["rows"]
    ]
    heads = ["loader", "waits", "alone", "CPU ms", "MB added"]
    return {"Training loops": table(heads, rows)}


def put(page: str, heading: str, text: str) -> str:
    """Return a page with a table in place of the one below a heading, or at the section's end."""
    before, mark, rest = page.partition(f"\n## {heading}\n")
    section, next_mark, after = rest.partition("\n## ")
    old = re.search(r"(?:^\|.*\|\n)+", section, re.MULTILINE)
    section = section.replace(old[0], text) if old else f"{section.rstrip()}\n\n{text}"
    return before + mark + section + next_mark + after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", type=Path, nargs="+", help="what the benchmarks have written")
    parser.add_argument("--write", action="store_true", help=f"change {PAGE.name}")
    arguments = parser.parse_args()
    for path in arguments.files:
        found = json.loads(path.read_text(encoding="utf-8"))
        make = output_tables if "ratios" in found else train_tables
        for heading, text in make(found).items():
            print(f"## {heading}\n\n{text}")
            if arguments.write:
                page = put(PAGE.read_text(encoding="utf-8"), heading, text)
                PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
