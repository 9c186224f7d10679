"""HDF5, Zarr, .npz and .npy files whose first axis is the patch: pixels, attributes, refusals."""

import multiprocessing
import os
import pickle
import threading
import warnings

import numpy as np
import pytest
from forks import fork, status_of
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

import cloudio
from cloudio import LayoutError, RequestError
from cloudio.errors import CloudioWarning, ReadError, TruncatedError
from cloudio.packing.decoders.containers import container_kind
from cloudio.packing.sample import ArrayInfo
from cloudio.packing.sources.container_choices import container_source

TYPES = ("bool", "int8", "uint8", ">i2", "uint16", "int32", "uint64", "float16", ">f4", "float64")
KINDS = ("hdf5", "npz", "npz-compressed", "npy", "zarr")


def random_bits(rng, shape, dtype):
    """Numbers of any bits, NaN among them."""
    dtype = np.dtype(dtype)
    n = int(np.prod(shape)) * dtype.itemsize
    held = rng.integers(0, 2 if dtype.kind == "b" else 256, n, np.uint8).tobytes()
    return np.frombuffer(held, dtype).reshape(shape)


def write(kind, folder, arrays, chunks=None, attributes=None, zarr_format=2):
    """Write arrays by their names in a container; return its path and the names there."""
    if kind == "npy":
        ((name, array),) = list(arrays.items())[:1]
        np.save(folder / f"{name}.npy", array)
        return folder / f"{name}.npy"
    if kind.startswith("npz"):
        path = folder / "é data.npz"
        (np.savez if kind == "npz" else np.savez_compressed)(path, **arrays)
        return path
    if kind == "hdf5":
        h5py = pytest.importorskip("h5py", reason="cloudio[hdf5]")
        path = folder / "é data.h5"
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                options = {"chunks": chunks, "compression": "gzip"} if chunks else {}
                made = file.create_dataset(name, data=array, **options if array.ndim > 1 else {})
                made.attrs.update(attributes or {})
        return path
    zarr = pytest.importorskip("zarr", reason="cloudio[zarr]")
    path = folder / "é data.zarr"
    version = {"zarr_format": zarr_format} if zarr.__version__ >= "3" else {}
    root = zarr.open_group(str(path), mode="w", **version)
    for name, array in arrays.items():
        own = chunks if chunks and array.ndim > 1 else array.shape
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if zarr.__version__ >= "3":
                made = root.create_array(name, shape=array.shape, dtype=array.dtype, chunks=own)
            else:
                made = root.create_dataset(name, shape=array.shape, dtype=array.dtype, chunks=own)
        made[...] = array
        made.attrs.update(attributes or {})
    return path


def same(one, other):
    """Whether two arrays have the same bits, whatever their byte order."""
    native = [np.ascontiguousarray(x, x.dtype.newbyteorder("=")) for x in (one, other)]
    return native[0].dtype == native[1].dtype and native[0].tobytes() == native[1].tobytes()


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=scaled(6, 40))
def test_patches_are_those_of_the_container_bit_for_bit(kind, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    draw = data.draw
    n, height, width = (draw(st.integers(1, 7)) for _ in range(3))
    # (patch, row, column), channels first, and channels last.
    axis = draw(st.sampled_from([None, "first", "last"]))
    n_channels = 1 if axis is None else draw(st.integers(1, 4))
    shape = {
        None: (n, height, width),
        "first": (n, n_channels, height, width),
        "last": (n, height, width, n_channels),
    }[axis]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    image = random_bits(rng, shape, draw(st.sampled_from(TYPES)))
    name = draw(st.sampled_from(["image", "a b", "x[0]", "größe"]))
    chunks = tuple(draw(st.integers(1, side)) for side in shape)
    path = write(
        kind,
        folder,
        {name: image},
        chunks if len(chunks) == image.ndim else None,
        zarr_format=draw(st.sampled_from([2, 3])),
    )
    assert container_kind(path) == kind.partition("-")[0]
    names = ["c one", "-", "B 3", "é"][:n_channels]
    kept = [k for k, each in enumerate(names) if each != "-"]
    some = st.sampled_from([names[k] for k in kept])
    taken = draw(st.lists(some, min_size=1, unique=True))
    source = container_source(
        path, {"image": name}, names=names, take=taken, channel_axis=axis or "first"
    )
    assert len(source) == n
    planes = image[:, None] if axis is None else image
    planes = np.moveaxis(planes, -1, 1) if axis == "last" else planes
    for k in draw(st.permutations(range(n))):
        sample = source.read(k)
        assert list(sample.arrays) == taken
        for each, pixels in sample.arrays.items():
            assert pixels.shape == (height, width)
            assert same(pixels, planes[k, names.index(each)]), (k, each)
        assert sample.attributes == {"file": path.name, "index": k}
    source.close()


@pytest.mark.parametrize("kind", ["hdf5", "zarr", "npz"])
def test_images_labels_and_columns_of_one_container(kind, tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 9999, (10, 3, 8, 6)).astype("uint16")
    mask = rng.integers(0, 4, (10, 1, 8, 6)).astype("uint8")
    arrays = {"img": image, "gt": mask, "month": np.arange(10) % 12, "share": np.linspace(0, 1, 10)}
    arrays["share"] = arrays["share"].astype("f4")
    path = write(kind, tmp_path, arrays)
    source = container_source(
        path,
        {"image": "img", "mask": "/gt"},
        names=["B4", "B3", "B2"],
        split="val",
        fields={"month": "month", "cloud": "share"},
    )
    source = pickle.loads(pickle.dumps(source))
    sample = source.read(7)
    assert list(sample.arrays) == ["B4", "B3", "B2", "mask"]
    assert np.array_equal(sample.arrays["B3"], image[7, 1])
    assert np.array_equal(sample.arrays["mask"], mask[7, 0])
    assert sample.infos == {
        **dict.fromkeys(["B4", "B3", "B2"], ArrayInfo()),
        "mask": ArrayInfo("label"),
    }
    assert sample.attributes == {
        "file": path.name,
        "index": 7,
        "month": 7,
        "cloud": str(arrays["share"][7]),
    }
    assert type(sample.attributes["month"]) is int
    assert (source.split_of(3), source.name_of(3)) == ("val", f"{path}, patch 3")
    defaults = container_source(path, {"x": "img"}, labels=["x"]).read(0)
    assert list(defaults.arrays) == ["x_1", "x_2", "x_3"]
    assert defaults.infos["x_2"].kind == "label"


def test_text_columns_are_read_as_text(tmp_path):
    h5py = pytest.importorskip("h5py", reason="cloudio[hdf5]")
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros((2, 3, 3), "u1")
        file["id"] = ["ä,1", "007"]
        file["fixed"] = np.array([b"one", b"two"])
    fields = {"id": "id", "code": "fixed"}
    sample = container_source(path, "images", fields=fields).read(1)
    assert sample.attributes == {"file": "x.h5", "index": 1, "id": "007", "code": "two"}
    assert list(sample.arrays) == ["images"]


def test_each_split_may_be_a_group(tmp_path):
    h5py = pytest.importorskip("h5py", reason="cloudio[hdf5]")
    path = tmp_path / "x.h5"
    rng = np.random.default_rng(0)
    arrays = {split: rng.integers(0, 9, (n, 4, 4)) for split, n in [("val", 2), ("train", 3)]}
    with h5py.File(path, "w") as file:
        for split, array in arrays.items():
            file[f"data/{split}/x"] = array
        file["data/train/y"] = arrays["train"]
    source = container_source(path, {"image": "/data/{split}/x"})
    assert [source.split_of(k) for k in range(len(source))] == ["train"] * 3 + ["val"] * 2
    assert np.array_equal(source.read(4).arrays["image"], arrays["val"][1])
    with pytest.raises(RequestError, match=r"has no dataset '/d/\{split\}/x' for any split"):
        container_source(path, {"image": "/d/{split}/x"})
    with pytest.raises(RequestError, match="has no dataset '/data/val/y', but others of val"):
        container_source(path, {"image": "/data/{split}/x", "mask": "/data/{split}/y"})


def test_datasets_of_other_splits_are_suggested_and_noted(tmp_path):
    h5py = pytest.importorskip("h5py", reason="cloudio[hdf5]")
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        for split, n in (("train", 3), ("val", 2)):
            file[f"{split}/images"] = np.zeros((n, 4, 4), "u1")
            file[f"{split}/labels"] = np.zeros((n, 4, 4), "u1")
        file["train/more"] = np.zeros((3, 4, 4), "u1")
        file["other/images"] = np.zeros((3, 4, 4), "u1")
    with pytest.raises(RequestError) as error:
        container_source(path)
    assert str(error.value).endswith(
        "such as dataset={'images': '/{split}/images', 'labels': '/{split}/labels'} "
        "(--dataset images=/{split}/images labels=/{split}/labels)"
    )
    note = (
        "not packed: /val/images; {split} in the names of datasets packs each split, such as "
        "/{split}/images"
    )
    options = {"dataset": {"x": "train/images", "y": "train/more"}, "workers": 1}
    assert note in cloudio.pack(path, tmp_path / "out", dry_run=True, **options).notes
    assert cloudio.pack(path, tmp_path / "out", **options).notes == (note,)
    every = cloudio.pack(path, tmp_path / "all", dataset="{split}/labels", workers=1)
    assert (every.patches, every.notes) == ({"train": 3, "val": 2}, ())
    both = {"a": "train/images", "b": "other/images"}
    assert container_source(path, {"a": "other/images"}).notes == ()
    assert container_source(path, both).notes == (note,)


def test_splits_in_names_of_npz_files_are_suggested(tmp_path):
    arrays = {f"{x}_{split}": np.zeros((n, 4, 4)) for x in "xy" for split, n in SIZES.items()}
    path = write("npz", tmp_path, arrays)
    with pytest.raises(RequestError, match=r"\(--dataset x=x_\{split\} y=y_\{split\}\)"):
        container_source(path)
    source = container_source(path, {"x": "x_{split}"})
    assert [source.split_of(k) for k in range(5)] == ["train"] * 3 + ["test"] * 2
    assert list(container_source(path, "x_{split}").read(0).arrays) == ["x"]


SIZES = {"train": 3, "test": 2}


def test_a_field_is_the_split_of_each_patch(tmp_path):
    h5py = pytest.importorskip("h5py", reason="cloudio[hdf5]")
    path = tmp_path / "x.h5"
    images = np.arange(4 * 9, dtype="u1").reshape(4, 3, 3)
    with h5py.File(path, "w") as file:
        file["images"] = images
        file["text"], file["fold"] = ["test", "train", "", "test"], [2, 0, 1, 2]
        file["wrong"], file["alike"] = ["a/b"] * 4, ["A", "a", "a", "a"]
        file["val/x"] = images
    fields = {"split": "text", "fold": "fold"}
    result = cloudio.pack(
        path, tmp_path / "out", dataset="images", fields=fields, split="val", workers=1
    )
    assert result.patches == {"test": 2, "train": 1, "val": 1}
    assert np.array_equal(np.load(tmp_path / "out" / "test" / "images.npy"), images[[0, 3]])
    text = (tmp_path / "out" / "test" / "metadata.csv").read_text()
    assert text.split() == ["split,file,index,fold", "test,x.h5,0,2", "test,x.h5,3,2"]
    source = container_source(path, "images", fields={"split": "fold"})
    assert [source.split_of(k) for k in range(4)] == ["2", "0", "1", "2"]
    assert source.digest() != container_source(path, "images", fields={"split": "text"}).digest()
    for name, message in (("wrong", r"wrong: split='a/b'; it must be"), ("alike", "one split of")):
        with pytest.raises(RequestError, match=message):
            container_source(path, "images", fields={"split": name})
    with pytest.raises(RequestError, match="leave out the field split"):
        container_source(path, {"image": "{split}/x"}, fields={"split": "text"})
    with pytest.raises(RequestError, match="but samples maps splits to samples"):
        cloudio.pack({"a": path}, tmp_path / "o", dataset="images", fields={"split": "text"})


# ---- attributes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hdf5", "zarr"])
def test_attributes_are_taken_as_cf_means_them(kind, tmp_path):
    attributes = {
        "_FillValue": -9999,
        "scale_factor": 0.01,
        "add_offset": 273.15,
        "units": "K",
    }
    path = write(kind, tmp_path, {"t": np.zeros((2, 3, 3), "i2")}, attributes=attributes)
    info = container_source(path, "t").read(0).infos["t"]
    assert info == ArrayInfo("band", -9999, 0.01, 273.15, "K")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_the_fill_value_of_a_zarr_store_is_that_of_xarray_or_none(zarr_format, tmp_path):
    zarr = pytest.importorskip("zarr", reason="cloudio[zarr]")
    if zarr.__version__ < "3":
        pytest.skip("zarr 2 writes format 2 only, by another call")
    for fill, of_xarray, expected in ((-1, True, -1), (0, True, None), (-1, False, None)):
        path = tmp_path / f"{fill} {of_xarray}.zarr"
        array = zarr.create_array(
            str(path),
            shape=(2, 3, 3),
            dtype="i2",
            chunks=(1, 3, 3),
            fill_value=fill,
            zarr_format=zarr_format,
        )
        if of_xarray:
            array.attrs["_ARRAY_DIMENSIONS"] = ["t", "y", "x"]
        info = container_source(path, {"a": "/"}).read(1).infos["a"]
        assert info.nodata == (expected if zarr_format == 2 else None)


def test_unsigned_numbers_channels_and_classes_that_attributes_name(tmp_path):
    h5py = pytest.importorskip("h5py", reason="cloudio[hdf5]")
    path = tmp_path / "x.nc"
    signed = np.array([-1, -128, 127, 0], "i1").reshape(1, 2, 2)
    with h5py.File(path, "w") as file:
        file["u"] = signed
        file["u"].attrs.update({"_Unsigned": "true", "_FillValue": np.int8(-1), "units": "1"})
        file["c"] = np.zeros((1, 2, 2, 2), "f4")
        file["c"].attrs.update(
            {"scale_factor": [0.1, 0.2], "add_offset": 0.0, "_FillValue": np.nan}
        )
        file["k"] = np.zeros((1, 2, 2), "u1")
        file["k"].attrs.update({"flag_values": np.uint8([0, 7]), "flag_meanings": "land water"})
        kinds = h5py.enum_dtype({"ice": 3, "snow": 4}, "u1")
        file.create_dataset("e", (1, 2, 2), kinds)
    source = container_source(path, {key: key for key in "ucke"})
    sample = source.read(0)
    assert sample.arrays["u"].dtype == np.uint8
    assert sample.arrays["u"].tolist() == [[255, 128], [127, 0]]
    assert sample.infos["u"] == ArrayInfo("band", 255, unit="")
    assert (sample.infos["c_1"].scale_factor, sample.infos["c_2"].scale_factor) == (0.1, 0.2)
    assert np.isnan(sample.infos["c_1"].nodata)
    assert [sample.infos[key].kind for key in "uke"] == ["band", "label", "label"]
    assert source.label_names() == {"k": {0: "land", 7: "water"}, "e": {3: "ice", 4: "snow"}}


def test_attributes_that_are_wrong_are_named(tmp_path):
    h5py = pytest.importorskip("h5py", reason="cloudio[hdf5]")
    for key, value, message in (
        ("scale_factor", 0.0, "/x has scale_factor 0.0; it must be a number other than 0"),
        ("scale_factor", "tenth", "/x has scale_factor 'tenth'; it must be a number"),
        ("add_offset", [1.0, 2.0], "it must be one number"),
    ):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["x"] = np.zeros((1, 2, 2), "u1")
            file["x"].attrs[key] = value
        with pytest.raises(LayoutError, match=message):
            container_source(tmp_path / "x.h5", "x")


def test_two_numbers_for_no_data_give_a_warning(tmp_path):
    h5py = pytest.importorskip("h5py", reason="cloudio[hdf5]")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.zeros((1, 2, 2), "i2")
        file["x"].attrs.update({"_FillValue": -1, "missing_value": -2})
    with pytest.warns(CloudioWarning, match="_FillValue -1 and missing_value -2; only -1 is taken"):
        source = container_source(tmp_path / "x.h5", "x")
    assert source.read(0).infos["x"].nodata == -1


# ---- chunks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hdf5", "zarr"])
def test_a_chunk_of_several_patches_is_read_once(kind, tmp_path, monkeypatch):
    image = np.arange(22 * 6 * 5, dtype="i4").reshape(22, 6, 5)
    path = write(kind, tmp_path, {"image": image}, (4, 6, 5))
    source = container_source(path, "image")
    assert source.task_size == 8
    source.read(0)
    reads = []
    container = source._opened
    read = type(container).read

    def counted(self, name, start, stop, rest=()):
        reads.append((start, stop))
        return read(self, name, start, stop, rest)

    monkeypatch.setattr(type(container), "read", counted)
    for k in range(22):
        assert np.array_equal(source.read(k).arrays["image"], image[k])
    assert reads == [(k, min(k + 4, 22)) for k in range(4, 22, 4)]


def test_tasks_are_as_long_as_the_chunks_of_all_arrays(tmp_path):
    h5py = pytest.importorskip("h5py", reason="cloudio[hdf5]")
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=np.zeros((60, 4, 4), "u1"), chunks=(6, 4, 4))
        file.create_dataset("b", data=np.zeros((60, 4, 4), "u1"), chunks=(10, 4, 4))
        file.create_dataset("c", data=np.zeros((60, 4, 4), "u1"))
    sizes = {
        key: container_source(path, dict(zip(key, key, strict=True))).task_size
        for key in ("c", "a", "b", "ab", "abc")
    }
    assert sizes == {"c": 8, "a": 12, "b": 10, "ab": 30, "abc": 30}


def read_all(source):
    return [source.read(k).arrays["image"].tobytes() for k in range(len(source))]


@pytest.mark.parametrize("kind", ["hdf5", "zarr", "npz-compressed"])
def test_processes_and_threads_read_the_same(kind, tmp_path):
    image = np.random.default_rng(0).integers(0, 99, (9, 6, 5)).astype("i2")
    source = container_source(write(kind, tmp_path, {"image": image}, (2, 6, 5)), "image")
    expected = [patch.tobytes() for patch in image]
    assert read_all(source) == expected  # opened here, and then elsewhere
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(read_all, (source,)) == expected
    found = [None] * 4

    def read(k):
        found[k] = read_all(source)

    threads = [threading.Thread(target=read, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("kind", ["hdf5", "npz-compressed"])
def test_a_forked_child_opens_the_container_itself(kind, tmp_path):
    image = np.random.default_rng(0).integers(0, 99, (9, 60, 50)).astype("i2")
    source = container_source(write(kind, tmp_path, {"image": image}), "image")
    expected = [patch.tobytes() for patch in image]
    source.read(0)

    def read_in_child():
        opened = source._opened
        return read_all(source) == expected and source._opened is not opened

    assert status_of(fork(read_in_child)) == 0
    assert read_all(source) == expected


# ---- refusals ------------------------------------------------------------------------------------


def test_without_a_dataset_the_message_lists_them(tmp_path):
    path = write(
        "npz",
        tmp_path,
        {"images": np.zeros((4, 8, 8, 3), "u1"), "labels": np.zeros((4, 8, 8)), "id": np.arange(4)},
    )
    with pytest.raises(RequestError) as error:
        container_source(path)
    assert str(error.value) == (
        f"{path} holds images (4, 8, 8, 3) uint8; labels (4, 8, 8) float64; id (4,) int64. Say "
        "which are packed, such as dataset={'images': 'images', 'labels': 'labels'}, "
        "channel_axis='last' (--dataset images=images labels=labels --channel-axis last)"
    )
    path = write("npy", tmp_path, {"x": np.zeros((4, 8, 8), "u1")})
    assert list(container_source(path).read(3).arrays) == ["x"]


def test_channels_that_look_last_are_not_guessed(tmp_path):
    path = write("npz", tmp_path, {"x": np.zeros((4, 8, 9, 3), "u1")})
    message = r"x has shape \(4, 8, 9, 3\), whose channels may be last: give channel_axis='last'"
    with pytest.raises(LayoutError, match=message):
        container_source(path, "x")
    assert len(container_source(path, "x", channel_axis="last").read(0).arrays) == 3
    assert len(container_source(path, "x", channel_axis="first").read(0).arrays) == 8


def test_types_that_are_no_pixels_are_refused_by_name(tmp_path):
    h5py = pytest.importorskip("h5py", reason="cloudio[hdf5]")
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        shape = (1, 2, 2)
        file["complex"] = np.zeros(shape, "c8")
        file["compound"] = np.zeros(shape, [("a", "i2"), ("b", "f4")])
        file["text"] = np.full(shape, b"ab")
        file.create_dataset("names", shape, h5py.string_dtype())
        file.create_dataset("lists", shape, h5py.vlen_dtype("i2"))
        file.create_dataset("references", shape, h5py.ref_dtype)
        file.create_dataset("opaque", data=np.zeros(shape, "V3"))
        file.create_dataset("vectors", shape, np.dtype(("f4", (3,))))
    for name, what in {
        "complex": "complex64",
        "compound": r"compound \(a, b\)",
        "text": "text",
        "names": "text",
        "lists": "lists of variable length",
        "references": "references",
        "opaque": "opaque",
        "vectors": "arrays of float32",
    }.items():
        with pytest.raises(LayoutError, match=f"/{name} holds {what}; pixels are bool, whole or"):
            container_source(path, name)
    np.savez(tmp_path / "o.npz", x=np.array([None, 1]))
    with pytest.raises(LayoutError, match="x holds objects; pixels are"):
        container_source(tmp_path / "o.npz", "x")


def test_what_does_not_fit_together_is_named(tmp_path):
    arrays = {
        "a": np.zeros((4, 2, 2), "u1"),
        "b": np.zeros((5, 2, 2), "u1"),
        "t": np.arange(3),
        "s": np.zeros((4, 3, 5, 5), "u1"),
    }
    path = write("npz", tmp_path, arrays)
    for options, message in (
        ({"dataset": {"x": "a", "y": "b"}}, "has 4 patches in a, but 5 in b"),
        (
            {"dataset": "aa"},
            r"no dataset 'aa'; it has a \(4, 2, 2\) uint8, .*; did you mean a\?",
        ),
        ({"dataset": "t"}, r"t has shape \(3,\); it must be \(patch, row, column\)"),
        ({"dataset": "a", "fields": {"q": "t"}}, "as the column q it must have 4 entries"),
        ({"dataset": "s", "names": ["x", "y"]}, "s has 3 channels, but s has 2 names: x, y"),
        ({"dataset": "s", "names": ["x", "x", "y"]}, "both have an array named x"),
        ({"dataset": "s", "names": ["-"] * 3}, "names= leaves out all channels"),
        ({"dataset": "s", "take": ["s_4"]}, "there is no array 's_4'; .* gives s_1, s_2, s_3"),
        ({"dataset": "s", "labels": ["mask"]}, "labels: there is no array 'mask'"),
        ({"dataset": "s", "channel_axis": "middle"}, "channel_axis='middle'; it must be 'first'"),
        ({"dataset": {}}, "it must map names of arrays to datasets"),
    ):
        with pytest.raises((LayoutError, RequestError), match=message):
            container_source(path, **options)


def test_damaged_files_are_errors_that_name_them(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (9, 16, 16), np.uint8)
    path = write("npz-compressed", tmp_path, {"x": image})
    held = bytearray(path.read_bytes())
    held[-600:-400] = bytes(200)  # of the last patches
    (tmp_path / "bad.npz").write_bytes(held)
    with pytest.raises(ReadError, match=r"bad\.npz cannot be read, x: "):
        read_all(container_source(tmp_path / "bad.npz", {"image": "x"}))
    path = write("npz", tmp_path, {"x": image})
    source = container_source(path, "x")
    source.read(0)  # opens it
    with path.open("r+b") as file:
        file.truncate(1200)
    with pytest.raises(TruncatedError, match="ends within x, after entry 8"):
        source.read(8)
    np.save(tmp_path / "x.npy", image)
    with (tmp_path / "x.npy").open("r+b") as file:
        file.truncate(1200)
    with pytest.raises(LayoutError, match="holds 1,200 bytes; by its header"):
        container_source(tmp_path / "x.npy")
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    pytest.importorskip("h5py", reason="cloudio[hdf5]")
    with pytest.raises(ReadError, match=r"x\.h5 cannot be read: "):
        container_source(tmp_path / "x.h5", "x")
    (tmp_path / "x.txt").write_text("no container")
    with pytest.raises(LayoutError, match=r"x\.txt is no HDF5, Zarr, \.npz or \.npy file"):
        container_source(tmp_path / "x.txt", "x")


def test_an_array_in_fortran_order_is_read_or_refused(tmp_path):
    image = np.asfortranarray(np.arange(60, dtype="i2").reshape(5, 3, 4))
    np.save(tmp_path / "x.npy", image)
    np.savez(tmp_path / "x.npz", x=image)
    np.savez_compressed(tmp_path / "y.npz", x=image)
    for path in ("x.npy", "x.npz"):
        source = container_source(tmp_path / path, "x")
        assert all(np.array_equal(source.read(k).arrays["x"], image[k]) for k in range(5))
    with pytest.raises(LayoutError, match="has x compressed and in Fortran order"):
        container_source(tmp_path / "y.npz", "x").read(0)


def test_the_digest_changes_with_the_file_and_the_choice(tmp_path):
    arrays = {"a": np.zeros((2, 2, 2), "u1"), "b": np.ones((2, 2, 2), "u1")}
    path = write("npz", tmp_path, arrays)
    digests = {container_source(path, name).digest() for name in "ab"}
    digests.add(container_source(path, {"a": "b"}).digest())
    assert container_source(path, "a").digest() in digests
    np.savez(path, c=np.zeros(3), **arrays)
    digests.add(container_source(path, "a").digest())
    assert len(digests) == 4


# ---- packed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hdf5", "zarr", "npz", "npy"])
@pytest.mark.parametrize("dtype", ["bool", ">i2", "float16"])
def test_what_is_packed_has_the_numbers_of_the_container(kind, dtype, tmp_path):
    rng = np.random.default_rng(0)
    image = random_bits(rng, (5, 2, 7, 6), dtype)
    mask = rng.integers(0, 3, (5, 7, 6))
    path = write(kind, tmp_path, {"x y": image} if kind == "npy" else {"x y": image, "m": mask})
    dataset = {"image": "x y"} if kind == "npy" else {"image": "x y", "mask": "m"}
    result = cloudio.pack(path, tmp_path / "out", dataset=dataset, names=["é", "B 2"], workers=1)
    assert result.patches == {"train": 5}
    with cloudio.open(tmp_path / "out") as ds:
        stored = {"bool": "uint8", "float16": "float32"}.get(dtype, np.dtype(dtype).name)
        for k, name in enumerate(["é", "B 2"]):
            assert ds[name].dtype == stored
            assert same(ds[name], image[:, k].astype(stored))
        if kind != "npy":
            assert ds["mask"].dtype == np.uint8
            assert np.array_equal(ds["mask"], mask)
        assert ds.metadata["index"].tolist() == [0, 1, 2, 3, 4]


def test_what_attributes_say_is_in_the_layout_of_what_is_packed(tmp_path):
    attributes = {"_FillValue": -9999, "scale_factor": 0.01, "add_offset": 273.15, "units": "K"}
    path = write("hdf5", tmp_path, {"t": np.zeros((2, 3, 3), "i2")}, attributes=attributes)
    cloudio.pack(path, tmp_path / "out", dataset="t", workers=1)
    band = cloudio.open(tmp_path / "out").band("t")
    assert (band.nodata, band.scale_factor, band.add_offset) == (-9999, 0.01, 273.15)
    assert band.unit == "K"


def test_arguments_of_other_sources_are_refused(tmp_path):
    path = write("npz", tmp_path, {"x": np.zeros((2, 3, 3), "u1")})
    with pytest.raises(RequestError, match=r"images= is for other sources, not for .*data\.npz"):
        cloudio.pack(path, tmp_path / "out", dataset="x", images="{id}.tif")
    (tmp_path / "folder").mkdir()
    with pytest.raises(LayoutError, match="folder is no HDF5, Zarr"):
        cloudio.pack(tmp_path / "folder", tmp_path / "out", dataset="x")
