"""Results are saved and loaded, bit for bit."""

import json

import numpy as np
import pytest
from counted_set import every_result

import cloudio
from cloudio import Band, Layout, RequestError, Window, stats


def test_a_loaded_result_equals_the_saved_one_bit_for_bit(data, tmp_path):
    ds, _ = data
    for k, result in enumerate(every_result(ds)):
        result.save(tmp_path / f"{k}.json")
        back = stats.load(tmp_path / f"{k}.json")
        assert type(back) is type(result)
        assert back == result
        assert str(back) == str(result)
        json.loads((tmp_path / f"{k}.json").read_text(), parse_constant=pytest.fail)
    stats.bands(ds, "i16").save(tmp_path / "0.json")  # over one of ours
    bands = stats.load(tmp_path / "0.json")
    assert bands.mean.tobytes() == stats.bands(ds, "i16").mean.tobytes()
    assert bands != result


def test_nan_and_infinity_are_saved(tmp_path):
    layout = Layout("One", (4, 4), Window(0, 0, 4, 4), (Band("x", dtype="float32"),))
    array = np.arange(32, dtype="f4").reshape(2, 4, 4)
    array[0, 0, 0] = np.inf
    array.tofile(tmp_path / "x.dat")
    ds = cloudio.open(tmp_path, layout=layout)
    for found in (stats.bands(ds, "x"), stats.bands(ds.subset([]), "x", percentiles=())):
        found.save(tmp_path / "found.json")
        back = stats.load(tmp_path / "found.json")
        assert np.array_equal(back.mean, found.mean, equal_nan=True)
        assert np.array_equal(back.std, found.std, equal_nan=True)
        assert back.percentiles.shape == found.percentiles.shape
        assert back.percentiles.dtype == np.float64


def test_results_of_a_layout_with_numbers_of_numpy_are_saved(tmp_path):
    side, scale = np.int64(8), np.float32(0.1)
    bands = (Band("x", scale=scale, nodata=np.int16(3)), Band("y", "label", dtype="uint8"))
    layout = Layout("Numpy", (side, side), Window(side - side, 0, side, side), bands)
    np.arange(128, dtype="i2").tofile(tmp_path / "x.dat")
    np.arange(128, dtype="u1").tofile(tmp_path / "y.dat")
    ds = cloudio.open(tmp_path, layout=layout)
    for found in (stats.bands(ds, "x"), stats.classes(ds, {"y": {np.int8(1): np.int8(0)}})):
        found.save(tmp_path / "found.json")
        assert stats.load(tmp_path / "found.json") == found
    cloudio.verify(ds, progress=False).save(tmp_path / "report.json")
    assert cloudio.Report.load(tmp_path / "report.json").splits == {tmp_path.name: 2}


def test_only_files_with_statistics_are_replaced(data, tmp_path):
    found = stats.classes(data[0], "hq")
    path = tmp_path / "L1C_B4.dat"
    path.write_bytes(b"\0" * 100)
    with pytest.raises(RequestError, match=r"L1C_B4.dat exists and holds no statistics"):
        found.save(path)
    assert path.read_bytes() == b"\0" * 100
    with pytest.raises(FileNotFoundError, match="no folder"):
        found.save(tmp_path / "no" / "x.json")
    for text in ("", "[]", '{"kind": "Car"}', '{"kind": "ClassStats"}'):
        path.write_text(text)
        with pytest.raises(RequestError, match="does not hold statistics; save"):
            stats.load(path)


# What a file can claim that no result has, and where.
FORGED = {
    "a negative split": ("bands", lambda r: r["of"]["covers"]["stored"].update(val=-1)),
    "a huge split": ("bands", lambda r: r["of"]["covers"]["stored"].update(val=1 << 61)),
    "huge runs": ("bands", lambda r: r["of"]["covers"].update(runs=[[0, 1 << 62]] * 4)),
    "other patches": ("classes", lambda r: r["of"]["covers"].update(runs=[[1, 3], [0, 1], [4, 3]])),
    "another digest": ("classes", lambda r: r["of"].update(index="0123456789abcdef")),
    "a pixel more": (
        "bands",
        lambda r: r["histograms"][0][1].append(r["histograms"][0][1].pop() + 1),
    ),
    "no pixel": ("bands", lambda r: r["histograms"][0][1].__setitem__(0, 0)),
    "numbers in no order": ("bands", lambda r: r["histograms"][0][0].reverse()),
    "a large number": ("bands", lambda r: r["histograms"][0][0].__setitem__(-1, 1 << 16)),
    "no histogram": ("bands", lambda r: r["histograms"].__setitem__(0, None)),
    "a float more": ("bands", lambda r: r["count"].append(r["count"].pop() + 1)),
    "no floats": ("bands", lambda r: r["floats"].__setitem__(1, None)),
    "a percentage": ("bands", lambda r: r["percents"].__setitem__(0, "nan")),
    "pending": ("bands", lambda r: r.update(pending=["u16"])),
    "a class twice": ("classes", lambda r: r["classes"].__setitem__(1, 0)),
    "a patch less": ("classes", lambda r: (r["per_patch"].pop(), r["ignored_per_patch"].pop())),
    "another matrix": ("agreement", lambda r: r["matrix"][0].__setitem__(0, 0)),
    "a matrix less": ("agreement", lambda r: r["per_patch"].pop()),
    "a class": ("agreement", lambda r: r.update(ignore=1.5)),
    "no keys": ("lower", lambda r: r["keys"].__setitem__(0, None)),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_no_result_has_is_refused(data, tmp_path, what):
    ds, _ = data
    kind, forge = FORGED[what]
    if kind == "lower":
        found = stats.merge([stats.bands(ds.subset([k]), "f32") for k in range(7)])
        found = stats.lower_halves(ds, found.second_round())
    else:
        found = {
            "bands": lambda: stats.bands(ds, ["i16", "f32"]),
            "classes": lambda: stats.classes(ds, "hq"),
            "agreement": lambda: stats.agreement(ds, "found", "hq", per_patch=True),
        }[kind]()
    found.save(tmp_path / "found.json")
    entries = json.loads((tmp_path / "found.json").read_text())
    assert stats.load(tmp_path / "found.json") == found
    forge(entries)
    (tmp_path / "found.json").write_text(json.dumps(entries))
    with pytest.raises(
        RequestError, match=r"found.json does not hold statistics; save\(\) of a res"
    ):
        stats.load(tmp_path / "found.json")


# Written by the first version that had statistics, whose names for these classes and fields were
# others: "Several" is `ResultSet`, "says" is `predictable`.
WRITTEN_BEFORE = """{"kind": "Several", "parts": {"found": {"kind": "Agreement", "source": "found",
"reference": "hq", "source_map": {"classes": [[4, 0], [8, 1]], "unlisted": null},
"reference_map": {"classes": [[0, 0], [1, 1], [2, 2]], "unlisted": null}, "names": ["0", "1", "2"],
"says": [true, true, false], "matrix": [[5, 1, 0], [0, 4, 0], [2, 0, 0]], "per_patch": null,
"ignored": 3, "ignored_by_reference": 1, "ignored_by_source": 2, "of": {"layout": "Counted",
"patch": [20, 18], "window": {"row": 1, "col": 2, "height": 17, "width": 15},
"splits": {"train": 4, "val": 3}, "index": "0123456789abcdef",
"arrays": {"hq": "uint8", "found": "uint8"}}}}}"""


def test_files_of_earlier_versions_load_and_are_written_alike(tmp_path):
    (tmp_path / "before.json").write_text(WRITTEN_BEFORE)
    loaded = stats.load(tmp_path / "before.json")
    assert type(loaded) is stats.ResultSet is stats.Several
    agreement = loaded["found"]
    assert agreement.predictable == agreement.says == (True, True, False)
    assert type(agreement.of) is stats.Provenance is stats.Population
    assert agreement.matrix.tolist() == [[5, 1, 0], [0, 4, 0], [2, 0, 0]]
    assert json.loads(loaded.json()) == json.loads(WRITTEN_BEFORE)
    loaded.save(tmp_path / "before.json")
    assert stats.load(tmp_path / "before.json") == loaded


def test_a_missing_result_is_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file of statistics .*none\.json"):
        stats.load(tmp_path / "none.json")
