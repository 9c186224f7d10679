"""Label maps of bit fields: Landsat's QA_PIXEL and Sentinel-2's QA60."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toml_sets import toml

import cloudio
from cloudio import Band, LabelMap, Layout, RequestError, Window
from cloudio.layouts.digest import layout_digest
from cloudio.layouts.toml_writer import to_toml

# Collection 2: fill; cirrus of high confidence; cloud; cloud shadow. Everything else is clear.
LANDSAT = [
    {"bits": 0, "class": None},
    {"bits": [14, 15], "equals": 3, "class": 2},
    {"bits": 3, "class": 1},
    {"bits": 4, "class": 3},
]
QA_PIXEL = LabelMap.from_fields(LANDSAT, unlisted=0)
#: Values of USGS' table of QA_PIXEL.
USGS = {1: None, 21824: 0, 21952: 0, 22280: 1, 23888: 3, 54596: 2, 55052: 2}


def table(label_map, stored="uint16", dtype="int64", ignore=-1):
    return label_map.table(np.dtype(stored), np.dtype(dtype), ignore, "qa")


def by_hand(fields, unlisted, n_codes, ignore=-1):
    """The class of every code, bit by bit."""
    classes = []
    for code in range(n_codes):
        to = unlisted
        for field in fields:
            bits = field["bits"] if isinstance(field["bits"], list) else [field["bits"]]
            held = [code >> bit & 1 for bit in bits]
            number = sum(bit << k for k, bit in enumerate(held))
            if number == field.get("equals", 2 ** len(bits) - 1):
                to = field["class"]
                break
        classes.append(ignore if to is None else to)
    return classes


def test_codes_of_landsat_have_the_classes_of_their_bits():
    lut = table(QA_PIXEL)
    for code, to in USGS.items():
        assert QA_PIXEL.of(code) == to
        assert lut[code] == (-1 if to is None else to)


def test_qa60_opaque_clouds_come_before_cirrus():
    qa60 = LabelMap.from_fields([{"bits": 10, "class": 1}, {"bits": 11, "class": 2}], unlisted=0)
    assert [qa60.of(code) for code in (0, 1024, 2048, 3072)] == [0, 1, 2, 1]


@st.composite
def field_lists(draw):
    fields = []
    for _ in range(draw(st.integers(1, 4))):
        bits = sorted(draw(st.sets(st.integers(0, 15), min_size=1, max_size=3)))
        field = {"bits": bits, "class": draw(st.none() | st.integers(0, 9))}
        if draw(st.booleans()):
            field["equals"] = draw(st.integers(0, 2 ** len(bits) - 1))
        fields.append(field)
    return fields


@given(field_lists(), st.none() | st.integers(0, 9), st.sampled_from(["uint8", "int16", "uint16"]))
@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_every_code_has_the_class_of_the_first_field_that_matches(fields, unlisted, stored):
    label_map = LabelMap.from_fields(fields, unlisted=unlisted)
    n_codes = 256 ** np.dtype(stored).itemsize
    expected = by_hand(fields, unlisted, n_codes)
    np.testing.assert_array_equal(table(label_map, stored), expected)
    some = range(0, n_codes, 97)
    assert [label_map.of(code) for code in some] == [
        None if expected[code] == -1 else expected[code] for code in some
    ]


@given(field_lists(), st.none() | st.integers(0, 9))
def test_a_map_survives_its_repr_its_fields_a_pickle_and_a_layout_file(fields, unlisted):
    label_map = LabelMap.from_fields(fields, unlisted=unlisted)
    assert eval(repr(label_map), {"LabelMap": LabelMap}) == label_map
    assert LabelMap.from_fields(label_map.fields, unlisted=unlisted) == label_map
    assert pickle.loads(pickle.dumps(label_map)) == label_map == copy.copy(label_map)
    assert hash(copy.deepcopy(label_map)) == hash(label_map)
    assert label_map.classes == {}
    assert label_map.as_threshold is None


def layout_of(label_map):
    label = Band("qa", kind="label", dtype="uint16")
    valid = Window(0, 0, 8, 8)
    return Layout("L8", (8, 8), valid, (Band("B4"), label), label_maps={"qa": {"mine": label_map}})


@given(fields=field_lists(), unlisted=st.none() | st.integers(0, 9))
def test_a_layout_with_fields_is_written_and_read_back(tmp_path_factory, fields, unlisted):
    layout = layout_of(LabelMap.from_fields(fields, unlisted=unlisted))
    read = Layout.from_toml(toml(tmp_path_factory.mktemp("fields"), to_toml(layout)))
    assert read == layout
    assert layout_digest(read) == layout_digest(layout)


def test_the_order_of_fields_counts():
    two = LabelMap.from_fields(LANDSAT[::-1], unlisted=0)
    assert two != QA_PIXEL
    assert LabelMap({}, unlisted=0) != QA_PIXEL
    assert len({QA_PIXEL, two, LabelMap.from_fields(LANDSAT, unlisted=0)}) == 2
    assert layout_digest(layout_of(two)) != layout_digest(layout_of(QA_PIXEL))


def test_bits_that_an_array_cannot_hold_are_said_to_be_lost():
    qa60 = LabelMap.from_fields([{"bits": 10, "class": 1}, {"bits": 1, "class": 2}])
    assert qa60.beyond(np.dtype("uint8")) == [1024]
    assert qa60.beyond(np.dtype("int16")) == []
    with pytest.warns(
        cloudio.CloudioWarning, match="1 byte per pixel, which cannot hold the codes"
    ):
        assert table(qa60, "uint8")[3] == 2


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"bits": [15, 14], "class": 1}, "bits must ascend"),
        ({"bits": [3, 3], "class": 1}, "bits must ascend"),
        ({"bits": [], "class": 1}, "bits must ascend"),
        ({"bits": 16, "class": 1}, "bits=16; bits must be a whole number from 0 to 15"),
        ({"bits": "14", "class": 1}, "bits='14'"),
        ({"bits": True, "class": 1}, "bits=True"),
        ({"bits": [14, 15], "equals": 4, "class": 1}, "equals=4; equals must be a whole number f"),
        ({"bits": [14, 15]}, "a field must be a mapping with 'bits', 'class'"),
        ({"bits": [14, 15], "clas": 1}, "a field must be a mapping with 'bits', 'class'"),
        ({"bits": 3, "class": "cloud"}, "class='cloud'"),
        ((14, 15), "a field must be a mapping"),
    ],
)
def test_a_wrong_field_is_refused(field, message):
    with pytest.raises(RequestError) as refused:
        LabelMap.from_fields([field])
    assert message in str(refused.value)


@pytest.mark.parametrize("fields", [None, [], {}, "bits", {"bits": 3, "class": 1}])
def test_fields_must_be_a_sequence(fields):
    with pytest.raises(RequestError, match="fields must be a sequence of bit fields"):
        LabelMap.from_fields(fields)


@pytest.mark.parametrize(
    ("line", "number", "message"),
    [
        ("fields = [{ bits = [14, 15], equals = 4, class = 1 }]", 11, "fields[0]: equals=4"),
        (
            "fields = [{ bits = [3] }]",
            11,
            "fields[0] of [label_maps.qa.mine] needs the key 'class'",
        ),
        ("fields = [{ bit = 3, class = 1 }]", 11, "unknown key 'bit'"),
        ("fields = [{ bits = 3, class = 1 }]\ntop = 3", 12, "top needs 'threshold'"),
        ("fields = []", 11, "must be a list of tables"),
        ("fields = [{ bits = 3, class = 1 }]\nclasses = {}", 10, "it has 'classes' and 'fields'"),
    ],
)
def test_a_mistake_in_a_layout_file_is_told_with_its_line(tmp_path, line, number, message):
    text = """name = "L8"
patch = [8, 8]

[[arrays]]
name = "qa"
kind = "label"
dtype = "uint16"


[label_maps.qa.mine]
"""
    with pytest.raises(cloudio.LayoutError) as refused:
        Layout.from_toml(toml(tmp_path, text + line + "\n"))
    assert f"line {number}: " in str(refused.value)
    assert message in str(refused.value)


# ---- in use --------------------------------------------------------------------------------------

SCENE = np.array(list(USGS), np.uint16)


@pytest.fixture(params=["uint16", "int16"])
def landsat(request, tmp_path):
    codes = np.random.default_rng(0).choice(SCENE, (2, 8, 8)).astype("<u2")
    codes[1] = 1  # all of it fill
    codes.view(request.param).tofile(tmp_path / "qa.dat")
    np.arange(128, dtype="<i2").tofile(tmp_path / "B4.dat")
    layout = layout_of(QA_PIXEL)
    bands = (layout.bands[0], Band("qa", kind="label", dtype=request.param))
    layout = Layout("L8", (8, 8), layout.valid, bands, label_maps=layout.label_maps)
    return cloudio.open(tmp_path, layout=layout), codes


def test_a_reader_gives_the_classes_of_the_bits(landsat):
    ds, codes = landsat
    batch = ds.reader("B4", "qa", scale=None).read([1, 0])
    np.testing.assert_array_equal(
        batch.label, table(QA_PIXEL, dtype="uint8", ignore=255)[codes][::-1]
    )
    again = pickle.loads(pickle.dumps(ds.reader("B4", {"qa": QA_PIXEL}, scale=None)))
    np.testing.assert_array_equal(again.read([1, 0]).label[:, 0], batch.label)


def test_statistics_count_the_classes_and_are_saved(landsat, tmp_path):
    ds, codes = landsat
    counted = cloudio.stats.classes(ds, "qa", progress=False)
    expected = table(QA_PIXEL)[codes]
    assert counted.counts.tolist() == [int((expected == k).sum()) for k in range(4)]
    counted.save(tmp_path / "counted.json")
    assert cloudio.stats.load(tmp_path / "counted.json").label_map == QA_PIXEL


def test_verify_knows_which_codes_are_ignored(landsat):
    ds, codes = landsat
    report = cloudio.verify(ds.path, layout=ds.layout, progress=False)
    found = {f.check: f for f in report.findings if f.file == "qa.dat"}
    assert found.keys() == {"label-empty", "unlabelled"}
    assert found["label-empty"].patches == (1,)
    assert found["unlabelled"].patches == (0,)
    assert found["unlabelled"].message.startswith(f"1: {(codes[0] == 1).sum()} pixels")
