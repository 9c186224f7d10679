"""What this machine is: its CPUs, and the facts that go with every measurement."""

import os
import platform
import sys
import sysconfig
from pathlib import Path

import numpy as np

from .._core import runtime
from .._version import __version__
from ..errors import RequestError
from . import tables
from .numbers import check_whole
from .threads import MOST_THREADS, default_threads, log_threads, what_may_change
from .warn import warn_once

# What the last default number of threads followed from, and the number.
_last: tuple[object, int] = (None, 0)


def resolve_threads(threads: int | None) -> int:
    """Return how many threads a read may use: ``threads``, or the default of `default_threads`."""
    global _last
    if threads is not None:
        return check_whole("threads", threads, 1, MOST_THREADS, needed="a whole number, 1 or more")
    # Asked for with each call of `cloudio.gather`. The log may be listened to only later.
    now = what_may_change(), "logging" in sys.modules
    before, n = _last
    if now != before:
        warn_about_variables()
        n, reason = default_threads()
        log_threads(n, reason)
        _last = now, n
    return n


def warn_about_variables() -> None:
    """Warn if the environment variable CLOUDIO_ISA is ignored, because it names nothing."""
    if runtime.ignored:
        warn_once("CLOUDIO_ISA", runtime.ignored)


def facts() -> dict[str, str]:
    """Return what this machine and this installation are, by name."""
    variables = [f"{name}={os.environ[name]}" for name in sorted(os.environ) if _is_ours(name)]
    return {
        "cloudio": __version__,
        "instruction set": f"{runtime.isa()} (this CPU has {', '.join(runtime.available())})",
        "threads": _default_threads(),
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


def _default_threads() -> str:
    try:
        return ", ".join(map(str, default_threads()))
    except RequestError as error:  # a wrong CLOUDIO_THREADS
        return str(error)


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
