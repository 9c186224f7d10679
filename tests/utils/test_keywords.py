"""Keywords that a function does not have, and other wrong first guesses at the public names."""

import pytest

import cloudio
from cloudio._utils.keywords import explain_unknown


@explain_unknown({"old": "new= replaces it"})
def call(first, second=2, *, new=3):
    return first, second, new


def test_a_call_that_is_right_is_unchanged():
    assert call(1, new=5) == (1, 2, 5)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"old": 1}, r"call\(\) got an unexpected keyword argument 'old'; new= replaces it$"),
        ({"secnd": 1}, r"'secnd'; did you mean second\?$"),
        ({"xyz": 1}, r"argument 'xyz'$"),
    ],
)
def test_an_unknown_keyword_says_what_replaces_it(given, says):
    with pytest.raises(TypeError, match=says):
        call(1, **given)


def test_an_argument_without_its_name_says_the_name():
    with pytest.raises(TypeError, match=r"call\(\) takes first, second without a name; .* new=3$"):
        call(1, 2, 3)


@pytest.fixture(scope="module")
def ds(all_labels):
    return cloudio.open(all_labels)


@pytest.mark.parametrize(
    ("guess", "says"),
    [
        (lambda ds: cloudio.open(ds.path, split="train"), r"open\(path\).split\('train'\) returns"),
        (lambda ds: cloudio.open(ds.path, bands="rgb"), r"ds.reader\(...\) of the data set has it"),
        (lambda ds: cloudio.verify(ds.path, quick=True), "full=False checks no pixels"),
        (lambda ds: ds.reader(label="manual_hq"), r"did you mean labels\?"),
        (lambda ds: ds.reader(flip=True), "symmetry= of read and of Loader"),
        (lambda ds: ds.reader(batch_size=4), r"cloudio.Loader\(reader, batch_size\) has this"),
        (lambda ds: cloudio.Loader(ds.reader("B4"), 1, True), r"name the other .* shuffle=True$"),
        (lambda ds: cloudio.stats.bands(ds, percentile=[5]), r"did you mean percentiles\?"),
        (lambda ds: cloudio.stats.classes(ds, label="x"), r"did you mean labels\?"),
        (lambda ds: cloudio.make_splits(ds, {"a": 1}, by="roi_id"), r"did you mean group\?"),
        (lambda ds: cloudio.Dataset("data"), r"made by cloudio.open, .* cloudio.open\('data/'\)"),
        (lambda ds: cloudio.Dataset(), r"made by cloudio.open"),
    ],
)
def test_common_guesses_say_what_to_write(ds, guess, says):
    with pytest.raises(TypeError, match=says):
        guess(ds)


@pytest.mark.parametrize(
    ("guess", "error", "says"),
    [
        (lambda ds: ds.train, AttributeError, r"ds.split\('train'\) returns that split"),
        (lambda ds: ds.L1C_B4, AttributeError, r"ds.reader\('L1C_B4'\) reads that array"),
        (lambda ds: ds.roi_id, AttributeError, r"ds.metadata\['roi_id'\] is that column"),
        (lambda ds: ds.metadata.roi_id, AttributeError, r"write metadata\['roi_id'\]"),
        (lambda ds: ds.metadata["roi"], KeyError, r"no column 'roi'; did you mean roi_id\?"),
        (lambda ds: ds.metadata_columns(5), cloudio.RequestError, r"names=5; names must be"),
        (lambda ds: cloudio.load, AttributeError, r"did you mean open\?"),
        (lambda ds: cloudio.DataLoader, AttributeError, r"did you mean Loader\?"),
        (lambda ds: cloudio.open(None), cloudio.RequestError, "path is None; path must be a str"),
        (
            lambda ds: ds.reader("B4").allocate("a"),
            cloudio.RequestError,
            "n='a'; n must be a whole",
        ),
        (lambda ds: ds.reader("B4", scale="1e-4"), cloudio.RequestError, "give the number 1e-4"),
    ],
)
def test_names_that_are_not_there_say_what_is(ds, guess, error, says):
    with pytest.raises(error, match=says):
        guess(ds)


def test_one_column_is_as_good_as_a_list_of_one(ds):
    one, listed = ds.metadata_columns("roi_id"), ds.metadata_columns(["roi_id"])
    assert list(one) == ["roi_id"]
    assert (one["roi_id"] == listed["roi_id"]).all()
