"""Benchmarks of own data: bands of any type, labels whose policies have any name."""

import json

import numpy as np
import pytest

import cloudio
from cloudio import Band, LabelMap, Layout, RequestError, Window
from cloudio.bench import cold, train, warm, workload
from cloudio.cli import main
from cloudio.layouts.toml_writer import to_toml

SIDE, N = 40, 4
FIELDS = LabelMap.from_fields([{"bits": [14, 15], "equals": 3, "class": 2}], unlisted=0)


def write(path, bands, maps=None, **entries):
    """Write a data set with random numbers, NaN and infinities, and the file of its layout."""
    rng, layout = np.random.default_rng(0), None
    path.mkdir(exist_ok=True)
    for band in bands:
        numbers = rng.integers(0, 200, (N, SIDE, SIDE))
        array = (numbers * (1 if "8" in band.dtype else 327)).astype(band.dtype)
        if band.dtype == "float32":
            array[:, 3, :3] = np.nan, np.inf, -np.inf
        array.tofile(path / f"{band.name}.dat")
    valid = Window(0, 0, SIDE, SIDE)
    layout = Layout("Own", (SIDE, SIDE), valid, tuple(bands), label_maps=maps or {}, **entries)
    (path / "own.toml").write_text(to_toml(layout))
    return layout


TYPES = [
    (Band("a", dtype="uint16", scale=1e-4), Band("b", dtype="uint16", scale=1e-4)),
    (Band("a", dtype="uint8", scale=1 / 255),),
    (Band("a", dtype="int8", scale=0.5, offset=3),),
    (Band("a", dtype="float32", unit="dB"), Band("b", dtype="float32", scale=2.75e-5)),
    (Band("a", dtype="int16", scale=None), Band("b", dtype="uint8"), Band("c", dtype="float32")),
]


@pytest.mark.parametrize("bands", TYPES, ids=lambda bands: "-".join(b.dtype for b in bands))
def test_bands_of_any_type_are_timed(tmp_path, bands, capsys):
    write(tmp_path, bands)
    options = ["--layout", str(tmp_path / "own.toml"), "--rounds", "1", "--json"]
    assert main(["bench", str(tmp_path), *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bands"] == [band.name for band in bands]
    assert {row["answer"] for row in found["cases"][0]["rows"]} == {"exact", "within 1 ulp"}


@pytest.mark.parametrize("bands", TYPES, ids=lambda bands: "-".join(b.dtype for b in bands))
def test_bands_of_any_type_are_timed_for_a_consumer(tmp_path, bands, few_batches):
    write(tmp_path, bands)
    report = train.run(tmp_path, layout=tmp_path / "own.toml", rounds=1, size=16, batch_size=2)
    assert report["bands"] == tuple(band.name for band in bands)


def test_bands_of_any_type_are_timed_from_the_disk(cold_folder, no_torch, one_depth):
    folder = cold_folder.parent / "own"
    write(folder, TYPES[-1])
    report = cold.run(folder, layout=folder / "own.toml", rounds=1)
    assert report["bands"] == ("a", "b", "c")


def test_channels_that_are_last_are_timed(cold_folder, no_torch, one_depth):
    folder = cold_folder.parent / "last"
    folder.mkdir()
    stack = {"dtype": "uint8", "file": "x.npy", "channels": 3, "channel_axis": "last"}
    bands = tuple(Band(name, channel=k, **stack) for k, name in enumerate("abc"))
    layout = Layout("Own", (SIDE, SIDE), Window(0, 0, SIDE, SIDE), bands)
    np.save(folder / "x.npy", np.random.default_rng(0).integers(0, 9, (N, SIDE, SIDE, 3), "u1"))
    (folder / "own.toml").write_text(to_toml(layout))
    for room in (cold, warm):
        report = room.run(folder, layout=folder / "own.toml", rounds=1)
        assert report["bands"] == ("a", "b", "c")


def test_bands_that_are_repeated_are_left_out(tmp_path, capsys):
    bands = [Band("a", dtype="int16", repeat=2), Band("b", dtype="uint8"), Band("c", repeat=3)]
    layout = write(tmp_path, bands)
    for band in bands:
        shape = (N, *layout.stored_size(band))
        np.ones(shape, band.dtype).tofile(tmp_path / f"{band.name}.dat")
    report = warm.run(tmp_path, layout=tmp_path / "own.toml", rounds=1)
    assert report["bands"] == ("b",)
    assert "1 band (b), without those that have a repeat" in str(report)
    ds = cloudio.open(tmp_path, layout=layout)
    with pytest.raises(cloudio.RequestError, match="a has a repeat, so numpy has no view"):
        workload.Workload(ds, ["b", "a"], None, (8, 8), 1)
    (tmp_path / "b.dat").unlink()
    with pytest.raises(
        cloudio.RequestError, match=r"every band of .* has a repeat; benchmarks need"
    ):
        workload.bands_of(cloudio.open(tmp_path, layout=layout))


@pytest.mark.parametrize(
    ("label_map", "timed"),
    [
        (LabelMap({0: 0, 1: 1}, unlisted=2), True),
        (LabelMap.threshold(40), True),
        (FIELDS, True),
        (LabelMap({0: -1}), False),  # a byte cannot hold it
        (LabelMap({0: 254}), False),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_the_first_policy_of_a_label_is_timed_whatever_its_name(tmp_path, label_map, timed, dtype):
    maps = {"mask": {"of my own": label_map, "other": LabelMap({})}}
    write(tmp_path, [Band("a", dtype="float32"), Band("mask", "label", dtype)], maps)
    report = warm.run(tmp_path, layout=tmp_path / "own.toml", rounds=1)
    assert report["label"] == ("mask" if timed else None)
    assert ("; label mask\n" if timed else "; no label with a map\n") in str(report)


def test_the_first_complete_preset_is_read(tmp_path):
    bands = [Band(name, dtype="uint16") for name in "abc"]
    layout = write(tmp_path, bands, presets={"lost": (("a", "z"),), "two": (("c", "b"),)})
    assert workload.bands_of(cloudio.open(tmp_path, layout=layout)) == ("c", "b")


def test_of_many_bands_without_a_preset_the_first_are_read_and_this_is_said(tmp_path):
    bands = [Band(f"H{k:03d}", dtype="uint8") for k in range(20)]
    layout = write(tmp_path, bands)
    ds = cloudio.open(tmp_path, layout=layout)
    chosen = workload.bands_of(ds)
    assert chosen == tuple(f"H{k:03d}" for k in range(13))
    assert workload.which_bands(ds, chosen).endswith("H012), the first of 20")


def test_a_layout_without_data_is_refused(tmp_path, capsys):
    assert main(["bench", "--layout", "own.toml"]) == 2
    assert "--layout needs a data set; give its PATH" in capsys.readouterr().err


def test_only_labels_are_nothing_to_time(tmp_path):
    write(tmp_path, [Band("mask", "label", "uint8")])
    with pytest.raises(RequestError, match="has no bands; it has only labels: mask"):
        warm.run(tmp_path, layout=tmp_path / "own.toml", rounds=1)
