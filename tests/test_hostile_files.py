"""What somebody else wrote is read or refused: in limited time and memory, by one kind of error."""

import contextlib
import json
import os
import re
import sys
from decimal import Decimal

import hostile_files
import numpy as np
import pytest
from builders import SMALL, write_split
from paths import SUPPORT
from processes import in_subprocess
from profiles import scaled

import cloudio
from cloudio import CloudioError, LabelMap, Layout, LayoutError, RequestError, stats
from cloudio._utils import json_files
from cloudio._utils.files import read_whole
from cloudio.layouts import toml_lines
from cloudio.layouts.toml_writer import to_toml
from cloudio.storage import patterns
from cloudio.storage.headers.npy import read_header
from cloudio.storage.metadata.csv_file import MetadataFile, read_columns
from cloudio.storage.metadata.table import MetadataTable
from cloudio.verification.manifest_diff import compare
from cloudio.verification.manifest_reader import read_manifest

HEAD = 'name = "x"\npatch = [4, 4]\n'
ARRAY = '[[arrays]]\nname = "a"\nkind = "label"\ndtype = "uint8"\n'


def layout_of(folder, text):
    (folder / "l.toml").write_text(text, encoding="utf-8")
    return Layout.from_toml(folder / "l.toml")


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@pytest.mark.parametrize("kind", hostile_files.PARSERS)
def test_odd_files_of_every_kind_are_used_or_refused(tmp_path, kind):
    """More of them: python tests/support/fuzzed_parsers.py --parser layout --runs 1000000."""
    accepted = 0
    n = scaled(150, 3000)
    for seed in range(n):
        content = hostile_files.some_file(kind, seed)
        try:
            accepted += hostile_files.try_one(kind, content, tmp_path)
        except Exception as error:
            error.add_note(f"{kind} {seed}")
            raise
    assert 0 < accepted < n  # else the files are all alike


# ---- layouts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{HEAD}valid = {'[' * 3000}{']' * 3000}\n{ARRAY}", "nested more than 16 deep"),
        (f"{HEAD}valid = {'{a=' * 3000}1{'}' * 3000}\n{ARRAY}", "nested more than 16 deep"),
        (f"{HEAD}{'.'.join('a' * 3000)} = 1\n{ARRAY}", "line 3: is nested more than 16 deep"),
        (f"{HEAD}[{'.'.join('a' * 3000)}]\n{ARRAY}", "nested more than 16 deep"),
        (f"{HEAD}valid = {'[' * 3000}", "nested more than 16 deep"),
        (f"{HEAD}valid = 0x{'f' * 5000}\n{ARRAY}", "valid = a int that is too long to show"),
        (f"{HEAD}valid = {'9' * 5000}\n{ARRAY}", "4300 digits"),
        (f"{HEAD}valid = [0, 0, 4, {2**63}]\n{ARRAY}", "valid must be"),
        (f'{HEAD}prefixes = ["{"x" * 1001}"]\n{ARRAY}', "prefixes has a string of more than 1,000"),
        (f"{HEAD}{'x' * 5000} = 1\n{ARRAY}", "unknown key 'xxx"),
        (f"{HEAD}valid = {[0] * 100_000}\n{ARRAY}", "valid = [0, 0"),
        (f"{HEAD}{ARRAY}[label_maps.a.p]\nthreshold = 1\ntop = 1000000000\n", "1 to 65535"),
        (
            f"{HEAD}{ARRAY}[label_maps.a]\n"
            + "".join(f"p{k} = {{ threshold = 1, top = 65535 }}\n" for k in range(9)),
            "line 12: thresholds up to here list 327,680 codes; a layout may list 262,144",
        ),
        (f"{HEAD}prefixes = {list(map(str, range(101)))}\n{ARRAY}", "list of at most 100 strings"),
        (f'{HEAD}{ARRAY}file = "a\\u0000b"\n', "inside the split's folder"),
        (f'{HEAD}{ARRAY}file = "/etc/passwd"\n', "inside the split's folder"),
        (f'{HEAD}{ARRAY}file = "b/../../c"\n', "inside the split's folder"),
        (
            HEAD + ARRAY.replace('"a"', '"../a"') + 'file = "{name}"\n',
            "inside the split's folder",
        ),
        (HEAD + ARRAY.replace("label", "band") + "scale = 1e-320\noffset = 0.5\n", "offset"),
        (
            HEAD + "".join(f'[[arrays]]\nname = "{k}"\ndtype = "int8"\n' for k in range(10_001)),
            "more than 10,000 arrays",
        ),
    ],
)
def test_a_layout_that_would_take_the_machine_is_refused(tmp_path, text, words):
    with pytest.raises(LayoutError) as refused:
        layout_of(tmp_path, text)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 2000
    assert refused.value.path == tmp_path / "l.toml"


def test_a_layout_has_four_megabytes_at_most(tmp_path):
    with open(tmp_path / "l.toml", "wb") as file:
        file.truncate((4 << 20) + 1)
    with pytest.raises(LayoutError, match="has 4,194,305 bytes; it may have 4,194,304"):
        Layout.from_toml(tmp_path / "l.toml")


def test_a_layout_of_a_thousand_bands_in_tables_of_their_own_is_read_and_written(tmp_path):
    keys = 'dtype = "int16"\nscale = 0.5\noffset = -100\nnodata = -1\nunit = "K"\nwavelength = 5\n'
    text = HEAD + "".join(
        f'[[arrays]]\nname = "B{k}"\nfile = "b{k}_*.dat"\n{keys}' for k in range(1000)
    )
    layout = layout_of(tmp_path, text)
    assert len(layout.bands) == 1000
    assert layout.where("B999", "unit").endswith(f"line {2 + 1000 * 9 - 1}: ")
    assert layout_of(tmp_path, to_toml(layout)) == layout
    for k in range(1000):
        (tmp_path / f"b{k}_1.dat").write_bytes(bytes(32))
    with cloudio.open(tmp_path, layout=layout) as ds:
        assert len(ds.names) == 1000


def test_channels_take_no_memory_until_there_are_files(tmp_path):
    keys = f"channels = {10**15}\nchannel = 5\n"
    assert keys in to_toml(layout_of(tmp_path, f'{HEAD}{ARRAY}file = "a.dat"\n{keys}'))


def test_a_layout_is_parsed_once(tmp_path, monkeypatch):
    parsed, loads = [], toml_lines.tomllib.loads

    def watch(text):
        parsed.append(len(text))
        return loads(text)

    monkeypatch.setattr(toml_lines.tomllib, "loads", watch)
    text = f"{HEAD}{ARRAY}[presets]\nx = [\n" + '"a",\n' * 5000 + "]\n"
    layout_of(tmp_path, text)
    assert len(text) <= sum(parsed) < 1.1 * len(text)


def n_calls(call, name=None):
    """How many functions, or those of a name, a call calls; generators each time they go on."""
    n = 0

    def count(frame, event, argument):
        nonlocal n
        n += event in ("call", "c_call") and name in (None, frame.f_code.co_name)

    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(None)
    return n


def use(folder, **request):
    layout = Layout.from_toml(folder / "cloudio.toml")
    with cloudio.open(folder, layout=layout) as ds:
        repr(ds), ds._repr_html_()
        ds.reader(scale=None, **request)
        with contextlib.suppress(RequestError):
            layout.find("nothing like it", ds.names, "there")
    cloudio.verify(folder, layout=layout, full=False, progress=False)


def arrays(n):
    return "".join(f'[[arrays]]\nname = "B{k}"\ndtype = "uint8"\n' for k in range(n))


def presets(n):
    return arrays(2) + "[presets]\n" + "".join(f'p{k} = ["B0"]\n' for k in range(n))


def incomplete_presets(n):
    return arrays(4) + f'[presets]\np = [{n * """["B0", "B1", "B3"], """}]\n'


def aliases(n):
    return arrays(2) + "[aliases]\n" + "".join(f'p{k} = "B0"\n' for k in range(n))


def policies(n):
    maps = "".join(f"[label_maps.a.p{k}]\nclasses.{k} = 1\n" for k in range(n))
    return arrays(1) + ARRAY + maps


def codes(n):
    listed = "".join(f"{k} = 1\n" for k in range(n))
    return f"{arrays(1)}{ARRAY}[label_maps.a.p.classes]\n{listed}"


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@pytest.mark.parametrize("make", [arrays, presets, incomplete_presets, aliases, policies, codes])
def test_work_grows_as_a_layout_does(tmp_path, make):
    counts = []
    for n in (300, 600):
        folder = tmp_path / str(n)
        folder.mkdir()
        (folder / "cloudio.toml").write_text(text := HEAD + make(n))
        names = re.findall(r'^name = "(a|B(?!3")\d+)"', text, re.MULTILINE)  # B3 is lacking
        for name in names:
            (folder / f"{name}.dat").write_bytes(bytes(16))
        request = {"bands": ["B0"], "labels": ["a"]} if "a" in names else {"bands": names}
        counts.append(n_calls(lambda folder=folder, request=request: use(folder, **request)))
    assert counts[1] < 2.5 * counts[0], counts


def test_each_array_is_found_by_its_name_without_a_look_at_the_others(tmp_path):
    calls = []
    for n in (20, 40):
        folder = tmp_path / str(n)
        folder.mkdir()
        for k in range(n):
            (folder / f"B{k}.dat").write_bytes(bytes(16))
        with cloudio.open(folder, layout=layout_of(folder, HEAD + arrays(n))) as ds:
            calls.append(n_calls(lambda ds=ds: ds.find("B7")))
    assert calls[0] == calls[1] < 20


def test_links_to_their_own_folder_do_not_keep_a_pattern_busy(tmp_path, monkeypatch):
    monkeypatch.setattr(patterns, "_MOST_LOOKS", 100_000)
    layout = layout_of(tmp_path, f'{HEAD}{ARRAY}file = "{"*/" * 30}a.dat"\n')
    for k in range(20):
        (tmp_path / f"link{k}").symlink_to(tmp_path)
    with pytest.raises(LayoutError, match="has too many files for the patterns of its layout"):
        cloudio.open(tmp_path, layout=layout)


def test_a_threshold_goes_as_far_as_the_codes_of_two_bytes():
    assert LabelMap.threshold(1, top=65535).of(65535) == 1
    with pytest.raises(RequestError, match="top=65536; top must be a whole number from 1 to 65535"):
        LabelMap.threshold(1, top=65536)


# ---- what is no regular file ---------------------------------------------------------------------

SPECIAL = {
    "a FIFO": os.mkfifo if hasattr(os, "mkfifo") else None,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a terminal": lambda path: path.symlink_to("/dev/tty"),
    "a folder": lambda path: path.mkdir(),
    "a link to a FIFO": lambda path: (os.mkfifo(f"{path}.fifo"), path.symlink_to(f"{path}.fifo")),
    "a file of the kernel": lambda path: path.symlink_to("/proc/kmsg"),
}
READERS = {
    "cloudio.toml": "cloudio.open(folder)",
    "metadata.csv": "cloudio.open(folder, layout=layout)",
    "B2.dat": "cloudio.open(folder, layout=layout)",
    "B2.npy": "cloudio.open(folder, layout=layout)",
    "other.tif": "cloudio.open(folder)",
    "l.toml": "cloudio.Layout.from_toml(folder / 'l.toml')",
    "m.json": "cloudio.verify(folder, layout=layout, against=folder / 'm.json', full=False)",
    "r.json": "cloudio.stats.load(folder / 'r.json')",
    "v.json": "cloudio.Report.load(folder / 'v.json')",
}
FILES = "metadata.csv", "l.toml", "r.json", "v.json", "m.json"
CODE = """
import sys, warnings
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import cloudio
from builders import SMALL as layout
warnings.simplefilter("ignore")
folder = Path(sys.argv[1])
try:
    eval(sys.argv[2])
except (cloudio.CloudioError, OSError) as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="special files as Linux has them")
@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_regular_file_is_never_waited_for(tmp_path, name, special):
    if name != "B2.dat" and name != "B2.npy" and name != "other.tif":
        write_split(tmp_path, 2, names=["B2"])
    (tmp_path / name).unlink(missing_ok=True)
    SPECIAL[special](tmp_path / name)
    said = in_subprocess(CODE, tmp_path, READERS[name], SUPPORT)
    # A cloudio.toml without bytes is passed over, as one that a shell has just made.
    if name != "cloudio.toml":
        assert "Error: " in said
    if special != "a file of the kernel" and name in FILES:
        assert "is not a regular file" in said or "is a folder" in said


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_file_that_became_a_pipe_is_not_waited_for(tmp_path):
    write_split(tmp_path, 2, names=["B2"])
    with cloudio.open(tmp_path, layout=SMALL) as ds:
        (tmp_path / "B2.dat").unlink()
        os.mkfifo(tmp_path / "B2.dat")
        with pytest.raises(LayoutError, match=r"B2.dat is not a regular file"):
            ds.reader(["B2"], scale=None)


def test_links_to_files_are_read_as_ever(tmp_path):
    write_split(tmp_path / "cache", 2, names=["B2"])
    (tmp_path / "set").mkdir()
    for path in (tmp_path / "cache").iterdir():
        (tmp_path / "set" / path.name).symlink_to(path)
    with cloudio.open(tmp_path / "set", layout=SMALL) as ds:
        assert len(ds) == 2
        assert ds.metadata


# ---- metadata.csv --------------------------------------------------------------------------------


def test_a_table_has_limits_of_bytes_lines_and_columns(tmp_path):
    path = tmp_path / "metadata.csv"
    with open(path, "wb") as file:
        file.truncate((4 << 30) + 1)
    with pytest.raises(LayoutError, match="has 4,294,967,297 bytes; it may have 4,294,967,296"):
        MetadataFile.inspect(path)
    with open(path, "wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(LayoutError, match="has a line of more than 16,777,216 bytes"):
        MetadataFile.inspect(path)
    with open(path, "wb") as file:
        file.write(b"a,b\n1,2\n")
        file.truncate(1 << 30)
    with pytest.raises(LayoutError, match="has a line of more than 16,777,216 bytes"):
        MetadataFile.inspect(path)
    path.write_text(",".join(f"c{k}" for k in range(65_537)) + "\n")
    with pytest.raises(LayoutError, match="has 65,537 columns; it may have 65,536"):
        read_columns(path)


def test_a_wide_table_of_two_splits_has_its_columns(tmp_path):
    names = [f"c{k}" for k in range(30_000)]
    for split in ("a", "b"):
        (tmp_path / split).write_text(",".join(names) + "\n" + ",".join("1" * 30_000) + "\n")
    table = MetadataTable([MetadataFile.inspect(tmp_path / split) for split in ("a", "b")])
    assert table.names == tuple(names)


def test_one_long_field_gives_no_room_to_all_rows(tmp_path):
    path = tmp_path / "metadata.csv"
    path.write_text("a,b\n" + "1,\n" * 200_000 + f"1,{'x' * 1000}\n")
    column = MetadataTable([MetadataFile.inspect(path)]).columns(["b"])["b"]
    assert column.dtype == object  # as str it would have 800 MB
    assert column[-1] == "x" * 1000


def test_a_million_rows_are_read(tmp_path):
    path = tmp_path / "metadata.csv"
    n = scaled(100_000, 1_000_000)
    path.write_text("index,name\n" + "".join(f"{k},ROI_{k}\n" for k in range(n)))
    columns = MetadataTable([MetadataFile.inspect(path)]).columns(["index", "name"])
    assert columns["index"][-1] == n - 1
    assert columns["name"].dtype.kind == "U"


# ---- .npy headers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 4, 4), 3: 4}",
        "{'descr': '<i2', 'fortran_order': False, 'shape': (%s1,), }" % ("1+" * 4000),
        "{'descr': '<i2', 'fortran_order': False, 'shape': (%s1,), }" % ("-" * 9000),
        "{'descr': '<i2', 'fortran_order': False, 'shape': (%s1,), }" % ("(" * 9000),
        "{'descr': '<i2', 'fortran_order': False, 'shape': (%s,), }" % ("9" * 5000),
        "{'descr': '<i2', 'fortran_order': False, 'shape': (%s), }" % (f"{2**62}, " * 400),
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-4, -4, 4), }",
        "{'descr': '<U99999999999', 'fortran_order': False, 'shape': (1,), }",
        "[" * 200,
        "",
        # Types for which numpy warns.
        "{'descr': 'a', 'fortran_order': False, 'shape': (1, 4, 4), }",
        "{'descr': '|a5', 'fortran_order': False, 'shape': (1, 4, 4), }",
        "{'descr': [('x', [('y', 'a3')])], 'fortran_order': False, 'shape': (1, 4, 4), }",
        "{'descr': ('<i2', 1), 'fortran_order': False, 'shape': (1, 4, 4), }",
        "{'descr': [('x', '<i2', 1)], 'fortran_order': False, 'shape': (1, 4, 4), }",
        "{'descr': '1i2', 'fortran_order': False, 'shape': (1, 4, 4), }",
        "{'descr': 'i4,i4', 'fortran_order': False, 'shape': (1, 4, 4), }",
        "{'descr': {'names': ['x'], 'formats': ['a']}, 'fortran_order': False, 'shape': (1, 4)}",
        "{'descr': 3, 'fortran_order': False, 'shape': (1, 4, 4)}",
    ],
)
def test_a_header_that_no_array_has_is_refused(tmp_path, text):
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(64)
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(LayoutError):
        read_header(tmp_path / "a.npy")


def test_the_length_of_a_header_is_checked_before_it_is_read(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100))
    with pytest.raises(LayoutError, match="its header has 4,294,967,295 bytes; it may have 10,000"):
        read_header(tmp_path / "a.npy")


@pytest.mark.parametrize("end", [b"\n   ", b"\r\n ", b"\x0c\n\t \n"])
def test_line_ends_in_a_header_are_spaces(tmp_path, end):
    text = b"{'descr': '<i2', 'fortran_order': False, 'shape': (2, 4, 4), }" + end
    head = b"\x93NUMPY\x01\x00" + len(text := text.ljust(118)).to_bytes(2, "little") + text
    (tmp_path / "a.npy").write_bytes(head + bytes(64))
    assert read_header(tmp_path / "a.npy").shape == (2, 4, 4)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_headers_as_numpy_and_others_write_them_are_read(tmp_path, version):
    array = np.arange(32, dtype="<i2").reshape(2, 4, 4)
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array(file, array, version=version)
    assert read_header(tmp_path / "a.npy").shape == (2, 4, 4)
    text = b'{"shape":(2L,4L,4L),"fortran_order":False,\n"descr":"<i2"}'.ljust(118)
    head = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    (tmp_path / "b.npy").write_bytes(head + array.tobytes())
    assert read_header(tmp_path / "b.npy").shape == (2, 4, 4)


# ---- manifests, results, states ------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"kind": "Several", "parts": []}',
        '{"kind": []}',
        "[]",
        "9" * 5000,
        json.dumps({**hostile_files.RESULTS[0], "classes": [0, 2**70]}),
        json.dumps({**hostile_files.RESULTS[0], "names": "cd"}),
        json.dumps({**hostile_files.RESULTS[1], "count": [1, 2]}),
        json.dumps({**hostile_files.RESULTS[1], "histograms": []}),
        json.dumps({**hostile_files.RESULTS[2], "says": [True]}),
        json.dumps({**hostile_files.RESULTS[2], "ignored": "x"}),
    ],
)
def test_what_is_no_result_is_refused(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(RequestError, match="does not hold statistics; save") as error:
        stats.load(tmp_path / "r.json")
    assert error.value.path == tmp_path / "r.json"


@pytest.mark.parametrize(("kind", "name"), [(0, "counts"), (0, "images"), (1, "nodata")])
def test_pixels_are_summed_once_for_a_table_of_any_length(tmp_path, kind, name):
    calls = []
    for n in (2, 40):
        columns = ("classes", "count", "n_nodata", "n_nan", "min", "max", "mean", "std", "scale")
        columns += ("offset", "percentiles", "histograms")
        entries = {
            key: value[:1] * n if key in columns else value
            for key, value in hostile_files.RESULTS[kind].items()
        }
        entries["names"] = [f"n{k}" for k in range(n)]
        if kind == 0:
            entries |= {"label_map": None, "per_patch": [[1] * n] * 2, "ignored_per_patch": [0, 0]}
            entries["classes"] = list(range(n))
        (tmp_path / "r.json").write_text(json.dumps(entries))
        result = stats.load(tmp_path / "r.json")
        calls.append(n_calls(lambda result=result: str(result), name))
    assert 0 < calls[0] == calls[1]


@pytest.mark.parametrize("more", [{"checksums": "zz"}, {"array": "a"}, {"array": []}, {"array": 1}])
def test_only_the_known_keys_of_a_manifest_are_compared(tmp_path, more):
    odd = {**hostile_files.MANIFEST["metadata"][0], **more}
    manifest = {**hostile_files.MANIFEST, "metadata": [odd]}
    (tmp_path / "m.json").write_text(json.dumps(manifest))
    before = read_manifest(tmp_path / "m.json", "x")
    assert not list(compare(before, hostile_files.MANIFEST, (), tmp_path))


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "\ud800", "a/" * 2000])
@pytest.mark.parametrize("section", ["arrays", "metadata"])
def test_a_manifest_of_files_that_cannot_be_is_one_of_files_that_are_missing(
    tmp_path, section, name
):
    odd = {**hostile_files.MANIFEST[section][0], "split": "t", "folder": "t", "file": name}
    (tmp_path / "m.json").write_text(json.dumps({**hostile_files.MANIFEST, section: [odd]}))
    before = read_manifest(tmp_path / "m.json", "x")
    found = compare(before, hostile_files.MANIFEST, (), tmp_path)
    assert "manifest-missing" in {finding.check for finding in found if finding.split == "t"}


def test_json_has_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "_MOST_VALUES", 6)
    (tmp_path / "r.json").write_text("[[],[],[],[]]")
    with pytest.raises(RequestError, match="has 8 values; it may have 6"):
        stats.load(tmp_path / "r.json")
    with pytest.raises(RequestError, match="has 13 bytes; it may have 9"):
        read_whole(tmp_path / "r.json", 9, RequestError)


@pytest.mark.parametrize("odd", [10**4000, -(2**64), "x" * 10_000, None, [1]])
@pytest.mark.parametrize("key", ["version", "seed", "epoch", "position", "data", "more"])
def test_states_with_odd_numbers_are_refused(key, odd):
    from cloudio.loading.state import check_state

    with pytest.raises(CloudioError) as refused:
        check_state({**hostile_files.STATE, key: odd}, hostile_files.STATE, 8)
    assert len(str(refused.value)) < 2000


@pytest.mark.parametrize(
    "odd", [[10**5000], np.arange(3), np.array([]), Decimal("sNaN"), "x" * 9000]
)
@pytest.mark.parametrize("key", ["version", "seed", "patches", "epoch", "more"])
def test_states_of_a_torch_dataset_with_odd_numbers_are_refused(tmp_path, key, odd):
    pytest.importorskip("torch", reason="torch is an extra")
    write_split(tmp_path, 2, names=["B2"])
    dataset = cloudio.torch.Dataset(cloudio.open(tmp_path, layout=SMALL).reader(["B2"], scale=None))
    with pytest.raises(RequestError) as refused:
        dataset.load_state_dict({**dataset.state_dict(), key: odd})
    assert len(str(refused.value)) < 2000
