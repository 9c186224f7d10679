"""``cloudio synth``: write a synthetic data set."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from ...errors import RequestError
from .. import options
from ..terminal import write
from ..words import Words

HELP = "write a synthetic data set with the files and the known defects of CloudSEN12"
USAGE = "PATH [options]"
EXAMPLE = "cloudio synth new-data/ --patches train=4 val=1"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="the folder to create; it must not exist"
    )
    parser.add_argument(
        "--patches",
        action=Words,
        like="[^=]*=.*",
        metavar="SPLIT=N",
        default=["train=8", "val=2", "test=2"],
        help="number of patches of each split, 24.6 MB each (default: train=8 val=2 test=2)",
    )
    parser.add_argument(
        "--seed",
        type=options.seed,
        metavar="N",
        default=0,
        help="the same seed gives the same bytes (default: 0)",
    )
    parser.add_argument(
        "--repeats",
        action="store_true",
        help="repeat the pixels of bands of 20 m and 60 m, as those of the release are",
    )


def run(arguments: argparse.Namespace) -> int:
    from ..._utils.progress import on_terminal
    from ...synth.writer import synthesize

    patches = parse_patches(arguments.patches)
    synthesize(
        arguments.path,
        patches,
        seed=arguments.seed,
        progress=on_terminal(),
        repeats=arguments.repeats,
    )
    written = ", ".join(f"{name} {n}" for name, n in patches.items())
    write(f"{arguments.path}: {written} patches")
    return 0


def parse_patches(words: Sequence[str]) -> dict[str, int]:
    """Return the patches of each split, from words such as ``train=8``, for `synthesize`.

    RequestError if a word is not SPLIT=N, or a split is given twice.  `synthesize` checks the
    names themselves.
    """
    patches: dict[str, int] = {}
    for word in words:
        match = re.fullmatch(r"([^=]*)=([0-9]{1,15})", word)
        if match is None or int(match[2]) == 0:
            raise RequestError(
                f"--patches {word!r}; it must be SPLIT=N with N of 1 or more, such as train=8"
            )
        name = match[1]
        if name in patches:
            raise RequestError(
                f"--patches {word!r} comes after {name}={patches[name]}; give each split once"
            )
        patches[name] = int(match[2])
    return patches
