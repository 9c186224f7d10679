"""The operations of fault_matrix.py: what each does, and what it must not leave."""

import contextlib
import importlib.util
import io
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import cloudio
from cloudio import stats
from cloudio._utils.files import write_file
from cloudio.cli.command import main as command
from cloudio.storage.files import file_size, open_file

SIDE, ENGINES = 64, ("mmap", "pread", "evict")
INDEX = [3, 0, -1, 2]
_LAYOUT = f"""
name = "Faulty"
patch = [{SIDE}, {SIDE}]
[[arrays]]
name = "a"
dtype = "int16"
scale = 0.5
[[arrays]]
name = "b"
dtype = "float32"
scale = 1.0
[[arrays]]
name = "d"
kind = "label"
dtype = "uint8"
[[arrays]]
name = "e"
kind = "label"
dtype = "uint8"
[label_maps.d.card]
classes = {{ 0 = 0, 1 = 1, 2 = 2, 3 = 3 }}
[label_maps.e.card]
classes = {{ 0 = 0, 1 = 2, 2 = 2, 3 = 3 }}
"""


@dataclass(frozen=True)
class Workplace:
    """A folder with a data set, and what has been made of it: what is read, and what is written."""

    root: Path
    stored: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path) -> "Workplace":
        place, random = cls(root), np.random.default_rng(5)
        (place.data).mkdir()
        (place.out).mkdir()
        for split, n in {"train": 4, "val": 2}.items():
            folder = place.data / split
            folder.mkdir()
            shape = (n, SIDE, SIDE)
            a = random.integers(0, 9000, shape).astype(np.int16)
            b = random.normal(size=shape).astype(np.float32)
            a.tofile(folder / "a.dat")
            np.save(folder / "b.npy", b)
            for name in "de":
                random.integers(0, 4, shape).astype(np.uint8).tofile(folder / f"{name}.dat")
            rows = "".join(f"{split}{k},{k}\n" for k in range(n))
            (folder / "metadata.csv").write_text(f"name,number\n{rows}")
        (place.data / "cloudio.toml").write_text(_LAYOUT)
        for path in place.data.rglob("*.*"):  # pages that are not on the disk cannot be evicted
            with open(path, "rb+") as file:
                os.fsync(file.fileno())
        with place.open() as ds:
            stats.classes(ds, "d").save(root / "result.json")
        cloudio.verify(place.data, manifest=root / "manifest.json", progress=False)
        return place

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def out(self) -> Path:
        return self.root / "out"

    def open(self, engine: str = "mmap") -> cloudio.Dataset:
        return cloudio.open(self.data, io="mmap" if engine == "mmap" else "pread")


def _settings(engine: str) -> dict[str, Any]:
    return {"threads": 2, "evict": engine == "evict"}


def _bytes(batch: Any) -> list[bytes | None]:
    return [None if x is None else np.asarray(x).tobytes() for x in batch]


# ---- what reads ----------------------------------------------------------------------------------


def _open(place: Workplace, engine: str) -> object:
    with place.open(engine) as ds:
        return len(ds), ds.names, ds.splits, ds.layout, repr(ds), list(ds.metadata)


def _layout(place: Workplace, _: str) -> object:
    return cloudio.Layout.from_toml(place.data / "cloudio.toml")


def _metadata(place: Workplace, _: str) -> object:
    with place.open() as ds:
        return {name: column.tolist() for name, column in ds.metadata.items()}


def _splits(place: Workplace, _: str) -> object:
    with place.open() as ds:
        made = cloudio.make_splits(ds, {"one": 0.5, "two": 0.5}, group="name")
        return {name: index.tolist() for name, index in made.items()}


def _views(place: Workplace, engine: str) -> object:
    with place.open(engine) as ds:
        train = ds.split("train")
        return [train[name].copy().tobytes() for name in train.names]


def _read(place: Workplace, engine: str) -> object:
    with place.open(engine) as ds:
        reader = ds.reader(["a", "b"], ["d", "e"], size=40, **_settings(engine))
        both = [reader.read(INDEX, symmetry=[0, 1, 2, 7]), reader.read(INDEX, origin=(3, 17))]
        return [*map(_bytes, both), _bytes(reader[1])]


def _cold(place: Workplace, engine: str) -> object:
    """Nothing is in memory, as far as the system forgets it."""
    with place.open(engine) as ds:
        reader = ds.reader(["a", "b"], "d", **_settings(engine))
        for split in ("train", "val"):
            for name in ("a.dat", "b.npy", "d.dat"):
                _forget(place.data / split / name, engine)
        return _bytes(reader.read(INDEX))


def _forget(path: Path, engine: str) -> int:
    file = open_file(path, file_size(path), "mmap" if engine == "mmap" else "pread")
    try:
        file.evict(0, file.n_bytes)
        return file.resident(0, file.n_bytes)
    finally:
        file.close()


def _pages(place: Workplace, engine: str) -> object:
    """How many pages are in memory is nobody's promise."""
    for name in ("a.dat", "b.npy"):
        _forget(place.data / "train" / name, engine)
    return None


def _prefetch(place: Workplace, engine: str) -> object:
    with place.open(engine) as ds:
        reader = ds.reader(["a", "b"], "d", **_settings(engine))
        for name in ("a.dat", "d.dat"):
            _forget(place.data / "train" / name, engine)
        reader.prefetch(INDEX)
        reader.prefetch([0, 5], origin=(0, 0))
        return _bytes(reader.read(INDEX))


def _gather(place: Workplace, engine: str) -> object:
    with place.open(engine) as ds:
        train = ds.split("train")
        image = cloudio.gather([train["a"], train["b"]], INDEX, size=40, threads=2)
        label = cloudio.remap(train["d"], INDEX, {0: 1, 1: 0, 2: 3, 3: 2}, threads=2)
        return image.tobytes(), label.tobytes()


def _pickled(place: Workplace, engine: str) -> object:
    with place.open(engine) as ds:
        again = pickle.loads(pickle.dumps(ds.split("train").reader(["a", "b"])))
        with again.dataset:
            return _bytes(again.read(INDEX))


def _epoch(place: Workplace, engine: str, prefetch: int, n_batches: int | None = None) -> object:
    with place.open(engine) as ds:
        reader = ds.reader(["a", "b"], "d", size=32, **_settings(engine))
        loader = cloudio.Loader(reader, 2, seed=1, symmetry="d4", prefetch=prefetch)
        found = []
        iterator = iter(loader)
        with contextlib.closing(iterator):
            for batch in iterator:
                found.append(_bytes(batch))
                if len(found) == n_batches:
                    break
        return found, loader.state_dict()


def _loader(place: Workplace, engine: str) -> object:
    return _epoch(place, engine, 0)


def _loader_ahead(place: Workplace, engine: str) -> object:
    return _epoch(place, engine, 2)


def _loader_left(place: Workplace, engine: str) -> object:
    return _epoch(place, engine, 2, n_batches=1)


def _stats(place: Workplace, engine: str) -> object:
    with place.open(engine) as ds:
        return [
            stats.bands(ds, ["a", "b"], threads=2).json(),
            stats.classes(ds, "d", threads=2).json(),
            stats.agreement(ds, "d", "e", threads=2).json(),
        ]


def _load(place: Workplace, _: str) -> object:
    return stats.load(place.root / "result.json").json()


def _verify(place: Workplace, **settings: Any) -> object:
    report = cloudio.verify(place.data, progress=False, threads=2, **settings)
    return [(f.check, f.split, f.file, tuple(f.patches), f.message) for f in report.findings]


def _verify_quick(place: Workplace, _: str) -> object:
    return _verify(place, full=False)


def _verify_full(place: Workplace, _: str) -> object:
    return _verify(place, against=place.root / "manifest.json")


def _info(place: Workplace, _: str) -> object:
    return _commanded("info", place.data)


def _torch_dataset(place: Workplace, engine: str) -> object:
    import torch

    with place.open(engine) as ds:
        made = cloudio.torch.Dataset(ds.reader(["a", "b"], "d", **_settings(engine)))
        loader = torch.utils.data.DataLoader(made, 2, collate_fn=cloudio.torch.collate)
        return [_bytes(batch) for batch in loader]


def _torch_loader(place: Workplace, engine: str) -> object:
    with place.open(engine) as ds:
        reader = ds.reader(["a", "b"], "d", **_settings(engine))
        loader = cloudio.torch.Loader(reader, 2, seed=1)
        return [_bytes(batch) for batch in loader]


# ---- what writes ---------------------------------------------------------------------------------


class CommandFailed(cloudio.ReadError):
    """A command ended with status 2, and the line that it wrote."""


def _commanded(*words: object) -> str:
    """What a command prints; the error where it ends with status 2, with the path that it names."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = command([str(word) for word in words])
    if status == 2:
        said = err.getvalue()
        assert re.fullmatch("cloudio: .*\n", said), said
        if "there is not enough memory" in said:
            raise MemoryError(said)
        named = [x for x in said.replace(":", " ").replace(",", " ").split() if x.startswith("/")]
        raise CommandFailed(said, path=named[0] if named else None)
    assert status == 0, (status, err.getvalue())
    return out.getvalue()


_made_once: dict[str, Any] = {}


def _once(name: str, make: Callable[[], Any]) -> Any:
    if name not in _made_once:
        _made_once[name] = make()
    return _made_once[name]


def _result(place: Workplace) -> Any:
    return _once("result", lambda: stats.load(place.root / "result.json"))


def _save(place: Workplace, _: str) -> object:
    return _result(place).save(place.out / "saved.json")


def _save_by_link(place: Workplace, _: str) -> object:
    return _result(place).save(place.out / "link.json")


def _write(place: Workplace, _: str) -> object:
    return write_file(place.out / "new.txt", "new" * 10_000)


def _figure(place: Workplace, _: str) -> object:
    module = importlib.import_module("matplotlib.figure")
    figure = _once("figure", lambda: module.Figure((0.1, 0.1)))
    return cloudio.plot.save(figure, place.out / "figure.png", force=True)


def _manifest(place: Workplace, _: str) -> object:
    return _verify(place, manifest=place.out / "made.json", force=True)


def _synth(place: Workplace, _: str) -> object:
    return cloudio.synthesize(place.out / "made", {"val": 1}, arrays=["LABEL_qa60"])


def _pack(place: Workplace, _: str) -> object:
    random = np.random.default_rng(0)
    planes = random.integers(0, 99, (9, 8, 8)).astype("uint8")
    samples = [{"B": plane, "mask": plane.astype(int), "id": k} for k, plane in enumerate(planes)]
    try:
        return cloudio.pack(samples, place.out / "made").patches
    except Exception:
        assert not (place.out / "made").exists()
        # What is left is to be resumed, and it can be.
        with contextlib.suppress(FileNotFoundError):
            cloudio.pack(samples, place.out / "made", resume=True)
            shutil.rmtree(place.out / "made")
        raise


def _stats_command(place: Workplace, _: str) -> object:
    words = "--bands", "a", "--no-labels", "--threads", 2, "--force", "-o", place.out / "s.json"
    return _commanded("stats", place.data, *words)


def _show_command(place: Workplace, _: str) -> object:
    words = "--index", 1, "--bands", "a", "--force", "-o", place.out / "s.png"
    return _commanded("show", place.data, *words)


def _files(place: Workplace) -> dict[str, object]:
    """What is in the folder of outputs; pictures differ, because they have a date."""
    found: dict[str, object] = {}
    for path in sorted(place.out.rglob("*")):
        name = path.relative_to(place.out).as_posix()
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            content = path.read_bytes()
            found[name] = content[:8] if path.suffix == ".png" else content
    return found


# ---- the table -----------------------------------------------------------------------------------

# Checks that say that a file or folder could not be read, or is not as it was.
_TOLD = ("unreadable", "read", "folder", "metadata", "link")
_OLD = b'{"kind": "BandStats", "old": 1}'


def _equal(result: object, right: object) -> str:
    return "ok" if result == right else f"WRONG: {_short(result)}"


def _short(value: object) -> str:
    return repr(value)[:300]


def _manifest_made(result: Any, right: Any) -> str:
    """A manifest lacks arrays that could not be read, and the report says so."""
    if result == right:
        return "ok"
    said = _more_findings(result[0], right[0])
    json.loads(result[1]["made.json"])
    return said if said != "ok" else f"WRONG: {_short(result[1])}"


def _more_findings(result: Any, right: Any) -> str:
    """Reports say of each fault that a file could not be read, and find what there is."""
    if result == right:
        return "ok"
    more = [finding for finding in result if finding not in right]
    told = [f for f in more if f[0] in _TOLD]
    return "ok: reported" if told and len(told) == len(more) else f"WRONG: {_short(more)}"


@dataclass(frozen=True)
class Operation:
    """What is done, by which engines; of one that writes ``target``, below the root, and whether
    something is there before."""

    name: str
    run: Callable[[Workplace, str], object]
    engines: tuple[str, ...] = ("",)
    target: str | None = None
    replaces: bool = False
    compare: Callable[[Any, Any], str] = _equal
    needs: str = "numpy"

    @property
    def made(self) -> Callable[[Workplace], object] | None:
        """What a run has made, besides what it returns."""
        return _files if self.writes else None

    def named(self, place: Workplace) -> Path:
        """The path that errors name: the one that was given."""
        given = "out/link.json" if self.run is _save_by_link else self.target
        return place.root / str(given)

    @property
    def writes(self) -> bool:
        return self.target is not None

    def is_possible(self) -> bool:
        return importlib.util.find_spec(self.needs) is not None

    def prepare(self, place: Workplace) -> None:
        """Make the folder of outputs what it is before each run."""
        if self.target is None:
            return
        for path in place.out.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if self.replaces:
            (place.root / self.target).write_bytes(_OLD)
        if self.run is _save_by_link:
            (place.out / "link.json").symlink_to("saved.json")

    def unwanted(self, place: Workplace, is_done: bool) -> str:
        """What is wrong with the folder of outputs after a run; "" if nothing is."""
        if self.target is None:
            return ""
        target = place.root / self.target
        names = {path.name for path in place.out.iterdir()}
        wanted = {target.name} if is_done or self.replaces else set()
        wanted |= {"link.json"} if self.run is _save_by_link else set()
        if names - wanted:
            return f"of {sorted(names - wanted)}"
        if wanted - names:
            return f"without {sorted(wanted - names)}"
        if not is_done and self.replaces and target.read_bytes() != _OLD:
            return f"of a changed {target.name}"
        return ""


OPERATIONS = (
    Operation("open", _open, ENGINES[:2]),
    Operation("layout", _layout),
    Operation("metadata", _metadata),
    Operation("make_splits", _splits),
    Operation("views", _views, ENGINES[:2]),
    Operation("read", _read, ENGINES),
    Operation("read cold", _cold, ENGINES),
    Operation("evict, resident", _pages, ENGINES[:2]),
    Operation("prefetch", _prefetch, ENGINES),
    Operation("gather, remap", _gather, ENGINES[:2]),
    Operation("pickle", _pickled, ENGINES[:2]),
    Operation("Loader", _loader, ENGINES),
    Operation("Loader ahead", _loader_ahead, ENGINES),
    Operation("Loader left early", _loader_left, ENGINES),
    Operation("torch.Dataset", _torch_dataset, ENGINES, needs="torch"),
    Operation("torch.Loader", _torch_loader, ENGINES, needs="torch"),
    Operation("stats", _stats, ENGINES[:2]),
    Operation("stats.load", _load),
    Operation("verify quick", _verify_quick, compare=_more_findings),
    Operation("verify", _verify_full, compare=_more_findings),
    Operation("info", _info),
    Operation("write new", _write, target="out/new.txt"),
    Operation("save new", _save, target="out/saved.json"),
    Operation("save replaces", _save, target="out/saved.json", replaces=True),
    Operation("save by a link", _save_by_link, target="out/saved.json", replaces=True),
    Operation("plot.save", _figure, target="out/figure.png", replaces=True, needs="matplotlib"),
    Operation("manifest new", _manifest, target="out/made.json", compare=_manifest_made),
    Operation(
        "manifest replaces",
        _manifest,
        target="out/made.json",
        replaces=True,
        compare=_manifest_made,
    ),
    Operation("synthesize", _synth, target="out/made"),
    Operation("pack", _pack, target="out/made"),
    Operation("stats -o", _stats_command, target="out/s.json"),
    Operation("stats -o replaces", _stats_command, target="out/s.json", replaces=True),
    Operation(
        "show -o replaces", _show_command, target="out/s.png", replaces=True, needs="matplotlib"
    ),
)
