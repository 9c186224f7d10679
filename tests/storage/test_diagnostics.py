"""Warnings: each said once, at the user's line, where numbers are not what they look like."""

import os
import pickle
import re
import shutil
import sys
import threading
import warnings

import builders
import numpy as np
import pytest
from builders import SMALL, write_metadata, write_root, write_split
from processes import in_subprocess, needs_fork

import cloudio
from cloudio import CLOUDSEN12, Band, CloudioWarning, LabelMap, Layout, Reader, Window
from cloudio._utils import warn
from cloudio.cli import info, main

LABELS = [band.name for band in CLOUDSEN12.bands if band.kind == "label"]
SHORT = [name.removeprefix("LABEL_") for name in LABELS]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A clean data set as `cloudio synth` makes it, of all labels and one band."""
    path = tmp_path_factory.mktemp("synth") / "data"
    cloudio.synthesize(path, {"train": 2, "val": 1}, arrays=["L1C_B4", *LABELS])
    return path


def heard(call):
    """The warnings of a call, and what it returns."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    assert all(seen.category is CloudioWarning for seen in caught)
    # Whoever called into the package is shown.
    assert {seen.filename for seen in caught} <= {__file__}
    return [str(seen.message) for seen in caught], result


def said(call):
    return heard(call)[0]


# ---- once ----------------------------------------------------------------------------------------


def test_a_matter_is_warned_of_once_until_all_is_forgotten():
    assert said(
        lambda: [warn.warn_once("a", "A"), warn.warn_once("b", "B"), warn.warn_once("a", "A")]
    ) == [
        "A",
        "B",
    ]
    assert said(lambda: warn.warn_once("a", "A")) == []
    warn.reset()
    assert said(lambda: warn.warn_once("a", "A")) == ["A"]


def test_what_is_hushed_does_not_count_as_said():
    def quietly():
        with warn.suppressed():
            warn.warn_once("a", "A")
            warn.dismiss("a")
            assert warn.was_warned("a")

    assert said(quietly) == []
    assert not warn.was_warned("a")
    assert said(lambda: warn.warn_once("a", "A")) == ["A"]


def test_a_warning_that_filters_make_an_error_is_one_every_time():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            with pytest.raises(CloudioWarning, match="A"):
                warn.warn_once("a", "A")
    assert said(lambda: warn.warn_once("a", "A")) == ["A"]


def test_of_many_threads_one_is_told(monkeypatch):
    told = []
    monkeypatch.setattr(warnings, "warn", lambda text, *_, **__: told.append(text))
    start = threading.Barrier(8)

    def tell():
        start.wait()
        for matter in range(200):
            warn.warn_once(matter, str(matter))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=tell) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert sorted(told, key=int) == [str(matter) for matter in range(200)]


@needs_fork
def test_a_forked_child_has_heard_what_its_parent_has():
    in_subprocess("""
        import forks, warnings
        from cloudio._utils import warn
        warnings.simplefilter("ignore")
        warn.warn_once("a", "A")
        warnings.simplefilter("error")
        assert forks.forked(lambda: warn.warn_once("a", "A") is None) == 0
    """)


def test_the_category_can_be_filtered_alone(whole):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", CloudioWarning)
        cloudio.open(whole).reader("B4", SHORT)
    assert issubclass(CloudioWarning, UserWarning)


def test_each_door_shows_the_line_of_its_user(whole):
    ds = cloudio.open(whole)
    for make in (lambda: ds.reader("B4", "sen2cor"), lambda: Reader(ds, "B4", "sen2cor")):
        warn.reset()
        with pytest.warns(CloudioWarning) as caught:
            make()
        assert [(s.filename, s.lineno) for s in caught] == [
            (__file__, make.__code__.co_firstlineno)
        ]


# ---- what is clean is silent ---------------------------------------------------------------------


@pytest.mark.parametrize("io", ["mmap", "pread"])
@pytest.mark.parametrize("evict", [False, True])
def test_a_clean_request_says_nothing(whole, io, evict):
    ds = cloudio.open(whole, io=io)
    for labels in (
        "manual_hq",
        "fmask",
        ["s2cloudless", "cd_fcnn_rgbi", "cd_fcnn_rgbi_swir"],
        {"manual_hq": None, "sen2cor": None},
        {name: "card" for name in SHORT if name != "qa60"},
        {name: "authors" for name in SHORT if name != "qa60"},
        {"sen2cor": {4: 0, 8: 1}, "s2cloudless": LabelMap.threshold(50)},
        None,
    ):
        assert said(lambda labels=labels: ds.reader("B4", labels, evict=evict)) == []
    # What lies in the frame becomes ignore, or belongs to an image.
    assert said(lambda: ds.reader("B4", "manual_hq", size=512)) == []
    assert said(lambda: ds.reader("B4", size=512)) == []


def test_a_refused_request_warns_of_nothing(whole):
    ds = cloudio.open(whole)
    for wrong in ({"size": 513}, {"ignore": 256}, {"threads": 0}):
        with pytest.raises(cloudio.RequestError):
            ds.reader("B4", "qa60", **wrong)
    assert len(said(lambda: ds.reader("B4", "qa60"))) == 1


# ---- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", ["qa60", {"qa60": "authors"}, {"qa60": None}, {"qa60": {0: 0}}])
def test_qa60_of_zeros_is_told_whatever_it_is_read_by(whole, labels):
    ds = cloudio.open(whole)
    (text,) = said(lambda: ds.reader("B4", labels))
    assert text == (
        "LABEL_qa60 is stored in 1 byte a pixel, which cannot hold the codes 1024, 2048, 3072, and "
        "is 0 wherever it was looked at in train, val (2 rows of up to 4 patches): every pixel "
        "becomes one class, whatever the image shows; read another label, unless "
        f"'cloudio verify {whole}' finds more in it"
    )
    assert said(lambda: ds.reader("B4", "qa60")) == []
    assert said(lambda: cloudio.open(whole).split("val").reader("B4", "qa60")) == []


def test_qa60_that_holds_something_in_one_split_is_told_of_the_other(tmp_path):
    names = ["L1C_B4", "LABEL_qa60"]
    write_root(tmp_path, {"train": 1, "val": 1}, CLOUDSEN12, names=names)
    np.zeros(512 * 512, "u1").tofile(tmp_path / "val" / "LABEL_qa60.dat")
    ds = cloudio.open(tmp_path)
    assert said(lambda: ds.split("train").reader("B4", {"qa60": None})) == []
    (text,) = said(lambda: ds.reader("B4", {"qa60": None}))
    assert "is 0 wherever it was looked at in val (" in text


def test_qa60_that_is_the_same_code_all_over_but_not_zero_is_no_placeholder(tmp_path):
    write_split(tmp_path, 1, CLOUDSEN12, names=["L1C_B4", "LABEL_qa60"])
    np.full(512 * 512, 4, "u1").tofile(tmp_path / "LABEL_qa60.dat")
    ds = cloudio.open(tmp_path)
    assert said(lambda: ds.reader("B4", {"qa60": None})) == []
    assert "wherever" not in said(lambda: ds.reader("B4", "qa60"))[0]


def test_the_frame_is_not_looked_at(tmp_path):
    write_split(tmp_path, 1, CLOUDSEN12, names=["L1C_B4", "LABEL_qa60"])
    codes = np.full((512, 512), 9, "u1")
    codes[1:510, 1:510] = 0
    codes.tofile(tmp_path / "LABEL_qa60.dat")
    (text,) = said(lambda: cloudio.open(tmp_path).reader("B4", "qa60"))
    assert "is 0 wherever" in text


def test_rows_are_looked_at_in_patches_all_over_a_stacked_file(tmp_path):
    """Of 40 patches and two channels, one of which is zero: no more than a few rows are read."""
    bands = tuple(
        Band(name, "label", "uint8", file="both.dat", channel=k, channels=2)
        for k, name in enumerate(["full", "empty"])
    )
    maps = {name: {"own": LabelMap({0: 0, 1024: 1})} for name in ("full", "empty")}
    layout = Layout("Own", (40, 48), Window(1, 2, 35, 41), bands, label_maps=maps)
    codes = builders.pixels("both", (40, 2, 40, 48), "uint8")
    codes[:, 1, 1:36, 2:43] = 0
    codes.tofile(tmp_path / "both.dat")
    ds = cloudio.open(tmp_path, layout=layout)
    texts = said(lambda: ds.reader(["full"], ["full", "empty"], scale=1))
    assert [text.split(" is stored")[0] for text in texts] == ["full", "empty"]
    assert ["wherever" in text for text in texts] == [False, True]


@pytest.mark.parametrize("io", ["mmap", "pread"])
def test_a_file_that_is_cut_or_gone_meanwhile_is_for_reading_to_tell(tmp_path, io):
    write_split(tmp_path, 3, CLOUDSEN12, names=["L1C_B4", "LABEL_qa60"])
    file = tmp_path / "LABEL_qa60.dat"
    np.zeros(3 * 512 * 512, "u1").tofile(file)
    with cloudio.open(tmp_path, io=io) as ds:
        ds.open_arrays("LABEL_qa60")  # open from here on
        for harm in (lambda: os.truncate(file, 0), file.unlink):
            harm()
            assert said(lambda: ds.reader("B4", {"qa60": None})) == []
            warn.reset()
        (text,) = said(lambda: ds.reader("B4", "qa60"))
        assert text.endswith("holds, or read another label")


POLICIES = {
    "sen2cor": "the codes 0, 1, 7: ignored under 'card', class 0 under 'authors'",
    "kappamask_L1C": "the codes 0, 5: ignored under 'card', class 0 under 'authors'",
    "kappamask_L2A": "the codes 0, 5: ignored under 'card', class 0 under 'authors'",
    "manual_sc": (
        "the card implies codes 0..3, and the files hold 0..6 and 99: under both policies 1 and 2 "
        "become thick cloud, 3 and 4 thin cloud, 5 and 6 shadow, and 99, not labelled, is ignored"
    ),
}


@pytest.mark.parametrize("name", [name for name in SHORT if name != "qa60"])
def test_a_label_by_its_name_alone_is_told_where_published_maps_disagree(whole, name):
    ds = cloudio.open(whole)
    expected = [
        f"LABEL_{name} by its name alone follows 'card': {POLICIES[name]}; "
        f"labels={{'LABEL_{name}': 'card'}} says that this is meant"
        for _ in range(name in POLICIES)
    ]
    assert said(lambda: ds.reader("B4", [name])) == expected
    assert said(lambda: ds.reader("B4", name)) == []
    warn.reset()
    assert said(lambda: ds.reader("B4", name)) == expected
    warn.reset()
    for policy in ("card", "authors"):
        assert said(lambda policy=policy: ds.reader("B4", {name: policy})) == []


def test_policies_of_any_layout_are_compared_by_what_they_list(tmp_path):
    write_split(tmp_path, 2, names=["B2", "hq"])
    maps = {
        "one": LabelMap({0: 0, 1: 1, 2: None}),
        "two": LabelMap({0: 0, 1: 2, 3: 1}, unlisted=0),
        "three": LabelMap({0: 0, 1: 2}, unlisted=0),
    }
    layout = Layout(
        SMALL.name, SMALL.patch, SMALL.valid, SMALL.bands, label_maps={"LABEL_hq": maps},
        prefixes=SMALL.prefixes,
    )  # fmt: skip
    (text,) = said(lambda: cloudio.open(tmp_path, layout=layout).reader("B2", "hq"))
    assert text == (
        "LABEL_hq by its name alone follows 'one': the code 1: class 1 under 'one', class 2 under "
        "'two', class 2 under 'three'; the code 2: ignored under 'one', class 0 under 'two', class "
        "0 under 'three'; the code 3: ignored under 'one', class 1 under 'two', class 0 under "
        "'three'; labels={'LABEL_hq': 'one'} says that this is meant"
    )


@pytest.mark.parametrize(
    ("name", "at"), [("s2cloudless", 40), ("cd_fcnn_rgbi", 50), ("cd_fcnn_rgbi_swir", 50)]
)
def test_a_probability_as_stored_is_told(whole, name, at):
    ds = cloudio.open(whole)
    (text,) = said(lambda: ds.reader("B4", {name: None}))
    assert text == (
        f"LABEL_{name} read as stored is a probability 0..100, not a class: compare it with a "
        f"threshold, not with 1; LabelMap.threshold({at}), or its name alone, gives classes 0 and 1"
    )
    assert said(lambda: ds.reader("B4", {name: None})) == []


def test_a_map_of_few_codes_is_no_threshold_of_probabilities():
    assert LabelMap.threshold(40).as_threshold == (40, 100)
    assert LabelMap.threshold(128, top=255).as_threshold == (128, 255)
    for label_map in (
        LabelMap({}),
        LabelMap.threshold(1, top=1),
        LabelMap({0: 0, 1: 1, 3072: 1}),
        LabelMap({code: int(code < 40) for code in range(101)}),
        LabelMap(LabelMap.threshold(40).classes, unlisted=0),
    ):
        assert label_map.as_threshold is None


@pytest.mark.parametrize(
    ("size", "n_padding", "share"),
    [(512, 3063, "1.17%"), ((512, 509), 1527, "0.586%"), ((100, 510), 100, "0.196%")],
)
def test_codes_as_stored_in_whole_patches_are_told(whole, size, n_padding, share):
    ds = cloudio.open(whole)
    labels = {"manual_hq": None, "sen2cor": "card", "fmask": None}
    (text,) = said(lambda: ds.reader("B4", labels, size=size))
    height, width = (size, size) if isinstance(size, int) else size
    assert text == (
        f"LABEL_manual_hq, LABEL_fmask read as stored in windows of {height} x {width}, where "
        f"509 x 509 pixels are valid: at least {n_padding:,} pixels of each ({share}) are padding "
        "and come out with the code that is stored there, a 0 as clear; size=None leaves the "
        "padding out, a map or policy makes it ignore"
    )
    # As many as say that it is so.
    codes = ds.reader("B4", {"manual_hq": {0: 1, 1: 1, 2: 1, 3: 1}}, size=size, ignore=0)
    assert np.count_nonzero(codes.read([0]).label == 0) == n_padding
    assert said(lambda: ds.reader("B4", labels, size=size)) == []
    assert said(lambda: ds.reader("B4", labels, size=509)) == []


def test_labels_of_another_type_are_told_when_read(tmp_path):
    write_split(tmp_path, 2, names=["B2", "hq", "sc"], dtypes=dict.fromkeys(["hq", "sc"], "int16"))
    with warn.suppressed():
        ds = cloudio.open(tmp_path, layout=SMALL)
    for labels in ("hq", {"hq": None}):
        warn.reset()
        (text,) = said(lambda labels=labels: ds.reader("B2", labels, label_dtype="int64"))
        assert text == (
            "LABEL_hq is int16 by the sizes of its files, where Small has uint8; read as int16, in "
            "which codes may mean something else: look at those it holds, and give a map if they do"
        )
        assert said(lambda: ds.reader("B2", "hq")) == []


# ---- files ---------------------------------------------------------------------------------------


def unusual(folder):
    write_split(folder / "train", 2, names=["B2", "B3", "B4", "B8A", "L2A_B4", "own"],
                dtypes=dict.fromkeys(["B2", "B3", "B4", "B8A"], "float32"))  # fmt: skip
    write_split(folder / "val", 2, names=["B2", "B3", "B8A", "L2A_B4"])


def test_what_is_unusual_about_files_is_told_at_open_once_for_a_path(tmp_path):
    unusual(tmp_path)
    texts, ds = heard(lambda: cloudio.open(tmp_path, layout=SMALL))
    assert texts == [
        f"{tmp_path}: 5 warnings about its files; ds.warnings lists all.\n"
        "- train: B2.dat is float32 by its size, where Small has int16; train: B3.dat is float32 "
        "by its size, where Small has int16; train: B4.dat is float32 by its size, where Small "
        "has int16; and 1 more so: read by that type, and a band without a scale of its own, so "
        "that reader(...) wants scale=; if the files were not converted, they are cut, exchanged "
        "or of another data set.\n"
        "- val: no L1C_B4, own, which others have: over all splits these arrays are not there, and "
        "a preset may mean others in their place (rgb those of L2A); ds.split(name) has what its "
        "split has."
    ]
    assert len(ds.warnings) == 6
    assert all(warning in "".join(texts) for warning in ds.warnings[:3])
    assert said(lambda: cloudio.open(tmp_path, layout=SMALL)) == []
    # Another path is another data set.
    assert said(lambda: cloudio.open(tmp_path / "val", layout=SMALL)) == []
    assert len(said(lambda: cloudio.open(tmp_path / "train", layout=SMALL))) == 1


def test_what_changes_no_number_is_listed_and_not_told(tmp_path):
    write_split(tmp_path / "train", 2, names=["B2", "own"])
    write_split(tmp_path / "val", 3, names=["B2", "own"], metadata=False)
    np.save(tmp_path / "train" / "mean.npy", np.zeros(13, "f4"))
    texts, ds = heard(lambda: cloudio.open(tmp_path, layout=SMALL))
    assert texts == []
    assert [warning.split(": ")[1].split()[0] for warning in ds.warnings] == [
        "own.dat", "left", "own.dat", "no",
    ]  # fmt: skip


def reflectance(n):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 1.3, (n, *SMALL.patch)).astype("f4")


def codes(n):
    return np.random.default_rng(0).choice([0, 0, 0, 1, 2, 3], (n, *SMALL.patch))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"B2": reflectance(2)}, True),
        ({"B2": reflectance(2), "hq": codes(2).astype("i2")}, True),
        ({"hq": codes(2).astype("i2")}, True),
        ({"hq": codes(2).astype("i2") - 1}, True),
        ({"B2": (reflectance(4) * 1e4).astype("i2")}, False),
        ({"B2": (reflectance(4) * 1e4).astype("i2"), "hq": codes(4).astype("u1")}, False),
        ({"B2": np.zeros((4, *SMALL.patch), "i2"), "hq": codes(4).astype("u1")}, False),
        ({"B2": np.zeros((4, *SMALL.patch), "i2")}, True),  # nobody can tell
        ({"B2": np.full((4, *SMALL.patch), -1, "i2")}, True),
    ],
)
def test_float32_that_passes_for_int16_is_told_and_int16_is_not(tmp_path, files, told):
    for name, array in files.items():
        array.astype(array.dtype.newbyteorder("<")).tofile(tmp_path / f"{name}.dat")
    texts, ds = heard(lambda: cloudio.open(tmp_path, layout=SMALL))
    taken = f"{tmp_path.name}: taken for 4 patches by the sizes of the files, which 2 of "
    assert [f"{tmp_path}: 1 warning" in text and taken in text for text in texts] == [True] * told
    assert all(text.endswith("half of every number is read as another.") for text in texts)
    assert (len(ds), len(ds.warnings)) == (4, 1)
    write_metadata(tmp_path / "metadata.csv", len(next(iter(files.values()))))
    warn.reset()
    texts = said(lambda: cloudio.open(tmp_path, layout=SMALL))
    assert not any("taken for" in text for text in texts)


def test_a_pickle_says_nothing_again(tmp_path, whole):
    unusual(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CloudioWarning)
        ds = cloudio.open(tmp_path, layout=SMALL)
        reader = cloudio.open(whole).reader("B4", "qa60")
    kept = pickle.dumps((ds, reader))
    warn.reset()  # as in a process of its own
    assert said(lambda: pickle.loads(kept)) == []
    assert len(said(lambda: cloudio.open(tmp_path, layout=SMALL))) == 1
    assert len(said(lambda: pickle.loads(kept)[1].dataset.reader("B4", "qa60"))) == 1


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="reads /proc")
def test_warnings_as_errors_leave_nothing_half_open(tmp_path, whole):
    unusual(tmp_path)
    before = os.listdir("/proc/self/fd")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(CloudioWarning, match="5 warnings about its files"):
                cloudio.open(tmp_path, layout=SMALL)
        assert os.listdir("/proc/self/fd") == before
        with cloudio.open(whole) as ds:
            expected = ds.reader("B4", "manual_hq").read([0]).image
            for _ in range(2):
                with pytest.raises(CloudioWarning, match="LABEL_qa60 is stored in 1 byte"):
                    ds.reader("B4", "qa60")
            assert np.array_equal(ds.reader("B4").read([0]).image, expected)
        assert os.listdir("/proc/self/fd") == before


# ---- the command line ----------------------------------------------------------------------------


def test_info_lists_what_open_warns_of_and_does_not_warn(tmp_path, capsys):
    path = tmp_path / "data"
    cloudio.synthesize(path, {"train": 1, "val": 1}, arrays=["L1C_B4", "L1C_B3"])
    (path / "val" / "L1C_B3.dat").unlink()
    assert said(lambda: main(["info", str(path)])) == []
    out, err = capsys.readouterr()
    assert out.endswith("val: no L1C_B3, which others have\n")
    assert err == ""


def test_other_commands_say_it_as_a_sentence(tmp_path, capsys, monkeypatch):
    unusual(tmp_path)
    shutil.copy(tmp_path / "val" / "B2.dat", tmp_path / "val" / "B4.dat")
    others = []

    def usual(message, *_, **__):
        others.append(str(message))

    def command(arguments):
        cloudio.open(tmp_path, layout=SMALL)
        warnings.warn("of somebody else", stacklevel=1)
        return 0

    monkeypatch.setattr(info, "run", command)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", usual)
        assert main(["info"]) == 0
        said_first = f"cloudio: warning: {tmp_path}: 5 warnings about its files"
        assert capsys.readouterr().err.startswith(said_first)
        assert others == ["of somebody else"]
        assert warnings.showwarning is usual
        warnings.simplefilter("error")
        warn.reset()
        assert main(["info"]) == 2
    assert re.match(f"cloudio: {tmp_path}: 5 warnings", capsys.readouterr().err)


# ---- real data -----------------------------------------------------------------------------------


def test_the_real_data_warns_of_what_is_there(realdata):
    texts, ds = heard(lambda: cloudio.open(realdata))
    assert texts == []
    assert said(lambda: ds.reader("L1C", "manual_hq", size=224)) == []
    texts = said(lambda: ds.reader("L1C", SHORT))
    assert {text.split()[0] for text in texts} == {
        "LABEL_manual_sc", "LABEL_qa60", "LABEL_sen2cor", "LABEL_kappamask_L1C",
        "LABEL_kappamask_L2A",
    }  # fmt: skip
    assert len(texts) == 5
    assert "is 0 wherever it was looked at in train, val, test (" in "".join(texts)
