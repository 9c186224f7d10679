"""Stacked files whose channels lie on another side than the layout says."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from clean import found_checks

import cloudio
from cloudio import Band, Layout, Window

SIDE = 64


def scene(n_patches, n_channels, dtype, seed=0):
    """Hills of several sizes with some noise, (patch, channel, row, column); channels differ."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    found = np.zeros((n_patches, n_channels, SIDE, SIDE))
    for patch in found:
        waves = rng.uniform(0.05, 0.25, (6, 2))
        hills = sum(np.sin(a * y + b * x + 9 * a) for a, b in waves)
        for k in range(n_channels):
            patch[k] = 900 + 310 * k + rng.uniform(60, 90) * hills + rng.normal(0, 6, hills.shape)
    return (found / 60).astype(dtype) if dtype in ("uint8", "int8") else found.astype(dtype)


def layout_of(pixels, last, kind="band", file="x.dat"):
    n_channels = min(pixels.shape[1:])
    bands = [
        Band(f"b{k}", kind, pixels.dtype.name, file=file, channel=k, channels=n_channels, unit="m")
        for k in range(n_channels)
    ]
    bands = [Band(**{**fields_of(b), "channel_axis": "last" if last else "first"}) for b in bands]
    return Layout("Own", (SIDE, SIDE), Window(0, 0, SIDE, SIDE), tuple(bands))


def fields_of(band):
    names = "name", "kind", "dtype", "file", "channel", "channels", "unit"
    return {name: getattr(band, name) for name in names}


def verified(folder, pixels, last, **options):
    """The checks that are reported of a flat file of these pixels, read as one or the other."""
    folder.mkdir(exist_ok=True)
    pixels.tofile(folder / "x.dat")
    report = cloudio.verify(folder, layout=layout_of(pixels, last, **options))
    return [finding for finding in found_checks(report) if finding[0] != "ambiguous"]


@pytest.mark.parametrize("n_channels", [2, 3, 4, 13])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_channels_on_the_other_side_are_found(tmp_path, n_channels, dtype):
    first = scene(4, n_channels, dtype)
    last = np.ascontiguousarray(np.moveaxis(first, 1, -1))
    defect = [("channels", tmp_path.name, "x.dat", (0, 1, 2, 3))]
    assert verified(tmp_path, first, last=False) == []
    assert verified(tmp_path, last, last=True) == []
    assert verified(tmp_path, last, last=False) == defect
    assert verified(tmp_path, first, last=True) == defect


def test_channels_of_lower_resolution_are_judged_as_they_are_stored(tmp_path):
    first = scene(3, 3, "uint16")
    last = np.ascontiguousarray(np.moveaxis(first, 1, -1))
    for pixels, is_last, n in ((first, False, 0), (last, True, 0), (last, False, 1)):
        bands = [replace(band, repeat=2, phase=1) for band in layout_of(pixels, is_last).bands]
        layout = Layout("Own", (128, 128), Window(1, 1, 126, 126), tuple(bands))
        pixels.tofile(tmp_path / "x.dat")
        checks = [finding.check for finding in cloudio.verify(tmp_path, layout=layout).findings]
        assert checks == ["channels"] * n


def test_the_message_says_what_to_write(tmp_path):
    last = np.ascontiguousarray(np.moveaxis(scene(3, 3, "uint16"), 1, -1))
    last.tofile(tmp_path / "x.dat")
    (finding,) = cloudio.verify(tmp_path, layout=layout_of(last, False)).findings
    assert finding.message == (
        "read with the channels first, but the pixels look like channels that are last"
    )
    assert finding.advice == 'write channel_axis = "last" for its arrays into the layout'
    (tmp_path / "x.dat").unlink()
    np.save(tmp_path / "x.npy", last.reshape(3, 3, SIDE, SIDE))
    layout = layout_of(last, False, file="x.npy")
    (finding,) = cloudio.verify(tmp_path, layout=layout).findings
    assert finding.advice.startswith("it was reshaped, not transposed: save it again, numpy.moveax")


def patterns():
    """Pixels, (patch, channel, row, column), in which neighbors are not the most alike."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:SIDE, :SIDE]
    shape = 3, 3, SIDE, SIDE
    yield "noise", rng.integers(0, 9999, shape)
    yield "numbers of few bits", rng.integers(0, 2, shape)
    for period in (2, 3, 6):
        yield f"columns of period {period}", np.broadcast_to(99 * (x % period), shape)
        yield f"rows of period {period}", np.broadcast_to(99 * (y % period), shape)
        yield f"squares of period {period}", np.broadcast_to(99 * ((x + y) % period), shape)
    yield "a gray picture", np.repeat(scene(3, 1, "uint16"), 3, 1)
    yield "rows that differ", np.broadcast_to(rng.integers(0, 999, (SIDE, 1)), shape)
    yield "columns that differ", np.broadcast_to(rng.integers(0, 999, (1, SIDE)), shape)
    yield "one bright pixel", 500 * (np.arange(np.prod(shape)).reshape(shape) == 5000)
    yield "one number", np.full(shape, 7)
    yield (
        "half of the patches are noise",
        np.concatenate([scene(2, 3, "uint16"), rng.integers(0, 9999, (1, 3, SIDE, SIDE))]),
    )


@pytest.mark.parametrize("name", dict(patterns()))
def test_patterns_give_no_finding(tmp_path, name):
    first = np.ascontiguousarray(dict(patterns())[name], "uint16")
    last = np.ascontiguousarray(np.moveaxis(first, 1, -1))
    for pixels, is_last in ((first, False), (last, True)):
        assert "channels" not in {each[0] for each in verified(tmp_path, pixels, is_last)}


def test_labels_and_small_patches_are_not_judged(tmp_path):
    last = np.ascontiguousarray(np.moveaxis(scene(3, 3, "uint8"), 1, -1))
    found = verified(tmp_path, last, False, kind="label")
    assert "channels" not in {each[0] for each in found}


def test_real_patches_are_told_apart(mini, tmp_path):
    names = [name for name in mini.names if name.startswith("L1C")]
    pairs = [*itertools.combinations(names, 2)][::9]
    groups = [names, names[1:4], names[4:8], *pairs, ["S1_VV", "S1_VH"]]
    for names in groups:
        for split in mini.splits:
            part = mini.split(split)
            first = np.stack([part[name] for name in names], 1)[..., 100:164, 150:214]
            first = np.ascontiguousarray(first)
            last = np.ascontiguousarray(np.moveaxis(first, 1, -1))
            for pixels, stored, read in itertools.product((first, last), (0, 1), (0, 1)):
                if (pixels is last) != bool(stored):
                    continue
                found = verified(tmp_path, pixels, bool(read))
                has = "channels" in {each[0] for each in found}
                # Where pixels are repeated, every second is no neighbor of its own.
                is_judged = stored or names in (groups[1], groups[-1])
                assert not has if stored == read else has or not is_judged, (names, split, stored)
