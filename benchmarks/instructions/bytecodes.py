"""Bytecodes that Python executes in cloudio's own modules."""

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import cloudio

ROOT = str(Path(cloudio.__file__).parent)


def python() -> str:
    """Return what executes them, such as "cpython-3.11"."""
    return f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}"


def count(call: Callable[[], object]) -> int:
    """Return the bytecodes of the second call."""
    call()
    n = 0

    def in_ours(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal n
        n += event == "opcode"
        return in_ours

    def called(frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(ROOT):
            return None
        frame.f_trace_opcodes = True
        return in_ours

    before = sys.gettrace()
    gc.collect()
    gc.disable()
    sys.settrace(called)
    try:
        call()
    finally:
        sys.settrace(before)
        gc.enable()
    return n
