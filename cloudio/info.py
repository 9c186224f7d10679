"""What a bug report needs: this machine, and what a data set holds, as lines for people.

The facts of `facts` go into every benchmark's results as well.
"""

import os
import platform
import sys
import sysconfig
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from . import __version__, _kernels
from .dataset import Dataset, open
from .request import available_cpus


def facts() -> dict[str, str]:
    """What this machine and this installation are, one line each."""
    variables = [f"{name}={os.environ[name]}" for name in sorted(os.environ) if _is_ours(name)]
    return {
        "cloudio": __version__,
        "instruction set": f"{_kernels.isa()} (this CPU has {', '.join(_kernels.available())})",
        "threads": f"{available_cpus()}, the CPUs this process may use",
        "variables": ", ".join(variables) or "no CLOUDIO_* is set",
        "Python": f"{platform.python_version()}, {platform.python_implementation()}, {_gil()}",
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.release()}, {_c_library()}",
        "CPU": f"{_cpu_model()}, {platform.machine()}",
    }


def machine() -> str:
    """The facts as aligned lines."""
    return table(list(facts().items()))


def dataset(path: str | os.PathLike[str]) -> str:
    """What `cloudio.open` finds at ``path``: splits, arrays, geometry, and all that is unusual.

    Raises what `cloudio.open` raises.
    """
    whole = open(path)
    parts = {name: whole.split(name) for name in whole.splits}
    arrays = _arrays(list(parts.values()))
    height, width = whole.layout.patch
    valid = whole.valid_window
    total = sum(n_bytes for *_, n_bytes in arrays)
    return "\n".join(
        [
            f"{whole.path}: {whole.layout.name}, {len(whole):,} patches, "
            f"{len(arrays)} arrays, {_gigabytes(total)} GB",
            f"patches of {height} x {width}; valid window {valid.height} x {valid.width} "
            f"from ({valid.row}, {valid.col})",
            "",
            table([("split", "patches", "metadata", "folder"), *map(_split, parts.items())], {1}),
            "",
            table(
                [("array", "kind", "stored", "scale", "GB")]
                + [(*words, _gigabytes(n_bytes)) for *words, n_bytes in arrays],
                {3, 4},
            ),
            "",
            *(whole.warnings or ["no warnings"]),
        ]
    )


def table(rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """Rows as lines with aligned columns, the columns ``numbers`` flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            word.rjust(width) if k in numbers else word.ljust(width)
            for k, (word, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _split(part: tuple[str, Dataset]) -> tuple[str, str, str, str]:
    name, split = part
    columns = f"{len(split.metadata)} columns" if split.metadata else "none"
    folder: Path = split.sources(split.names[0])[0].path.parent
    return name, f"{len(split):,}", columns, os.fspath(folder)


def _arrays(parts: Sequence[Dataset]) -> list[tuple[str, str, str, str, int]]:
    """Name, kind, stored type, scale and bytes of every array that any split has."""
    found: list[tuple[str, str, str, str, int]] = []
    for name in dict.fromkeys(name for part in parts for name in part.names):
        having = [part for part in parts if name in part.names]
        band = having[0].band(name)
        stored = "/".join(dict.fromkeys(part.dtype(name).name for part in having))
        scale = "-" if band.kind == "label" else "unknown" if band.scale is None else band.scale
        n_bytes = sum(
            len(part) * part.layout.patch[0] * part.layout.patch[1] * part.dtype(name).itemsize
            for part in having
        )
        shown = f"{scale:g}" if isinstance(scale, float) else scale
        found.append((name, band.kind, stored, shown, n_bytes))
    return found


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.3f}"


def _is_ours(variable: str) -> bool:
    return variable.startswith("CLOUDIO_")


def _gil() -> str:
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "with the GIL"
    enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    return f"free-threaded build, GIL {'enabled' if enabled else 'disabled'}"


def _c_library() -> str:
    named = " ".join(filter(None, platform.libc_ver()))
    musl = "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "")
    return named or ("musl" if musl else "C library unknown")


def _cpu_model() -> str:
    """The model as the system names it, where it does; on some it is only a family."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "CPU unknown"
