"""The public names of cloudio: every class, function, method and property."""

import importlib.util
import inspect
from functools import cached_property
from types import FunctionType, ModuleType
from typing import Any

import cloudio
import cloudio.splits
import cloudio.stats

MODULES = [cloudio, cloudio.splits, cloudio.stats]
for room, extra in {"plot": "matplotlib", "torch": "torch", "lightning": "lightning"}.items():
    if importlib.util.find_spec(extra) is not None:
        MODULES.append(getattr(cloudio, room))

PROPERTIES = property, cached_property
#: Methods with a meaning for people although their names begin with an underscore.
SPECIAL = {"__call__", "__getitem__", "__getitems__", "__iter__", "__len__"}


def public_name(module: ModuleType) -> str:
    """Return the name by which people reach a module."""
    return module.__name__.replace(".integrations.", ".")


def own_constructor(cls: type) -> bool:
    return "__init__" in vars(cls) or "__new__" in vars(cls)


def members(cls: type) -> dict[str, Any]:
    """Return the public methods and properties that cloudio defines."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("cloudio"):
            found |= vars(base)
    kinds = FunctionType, classmethod, staticmethod, *PROPERTIES
    return {
        name: getattr(cls, name) if isinstance(member, (classmethod, staticmethod)) else member
        for name, member in found.items()
        if (not name.startswith("_") or name in SPECIAL) and isinstance(member, kinds)
    }


def public() -> dict[str, Any]:
    """Return every public class, function, method and property by its full name."""
    found: dict[str, Any] = {}
    for module in MODULES:
        for name in module.__all__:
            entry = getattr(module, name)
            if not callable(entry) or entry in found.values():
                continue
            full = f"{public_name(module)}.{name}"
            found[full] = entry
            if inspect.isclass(entry):
                found |= {f"{full}.{each}": member for each, member in members(entry).items()}
    return found


PUBLIC = public()
