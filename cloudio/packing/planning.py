"""A plan from some samples: names, types and files of the arrays."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._utils.numbers import is_finite, is_real
from .._utils.text import listed, suggest
from ..errors import RequestError
from ..layouts.band import DTYPES, Band
from ..layouts.band_checks import can_hold
from ..layouts.layout import Layout
from .conversion import LossError, choose_type, convert
from .plan import PackedArray, Plan, name_files
from .sample import ArrayInfo, LeftOut, Sample, Source, describe_error

# Samples that are read before anything is written.
_N_FIRST = 16


@dataclass(frozen=True)
class Choices:
    """What the caller decides about arrays: a value for each, by name.

    There may be one for all bands, under "".
    """

    dtypes: Mapping[str, str]
    scale: Mapping[str, float]
    nodata: Mapping[str, float]
    layout: Layout | None
    stack: bool
    flat: bool
    lossy: bool


def first_samples(source: Source, *, skip_errors: bool) -> tuple[dict[int, Sample], float]:
    """Return some samples of a source by their numbers, and the seconds that one took.

    RequestError if there is none.  With ``skip_errors`` those that cannot be read are no samples.
    """
    n = len(source)
    spread = np.unique(np.linspace(0, n - 1, min(n, _N_FIRST)).round().astype(int)).tolist()
    found: dict[int, Sample] = {}
    why = "there are none"

    def read(k: int) -> None:
        nonlocal why
        try:
            found[k] = source.read(k)
        except LeftOut as reason:
            why = f"all are left out, the last because: {reason}"
        except Exception as error:
            if not skip_errors:
                raise describe_error(error, source.name_of(k)) from None
            why = f"none can be read: {describe_error(error, source.name_of(k))}"

    start = time.perf_counter()
    for k in spread:
        read(k)
    seconds = time.perf_counter() - start
    for k in range(n):
        if found:
            break
        read(k)
    if not found:
        raise RequestError(f"there is no sample to pack: {why}")
    return found, seconds / len(spread)


def make_plan(samples: Mapping[str, Sample], choices: Choices) -> Plan:
    """Return the plan for samples like these, completed with the choices, by their names.

    RequestError, which names a sample, if they do not agree, or an array cannot be stored.
    """
    name, first = next(iter(samples.items()))
    patch = np.shape(next(iter(first.arrays.values())))
    _check_names(first.arrays, choices)
    for array, pixels in first.arrays.items():
        if pixels.shape != patch:
            raise RequestError(
                f"{name}: {array} has {pixels.shape[0]} x {pixels.shape[1]} pixels, but "
                f"{next(iter(first.arrays))} has {patch[0]} x {patch[1]}; "
                "resample='nearest' (--resample nearest) repeats the pixels of coarser bands"
            )
    arrays = [_array(array, samples, choices) for array in first.arrays]
    named = name_files(arrays, stack=choices.stack, flat=choices.flat)
    plan = Plan(named, (patch[0], patch[1]), choices.flat, choices.lossy)
    for each, sample in samples.items():
        try:
            plan.planes(sample)
        except RequestError as error:
            raise describe_error(error, each) from None
    return plan


def complete(sample: Sample, choices: Choices) -> Sample:
    """Return a sample whose infos are those of the files with the choices of the caller."""
    infos = {
        name: _choose(name, sample.infos.get(name, ArrayInfo()), choices) for name in sample.arrays
    }
    return Sample(sample.arrays, infos, sample.attributes)


class ChosenSource:
    """A source whose samples are completed with the choices of the caller."""

    def __init__(self, source: Source, choices: Choices) -> None:
        self._source, self._choices = source, choices
        self.in_threads = source.in_threads
        self.task_size = getattr(source, "task_size", None)

    def __len__(self) -> int:
        return len(self._source)

    def name_of(self, k: int) -> str:
        return self._source.name_of(k)

    def split_of(self, k: int) -> str:
        return self._source.split_of(k)

    def digest(self) -> str:
        return self._source.digest()

    def read(self, k: int) -> Sample:
        return complete(self._source.read(k), self._choices)

    def label_names(self) -> Mapping[str, Mapping[int, str]]:
        return self._source.label_names()

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """What the source has left out before it is read, with the reasons."""
        return tuple(getattr(self._source, "left_out", ()))

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of what is packed."""
        return tuple(getattr(self._source, "notes", ()))

    def summary(self) -> list[str]:
        """Return how the source puts samples together, if it says that, and its notes."""
        summary = getattr(self._source, "summary", list)
        return [*summary(), *self.notes]


def _check_names(arrays: Iterable[str], choices: Choices) -> None:
    """Raise RequestError if a choice is about an array that is not there."""
    names = list(arrays)
    for option in ("dtypes", "scale", "nodata"):
        for name in getattr(choices, option):
            if name and name not in names:
                raise RequestError(
                    f"{option}: there is no array {name!r}; the samples have {listed(names)}"
                    f"{suggest(name, names)}. Without a name it is for all bands"
                )
    for name, number in choices.scale.items():
        if not (is_finite(number) and number):
            raise RequestError(
                f"scale={number!r} of {name or 'all bands'}; it must be a number other than 0"
            )


def _choose(name: str, info: ArrayInfo, choices: Choices) -> ArrayInfo:
    if choices.layout is not None:
        info = _from_layout(_find_band(name, choices.layout), info)
    if info.kind == "band" or name in choices.scale:
        scale = choices.scale.get(name, choices.scale.get(""))
        if scale is not None:
            info = replace(info, scale_factor=float(scale))
    nodata = choices.nodata.get(name, choices.nodata.get("") if info.kind == "band" else None)
    return info if nodata is None else replace(info, nodata=float(nodata))


def _find_band(name: str, layout: Layout) -> Band:
    for band in layout.bands:
        if band.name == name:
            return band
    names = [band.name for band in layout.bands]
    raise RequestError(
        f"the layout {layout.name} has no array {name!r}; it has {listed(names)}"
        f"{suggest(name, names)}"
    )


def _from_layout(band: Band, info: ArrayInfo) -> ArrayInfo:
    info = replace(info, kind=band.kind, unit=band.unit, wavelength=band.wavelength)
    if info.nodata is None:
        info = replace(info, nodata=band.nodata)
    factors = band.factors
    if factors is None or factors == (1.0, 0.0):
        return info
    return replace(info, scale_factor=factors[0], add_offset=factors[1] or None)


def _array(name: str, samples: Mapping[str, Sample], choices: Choices) -> PackedArray:
    """Return an array and its types."""
    where, sample = next(iter(samples.items()))
    info = sample.infos[name]
    pixels = [each.arrays[name] for each in samples.values() if name in each.arrays]
    source = pixels[0].dtype.newbyteorder("=").name
    alike = [each for each in pixels if each.dtype.newbyteorder("=").name == source]
    every = choices.dtypes.get("") if info.kind == "band" else None
    stored = choices.dtypes.get(name, every)
    if stored is None:
        stored = choose_type(info.kind, alike, lossy=choices.lossy)
        if stored is None:
            raise RequestError(f"{where}: {_no_type(name, info.kind, source, alike)}")
    elif stored not in DTYPES:
        raise RequestError(
            f"dtypes: {name} is to be {stored!r}; it must be one of {listed(DTYPES)}"
            f"{suggest(stored, DTYPES)}"
        )
    nodata = info.nodata
    if nodata is not None and (not is_real(nodata) or not can_hold(stored, nodata)):
        raise RequestError(
            f"{where}: {name} has nodata {nodata}, which {stored} cannot hold; give the number "
            "that its pixels have with nodata= (--nodata), or another type with dtypes= (--dtype)"
        )
    return PackedArray(name, info, source, stored, "")


def _no_type(name: str, kind: str, source: str, pixels: Sequence[np.ndarray]) -> str:
    """Return why no stored type holds an array."""
    if kind == "label":
        nan = any(np.isnan(each).any() for each in pixels if each.dtype.kind == "f")
        what = "has NaN" if nan else "has fractions or numbers beyond 16 bits"
        return f"{name} is {source} and {what}; labels must be whole numbers of 8 or 16 bits"
    for each in pixels:
        try:
            convert(each, np.dtype("float32"))
        except LossError as error:
            row, col = error.where
            return (
                f"{name} is {source} and has {error.number!r} at row {row}, column {col}, which "
                "float32 cannot hold exactly; lossy=True (--lossy) rounds it"
            )
    return f"{name} is {source}; cloudio stores {listed(DTYPES)}: choose one with dtypes= (--dtype)"
