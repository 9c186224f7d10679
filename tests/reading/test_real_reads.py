"""Reads of real patches equal numpy, bit for bit."""

from pathlib import Path

import numpy as np
import oracle
import pytest
from profiles import scaled
from reads import COUNTS

import cloudio


def real_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Every file of a split, opened as people do."""
    types = {"L1C": "<i2", "S1_": "<f4", "LAB": "u1"}
    return {
        path.stem: np.memmap(path, types[path.stem[:3]], "r").reshape(-1, 512, 512)
        for path in folder.glob("*.dat")
    }


# The card's codes, written out once more: an oracle that shares nothing with the package.
CARD = {
    "manual_hq": {0: 0, 1: 1, 2: 2, 3: 3},
    "manual_sc": {0: 0, 1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3},
    "fmask": {0: 0, 1: 0, 3: 0, 4: 1, 2: 3},
    "qa60": {0: 0},
    "s2cloudless": {code: int(code >= 40) for code in range(101)},
    "sen2cor": {2: 0, 4: 0, 5: 0, 6: 0, 11: 0, 8: 1, 9: 1, 10: 2, 3: 3},
    "cd_fcnn_rgbi": {code: int(code >= 50) for code in range(101)},
    "cd_fcnn_rgbi_swir": {code: int(code >= 50) for code in range(101)},
    "kappamask_L1C": {1: 0, 4: 1, 3: 2, 2: 3},
    "kappamask_L2A": {1: 0, 4: 1, 3: 2, 2: 3},
}
WINDOWS = {"the valid window": (509, (1, 1)), "the whole patch": (512, (0, 0))}


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@pytest.mark.parametrize(
    ("io", "where", "window"),
    [
        *(("mmap", split, window) for split in COUNTS for window in WINDOWS),
        *((io, "root", window) for io in ("mmap", "pread") for window in (*WINDOWS, "crops")),
    ][:: scaled(-2, -1)],  # the last one first: crops of all of them
)
def test_every_real_array_equals_numpy(realdata, io, where, window):
    dataset = cloudio.open(realdata if where == "root" else realdata / where, io=io)
    parts = [real_arrays(realdata / name) for name in dataset.splits]
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    bands = [name for name in arrays if not name.startswith("LABEL_")]
    rng = np.random.default_rng(7)
    if window in WINDOWS:
        requests_ = [(*WINDOWS[window], list(range(len(dataset))))]
    else:
        sizes = rng.integers(1, 300, scaled(30, 100))
        requests_ = [
            (int(s), tuple(rng.integers(0, 513 - s, 2).tolist()), [int(rng.integers(len(dataset)))])
            for s in sizes
        ]
    scales = [1.0 if name.startswith("S1_") else 1e-4 for name in bands]
    valid = cloudio.Window(1, 1, 509, 509)
    for size, origin, index in requests_:
        reader = dataset.reader(bands, [f"LABEL_{name}" for name in CARD], size=size)
        got = reader.read(index, origin)
        origins = [origin] * len(index)
        wanted = oracle.image(
            [arrays[name] for name in bands], index, origins, (size, size), scales, [0.0] * 99
        )
        assert oracle.same_bits(got.image, wanted)
        for k, (name, classes) in enumerate(CARD.items()):
            wanted = oracle.label(
                arrays[f"LABEL_{name}"], index, origins, (size, size), classes, valid, 255, "u1"
            )
            assert oracle.same_bits(np.ascontiguousarray(got.label[:, k]), wanted), name


@pytest.fixture(scope="module")
def normalized(realdata):
    """What is asked of every patch, and numpy's image in float32, mask and label."""
    mini = cloudio.open(realdata)
    parts = [real_arrays(realdata / name) for name in mini.splits]
    n, rng = len(mini), np.random.default_rng(5)
    mean, std = rng.uniform(-1, 1, 16), rng.uniform(0.1, 3, 16)
    turned = [1, 7, 4, 2, 0, 5][:n]
    bands = mini.reader(["L1C", "S1"]).bands
    arrays = [np.concatenate([part[name] for part in parts]) for name in bands]
    nodata = [None] * 13 + [-99.0] * 3
    where = range(n), [(0, 0)] * n, (512, 512)
    scale = np.array([1e-4] * 13 + [1.0] * 3)
    image = oracle.image(
        arrays, *where, scale / std, -mean / std, clip=(-40, 40), nodata=nodata, fill=0,
        symmetries=turned,
    )  # fmt: skip
    window = cloudio.Window(1, 1, 509, 509)
    mask = oracle.valid(arrays, *where, window, nodata, turned)
    stripe = (arrays[13][:, 1:510, 1:510] == -99).sum()
    assert mask.size - mask.sum() == n * (512**2 - 509**2) + stripe > n * (512**2 - 509**2)
    codes = np.concatenate([part["LABEL_manual_hq"] for part in parts])
    label = oracle.label(codes, *where, CARD["manual_hq"], window, 255, "u1")
    label = np.stack([oracle.orient(plane, s) for plane, s in zip(label, turned, strict=True)])
    return {"mean": mean, "std": std}, turned, image, mask, label


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_real_optics_and_radar_in_one_normalized_tensor(realdata, normalized, io, dtype, layout):
    """Filled, normalized, turned, rounded and interleaved, all of the stored patch."""
    scaling, turned, image, mask, label = normalized
    reader = cloudio.open(realdata, io=io).reader(
        ["L1C", "S1"], "manual_hq", size=512, **scaling, clip=(-40, 40), fill=0, dtype=dtype,
        layout=layout, valid=True,
    )  # fmt: skip
    wanted = image.astype(reader.dtype)
    if layout == "NHWC":
        wanted = np.ascontiguousarray(wanted.transpose(0, 2, 3, 1))
    batch = reader.read(range(len(reader)), symmetry=turned)
    assert oracle.same_bits(batch.image, wanted)
    assert oracle.same_bits(batch.valid, mask)
    assert np.array_equal(batch.label, label)
