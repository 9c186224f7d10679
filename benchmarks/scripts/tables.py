"""The tables of docs/benchmarks.md, from what the benchmarks have written.

    python benchmarks/scripts/interleaved.py --only gather kinds --json memory.json
    cloudio bench --cold --json DATA > cold.json
    cloudio bench --train --json DATA > train.json
    python benchmarks/scripts/tables.py memory.json cold.json train.json [--write]

Any of the three files will do.  `--write` puts the tables into docs/benchmarks.md, each in place of
the table below its heading; README.md quotes the first.
"""

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
SIZES = (509, 224)
CROPS = ["509 x 509", "random 224 x 224"]
# A row of the first table, and the question of interleaved.py that it answers.
_OURS, _ALONE = "cloudio, {n} threads,", "cloudio, 1 thread,"
IN_MEMORY = {
    "the baseline: `np.stack(...) / 10000`, then crop and cast": f"{_OURS} over the baseline",
    '`np.multiply(window, scale, out=out, casting="unsafe")`': f"{_OURS} over np.multiply",
    "`out[...] = window; out *= scale`, the fastest numpy code we found": f"{_OURS} over out[...]",
    "the best numpy in two threads": f"{_OURS} over the best numpy in as many",
    "the best torch in two threads": "float32, over torch",
    "**fraction of the copy limit**": f"{_OURS} fraction of the copy limit",
    "CPU seconds in one thread, as a fraction of the best numpy's": f"{_ALONE} of the best numpy's",
}
# A row of the second table, and the kinds of output of interleaved.py: the least counts.
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
# A row of the third table, and the beginning of a candidate's name in `cloudio bench --cold`.
COLD = {
    '**cloudio, `io="mmap"`**': "cloudio mmap,",
    '**cloudio, `io="pread"`**': "cloudio pread,",
    "the disk limit": "limit",
    "16 threads of `os.preadv`, then numpy": "os.preadv",
    "numpy after `MADV_WILLNEED`": "numpy after",
    "torch `DataLoader`, 2 workers on memmaps": "torch DataLoader",
    "the baseline: fancy index on memmaps": "baseline",
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


def memory_tables(found: dict[str, Any]) -> dict[str, str]:
    def reached(size: int, question: str) -> float:
        begin = f"{size}: {question.format(n=found['threads'])}"
        (ratio,) = (r["reached"] for r in found["ratios"] if r["question"].startswith(begin))
        return ratio

    def least(kinds: Sequence[str], what: str) -> list[float]:
        return [min(reached(size, f"{kind}, {what}") for kind in kinds) for size in SIZES]

    first = [
        (row, *(two_digits(reached(size, question)) for size in SIZES))
        for row, question in IN_MEMORY.items()
    ]
    second = [
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
    return {
        "In memory": table(["speed-up of cloudio over", *CROPS], first),
        "Outputs": table(["output", "speed relative to plain float32", *heads], second),
    }


def cold_tables(found: dict[str, Any]) -> dict[str, str]:
    def speed(case: dict[str, Any], name: str) -> str:
        if name == "limit":
            mb = max(row["mb_per_second"] for row in case["limits"])
        else:
            (mb,) = (r["mb_per_second"] for r in case["rows"] if r["name"].startswith(name))
        return f"{mb:,.0f}"

    rows = [(row, *(speed(case, name) for case in found["cases"])) for row, name in COLD.items()]
    return {"From the disk": table(["MB/s of pixels", *CROPS], rows)}


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
        kind = "ratios" in found, "cases" in found
        make = {(True, False): memory_tables, (False, True): cold_tables}.get(kind, train_tables)
        for heading, text in make(found).items():
            print(f"## {heading}\n\n{text}")
            if arguments.write:
                page = put(PAGE.read_text(encoding="utf-8"), heading, text)
                PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
