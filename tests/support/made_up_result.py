"""A result of the benchmark suite that nobody measured: for tests of what is made from results."""

import json
from pathlib import Path
from typing import Any

HOSTILE = "<script>alert('x')</script> & | ** $x_1$ `"
RIVALS = {
    # name: (rate by that of cloudio, CPU seconds by those of cloudio, packages)
    "numpy, the idiom": (1 / 44, 20.0, ["numpy"]),
    "numpy, in place": (0.3, 2.1, ["numpy"]),
    "numpy, threads": (0.37, 2.9, ["numpy"]),
    "torch from_file, mul(out=)": (0.14, 7.7, ["torch"]),
    "numba, parallel": (1.1, 0.9, ["numba", "numpy"]),
    "zarr 3": (0.02, 60.0, ["zarr"]),
    HOSTILE: (0.5, 1.5, ["hostile"]),
}
WHY = "not installed: no version of DALI for Python 3.14"


def result(scale: float = 1.0, *, lost: bool = True, **changes: Any) -> dict[str, Any]:
    """Return a result; ``scale`` makes cloudio that many times as fast, ``lost`` lets it lose."""
    rivals = {name: of for name, of in RIVALS.items() if lost or of[0] < 1}
    entries = [
        {
            "name": name,
            "file": f"{name.split()[0].strip(',')}.py",
            "packages": dict.fromkeys(packages, "1.2"),
            "environment": "main",
            "status": "ran",
            "note": "one core" if name == "zarr 3" else "",
            "convert": None,
        }
        for name, (_, _, packages) in rivals.items()
    ]
    entries[-1]["note"] = HOSTILE
    entries[-2]["convert"] = {"seconds": 12.5, "bytes": 500_000_000, "source_bytes": 1_000_000_000}
    entries.append(entries[0] | {"name": "DALI", "packages": {"dali": None}, "status": WHY})
    found = {
        "schema": 1,
        "date": "2026-11-30T14:00:00+00:00",
        "quick": False,
        "cloudio": "0.1",
        "command": "python -m benchmarks run",
        "machine": {"CPU": "Some <CPU>, 2 cores", "system": "Linux 6", "numpy": "2.4"},
        "data": {"description": "32 patches", "n_patches": 32, "bands": ["B1"], "label": None},
        "rivals": entries,
        "suites": [
            {
                "suite": "warm",
                "title": "In memory",
                "cases": [
                    case("224 x 224, 13 bands, label", 224, rivals, 5000 * scale),
                    case("509 x 509, 13 bands, label", 509, rivals, 1000 * scale),
                ],
            },
            {
                "suite": "cold",
                "title": "From the disk",
                "cases": [case("224 x 224, from the disk", 224, rivals, 900 * scale, "disk")],
            },
        ],
        "growth": [
            case(f"{axis} {value}", 224, rivals, (3000 + 10 * value) * scale)
            | {"axis": axis, "value": value}
            for axis, values in {"crop": (64, 224, 509), "threads": (1, 2)}.items()
            for value in values
        ],
    }
    return found | changes


def case(title: str, size: int, rivals: dict, rate: float, *limits: str) -> dict[str, Any]:
    n = 8 * 32 * size * size
    ours = [
        row("cloudio, 2 threads", "cloudio", rate, 1.0, n),
        row("cloudio, 1 thread", "cloudio", 0.6 * rate, 0.95, n),
    ]
    others = [row(name, "rival", rate * x, cpu, n) for name, (x, cpu, _) in rivals.items()]
    gone = {"name": "DALI", "kind": "rival", "status": WHY, "rounds": [], "note": ""}
    kinds = limits or ("copy", "pattern")
    return {
        "title": title,
        "size": [size, size],
        "n_bands": 13,
        "label": True,
        "batch_size": 32,
        "n_batches": 8,
        "threads": 2,
        "workers": 0,
        "cold": "disk" in kinds,
        "bytes_read": 27 * n,
        "bytes_written": 53 * n,
        "limits": [
            row(f"the {kind} loop", "limit", rate * (1.5 if kind == "copy" else 1.05), 0.9, n)
            | {"limit": kind}
            for kind in kinds
        ],
        "rows": [*others, gone, *ours],
    }


def row(name: str, kind: str, rate: float, cpu: float, pixels: int) -> dict[str, Any]:
    rounds = [
        {
            "seconds": 256 / (rate * noise),
            "cpu_seconds": cpu * pixels * 53 / 1e9,
            "samples": 256,
            "minor_faults": 12,
            "major_faults": 0,
            "read_bytes": 0,
            "waited": None,
        }
        for noise in (0.97, 1.0, 1.02)
    ]
    return {
        "name": name,
        "kind": kind,
        "status": "ran",
        "rounds": rounds,
        "pss_bytes": 150_000_000,
        "shm_bytes": 0,
        "answer": "exact",
        "threads": 2,
        "workers": 0,
        "note": "",
    }


def written(path: Path, found: dict[str, Any]) -> Path:
    path.write_text(json.dumps(found), encoding="utf-8")
    return path
