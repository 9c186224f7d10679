"""Labels whose numbers are not what they look like are warned of, at the line of the user."""

import dataclasses
import os
import warnings

import builders
import numpy as np
import pytest
from builders import SMALL, write_root, write_split
from warned import SHORT, warned, warnings_and_result

import cloudio
from cloudio import CLOUDSEN12, Band, CloudioWarning, LabelMap, Layout, Reader, Window
from cloudio._utils import warn


def test_the_category_can_be_filtered_alone(all_labels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", CloudioWarning)
        cloudio.open(all_labels).reader("B4", SHORT)
    assert issubclass(CloudioWarning, UserWarning)


def test_each_door_shows_the_line_of_its_user(all_labels):
    ds = cloudio.open(all_labels)
    for make in (lambda: ds.reader("B4", "sen2cor"), lambda: Reader(ds, "B4", "sen2cor")):
        warn.reset()
        with pytest.warns(CloudioWarning) as caught:
            make()
        assert [(s.filename, s.lineno) for s in caught] == [
            (__file__, make.__code__.co_firstlineno)
        ]


@pytest.mark.parametrize("io", ["mmap", "pread"])
@pytest.mark.parametrize("evict", [False, True])
def test_a_clean_request_says_nothing(all_labels, io, evict):
    ds = cloudio.open(all_labels, io=io)
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
        assert warned(lambda labels=labels: ds.reader("B4", labels, evict=evict)) == []
    # What lies in the frame becomes ignore, or belongs to an image.
    assert warned(lambda: ds.reader("B4", "manual_hq", size=512)) == []
    assert warned(lambda: ds.reader("B4", size=512)) == []


def test_a_refused_request_warns_of_nothing(all_labels):
    ds = cloudio.open(all_labels)
    for wrong in ({"size": 513}, {"ignore": 256}, {"threads": 0}):
        with pytest.raises(cloudio.RequestError):
            ds.reader("B4", "qa60", **wrong)
    assert len(warned(lambda: ds.reader("B4", "qa60"))) == 1


@pytest.mark.parametrize("labels", ["qa60", {"qa60": "authors"}, {"qa60": None}, {"qa60": {0: 0}}])
def test_qa60_of_zeros_is_warned_of_under_any_map(all_labels, labels):
    ds = cloudio.open(all_labels)
    (text,) = warned(lambda: ds.reader("B4", labels))
    assert text == (
        "LABEL_qa60 is stored in 1 byte per pixel, which cannot hold the codes 1024, 2048, 3072. "
        "All sampled pixels of train, val (2 rows of up to 4 patches) are 0, so that every pixel "
        "becomes one class, whatever the image shows. Read another label, unless "
        f"'cloudio verify {all_labels}' finds other codes in it"
    )
    assert warned(lambda: ds.reader("B4", "qa60")) == []
    assert warned(lambda: cloudio.open(all_labels).split("val").reader("B4", "qa60")) == []


def test_qa60_that_holds_codes_in_one_split_is_warned_of_in_the_other(tmp_path):
    names = ["L1C_B4", "LABEL_qa60"]
    write_root(tmp_path, {"train": 1, "val": 1}, CLOUDSEN12, names=names)
    np.zeros(512 * 512, "u1").tofile(tmp_path / "val" / "LABEL_qa60.dat")
    ds = cloudio.open(tmp_path)
    assert warned(lambda: ds.split("train").reader("B4", {"qa60": None})) == []
    (text,) = warned(lambda: ds.reader("B4", {"qa60": None}))
    assert "All sampled pixels of val (2 rows of up to 4 patches) are 0" in text


@pytest.mark.parametrize("zeros", [True, False])
def test_qa60_at_its_own_resolution_is_sampled_as_it_is_read(tmp_path, zeros):
    qa60 = dataclasses.replace(
        CLOUDSEN12.band("LABEL_qa60"), repeat=6, phase="phases.npy", exceptions="whole.npy"
    )
    bands = [qa60 if band.name == qa60.name else band for band in CLOUDSEN12.bands]
    layout = dataclasses.replace(CLOUDSEN12, bands=tuple(bands))
    write_split(tmp_path, 2, CLOUDSEN12, names=["L1C_B4"])
    # The last row and column lie outside the window in this phase; outside an exception is 0.
    codes, whole = np.zeros((2, 86, 86), "u1"), np.zeros((1, 512, 512), "u1")
    codes[:, 85:] = codes[:, :, 85:] = 7
    codes[1] = 9  # which the exception replaces
    if not zeros:
        whole[:, 1:510, 1:510] = 3
    codes.tofile(tmp_path / "LABEL_qa60.dat")
    np.save(tmp_path / "phases.npy", [[0, 0], [-1, 0]])
    np.save(tmp_path / "whole.npy", whole)
    texts = warned(lambda: cloudio.open(tmp_path, layout=layout).reader("B4", {"qa60": None}))
    assert ["All sampled pixels" in text for text in texts] == [True] * zeros


def test_qa60_that_is_the_same_code_all_over_but_not_zero_is_no_placeholder(tmp_path):
    write_split(tmp_path, 1, CLOUDSEN12, names=["L1C_B4", "LABEL_qa60"])
    np.full(512 * 512, 4, "u1").tofile(tmp_path / "LABEL_qa60.dat")
    ds = cloudio.open(tmp_path)
    assert warned(lambda: ds.reader("B4", {"qa60": None})) == []
    assert "wherever" not in warned(lambda: ds.reader("B4", "qa60"))[0]


def test_the_padding_is_not_looked_at(tmp_path):
    write_split(tmp_path, 1, CLOUDSEN12, names=["L1C_B4", "LABEL_qa60"])
    codes = np.full((512, 512), 9, "u1")
    codes[1:510, 1:510] = 0
    codes.tofile(tmp_path / "LABEL_qa60.dat")
    (text,) = warned(lambda: cloudio.open(tmp_path).reader("B4", "qa60"))
    assert "All sampled pixels of" in text


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
    texts = warned(lambda: ds.reader(["full"], ["full", "empty"], scale=1))
    assert [text.split(" is stored")[0] for text in texts] == ["full", "empty"]
    assert ["All sampled pixels" in text for text in texts] == [False, True]


@pytest.mark.parametrize("io", ["mmap", "pread"])
def test_a_file_that_is_cut_or_gone_meanwhile_is_for_reading_to_tell(tmp_path, io):
    write_split(tmp_path, 3, CLOUDSEN12, names=["L1C_B4", "LABEL_qa60"])
    file = tmp_path / "LABEL_qa60.dat"
    np.zeros(3 * 512 * 512, "u1").tofile(file)
    with cloudio.open(tmp_path, io=io) as ds:
        ds.open_arrays("LABEL_qa60")  # open from here on
        for harm in (lambda: os.truncate(file, 0), file.unlink):
            harm()
            assert warned(lambda: ds.reader("B4", {"qa60": None})) == []
            warn.reset()
        (text,) = warned(lambda: ds.reader("B4", "qa60"))
        assert text.endswith("occur, or read another label")


POLICIES = {
    "sen2cor": "the codes 0, 1, 7: ignored under 'card', class 0 (clear) under 'authors'",
    "kappamask_L1C": "the codes 0, 5: ignored under 'card', class 0 (clear) under 'authors'",
    "kappamask_L2A": "the codes 0, 5: ignored under 'card', class 0 (clear) under 'authors'",
    "manual_sc": (
        "the card implies codes 0..3, and the files hold 0..6 and 99: under both policies 1 and 2 "
        "become thick cloud, 3 and 4 thin cloud, 5 and 6 shadow, and 99, not labeled, is ignored"
    ),
}


@pytest.mark.parametrize("name", [name for name in SHORT if name != "qa60"])
def test_a_label_by_its_name_alone_is_warned_of_where_published_maps_disagree(all_labels, name):
    ds = cloudio.open(all_labels)
    expected = [
        f"LABEL_{name} is named without a policy and follows 'card': {POLICIES[name]}. "
        f"To confirm, write labels={{'LABEL_{name}': 'card'}}"
        for _ in range(name in POLICIES)
    ]
    assert warned(lambda: ds.reader("B4", [name])) == expected
    assert warned(lambda: ds.reader("B4", name)) == []
    warn.reset()
    assert warned(lambda: ds.reader("B4", name)) == expected
    warn.reset()
    for policy in ("card", "authors"):
        assert warned(lambda policy=policy: ds.reader("B4", {name: policy})) == []


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
    (text,) = warned(lambda: cloudio.open(tmp_path, layout=layout).reader("B2", "hq"))
    assert text == (
        "LABEL_hq is named without a policy and follows 'one': the code 1: class 1 under 'one', "
        "class 2 under 'two', class 2 under 'three'; the code 2: ignored under 'one', class 0 "
        "under 'two', class 0 under 'three'; the code 3: ignored under 'one', class 1 under 'two', "
        "class 0 under 'three'. To confirm, write labels={'LABEL_hq': 'one'}"
    )


@pytest.mark.parametrize(
    ("name", "at"), [("s2cloudless", 40), ("cd_fcnn_rgbi", 50), ("cd_fcnn_rgbi_swir", 50)]
)
def test_a_probability_as_stored_is_warned_of(all_labels, name, at):
    ds = cloudio.open(all_labels)
    (text,) = warned(lambda: ds.reader("B4", {name: None}))
    assert text == (
        f"LABEL_{name} is read as stored: it holds probabilities 0..100, not classes. Compare them "
        f"with a threshold, not with 1; LabelMap.threshold({at}), or the label's name alone, gives "
        "classes 0 and 1"
    )
    assert warned(lambda: ds.reader("B4", {name: None})) == []


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
def test_codes_as_stored_in_whole_patches_are_warned_of(all_labels, size, n_padding, share):
    ds = cloudio.open(all_labels)
    labels = {"manual_hq": None, "sen2cor": "card", "fmask": None}
    (text,) = warned(lambda: ds.reader("B4", labels, size=size))
    height, width = (size, size) if isinstance(size, int) else size
    assert text == (
        f"LABEL_manual_hq, LABEL_fmask are read as stored in windows of {height} x {width}, but "
        f"only 509 x 509 pixels of a patch are valid. At least {n_padding:,} pixels of each window "
        f"({share}) are padding and keep the code stored there; a 0 looks like clear. size=None "
        "reads no padding, and with a map or policy padding becomes ignore"
    )
    # As many as say that it is so.
    codes = ds.reader("B4", {"manual_hq": {0: 1, 1: 1, 2: 1, 3: 1}}, size=size, ignore=0)
    assert np.count_nonzero(codes.read([0]).label == 0) == n_padding
    assert warned(lambda: ds.reader("B4", labels, size=size)) == []
    assert warned(lambda: ds.reader("B4", labels, size=509)) == []


def test_labels_of_another_type_are_warned_of_when_read(tmp_path):
    write_split(tmp_path, 2, names=["B2", "hq", "sc"], dtypes=dict.fromkeys(["hq", "sc"], "int16"))
    with warn.suppressed():
        ds = cloudio.open(tmp_path, layout=SMALL)
    for labels in ("hq", {"hq": None}):
        warn.reset()
        (text,) = warned(lambda labels=labels: ds.reader("B2", labels, label_dtype="int64"))
        assert text == (
            "LABEL_hq is int16 by the sizes of its files, but uint8 in Small. It is read as int16, "
            "whose codes may have other meanings: check which codes occur, and give a map if they "
            "differ"
        )
        assert warned(lambda: ds.reader("B2", "hq")) == []


def test_the_real_data_warns_of_what_is_there(realdata):
    texts, ds = warnings_and_result(lambda: cloudio.open(realdata))
    assert texts == []
    assert warned(lambda: ds.reader("L1C", "manual_hq", size=224)) == []
    texts = warned(lambda: ds.reader("L1C", SHORT))
    assert {text.split()[0] for text in texts} == {
        "LABEL_manual_sc", "LABEL_qa60", "LABEL_sen2cor", "LABEL_kappamask_L1C",
        "LABEL_kappamask_L2A",
    }  # fmt: skip
    assert len(texts) == 5
    assert "All sampled pixels of train, val, test (" in "".join(texts)


@pytest.mark.parametrize(
    ("label_map", "what"),
    [
        ({0: 0, 1: 1, 2: 2}, "class 2"),
        (LabelMap({0: 0}, unlisted=2), "class 2"),
        ("card", "class 2 (thin cloud)"),
    ],
)
def test_an_ignore_that_is_also_a_class_is_warned_of_once(all_labels, label_map, what):
    ds = cloudio.open(all_labels)
    labels = {"manual_hq": label_map}
    (text,) = warned(lambda: ds.reader("B4", labels, ignore=2))
    assert text == (
        f"ignore=2 is also {what} of LABEL_manual_hq: ignored pixels and padding cannot "
        "be told from it. Give an ignore that is no class, such as 255; to ignore that class on "
        "purpose, map its codes to None"
    )
    assert warned(lambda: ds.reader("B4", labels, ignore=2)) == []


@pytest.mark.parametrize("label_map", [{0: 0, 1: 1, 2: None}, {0: 0, 1: 1}, None])
def test_an_ignore_that_is_no_class_is_not_warned_of(all_labels, label_map):
    ds = cloudio.open(all_labels)
    assert warned(lambda: ds.reader("B4", {"manual_hq": label_map}, ignore=2)) == []
