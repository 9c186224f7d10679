"""What this machine is: its CPUs, and the facts that go with every measurement."""

import os
import platform
import sys
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np

from .._core import runtime
from .._version import __version__
from . import tables
from .numbers import check_whole


def resolve_threads(threads: int | None) -> int:
    """Return how many threads a read may use: ``threads``, or CLOUDIO_THREADS, or one per CPU."""
    name = "threads"
    value: Any = threads
    if threads is None:
        name = "CLOUDIO_THREADS"
        variable = os.environ.get(name)
        if not variable:
            return available_cpus()
        value = int(variable) if variable.isdecimal() else variable
    return check_whole(name, value, 1, 2**31 - 1, needed="a whole number, 1 or more")


def available_cpus() -> int:
    """Return how many CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def facts() -> dict[str, str]:
    """Return what this machine and this installation are, by name."""
    variables = [f"{name}={os.environ[name]}" for name in sorted(os.environ) if _is_ours(name)]
    return {
        "cloudio": __version__,
        "instruction set": f"{runtime.isa()} (this CPU has {', '.join(runtime.available())})",
        "threads": f"{available_cpus()}, the CPUs this process may use",
        "variables": ", ".join(variables) or "no CLOUDIO_* is set",
        "Python": f"{platform.python_version()}, {platform.python_implementation()}, {_gil()}",
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.release()}, {_c_library()}",
        "CPU": f"{_cpu_model()}, {platform.machine()}",
    }


def describe() -> str:
    """Return the facts as aligned lines."""
    return tables.text(list(facts().items()))


def _is_ours(variable: str) -> bool:
    return variable.startswith("CLOUDIO_")


def _gil() -> str:
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "with the GIL"
    enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    return f"free-threaded build, GIL {'enabled' if enabled else 'disabled'}"


def _c_library() -> str:
    name = " ".join(filter(None, platform.libc_ver()))
    musl = "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "")
    return name or ("musl" if musl else "C library unknown")


def _cpu_model() -> str:
    """Return the model as the system names it; some name only the family, or nothing."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "CPU unknown"
