"""Finds Lightning, which is installed under one of two names."""

import importlib
import re
import sys
from typing import Any

_NAMES = "lightning.pytorch", "pytorch_lightning"
#: Loops save and load the states of loaders from this version on.
_OLDEST = 2, 2


def find_lightning() -> Any:
    """Return Lightning's module, the one that the program has imported if there are two."""
    for name in sorted(_NAMES, key=lambda name: name not in sys.modules):
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name not in (name, name.partition(".")[0]):
                raise
            continue
        found = tuple(map(int, re.findall(r"\d+", module.__version__)[:2]))
        if found < _OLDEST:
            raise ImportError(
                f"cloudio.lightning needs Lightning >= 2.2; found {module.__version__}: "
                "pip install 'cloudio[lightning]'"
            )
        return module
    raise ImportError("cloudio.lightning needs Lightning: pip install 'cloudio[lightning]'")
