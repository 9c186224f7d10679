"""The arrays that one [[arrays]] of a TOML layout describes."""

from collections.abc import Mapping, Sequence
from typing import Any

from .._utils.numbers import is_whole
from .band import Band
from .toml_keys import ARRAY_KEYS
from .toml_table import Table


def read_arrays(table: Table) -> list[Band]:
    """Return the arrays of one [[arrays]]."""
    given = table.check(ARRAY_KEYS, ("dtype",))
    if ("name" in given) == ("names" in given):
        found = "both 'name' and 'names'" if "name" in given else "neither 'name' nor 'names'"
        raise table.error(f"[[arrays]] has {found}; it must have one of them", "names")
    several = "names" in given
    names: list[str] = given["names"] if several else [given["name"]]
    channels, numbers = _channels(table, given, names)
    cf_pair = {key: given[key] for key in ("scale_factor", "add_offset") if key in given}
    for key in ("scale", "offset"):
        if cf_pair and key in given:
            raise table.error(
                f"{key} and {' and '.join(cf_pair)}; give one pair: (x + offset) * scale, or "
                "x * scale_factor + add_offset",
                key,
            )
    scale = given.get("scale", 1.0)
    nodata = given.get("nodata")
    return [
        Band(
            name,
            kind=given.get("kind", "band"),
            dtype=given["dtype"],
            scale=None if scale == "unknown" else float(scale),
            nodata=None if nodata is None else float(nodata),
            wavelength=wavelength,
            offset=float(given.get("offset", 0)),
            file=given.get("file"),
            channel=number,
            channels=channels,
            unit=given.get("unit"),
            channel_axis=given.get("channel_axis", "first"),
            repeat=_pair(given.get("repeat", 1)),
            phase=_pair(given.get("phase", 0)),
            exceptions=given.get("exceptions"),
            **{key: float(number) for key, number in cf_pair.items()},
        )
        for name, wavelength, number in zip(
            names, _wavelengths(table, given, names), numbers, strict=True
        )
    ]


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _wavelengths(
    table: Table, given: Mapping[str, Any], names: Sequence[str]
) -> Sequence[float | None]:
    several = "names" in given
    key, wrong = ("wavelengths", "wavelength") if several else ("wavelength", "wavelengths")
    if wrong in given:
        message = f"{wrong} with {'names' if several else 'name'}; write {key}"
        raise table.error(message, wrong)
    if key not in given:
        return [None] * len(names)
    return list(
        map(float, _one_per_name(table, key, given[key] if several else [given[key]], names))
    )


def _channels(
    table: Table, given: Mapping[str, Any], names: Sequence[str]
) -> tuple[int | None, Sequence[int | None]]:
    """Return how many channels the file has, and which of them each array is."""
    stacked = given.get("stacked", "channel" in given or "channels" in given)
    if not stacked:
        for key in ("channel", "channels"):
            if key in given:
                raise table.error(f"{key} with stacked = false; only a stacked file has {key}", key)
        return None, [None] * len(names)
    if "channel" not in given:
        if "channels" in given and given["channels"] != len(names):
            raise table.error(
                f"channels = {given['channels']}, but there are {len(names)} names; add 'channel', "
                "the number of each",
                "channels",
            )
        numbers: Sequence[int] = range(len(names))
    else:
        if "channels" not in given:
            raise table.error("channel without channels; add 'channels', their number", "channel")
        numbers = given["channel"]
        numbers = _one_per_name(
            table, "channel", [numbers] if is_whole(numbers) else numbers, names
        )
    if len(names) > 1 and ("file" not in given or "{name}" in given["file"]):
        raise table.error("stacked names must be in one file; give a 'file' without {name}", "file")
    return given.get("channels", len(names)), numbers


def _one_per_name(table: Table, key: str, given: Any, names: Sequence[str]) -> Any:
    if len(given) != len(names):
        raise table.error(f"{key} has {len(given)} entries; there are {len(names)} names", key)
    return given
