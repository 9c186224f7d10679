"""Paths that are given: of this machine, with the home folder, and not URLs."""

import os
from pathlib import Path

import numpy as np
import pytest

import cloudio
from cloudio import RequestError
from cloudio._utils.paths import exists, is_file, is_folder, local_path, not_found
from cloudio.cli import main


class Remote:
    """As the paths of object stores: without a path of the system."""

    def __init__(self, url):
        self.path = url


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def test_the_home_folder_is_expanded(home):
    assert local_path("~") == home
    assert local_path("~/a b") == local_path(Path("~/a b")) == home / "a b"
    assert local_path("a/~/b") == Path("a/~/b")
    assert local_path("./~") == Path("~")
    assert local_path("~no_such_user/x") == Path("~no_such_user/x")


def test_what_has_a_path_of_the_system_is_taken(tmp_path):
    (tmp_path / "x").touch()
    with os.scandir(tmp_path) as entries:
        (entry,) = entries
    with os.scandir(os.fsencode(tmp_path)) as entries:
        (raw,) = entries
    assert local_path(entry) == local_path(raw) == tmp_path / "x"


@pytest.mark.parametrize("given", ["C:/data", r"C:\data", "a:b/c", "a.b/c:d", "/vsi"])
def test_what_only_looks_like_a_url_is_a_path(given):
    assert local_path(given) == Path(given)


def test_a_folder_may_be_named_like_a_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:" / "b").mkdir(parents=True)
    assert local_path("s3://b") == Path("s3:/b")
    with pytest.raises(RequestError, match="is a URL"):
        local_path("gs://b")


URLS = (
    "s3://bucket/data",
    "https://host/data.zip",
    "gs://b",
    "abfs://c@a.dfs.core.windows.net/x",
    "zip://data::s3://b/x.zip",
    "simplecache::gs://b/x",
    "S3://bucket/data",
)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("kind", [str, Path])
def test_a_url_is_refused_with_what_to_do(url, kind):
    if "::" in url and kind is Path:
        pytest.skip("pathlib makes one slash of two anywhere")
    with pytest.raises(RequestError) as caught:
        local_path(kind(url))
    assert str(caught.value) == (
        f"path={url!r} is a URL, but cloudio reads and writes files of this machine; download the "
        "files, or mount their storage as a folder, and give a path"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("file:///data/my%20set", "is a URL; give the path itself: /data/my set$"),
        (Path("file:///data"), "is a URL; give the path itself: /data$"),
        ("hf://datasets/a/b", r"download the files \(huggingface_hub.snapshot_download returns"),
        ("/vsis3/b/x", "path='/vsis3/b/x' is a path of GDAL; unpack or download the files"),
        ("/vsizip//data/x.zip", "is a path of GDAL"),
        ("", "^path=''; path must be the path of a file or folder, such as '.'$"),
        ("a\0b", "must be the path of a file or folder"),
        (3, "^path is of type int; path must be a str or a pathlib.Path$"),
        (None, "path is None"),
        (b"data", "path is of type bytes"),
        (Remote("s3://b/x"), "path is of type Remote; path must be a str"),
    ],
    ids=str,
)
def test_other_things_are_refused_in_words(given, message):
    with pytest.raises(RequestError, match=message):
        local_path(given)


# ---- everywhere ----------------------------------------------------------------------------------


@pytest.fixture
def small(home):
    """A data set in the home folder, and its layout beside it."""
    (home / "set" / "train").mkdir(parents=True)
    np.arange(2 * 16 * 16, dtype="<i2").tofile(home / "set" / "train" / "B1.dat")
    (home / "layout.toml").write_text(
        'name = "Small"\npatch = [16, 16]\n[[arrays]]\nname = "B1"\ndtype = "int16"\nscale = 1e-4\n'
    )
    return home


def test_every_function_expands_the_home_folder(small):
    ds = cloudio.open("~/set", layout="~/layout.toml")
    assert ds.path == small / "set"
    assert cloudio.Layout.from_toml(Path("~/layout.toml")).bands == ds.layout.bands
    report = cloudio.verify("~/set", layout="~/layout.toml", manifest="~/manifest.json")
    assert (small / "manifest.json").is_file()
    again = cloudio.verify("~/set", layout="~/layout.toml", against="~/manifest.json")
    assert again.path == report.path == small / "set"
    result = cloudio.stats.bands(ds, ["B1"], scale=None)
    result.save("~/stats.json")
    assert (small / "stats.json").is_file()
    assert np.array_equal(cloudio.stats.load("~/stats.json").mean, result.mean)
    cloudio.synthesize("~/made", {"train": 1}, arrays=["L1C_B4"])
    assert (small / "made" / "train").is_dir()


def test_every_function_refuses_urls(small):
    ds = cloudio.open("~/set", layout="~/layout.toml")
    result = cloudio.stats.bands(ds, ["B1"], scale=None)
    for what, call in (
        ("path", lambda url: cloudio.open(url)),
        ("layout", lambda url: cloudio.open("~/set", layout=url)),
        ("path", lambda url: cloudio.Layout.from_toml(url)),
        ("path", lambda url: cloudio.verify(url)),
        ("layout", lambda url: cloudio.verify("~/set", layout=url)),
        ("manifest", lambda url: cloudio.verify("~/set", manifest=url)),
        ("against", lambda url: cloudio.verify("~/set", against=url)),
        ("path", lambda url: result.save(url)),
        ("path", lambda url: cloudio.stats.load(url)),
        ("path", lambda url: cloudio.synthesize(url, {"train": 1})),
    ):
        with pytest.raises(RequestError, match=f"^{what}='s3://b/x' is a URL"):
            call("s3://b/x")


def test_figures_too(small):
    plot = pytest.importorskip("cloudio.plot", exc_type=ImportError)
    ds = cloudio.open("~/set", layout="~/layout.toml")
    figure = plot.patch(ds, 0, bands="B1")
    plot.save(figure, "~/x.png")
    assert (small / "x.png").is_file()
    with pytest.raises(RequestError, match=r"path='s3://b/x.png' is a URL"):
        plot.save(figure, "s3://b/x.png")


def test_a_data_set_where_its_path_is_meant(small):
    ds = cloudio.open("~/set", layout="~/layout.toml")
    with pytest.raises(RequestError, match=r"^path is of type Dataset; .*; pass its .path$"):
        cloudio.open(ds)
    assert cloudio.verify(ds).path == ds.path


@pytest.mark.parametrize(
    "words",
    [
        ["info", "~/set", "--layout=~/layout.toml"],
        ["verify", "~/set", "--layout=~/layout.toml", "--manifest=~/m.json"],
        ["stats", "~/set", "--layout=~/layout.toml", "--bands=B1", "--raw", "-o", "~/s.json"],
        ["synth", "~/made", "--patches", "train=1"],
    ],
    ids=lambda words: words[0],
)
def test_every_command_expands_the_home_folder(small, words, capsys):
    """A shell does not expand --option=~/file, and nothing in quotes."""
    assert main(words) in (0, 1)
    made = {"verify": "m.json", "stats": "s.json", "synth": "made"}.get(words[0], "set")
    assert (small / made).exists()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["info", "s3://b/x"], "path="),
        (["bench", "s3://b/x"], "path="),
        (["show", "s3://b/x", "--index", "0"], "path="),
        (["synth", "s3://b/x"], "path="),
        (["verify", "~/set", "--manifest", "s3://b/x"], "--manifest "),
        (["verify", "~/set", "--against", "s3://b/x"], "--against "),
        (["stats", "~/set", "--layout", "s3://b/x"], "--layout "),
        (["stats", "~/set", "-o", "s3://b/x"], "path="),
    ],
    ids=str,
)
def test_every_command_refuses_urls(small, words, what, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(f"cloudio: {what}'s3://b/x' is a URL, but cloudio")


def test_commands_refuse_an_empty_path(capsys):
    """As of a variable that is not set; the current folder is not meant."""
    assert main(["info", ""]) == 2
    assert capsys.readouterr().err.startswith("cloudio: path=''; path must be the path of a file")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("dta", "data"),
        ("data/trian", "data/train"),
        ("dta/train", "data/train"),
        ("dta/other", "data"),
        ("txet", None),  # a file is no folder
        ("text/x", None),
        ("quite/other", None),
    ],
)
def test_a_missing_folder_is_looked_for_among_its_neighbors(tmp_path, monkeypatch, path, found):
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "text").touch()
    monkeypatch.chdir(tmp_path)
    hint = f"; did you mean {found}?" if found else ""
    where = f" in the current folder, {tmp_path}"
    assert str(not_found(path)) == f"there is no folder {path}{where}{hint}"
    hint = f"; did you mean {tmp_path / found}?" if found else ""
    assert str(not_found(tmp_path / path)) == f"there is no folder {tmp_path / path}{hint}"


def test_a_missing_file_is_looked_for_among_files(tmp_path):
    (tmp_path / "layout.toml").touch()
    error = not_found(tmp_path / "layuot.toml", "layout file")
    assert str(error).endswith(f"; did you mean {tmp_path / 'layout.toml'}?")
    assert "mean" not in str(not_found(tmp_path / "a.json", "manifest"))


def test_a_missing_folder_is_one_also_where_the_current_folder_is_gone(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert str(not_found("data")) == "there is no folder data"


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "\ud800", "missing", "file/below"])
def test_nothing_is_where_nothing_can_be(tmp_path, name):
    (tmp_path / "file").touch()
    assert not exists(tmp_path / name)
    assert not is_file(tmp_path / name)
    assert not is_folder(os.fspath(tmp_path / name))
