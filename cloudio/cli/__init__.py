"""The command line: ``cloudio COMMAND`` or ``python -m cloudio COMMAND``.

Each command is one module of `commands`, with its options and its function.  `command` lists them.
"""

from .command import main

__all__ = ["main"]
