"""The command line: words to arguments, errors to sentences. What it prints is made elsewhere."""

import argparse
import contextlib
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .._version import __version__
from ..errors import CloudioError, CloudioWarning, RequestError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 where it did its work, 2 where it could not; 1 where verify found any."""
    arguments = _parser().parse_args(argv)
    try:
        command: Callable[[argparse.Namespace], int] = arguments.command
        with _warnings_as_sentences():
            status = command(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        _end_output()
        return 0
    except (CloudioError, CloudioWarning, OSError) as error:
        print(f"cloudio: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _end_output() -> None:
    """Whoever reads, such as head, has read enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _warnings_as_sentences() -> Iterator[None]:
    usual = warnings.showwarning

    def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, CloudioWarning):
            print(f"cloudio: warning: {message}", file=sys.stderr)
        else:
            usual(message, category, *where, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = usual


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cloudio",
        description="Satellite patches from flat memmap files to training batches.",
    )
    parser.add_argument("--version", action="version", version=f"cloudio {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    info = commands.add_parser(
        "info", help="what a data set holds; or, alone, what this machine is"
    )
    info.add_argument("path", nargs="?", type=Path, help="a split folder, or a folder of splits")
    info.add_argument(
        "--layout",
        type=Path,
        metavar="FILE",
        help="what its files are (default: its cloudio.toml)",
    )
    info.add_argument("--toml", action="store_true", help="print what was found as such a FILE")
    info.set_defaults(command=_info)

    synth = commands.add_parser(
        "synth", help="write a data set in the true on-disk form, with the release's blemishes"
    )
    synth.add_argument("path", type=Path, help="the folder to make; it must not exist")
    synth.add_argument(
        "--patches",
        nargs="+",
        metavar="SPLIT=N",
        default=["train=8", "val=2", "test=2"],
        help="patches of each split, 24.6 MB each (default: train=8 val=2 test=2)",
    )
    synth.add_argument("--seed", type=int, default=0, help="same seed, same bytes (default: 0)")
    synth.set_defaults(command=_synth)

    verify = commands.add_parser(
        "verify", help="look for all that is wrong; status 1 where anything is found"
    )
    verify.add_argument("path", type=Path, help="a split folder, or a folder of splits")
    verify.add_argument(
        "--quick", action="store_true", help="names, sizes and metadata.csv alone, no pixels"
    )
    verify.add_argument("--layout", type=Path, metavar="FILE", help="what its files are")
    verify.add_argument("--json", action="store_true", help="print the report as JSON")
    verify.add_argument(
        "--manifest", type=Path, metavar="FILE", help="write sizes and checksums of all arrays"
    )
    verify.add_argument(
        "--against", type=Path, metavar="FILE", help="compare with what --manifest wrote"
    )
    verify.add_argument(
        "--force", action="store_true", help="replace the manifest's file if it is there"
    )
    verify.add_argument("--threads", type=int, help="threads to use (default: all CPUs)")
    verify.set_defaults(command=_verify)

    show = commands.add_parser("show", help="a picture of patches and their labels")
    show.add_argument("path", type=Path, help="a split folder, or a folder of splits")
    show.add_argument(
        "--index",
        nargs="+",
        required=True,
        metavar="K",
        help="which patches: 12, or 3 7 12, or 3,7,12, or 0:6 for the first six",
    )
    show.add_argument("--split", help="count patches in this split (default: over all of them)")
    show.add_argument(
        "--bands",
        default="rgb",
        help="a preset, one band, three as red,green,blue, or several pictures (default: rgb)",
    )
    show.add_argument("--labels", help="names, such as manual_hq,sen2cor (default: none)")
    show.add_argument(
        "--policy",
        help="by which labels become classes; 'codes' shows them as stored (default: the "
        "layout's first, and probabilities as they are)",
    )
    show.add_argument("--classes", help="names of the classes 0, 1, ... (default: CloudSEN12's)")
    show.add_argument("--window", action="store_true", help="outline the valid window")
    show.add_argument(
        "--stretch", default="fixed", help="fixed, patch, or LOW,HIGH (default: fixed)"
    )
    show.add_argument("--flat", action="store_true", help="classes without the picture below")
    show.add_argument("--columns", type=int, help="patches side by side")
    show.add_argument("--layout", type=Path, metavar="FILE", help="as in info")
    show.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="ends in .png, .jpg, .pdf or .svg (default: a .png here, named by the patches)",
    )
    show.add_argument("--force", action="store_true", help="replace the file if it is there")
    show.set_defaults(command=_show)

    bench = commands.add_parser("bench", help="time the main job against numpy, on this machine")
    bench.add_argument("path", nargs="?", type=Path, help="a data set; none: one made for the day")
    bench.add_argument(
        "--cold", action="store_true", help="from the disk: every page evicted before each run"
    )
    bench.add_argument(
        "--train", action="store_true", help="loaders and DataLoaders, for a consumer that computes"
    )
    bench.add_argument("--size", type=int, help="of the crops (train alone; default: 224)")
    bench.add_argument("--batch", type=int, help="samples of one (train alone; default: 32)")
    bench.add_argument(
        "--compute",
        type=float,
        metavar="MS",
        help="what a batch takes the consumer (train alone; default: as long as a read)",
    )
    bench.add_argument("--threads", type=int, help="threads to use (default: all CPUs)")
    bench.add_argument("--rounds", type=int, help="times each is run (default: 9; cold 5, train 3)")
    bench.add_argument("--json", action="store_true", help="print results as JSON")
    bench.set_defaults(command=_bench)

    stats = commands.add_parser(
        "stats", help="mean, deviation and percentiles of bands, pixels of classes, agreement"
    )
    stats.add_argument("path", type=Path, help="a split folder, or a folder of splits")
    stats.add_argument("--split", metavar="NAME", help="of this split alone (default: of all)")
    stats.add_argument(
        "--bands",
        type=_words,
        metavar="NAMES",
        help="presets or bands, comma between; 'all' (default: the first preset there is)",
    )
    stats.add_argument("--raw", action="store_true", help="numbers as stored, without scale")
    stats.add_argument("--no-bands", action="store_true", help="leave bands out")
    stats.add_argument(
        "--labels", type=_words, metavar="NAMES", help="labels to count (default: manual_hq)"
    )
    stats.add_argument("--no-labels", action="store_true", help="leave labels out")
    stats.add_argument(
        "--agreement", type=_words, metavar="NAMES", help="labels to compare with the reference"
    )
    stats.add_argument("--reference", metavar="NAME", help="with this label (default: manual_hq)")
    stats.add_argument(
        "--percentiles", type=_words, metavar="PERCENTS", help="such as 1,50,99; 'none'"
    )
    stats.add_argument("--layout", type=Path, metavar="FILE", help="what its files are")
    stats.add_argument("--threads", type=int, help="threads to use (default: all CPUs)")
    stats.add_argument("--json", action="store_true", help="print results as JSON")
    stats.add_argument("-o", "--output", type=Path, metavar="FILE", help="write that JSON there")
    stats.set_defaults(command=_stats)
    return parser


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _info(arguments: argparse.Namespace) -> int:
    from .._utils import machine
    from . import info

    if arguments.path is None:
        if arguments.toml or arguments.layout:
            raise RequestError("--toml and --layout are about a folder; name one")
        print(machine.describe())
    elif arguments.toml:
        print(info.toml(arguments.path, arguments.layout), end="")
    else:
        print(info.dataset(arguments.path, arguments.layout))
    return 0


def _synth(arguments: argparse.Namespace) -> int:
    from ..synth.writer import parse_patches, synthesize

    # As after Ctrl-C: what is half-written is removed on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    patches = parse_patches(arguments.patches)
    synthesize(arguments.path, patches, seed=arguments.seed, progress=sys.stderr.isatty())
    print(f"{arguments.path}: {', '.join(f'{name} {n}' for name, n in patches.items())} patches")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from ..verification.verify import verify

    report = verify(
        arguments.path,
        full=not arguments.quick,
        layout=arguments.layout,
        manifest=arguments.manifest,
        against=arguments.against,
        force=arguments.force,
        threads=arguments.threads,
    )
    try:
        print(report.json() if arguments.json else report, flush=True)
    except BrokenPipeError:  # the status is what the findings make it
        _end_output()
    return 0 if report.ok else 1


def _show(arguments: argparse.Namespace) -> int:
    try:
        from .. import plot
    except ImportError as error:  # which says what to install
        raise RequestError(str(error)) from None
    from ..reading.dataset import open
    from ..reading.indexing import resolve_index

    ds = open(arguments.path, layout=arguments.layout)
    if arguments.split is not None:
        ds = ds.split(arguments.split)
    try:
        numbers = resolve_index(_numbers(arguments.index, len(ds)), len(ds)).tolist()
    except IndexError as error:
        raise RequestError(str(error)) from None
    output = arguments.output or _picture_of(ds.path.name, arguments.split, numbers)
    plot.format_of(output)
    if output.exists() and not arguments.force:
        raise FileExistsError(f"{output} is there already; --force replaces it")
    labels: Any = arguments.labels and arguments.labels.split(",")
    if labels and arguments.policy:
        labels = dict.fromkeys(labels, None if arguments.policy == "codes" else arguments.policy)
    bands = arguments.bands.split(",")
    figure = plot.patch(
        ds,
        numbers,
        bands=bands if len(bands) > 1 else bands[0],
        labels=labels,
        window=arguments.window,
        stretch=_stretch(arguments.stretch),
        overlay=None if arguments.flat else plot.OVERLAY,
        classes=arguments.classes and arguments.classes.split(","),
        columns=arguments.columns,
    )
    plot.save(figure, output, force=arguments.force)
    print(f"{output}: {len(numbers)} patch{'' if len(numbers) == 1 else 'es'}")
    return 0


def _numbers(words: Sequence[str], n_patches: int) -> list[int]:
    """The patches that are meant by 3, or 3,7, or 0:6."""
    found: list[int] = []
    for word in ",".join(words).split(","):
        if re.fullmatch(r"-?\d+", word):
            found.append(int(word))
        elif ends := re.fullmatch(r"(\d+):(\d+)", word):
            if int(ends[2]) > n_patches:
                raise RequestError(f"--index {word}; there are {n_patches} patches")
            found += range(int(ends[1]), int(ends[2]))
        else:
            raise RequestError(f"--index {word!r}; numbers are needed, or a range such as 0:6")
    if not found:
        raise RequestError(f"--index {' '.join(words)} is no patch")
    return found


def _picture_of(folder: str, split: str | None, numbers: Sequence[int]) -> Path:
    """A file here, named by what it shows."""
    few = [str(k) for k in numbers]
    if len(few) > 4:
        few[1:-1] = ["to"]
    return Path("-".join([*filter(None, (folder, split)), *few]) + ".png")


def _stretch(word: str) -> str | tuple[float, float]:
    if "," not in word:
        return word
    try:
        low, high = map(float, word.split(","))
    except ValueError:
        raise RequestError(f"--stretch {word!r}; fixed, patch or LOW,HIGH is needed") from None
    return low, high


def _bench(arguments: argparse.Namespace) -> int:
    from ..bench import cold, train
    from ..bench import warm as bench

    names = {"rounds": "rounds", "batch": "batch_size", "size": "size", "compute": "compute"}
    asked: dict[str, Any] = {
        name: getattr(arguments, option)
        for option, name in names.items()
        if getattr(arguments, option) is not None
    }
    if not arguments.train and asked.keys() - {"rounds"}:
        raise RequestError("--size, --batch and --compute are about --train")
    run: Callable[..., Any] = cold.run if arguments.cold else bench.run
    if arguments.train:
        run, asked["evicted"] = train.run, arguments.cold
    report = run(arguments.path, threads=arguments.threads, **asked)
    print(report.json() if arguments.json else report)
    return 0


def _stats(arguments: argparse.Namespace) -> int:
    from . import stats as stats_command

    results, hints = stats_command.run(arguments)
    if arguments.output:
        results.save(arguments.output)
    print(results.json() if arguments.json else "\n\n".join([str(results), *hints]))
    return 0
