"""Image files of any format that are packed: the same numbers come back, and the same places."""

import os
import string
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_folder import memory_folder
from profiles import scaled

import cloudio
from cloudio.packing.pack import pack

# What file names can have on this system, and patterns must not take for their own.
CHARACTERS = string.ascii_letters + string.digits + " ._-+[](){}!,;=@'&%~é雲"
STEMS = st.text(CHARACTERS, min_size=1, max_size=8).filter(
    lambda text: not text.startswith((".", " ")) and not text.endswith((".", " "))
)
examples = settings(max_examples=scaled(15, 40))
STORED = {"uint8", "int8", "uint16", "int16", "float32"}


def numbers(dtype, shape, seed):
    """Pixels of any bits for floats; of wide types, numbers that a stored type holds."""
    random = np.random.default_rng(seed)
    if dtype == "float32":
        return random.integers(0, 2**31, shape, np.uint32).view("float32")
    if dtype == "float64":
        return random.normal(0, 1e6, shape).astype("float32").astype("float64")
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    if dtype in STORED:
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return random.integers(0, 30_000, shape).astype(dtype)


@st.composite
def file_sets(draw, dtypes, channels):
    """Names of some samples, a type and a shape of all, and a seed."""
    stems = draw(st.lists(STEMS, min_size=1, max_size=4, unique_by=str.casefold))
    shape = draw(st.tuples(channels, st.integers(1, 20), st.integers(1, 20)))
    return stems, draw(st.sampled_from(dtypes)), shape, draw(st.integers(0, 99))


def check(folder, pattern, stored, **options):
    """Pack files whose pixels (channel, row, column) are known by their stems; open the result."""
    dest = folder / "packed"
    pack(folder / "files", dest, images=pattern, workers=1, **options)
    ds = cloudio.open(dest)
    assert len(ds) == len(stored)
    bands = [name for name in ds.names if ds.band(name).kind == "band"]
    for k, name in enumerate(ds.metadata["file"].tolist()):
        wanted = stored[name]
        found = np.stack([ds[band][k] for band in bands])
        assert found.dtype.name in STORED
        assert np.array_equal(
            found.astype(wanted.dtype), wanted, equal_nan=wanted.dtype.kind == "f"
        )
        if found.dtype == wanted.dtype:
            assert found.tobytes() == wanted.tobytes()
    return ds


@contextmanager
def set_of(drawn):
    """Give the folder of a drawn set, and what is drawn."""
    with memory_folder() as folder:
        (folder / "files").mkdir()
        yield folder, *drawn


CRS = [None, "EPSG:32631", "EPSG:4326", "EPSG:3857", "+proj=laea +lat_0=52 +lon_0=10 +ellps=GRS80"]
COMPRESSIONS = ["deflate", "lzw", "zstd", "packbits", "none"]


@examples
@given(
    file_sets(["uint8", "int8", "uint16", "int16", "int32", "uint32", "float32", "float64"],
              st.integers(1, 5)),
    st.sampled_from(CRS),
    st.sampled_from(COMPRESSIONS),
    st.booleans(),
)  # fmt: skip
def test_geotiffs_come_back_with_their_places_and_go_out_again(drawn, crs, compress, tiled):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is an extra")
    with set_of(drawn) as (folder, stems, dtype, shape, seed):
        stored, places = {}, {}
        profile = {"driver": "GTiff", "dtype": dtype, "crs": crs, "compress": compress}
        profile |= {"photometric": "MINISBLACK", "alpha": "NO"}
        if tiled:
            profile |= {"tiled": True, "blockxsize": 16, "blockysize": 16}
        profile |= {"count": shape[0], "height": shape[1], "width": shape[2]}
        for k, stem in enumerate(stems):
            name = f"{stem}.tif"
            stored[name] = numbers(dtype, shape, seed + k)
            places[name] = rasterio.Affine(0.1, 0.001, 10 + k / 7, 0.002, -0.1, 50.3)
            where = {} if crs is None else {"transform": places[name]}
            with warnings.catch_warnings():  # a file without a place
                warnings.simplefilter("ignore")
                with rasterio.open(folder / "files" / name, "w", **profile, **where) as file:
                    file.write(stored[name])
        ds = check(folder, "{id}.tif", stored)
        if crs is None:
            return
        out = cloudio.unpack(folder / "packed", folder / "out")
        assert len(out.files) == len(stems)
        names = ds.metadata["file"].tolist()
        for k in range(len(ds)):
            written = [path for path in out.files if _patch_of(path, names, k)]
            with (
                rasterio.open(written[0]) as file,
                rasterio.open(folder / "files" / names[k]) as own,
            ):
                assert np.array_equal(file.read(), own.read(), equal_nan=dtype.startswith("float"))
                assert file.crs == own.crs
                assert file.transform.almost_equals(own.transform, 0)


def _patch_of(path, names, k):
    return os.path.basename(path).rpartition(".")[0].endswith(names[k].rpartition(".")[0])


@examples
@given(
    file_sets(["uint8", "uint16", "int16", "int32", "float32", "float64"], st.integers(1, 4)),
    st.sampled_from(["zlib", "lzw", None]),
)
def test_tiffs_without_gdal_come_back(drawn, compression):
    tifffile = pytest.importorskip("tifffile", reason="tifffile is an extra")
    pytest.importorskip("imagecodecs", reason="imagecodecs is an extra")
    with set_of(drawn) as (folder, stems, dtype, shape, seed):
        stored = {}
        for k, stem in enumerate(stems):
            name = f"{stem}.tiff"
            stored[name] = numbers(dtype, shape, seed + k)
            pixels = stored[name] if shape[0] > 1 else stored[name][0]
            tifffile.imwrite(
                folder / "files" / name,
                pixels,
                photometric="minisblack",
                planarconfig="separate" if shape[0] > 1 else None,
                compression=compression,
            )
        check(folder, "{id}.tiff", stored)


@examples
@given(file_sets(["uint8"], st.sampled_from([1, 3])), st.sampled_from(["png", "jpg", "bmp"]))
def test_pictures_come_back(drawn, ending):
    image = pytest.importorskip("PIL.Image", reason="pillow is an extra")
    with set_of(drawn) as (folder, stems, dtype, shape, seed):
        stored = {}
        for k, stem in enumerate(stems):
            path = folder / "files" / f"{stem}.{ending}"
            pixels = np.moveaxis(numbers(dtype, shape, seed + k), 0, -1)
            image.fromarray(pixels[..., 0] if shape[0] == 1 else pixels).save(path)
            with image.open(path) as again:  # JPEG changes pixels
                stored[path.name] = np.atleast_3d(np.asarray(again)).transpose(2, 0, 1)
        ds = check(folder, f"{{id}}.{ending}", stored)
        assert ds.names == (("image",) if shape[0] == 1 else ("red", "green", "blue"))


@examples
@given(
    file_sets(["bool", "uint8", "int8", "int16", "int64", "uint64", "float16", "float32"],
              st.integers(1, 4)),
    st.booleans(),
)  # fmt: skip
def test_npy_and_npz_files_come_back(drawn, in_npz):
    with set_of(drawn) as (folder, stems, dtype, shape, seed):
        ending = "npz" if in_npz else "npy"
        stored = {}
        for k, stem in enumerate(stems):
            name = f"{stem}.{ending}"
            stored[name] = numbers(dtype, shape, seed + k)
            with open(folder / "files" / name, "wb") as file:
                if in_npz:
                    np.savez_compressed(file, image=stored[name])
                else:
                    np.save(file, stored[name])
        check(folder, f"{{id}}.{ending}", stored, channel_axis="first")


def test_processes_pack_the_same_as_this_one(tmp_path):
    (tmp_path / "files").mkdir()
    for k in range(scaled(20, 60)):
        np.save(tmp_path / "files" / f"a{k}.npy", numbers("uint16", (9, 9), k))
    found = []
    for workers in (1, 2):
        (tmp_path / f"by_{workers}").mkdir()
        dest = tmp_path / f"by_{workers}" / "set"
        pack(tmp_path / "files", dest, images="a{id}.npy", workers=workers)
        found.append({p.relative_to(dest): p.read_bytes() for p in dest.rglob("*.*")})
    assert found[0] == found[1]
    ds = cloudio.open(dest)
    assert ds.metadata["id"].tolist() == list(range(len(ds)))


def test_splits_of_several_folders_say_what_each_leaves_out(tmp_path):
    for split in ("a", "b"):
        for name in ("1.npy", "2.npy", "1_mask.npy"):
            path = tmp_path / split / name
            path.parent.mkdir(exist_ok=True)
            np.save(path, np.ones((9, 9), np.uint8))
    parts = {"train": tmp_path / "a", "val": tmp_path / "b"}
    patterns = {"images": "{id}.npy", "masks": "{id}_mask.npy", "skip_missing": True}
    shown = str(pack(parts, tmp_path / "set", **patterns, dry_run=True))
    assert "train:\n  " in shown
    assert "val:\n  " in shown
    result = pack(parts, tmp_path / "set", **patterns, tile=4)
    assert [reason for _, reason in result.left_out] == ["has no mask"] * 2
    assert len({name for name, _ in result.left_out}) == 1
    assert result.patches == {"train": 4, "val": 4}
    assert "are in no tile" in str(result)


def test_half_a_character_of_a_table_is_escaped(tmp_path):
    np.save(tmp_path / "1.npy", np.ones((3, 3), np.uint8))
    (tmp_path / "t.json").write_text('[{"image": "1.npy", "place": "x\\ud800"}]')
    pack(tmp_path, tmp_path / "set", table=tmp_path / "t.json")
    assert cloudio.open(tmp_path / "set").metadata["place"].tolist() == ["x\\ud800"]
