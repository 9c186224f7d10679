"""What `mypy --strict` says of users' scripts.

The wrong scripts are made from CALLS: each public call once for each of its parameters, with
`Wrong()` as its value, and once with a keyword that does not exist.
"""

import inspect
import re
from pathlib import Path

import pytest
from public_names import MODULES, PROPERTIES, PUBLIC, own_constructor, public_name

import cloudio

api = pytest.importorskip("mypy.api")

HERE = Path(__file__).parent
PACKAGE = Path(cloudio.__file__).parent

#: The arguments of a correct call of each public callable, by keyword.
CALLS = {
    "cloudio.Band": {"name": "'B1'"},
    "cloudio.CloudioError": {},
    "cloudio.CloudioError.about": {"path": "'a.dat'", "reason": "'is empty'"},
    "cloudio.Dataset.band": {"name": "'B4'"},
    "cloudio.Dataset.close": {},
    "cloudio.Dataset.dtype": {"name": "'B4'"},
    "cloudio.Dataset.find": {"name": "'B4'"},
    "cloudio.Dataset.locate": {"index": "[0]"},
    "cloudio.Dataset.metadata_columns": {"names": "['roi_id']"},
    "cloudio.Dataset.open_arrays": {"name": "'B4'"},
    "cloudio.Dataset.reader": {},
    "cloudio.Dataset.split": {"name": "'train'"},
    "cloudio.Dataset.stored_index": {"index": "numbers"},
    "cloudio.LabelMap": {"classes": "{0: 0}"},
    "cloudio.LabelMap.beyond": {"stored": "np.dtype('uint8')"},
    "cloudio.LabelMap.from_fields": {"fields": "[]"},
    "cloudio.LabelMap.of": {"code": "0"},
    "cloudio.LabelMap.table": {
        "stored": "np.dtype('uint8')",
        "dtype": "np.dtype('uint8')",
        "ignore": "255",
        "name": "'mask'",
    },
    "cloudio.LabelMap.threshold": {"at": "40"},
    "cloudio.LabelMap.with_names": {"names": "['a', 'b']"},
    "cloudio.Layout": {
        "name": "'mine'",
        "patch": "(8, 8)",
        "valid": "cloudio.Window(0, 0, 8, 8)",
        "bands": "(cloudio.Band('B1'),)",
    },
    "cloudio.Layout.band": {"name": "'B1'"},
    "cloudio.Layout.find": {"asked": "'B1'", "names": "['B1']", "where": "'here'"},
    "cloudio.Layout.from_toml": {"path": "'my.toml'"},
    "cloudio.Layout.matches": {"asked": "'B1'", "names": "['B1']"},
    "cloudio.Layout.name_of_file": {"stem": "'B1'"},
    "cloudio.Layout.stored_size": {"band": "None"},
    "cloudio.Layout.where": {"array": "'B1'", "key": "'scale'"},
    "cloudio.Loader": {"reader": "reader", "batch_size": "4"},
    "cloudio.Loader.load_state_dict": {"state": "loader.state_dict()"},
    "cloudio.Loader.samples": {"positions": "[0]"},
    "cloudio.Loader.samples_of": {"batch": "0"},
    "cloudio.Loader.set_epoch": {"epoch": "1"},
    "cloudio.Loader.state_dict": {},
    "cloudio.Reader": {"dataset": "ds"},
    "cloudio.Reader.allocate": {"n": "4"},
    "cloudio.Reader.prefetch": {"index": "[0]"},
    "cloudio.Reader.read": {"index": "[0]"},
    "cloudio.Report.json": {},
    "cloudio.Report.load": {"path": "'report.json'"},
    "cloudio.Report.save": {"path": "'report.json'"},
    "cloudio.Splits": {
        "index": "dict(splits)",
        "shares": "splits.shares",
        "largest": "1",
        "strata": "splits.strata",
    },
    "cloudio.Window": {"row": "0", "col": "0", "height": "8", "width": "8"},
    "cloudio.CompactResult.json": {},
    "cloudio.compact": {"source": "'data'", "dest": "'out'"},
    "cloudio.gather": {"arrays": "[pixels]", "index": "[0]"},
    "cloudio.get_include": {},
    "cloudio.make_splits": {"ds": "ds", "shares": "{'train': 1}"},
    "cloudio.open": {"path": "'data'"},
    "cloudio.pack": {"samples": "[]", "dest": "'out'"},
    "cloudio.remap": {"array": "pixels", "index": "[0]", "table": "numbers"},
    "cloudio.merge_reports": {"reports": "[cloudio.verify('data')]"},
    "cloudio.synthesize": {"path": "'data'"},
    "cloudio.unpack": {"data": "'data'", "dest": "'out'"},
    "cloudio.verify": {"path": "'data'"},
    "cloudio.lightning.DataModule": {
        "path": "'data'",
        "bands": "'L1C'",
        "labels": "'manual_hq'",
        "size": "224",
        "batch_size": "4",
    },
    "cloudio.lightning.DataModule.load_state_dict": {"state": "{}"},
    "cloudio.lightning.DataModule.predict_dataloader": {},
    "cloudio.lightning.DataModule.setup": {"stage": "'fit'"},
    "cloudio.lightning.DataModule.state_dict": {},
    "cloudio.lightning.DataModule.test_dataloader": {},
    "cloudio.lightning.DataModule.train_dataloader": {},
    "cloudio.lightning.DataModule.val_dataloader": {},
    "cloudio.plot.format_of": {"path": "'a.png'"},
    "cloudio.plot.patch": {"ds": "ds", "index": "0"},
    "cloudio.plot.save": {"figure": "figure", "path": "'a.png'"},
    "cloudio.splits.shared": {"ds": "ds"},
    "cloudio.stats.Agreement.binary": {"positive": "1"},
    "cloudio.stats.Agreement.merged": {"groups": "{'cloud': (1, 2)}"},
    "cloudio.stats.BandStats.finish": {"lower": "lower"},
    "cloudio.stats.BandStats.second_round": {},
    "cloudio.stats.BandStats.select": {"names": "'B4'"},
    "cloudio.stats.ClassStats.weights": {},
    "cloudio.stats.Population.of": {"ds": "ds", "arrays": "['B4']"},
    "cloudio.stats.Population.fits": {"ds": "ds"},
    "cloudio.stats.Population.from_plain": {"entries": "{}"},
    "cloudio.stats.agreement": {"ds": "ds", "source": "'fmask'"},
    "cloudio.stats.bands": {"ds": "ds"},
    "cloudio.stats.classes": {"ds": "ds"},
    "cloudio.stats.LowerHalves.counts": {"name": "'B4'", "upper": "numbers"},
    "cloudio.stats.load": {"path": "'a.json'"},
    "cloudio.stats.lower_halves": {"ds": "ds", "wanted": "wanted"},
    "cloudio.stats.merge": {"results": "[results]"},
    "cloudio.torch.Dataset": {"reader": "reader"},
    "cloudio.torch.Dataset.load_state_dict": {"state": "dataset.state_dict()"},
    "cloudio.torch.Dataset.set_epoch": {"epoch": "1"},
    "cloudio.torch.Dataset.state_dict": {},
    "cloudio.torch.Loader": {"reader": "reader", "batch_size": "4"},
    "cloudio.torch.collate": {"batch": "reader.read([0])"},
    "cloudio.torch.read": {"reader": "reader", "index": "[0]"},
}
for result in ("Agreement", "BandStats", "ClassStats", "LowerHalves", "ResultSet"):
    CALLS |= {
        f"cloudio.stats.{result}.fits": {"ds": "ds"},
        f"cloudio.stats.{result}.from_plain": {"entries": "{}"},
        f"cloudio.stats.{result}.json": {},
        f"cloudio.stats.{result}.save": {"path": "'a.json'"},
        f"cloudio.stats.{result}.side_by_side": {"results": "[]"},
        f"cloudio.stats.{result}.tables": {},
    }

#: Calls that are not written by keyword: the correct one, and wrong ones.
OTHERS = {
    "cloudio.Dataset.__getitem__": ("ds['B4']", "ds[Wrong()]"),
    "cloudio.Dataset.subset": (
        "ds.subset([0], cloud_coverage='cloudy')",
        "ds.subset(Wrong())",
    ),
    "cloudio.Reader.__getitem__": ("reader[0]", "reader[Wrong()]"),
    "cloudio.Reader.__getitems__": ("reader.__getitems__([0])", "reader.__getitems__(Wrong())"),
    "cloudio.Splits.__getitem__": ("splits['train']", "splits[Wrong()]"),
    "cloudio.stats.ResultSet.__getitem__": ("results['LABEL_fmask']", "results[Wrong()]"),
    "cloudio.torch.Dataset.__getitem__": ("dataset[0]", "dataset[Wrong()]"),
    "cloudio.torch.Dataset.__getitems__": (
        "dataset.__getitems__([0])",
        "dataset.__getitems__(Wrong())",
    ),
}

#: Parameters that take anything, each with its reason.
ANYTHING = {
    "cloudio.CloudioError(args)": "what an exception is made of",
    "cloudio.pack(samples)": "samples of any form",
}

#: The object of each class whose methods are called.
OBJECTS = {
    "cloudio.CloudioError": "cloudio.CloudioError",
    "cloudio.Dataset": "ds",
    "cloudio.LabelMap": "cloudio.LabelMap({0: 0})",
    "cloudio.Layout": "ds.layout",
    "cloudio.Loader": "loader",
    "cloudio.Reader": "reader",
    "cloudio.CompactResult": "cloudio.compact('data', 'out')",
    "cloudio.Report": "cloudio.verify('data')",
    "cloudio.lightning.DataModule": "module",
    "cloudio.stats.Agreement": "cloudio.stats.agreement(ds, 'fmask')",
    "cloudio.stats.BandStats": "cloudio.stats.bands(ds)",
    "cloudio.stats.ClassStats": "cloudio.stats.classes(ds)",
    "cloudio.stats.LowerHalves": "lower",
    "cloudio.stats.Population": "cloudio.stats.bands(ds).of",
    "cloudio.stats.ResultSet": "results",
    "cloudio.torch.Dataset": "dataset",
}

HEAD = """
import numpy as np
import cloudio, cloudio.splits, cloudio.stats
class Wrong: ...
ds = cloudio.open('data')
reader = ds.reader('L1C', 'manual_hq')
loader = cloudio.Loader(reader, 4)
splits = cloudio.make_splits(ds, {'train': 1})
results = cloudio.stats.classes(ds, ['fmask', 'sen2cor'])
wanted = cloudio.stats.bands(ds).second_round()
lower = cloudio.stats.lower_halves(ds, wanted)
numbers = np.zeros(3, np.int64)
pixels = np.zeros((3, 8, 8), np.int16)
"""
HEADS = {
    "lightning": "module = cloudio.lightning.DataModule(ds, 'L1C', 'manual_hq', 224, 4)",
    "plot": "import cloudio.plot; figure = cloudio.plot.patch(ds, 0)",
    "torch": "import cloudio.torch; dataset = cloudio.torch.Dataset(reader)",
}


def callables() -> dict[str, object]:
    """Return what users call, by name: not records, which cloudio makes, nor what is inherited."""
    found = {}
    for name, entry in PUBLIC.items():
        owner, _, member = name.rpartition(".")
        if isinstance(entry, PROPERTIES) or member in ("__len__", "__iter__"):
            continue
        if inspect.isclass(entry):
            if not own_constructor(entry) or "\nParameters\n" not in inspect.cleandoc(
                entry.__doc__ or ""
            ):
                continue
        elif owner in PUBLIC and inspect.isclass(PUBLIC[owner]):
            bases = PUBLIC[owner].__mro__[1:]
            base = next((f"cloudio.{b.__name__}" for b in bases if hasattr(b, member)), "")
            if f"{base}.{member}" in PUBLIC and member not in vars(PUBLIC[owner]):
                continue
        found[name] = entry
    return found


CALLABLES = callables()


def room_of(name: str) -> str:
    """Return the module that a name is in."""
    return re.match(r"cloudio(\.[a-z]+(?=\.))?", name)[0]


def written(name: str, arguments: dict[str, str]) -> str:
    """Return a call in Python."""
    owner, _, member = name.rpartition(".")
    called = f"{OBJECTS[owner]}.{member}" if owner in OBJECTS else name
    return f"{called}({', '.join(f'{key}={value}' for key, value in arguments.items())})"


def script() -> tuple[str, dict[int, str]]:
    """Return a script, and its wrong lines by number."""
    lines = [HEAD, *(text for room, text in HEADS.items() if f"cloudio.{room}" in ROOMS)]
    lines = "\n".join(lines).splitlines()
    wrong = {}

    def add_wrong(line: str) -> None:
        lines.append(line)
        wrong[len(lines)] = line

    for name, entry in CALLABLES.items():
        if name in OTHERS:
            correct, *others = OTHERS[name]
            lines.append(correct)
            for other in others:
                add_wrong(other)
            continue
        arguments = CALLS[name]
        lines.append(written(name, arguments))
        add_wrong(written(name, arguments | {"typo_of_a_name": "0"}))
        for parameter in inspect.signature(entry).parameters:
            if parameter != "self" and f"{name}({parameter})" not in ANYTHING:
                add_wrong(written(name, arguments | {parameter: "Wrong()"}))
                if parameter not in arguments:
                    misspelled = parameter[:-2] + parameter[:-3:-1]
                    add_wrong(written(name, arguments | {misspelled: "Wrong()"}))
    return "\n".join(lines), wrong


ROOMS = {public_name(module) for module in MODULES}


@pytest.fixture(scope="module")
def errors(tmp_path_factory, pytestconfig):
    """Return what one run of mypy says of all scripts: their lines with errors, by file name."""
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "wrong.py").write_text(script()[0], encoding="utf-8")
    names = ["correct.py", *(["correct_torch.py"] if "cloudio.torch" in ROOMS else [])]
    for name in names:
        (folder / name).write_text((HERE / name).read_text(encoding="utf-8"), encoding="utf-8")
    config = folder / "mypy.ini"
    text = ["[mypy]", "strict = True", "warn_unreachable = True", "follow_imports = silent"]
    if not (PACKAGE.parent.name.endswith("-packages")):
        text.append(f"mypy_path = {PACKAGE.parent}")
    config.write_text("\n".join(text), encoding="utf-8")
    cache = getattr(pytestconfig, "cache", None)  # None with -p no:cacheprovider
    cache = folder if cache is None else cache.mkdir("mypy")
    options = ["--config-file", config, "--cache-dir", cache, "--show-error-codes", "--no-pretty"]
    paths = [folder / name for name in [*names, "wrong.py"]]
    output, crashed, _ = api.run([str(word) for word in [*options, *paths]])
    assert not crashed
    found: dict[str, dict[int, list[str]]] = {path.name: {} for path in paths}
    for file, line, message in re.findall(r"^(.+?):(\d+): error: (.+)$", output, re.MULTILINE):
        found[Path(file).name].setdefault(int(line), []).append(message)
    return found


def test_every_public_call_is_here():
    # Without torch or matplotlib their rooms cannot be called.
    written_down = {name for name in CALLS.keys() | OTHERS.keys() if room_of(name) in ROOMS}
    assert CALLABLES.keys() == written_down


@pytest.mark.parametrize("name", ["correct.py", "correct_torch.py"])
def test_nothing_is_found_in_a_correct_script(errors, name):
    if name not in errors:
        pytest.skip("needs torch")
    assert errors[name] == {}


def test_every_planted_error_is_found_and_nothing_else(errors):
    text, wrong = script()
    lines = text.splitlines()
    found = errors["wrong.py"]
    assert [line for number, line in wrong.items() if number not in found] == []
    assert {lines[k - 1]: found[k] for k in found if k not in wrong} == {}
