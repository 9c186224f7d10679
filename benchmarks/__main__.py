"""`python -m benchmarks run | report | compare`: the suite that compares loaders of crops.

docs/adding-a-rival.md says how to add a rival, docs/what-is-fair.md what is measured.
"""

import argparse
import importlib
import sys

#: The modules of the commands, which are imported on demand: a report needs matplotlib.
COMMANDS = {
    "run": ("suite.cli", "run suites, and write results.json"),
    "report": ("reporting.report", "tables, plots and a page of HTML from results"),
    "compare": ("reporting.compare", "how two results differ"),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (module, words) in COMMANDS.items():
        command = commands.add_parser(name, help=words)
        if arguments[:1] == [name]:
            chosen = importlib.import_module(f".{module}", __package__)
            chosen.add_options(command)
            command.set_defaults(main=chosen.main)
    options = parser.parse_args(arguments)
    return int(options.main(options) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
