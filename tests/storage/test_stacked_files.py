"""Files of several channels: one mapping for all arrays in them."""

import os

import numpy as np
import pytest
from builders import pixels, write_split
from own_files import NAMES, PER_VIEWED_FILE, H, W, descriptors, layout_of, refusal, stack, whole

import cloudio
from cloudio import Band, LabelMap, LayoutError, TruncatedError


@pytest.mark.parametrize("ending", ["dat", "npy", "bin"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
def test_a_channel_of_a_stacked_file_is_a_view(tmp_path, ending, dtype):
    array = pixels("S2", (2, 3, H, W), dtype)
    if ending == "npy":
        np.save(tmp_path / "S2.npy", array)
    else:
        array.tofile(tmp_path / f"S2.{ending}")
    ds = cloudio.open(tmp_path, layout=layout_of(*stack(dtype, f"S2.{ending}")))
    assert len(ds) == 2
    assert ds.names == NAMES
    # The size of a flat file leaves open what a header tells.
    ambiguous = ending != "npy" and dtype in ("uint8", "int16")
    assert [("read as 2 patches" in said) for said in ds.warnings] == [True] * ambiguous
    for k, name in enumerate(NAMES):
        assert ds[name].shape == (2, H, W)
        assert ds[name].dtype == dtype
        assert ds[name].tobytes() == array[:, k].tobytes()
        assert not ds[name].flags.writeable
        assert ds[name].base is not None
        assert ds[name].strides[0] == array.strides[0]
    assert np.shares_memory(ds["B3"], ds["B3"])
    image = whole(ds, ["B4", "B2"])
    assert np.array_equal(image, array[:, [2, 0]].astype("f4"), equal_nan=True)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="there is no /dev/fd")
def test_channels_share_one_mapping_and_one_descriptor(tmp_path):
    np.save(tmp_path / "S2.npy", pixels("S2", (2, 3, H, W), "int16"))
    before = descriptors()
    ds = cloudio.open(tmp_path, layout=layout_of(*stack(file="S2.npy")))
    reader = ds.reader(NAMES)
    reader.read([0, 1])
    assert descriptors() == before + 1
    sources = [ds.open_arrays(name)[0] for name in NAMES]
    assert len({source.file.fileno() for source in sources}) == 1
    addresses = [source.array.__array_interface__["data"][0] for source in sources]
    assert [address - addresses[0] for address in addresses] == [0, 2 * H * W, 4 * H * W]
    assert len({id(ds.open_arrays("B2")[0]) for _ in range(3)}) == 1
    del ds, reader
    assert descriptors() == before + PER_VIEWED_FILE
    del sources
    assert descriptors() == before


@pytest.mark.parametrize("ending", ["dat", "npy"])
def test_the_whole_file_must_be_there_for_any_channel(tmp_path, ending):
    path = tmp_path / f"S2.{ending}"
    array = pixels("S2", (2, 3, H, W), "int16")
    np.save(path, array) if ending == "npy" else array.tofile(path)
    size = path.stat().st_size
    ds = cloudio.open(tmp_path, layout=layout_of(*stack(file=path.name)))
    reader = ds.reader("B2")
    assert (
        ds.open_arrays("B2")[0].file.n_bytes
        == size
        == array.nbytes + (128 if ending == "npy" else 0)
    )
    reader.read([0])
    os.truncate(path, size - 2)
    with refusal(TruncatedError, f"{path} holds {size - 2:,} bytes; it held {size:,} when the"):
        reader.read([0])
    with refusal(TruncatedError, f"{path} holds {size - 2:,} bytes; it held {size:,} when the"):
        ds.reader("B2").read([0])
    with refusal(LayoutError, f"{path} holds {size - 2:,} bytes"):
        cloudio.open(tmp_path, layout=ds.layout)


def test_labels_of_one_channel_are_labels(tmp_path):
    codes = np.arange(2 * H * W, dtype="i2").reshape(2, 1, H, W) % 7 - 1
    np.save(tmp_path / "a.npy", codes)
    np.save(tmp_path / "b.npy", codes[:, 0])
    np.save(tmp_path / "c.npy", codes)
    codes.tofile(tmp_path / "d.dat")
    one = {"kind": "label", "dtype": "int16"}
    bands = [
        Band("a", **one, channel=0, channels=1),
        Band("b", **one, channel=0, channels=1),
        Band("c", **one),
        Band("d", **one, channel=0, channels=1),
    ]
    maps = {name: {"own": LabelMap({0: 0, 5: 1, -1: None})} for name in "abcd"}
    ds = cloudio.open(tmp_path, layout=layout_of(*bands, label_maps=maps))
    labels = ds.reader("d", list("abcd"), size=(H, W)).read([0, 1]).label
    table = {0: 0, 5: 1}
    expected = np.vectorize(lambda code: table.get(code, 255))(codes[:, 0])
    for k, name in enumerate("abcd"):
        assert ds[name].shape == (2, H, W)
        assert np.array_equal(labels[:, k], expected)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_stacked_file_of_another_type_warns_once_for_all_its_channels(tmp_path):
    array = pixels("S2", (2, 3, H, W), "float32")
    array.tofile(tmp_path / "S2.dat")
    write_split(tmp_path, 2, names=[])
    bands = stack(scale=1e-4, offset=-1000.0, nodata=0.0, wavelength=500.0)
    ds = cloudio.open(tmp_path, layout=layout_of(*bands))
    assert ds.warnings == (
        f"{tmp_path.name}: S2.dat is float32 by its size, but the layout Own says int16",
    )
    assert ds.band("B3") == Band(
        "B3",
        dtype="float32",
        scale=None,
        wavelength=500.0,
        offset=0.0,
        nodata=0.0,
        file="S2.dat",
        channel=1,
        channels=3,
    )
    assert ds["B3"].tobytes() == array[:, 1].tobytes()


def test_a_split_that_lacks_the_file_of_a_pattern_is_told(tmp_path):
    layout = layout_of(*stack(file="S2.npy"))
    for split, name in (("train", "S2"), ("test", "S2_test")):
        (tmp_path / split).mkdir()
        np.save(tmp_path / split / f"{name}.npy", pixels("S2", (2, 3, H, W), "int16"))
    with pytest.raises(LayoutError, match=r"file = 'S2.npy' of B\w+ matches nothing in .*test"):
        cloudio.open(tmp_path, layout=layout)


def test_a_folder_of_arrays_without_patches_says_why_they_are_none(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 7, 7), "i2"))
    with pytest.raises(
        LayoutError, match=r"no array of Own in .*; left out: .*a\.npy has shape \(2, 7, 7\)"
    ):
        cloudio.open(tmp_path, layout=layout_of(Band("B2")))


def test_a_header_that_is_no_header_is_told(tmp_path):
    for text in (b"(" * 500, b"{'descr': '<i2',"):
        path = tmp_path / "L1C_B2.npy"
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
        with pytest.raises(LayoutError, match=r"L1C_B2\.npy is not a \.npy file: "):
            cloudio.open(tmp_path)


def test_a_band_as_the_layout_says_keeps_its_offset(tmp_path):
    pixels("S2", (2, 3, H, W), "int16").tofile(tmp_path / "S2.dat")
    bands = stack(scale=1e-4, offset=-1000.0)
    ds = cloudio.open(tmp_path, layout=layout_of(*bands))
    assert [ds.band(name) for name in NAMES] == bands


def test_the_size_of_a_stacked_file_counts_its_channels(tmp_path):
    (tmp_path / "S2.dat").write_bytes(bytes(2 * 3 * H * W * 2 + 2))
    layout = layout_of(*stack())
    with refusal(
        LayoutError,
        "S2.dat holds 23,042 bytes, and no file here holds a whole number of patches of 40 x 48; ",
        "a patch of int16 in 3 channels has 11,520 bytes",
    ):
        cloudio.open(tmp_path, layout=layout)
    write_split(tmp_path, 4, names=[])
    with refusal(
        LayoutError,
        "S2.dat holds 23,042 bytes, but metadata.csv has 4 rows, and 4 patches of 40 x 48 in 3 ",
        "channels are 46,080 bytes (int16) or 92,160 (float32)",
    ):
        cloudio.open(tmp_path, layout=layout)


@pytest.mark.parametrize("shape", [(2, 4, H, W), (2, H, W), (2, 3, W, H), (2, 3, H, W, 1)])
def test_a_stack_of_another_shape_is_refused_with_both(tmp_path, shape):
    np.save(tmp_path / "S2.npy", np.zeros(shape, "i2"))
    words = f"S2.npy has shape {shape}; Own needs (patches, 3, 40, 48)"
    with refusal(LayoutError, words):
        cloudio.open(tmp_path, layout=layout_of(*stack(file="S2.npy")))
