"""`cloudio.pack` of samples that are objects of Python: the same numbers come back."""

import math
import os
import string
import sys
from itertools import count

import numpy as np
import processes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_folder import memory_folder
from profiles import scaled

import cloudio
from cloudio.packing.pack import pack

DTYPES = ["uint8", "int8", "uint16", "int16", "float32"]
# What columns and layouts may be named, without what is a name of a preset or column of pack's own.
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=9
)


def images(n=5, shape=(3, 6, 7), dtype="uint16", seed=0):
    random = np.random.default_rng(seed)
    return [
        {
            "image": random.integers(0, 200, shape).astype(dtype),
            "mask": random.integers(0, 3, shape[1:]).astype("uint8"),
            "id": k,
        }
        for k in range(n)
    ]


@st.composite
def sample_lists(draw):
    """Samples of some arrays of any stored type and odd names."""
    names = draw(
        st.lists(NAMES.filter(lambda n: n != "split"), min_size=2, max_size=5, unique=True)
    )
    labels = [name for name in names if draw(st.booleans())]
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    dtypes = {
        name: draw(st.sampled_from(DTYPES[:4] if name in labels else DTYPES)) for name in names
    }
    random = np.random.default_rng(draw(st.integers(0, 99)))
    n = draw(st.integers(1, 6))

    def pixels(dtype):
        if dtype == "float32":
            return random.integers(0, 2**32, shape, np.uint32).view("float32")
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)

    return [{name: pixels(dtypes[name]) for name in names} for _ in range(n)], labels


@settings(max_examples=scaled(25, 50))
@given(sample_lists(), st.booleans(), st.booleans(), st.booleans())
def test_any_arrays_come_back_bit_for_bit(drawn, stack, flat, as_iterable):
    with memory_folder() as folder:
        check_round_trip(folder / "set", *drawn, stack, flat, as_iterable)


def check_round_trip(path, samples, labels, stack, flat, as_iterable):
    given = (each for each in samples) if as_iterable else samples
    result = pack(given, path, labels=labels, stack=stack, flat=flat)
    assert result.patches == {"train": len(samples)}
    with cloudio.open(path) as ds:
        assert set(ds.names) == set(samples[0])
        for name in samples[0]:
            wanted = np.stack([sample[name] for sample in samples])
            assert ds[name].dtype == wanted.dtype
            assert ds[name].tobytes() == wanted.tobytes()
            assert ds.band(name).kind == ("label" if name in labels else "band")
    report = cloudio.verify(path, against=path / "manifest.json", progress=False)
    assert not [finding for finding in report.findings if finding.check == "manifest"]


def test_channels_are_arrays_and_the_rest_is_metadata(tmp_path):
    samples = images()
    for k, sample in enumerate(samples):
        sample |= {"place": f"a, {k}\nb", "seen": np.datetime64("2020-06-25"), "cover": None}
    pack(samples, tmp_path / "set", names={"image": ["B2", "-", "B4"]})
    ds = cloudio.open(tmp_path / "set")
    assert ds.names == ("B2", "B4", "mask")
    assert np.array_equal(ds["B4"], [sample["image"][2] for sample in samples])
    assert ds.metadata["id"].tolist() == [0, 1, 2, 3, 4]
    assert ds.metadata["place"].tolist()[3] == "a, 3\nb"
    assert ds.metadata["seen"][0] == np.datetime64("2020-06-25")
    image, label, _ = ds.reader("image", "mask", size=4).read([2, 0])
    assert image.shape == (2, 2, 4, 4)
    assert np.array_equal(label[0], samples[2]["mask"][1:5, 1:5])


@pytest.mark.parametrize(
    ("array", "dtype", "stored"),
    [
        ([[0, 200]], "int64", "uint8"),
        ([[0, 300]], "int64", "int16"),
        ([[0, 40000]], "uint64", "uint16"),
        ([[-1, 2]], "int32", "int8"),
        ([[0.0, 3.0]], "float64", "uint8"),
        ([[False, True]], "bool", "uint8"),
    ],
)
def test_a_label_gets_the_smallest_type_that_holds_it(tmp_path, array, dtype, stored):
    mask = np.array(array, dtype)
    pack([{"mask": mask}], tmp_path / "set")
    found = cloudio.open(tmp_path / "set")["mask"]
    assert found.dtype == stored
    assert np.array_equal(found[0], mask)


@pytest.mark.parametrize(
    ("array", "dtype", "stored"),
    [
        ([[0, 200]], "uint32", "uint16"),
        ([[-5, 200]], "int64", "int16"),
        ([[-5, 40000]], "int32", "float32"),
        ([[0.5, math.nan]], "float64", "float32"),
        ([[0.1, -0.0]], "float16", "float32"),
        ([[1, 2]], ">i2", "int16"),
    ],
)
def test_a_band_gets_a_type_that_holds_it(tmp_path, array, dtype, stored):
    band = np.array(array, dtype)
    pack([{"B1": band}], tmp_path / "set")
    found = cloudio.open(tmp_path / "set")["B1"]
    assert found.dtype == stored
    assert np.array_equal(found[0], band, equal_nan=True)


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        ([{"B": np.full((1, 2), 0.1)}], {}, r"samples\[0\]: B is float64 and has 0.1 at row 0"),
        ([{"mask": np.full((1, 2), 0.5)}], {}, "has fractions or numbers beyond 16 bits"),
        ([{"mask": np.full((1, 2), math.nan)}], {}, "mask is float64 and has NaN"),
        (
            [{"B": np.ones((1, 2), int)}, {"B": np.full((1, 2), 1 << 20)}],
            {"dtypes": {"B": "int16"}},
            r"samples\[1\]: B has 1048576 at row 0, column 0, which int16 cannot hold",
        ),
        ([{"B": np.ones((1, 2))}, {"B": np.ones((2, 2))}], {}, "must have one size"),
        ([{"B": np.ones((1, 2))}, {"B": np.ones((1, 2), "f4")}], {}, "is float32, but others are"),
        ([{"B": np.ones((1, 2))}, {"C": np.ones((1, 2))}], {}, "lacks B and also has C"),
        ([{"B": np.ones((1, 2)), "C": np.ones((2, 2))}], {}, "C has 2 x 2 pixels, but B has 1 x 2"),
        ([{"B": np.ones((64, 64, 3))}], {}, "channel_axis='last'"),
        ([{"B": np.ones(3)}], {}, r"B has shape \(3,\)"),
        ([{"B": np.ones((2, 2), complex)}], {}, "it must be of numbers"),
        ([(np.ones((2, 2)), 1)], {}, "is of type tuple; it must be a mapping"),
        ([{"id": 3}], {}, "has no arrays"),
        ([], {}, "no sample"),
        (7, {}, "of type int; it must be a path, a Dataset"),
        (np.ones((3, 2, 2)), {}, "of type ndarray"),
        ([{"B": np.ones((1, 2))}], {"images": "{id}.tif"}, "images= is for other sources"),
        ([{"B": np.ones((1, 2))}], {"dtypes": {"C": "int16"}}, "dtypes: there is no array 'C'"),
        ([{"B": np.ones((1, 2))}], {"nodata": "a"}, "nodata='a'; it must be a number"),
        (
            [{"B": np.ones((1, 2), "u1")}],
            {"nodata": -1},
            "has nodata -1.0, which uint8 cannot hold",
        ),
        ([{"B": np.ones((1, 2))}], {"split": "a/b"}, "split='a/b'"),
        ([{"B": np.ones((1, 2)), "split": "val"}], {}, "has split 'val'"),
        ([{"B": np.ones((1, 2))}], {"on_error": "go"}, "on_error='go'"),
    ],
)
def test_what_would_lose_something_is_refused_before_anything_is_written(
    tmp_path, samples, options, message
):
    with pytest.raises(cloudio.RequestError, match=message):
        pack(samples, tmp_path / "set", **options)
    assert os.listdir(tmp_path) == []


def test_a_later_sample_that_does_not_fit_is_named_and_what_is_packed_stays(tmp_path):
    samples = images(400)
    samples[333]["mask"] = samples[333]["mask"].astype("int64") + 999
    with pytest.raises(cloudio.RequestError, match=r"samples\[333\]: mask is int64"):
        pack(samples, tmp_path / "set")
    assert os.listdir(tmp_path) == ["set.packing"]
    with pytest.raises(cloudio.RequestError, match="is an unfinished run; resume=True"):
        pack(samples, tmp_path / "set")
    samples[333]["mask"] = samples[0]["mask"]
    assert pack(samples, tmp_path / "set", resume=True).patches == {"train": 400}
    assert os.listdir(tmp_path) == ["set"]


def test_lossy_rounds_to_nearest_even(tmp_path):
    samples = [{"B": np.array([[0.5, 1.5, -2.7]]), "C": np.array([[0.1, 1e-9, math.inf]])}]
    pack(samples, tmp_path / "set", dtypes={"B": "int8", "C": "float32"}, lossy=True)
    ds = cloudio.open(tmp_path / "set")
    assert ds["B"][0].tolist() == [[0, 2, -3]]
    assert np.array_equal(ds["C"][0], samples[0]["C"].astype("float32"))


def test_an_existing_folder_is_refused(tmp_path):
    with pytest.raises(FileExistsError, match="exists already"):
        pack(images(), tmp_path)


def test_a_sample_that_fails_is_left_out_and_listed(tmp_path):
    samples = images(40)

    class Failing(list):
        def __getitem__(self, k):
            if k in (7, 8, 39):
                raise OSError(5, "the disk is bad")
            return super().__getitem__(k)

    result = pack(Failing(samples), tmp_path / "set", on_error="skip", workers=2)
    assert [name for name, _ in result.left_out] == ["samples[7]", "samples[8]", "samples[39]"]
    assert "3 samples left out" in str(result)
    ds = cloudio.open(tmp_path / "set")
    kept = [sample for k, sample in enumerate(samples) if k not in (7, 8, 39)]
    assert ds.metadata["id"].tolist() == [sample["id"] for sample in kept]
    assert np.array_equal(ds["image_2"], [sample["image"][1] for sample in kept])
    assert cloudio.verify(tmp_path / "set", against=tmp_path / "set" / "manifest.json").ok


def test_a_changed_bit_is_found_by_the_manifest(tmp_path):
    pack(images(), tmp_path / "set")
    path = tmp_path / "set" / "train" / "image_2.npy"
    content = bytearray(path.read_bytes())
    content[128 + 3 * 84 + 5] ^= 1
    path.write_bytes(content)
    report = cloudio.verify(tmp_path / "set", against=tmp_path / "set" / "manifest.json")
    (finding,) = [finding for finding in report.findings if "image_2" in finding.file]
    assert list(finding.patches) == [3]


# ---- layouts -------------------------------------------------------------------------------------


def test_scale_nodata_and_layout_are_taken_over(tmp_path):
    samples = [{"L1C_B4": np.ones((2, 2), "int16"), "LABEL_manual_hq": np.ones((2, 2), "uint8")}]
    pack(samples, tmp_path / "one", layout=cloudio.CLOUDSEN12)
    band = cloudio.open(tmp_path / "one").band("L1C_B4")
    assert (band.factors, band.wavelength) == ((1e-4, 0.0), 664.5)
    pack(images(), tmp_path / "two", scale=0.01, nodata={"image_1": 255})
    ds = cloudio.open(tmp_path / "two")
    assert ds.band("image_1").nodata == 255
    assert ds.band("image_2").factors == (0.01, 0.0)
    assert ds.band("mask").factors == (1.0, 0.0)


@pytest.mark.parametrize("stack", [False, True])
def test_names_that_are_no_file_names_get_files(tmp_path, stack):
    names = ["a/b", "..", "CON", "x" * 300, "metadata", "[a]", "{name}", "B1", "b1", " ", "é"]
    random = np.random.default_rng(0)
    sample = {name: random.integers(0, 9, (2, 3)).astype("uint8") for name in names}
    pack([sample], tmp_path / "set", stack=stack, labels=())
    ds = cloudio.open(tmp_path / "set")
    for name in names:
        assert np.array_equal(ds[name][0], sample[name]), name
    files = [path.name for path in (tmp_path / "set" / "train").iterdir()]
    assert len({name.casefold() for name in files}) == len(files)
    assert all(set(name) <= {*string.printable, "é"} and len(name) < 120 for name in files)


# ---- iterables -----------------------------------------------------------------------------------


class StoppedError(Exception):
    pass


def stopping(samples, after):
    for k, sample in enumerate(samples):
        if k == after:
            raise StoppedError
        yield sample


@pytest.mark.parametrize("key", [None, "id"])
def test_an_iterable_is_resumed(tmp_path, key):
    samples = images(30)
    with pytest.raises(StoppedError):
        pack(stopping(samples, 20), tmp_path / "set", key=key)
    pack(iter(samples), tmp_path / "set", key=key, resume=True)
    (tmp_path / "whole").mkdir()
    pack(iter(samples), tmp_path / "whole" / "set", key=key)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole" / "set")


def test_with_a_key_samples_may_come_in_another_order(tmp_path):
    samples = images(30)
    with pytest.raises(StoppedError):
        pack(stopping(samples[::2], 10), tmp_path / "set", key="id")
    pack(iter(samples), tmp_path / "set", key="id", resume=True)
    ds = cloudio.open(tmp_path / "set")
    order = ds.metadata["id"].tolist()
    assert order[:10] == list(range(0, 20, 2))
    assert sorted(order) == list(range(30))
    assert np.array_equal(ds["image_1"], [samples[k]["image"][0] for k in order])
    with pytest.raises(cloudio.RequestError, match="two samples have id '3', which is the key"):
        pack(iter([samples[3], samples[3]]), tmp_path / "other", key="id")
    with pytest.raises(cloudio.RequestError, match="sample 0 has no place, which is the key"):
        pack(iter(samples), tmp_path / "third", key="place")


def test_an_endless_iterable_is_not_counted_before_it_is_read(tmp_path):
    taken = count()
    with pytest.raises(StoppedError):
        pack((next(iter(stopping([images(1)[0]], k - 3))) for k in taken), tmp_path / "set")
    assert next(taken) == 4


def contents(folder):
    """The bytes of every file, by its name."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder): path.read_bytes() for path in files}


# ---- the disk ------------------------------------------------------------------------------------


needs_limits = pytest.mark.skipif(sys.platform == "win32", reason="no limits of files")


@needs_limits
def test_a_disk_without_room_is_an_error_at_the_start(tmp_path):
    said = processes.in_subprocess(
        """
        import resource, sys
        import numpy as np
        import cloudio

        class Never(list):
            def __getitem__(self, k):
                taken.append(k)
                return {"B": np.zeros((64, 64), "uint8")}

            def __len__(self):
                return 1000

        taken = []
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            cloudio.pack(Never(), sys.argv[1], on_error="skip")
        except cloudio.WriteError as error:
            print(len(taken), error)
        """,
        tmp_path / "set",
    )
    assert said.startswith("16 ")
    assert "the disk is too full: 4,096,128 bytes more are needed" in said
    assert os.listdir(tmp_path) == []


@needs_limits
def test_a_disk_that_becomes_full_stops_the_run_which_is_resumed(tmp_path):
    said = processes.in_subprocess(
        """
        import resource, sys
        import numpy as np
        import cloudio

        resource.setrlimit(resource.RLIMIT_FSIZE, (70 << 20, 70 << 20))
        samples = ({"B": np.full((1024, 1024), k, "uint8")} for k in range(100))
        try:
            cloudio.pack(samples, sys.argv[1], on_error="skip")
        except cloudio.WriteError as error:
            print(error)
        """,
        tmp_path / "set",
    )
    assert "the disk is too full" in said
    assert os.listdir(tmp_path) == ["set.packing"]
    samples = ({"B": np.full((1024, 1024), k, "uint8")} for k in range(100))
    pack(samples, tmp_path / "set", resume=True)
    assert cloudio.open(tmp_path / "set")["B"][:, 5, 7].tolist() == list(range(100))


@pytest.mark.parametrize(
    "split", ["..", "../../outside", "a/b", "/tmp/a", "a\nb", "a" * 300, "cloudio.toml", "", 5]
)
def test_a_split_is_the_name_of_a_folder(tmp_path, split):
    with pytest.raises(cloudio.RequestError, match=r"split=.*; it must be the name of a folder"):
        pack({split: images()}, tmp_path / "set")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("two", [("train", "TRAIN"), ("Paris", "paris"), ("high_val", "val")])
def test_splits_that_would_be_one_are_refused(tmp_path, two):
    with pytest.raises(cloudio.RequestError, match="would be one split of the data set"):
        pack(dict.fromkeys(two, images()), tmp_path / "set")
    assert not [*tmp_path.iterdir()]


def test_a_split_of_a_table_leads_to_no_other_folder(tmp_path):
    (tmp_path / "files").mkdir()
    np.save(tmp_path / "files" / "a.npy", np.zeros((4, 4), np.uint8))
    (tmp_path / "files" / "t.csv").write_text("image,split\na.npy,../../outside\n")
    with pytest.raises(cloudio.RequestError, match=r"split='\.\./\.\./outside'"):
        pack(tmp_path / "files", tmp_path / "set", table=tmp_path / "files" / "t.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["lable"]}, r"labels: samples\[0\] has no array 'lable'; it has image, mask"),
        ({"labels": 5}, "labels=5; it must be a list of names"),
        ({"names": {"imgae": "abc"}}, "names of imgae='abc'; it must be a list"),
        ({"names": {"imgae": ["a", "b", "c"]}}, "'imgae'; .*; did you mean image"),
        ({"names": "abc"}, "names='abc'; it must be a list, one for each channel"),
        ({"names": [1, 2, 3]}, r"names=\[1, 2, 3\]; it must be a list of names"),
        ({"take": []}, r"take=\[\]; it must be a list of names"),
        ({"dtypes": 7}, "dtypes=7; it must be a mapping"),
        ({"dtypes": {"mask": None}}, "dtypes: mask is to be 'None'; it must be one of"),
        ({"fields": "id"}, "fields='id'; it must be a mapping"),
        ({"channel_axis": "lsat"}, "channel_axis='lsat'; it must be 'first', 'last' or None"),
        ({"progress": "yes"}, "progress='yes'; it must be True, False or None"),
        ({"key": 5}, "key=5; it must be the name of a column"),
        ({"tile": 0}, "tile= is for other sources"),
    ],
)
def test_arguments_that_are_wrong_are_named(tmp_path, options, message):
    with pytest.raises(cloudio.RequestError, match=message):
        pack(images(), tmp_path / "set", **options)
    assert not [*tmp_path.iterdir()]


def test_one_label_and_types_of_numpy(tmp_path):
    samples = [{"cloud": np.full((2, 2), k, np.int64)} for k in range(3)]
    pack(samples, tmp_path / "set", labels="cloud", dtypes={"cloud": np.uint16})
    band = cloudio.open(tmp_path / "set").band("cloud")
    assert (band.kind, band.dtype) == ("label", "uint16")


def test_text_that_is_no_utf_8_is_escaped(tmp_path):
    samples = [{"B": np.zeros((2, 2), np.uint8), "file": "a\udcff.tif"}]
    pack(iter(samples), tmp_path / "set")
    metadata = cloudio.open(tmp_path / "set").metadata
    assert metadata["file"].tolist() == ["a\\udcff.tif"]
    for name in ("", "\udcff"):
        with pytest.raises(cloudio.RequestError, match="has the key"):
            pack([{name: np.zeros((2, 2), np.uint8)}], tmp_path / "other")


def test_one_type_is_for_all_bands_and_lossy_rounds_them(tmp_path):
    third = np.full((2, 2), 1 / 3)
    samples = [{"image": np.stack([third, third]), "mask": np.ones((2, 2), int)}]
    pack(samples, tmp_path / "one", lossy=True)
    pack(samples, tmp_path / "two", lossy=True, dtypes="int16")
    for name, stored in (("one", np.float32(1 / 3)), ("two", np.int16(0))):
        ds = cloudio.open(tmp_path / name)
        assert ds["mask"].dtype == "uint8"
        for band in ("image_1", "image_2"):
            assert ds[band].dtype == stored.dtype
            assert (ds[band] == stored).all()


def test_rounding_makes_no_pixel_no_data(tmp_path):
    samples = [{"B": np.array([[254.4, 255, 3.6]], np.float32)}]
    options = {"dtypes": {"B": "uint8"}, "lossy": True, "nodata": 255}
    pack(samples, tmp_path / "set", **options)
    assert np.load(tmp_path / "set" / "train" / "B.npy").tolist() == [[[254, 255, 4]]]
    samples[0]["B"][0, 0] = 254.6
    with pytest.raises(cloudio.RequestError, match=r"rounded to 255, and that means no data"):
        pack(samples, tmp_path / "other", **options)


def test_a_sample_with_a_rare_class_is_not_skipped(tmp_path):
    samples = [{"mask": np.full((2, 2), 0)} for _ in range(99)]
    samples[50]["mask"][0, 1] = 300
    message = r"samples\[50\]: mask has 300 at row 0, column 1, which uint8 cannot hold"
    with pytest.raises(cloudio.RequestError, match=message):
        pack(samples, tmp_path / "set", on_error="skip")
