"""What this machine is: CPUs, threads to use, and the facts that go with every measurement."""

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

# ---- threads -------------------------------------------------------------------------------------


def resolve_threads(threads: int | None) -> int:
    """How many threads a read may use: as told, or by CLOUDIO_THREADS, or one per CPU."""
    said = "threads"
    given: Any = threads
    if given is None:
        said = "CLOUDIO_THREADS"
        given = os.environ.get(said) or available_cpus()
        if isinstance(given, str) and given.isdecimal():
            given = int(given)
    return check_whole(said, given, 1, 2**31 - 1, needed="a whole number from 1 on")


def available_cpus() -> int:
    """How many CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def facts() -> dict[str, str]:
    """What this machine and this installation are, one line each."""
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
    """The facts as aligned lines."""
    return tables.text(list(facts().items()))


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
