"""The words of a command line: PATH may come before or after options that take several words."""

import argparse
import re
from collections.abc import Sequence
from typing import Any


class Words(argparse.Action):
    """An option that takes several words, and lists that are separated by commas.

    ``like``: a pattern of its words; one that is not like them, the first aside, is the PATH.
    Without a pattern any word can be meant.  Without ``commas`` a comma divides only words that
    have no field in braces.
    """

    def __init__(
        self, option_strings: Any, dest: str, *, like: str = "", commas: bool = True, **more: Any
    ) -> None:
        super().__init__(option_strings, dest, **more | {"nargs": "+"})
        self.like, self._commas = like, commas

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        entries = []
        for word in values:
            whole = not self._commas and "{" in word
            entries += [word] if whole else [x.strip() for x in word.split(",")]
        if getattr(namespace, self.dest) is not self.default:
            joined = " ".join([*getattr(namespace, self.dest), *entries])
            raise argparse.ArgumentError(
                self, f"is given twice; give it once: {option_string} {joined}"
            )
        if "" in entries:
            raise argparse.ArgumentError(self, f"{' '.join(values)!r} has an empty entry")
        setattr(namespace, self.dest, entries)


def arrange(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """Return the words of a command with PATH first, as argparse needs them.

    An option of several words ends where a word is not like them.  If a PATH is missing, it is the
    last word of the last option that has several; a command may have two.
    """
    options = parser._option_string_actions
    paths: list[str] = []
    groups: list[list[str]] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            paths += rest
            break
        if not _is_option(word, options):
            paths.append(word)
            continue
        action = None if "=" in word else _find(word, options)
        n = _count(action, rest, options)
        groups.append([word, *rest[:n]])
        del rest[:n]
    several = [g for g in groups if len(g) > 2 and isinstance(_find(g[0], options), Words)]
    missing = len(positionals(parser)) - len(paths)
    if several and missing > 0:
        taken = several[-1][max(2, len(several[-1]) - missing) :]
        del several[-1][-len(taken) :]
        paths += taken
    arranged = [word for group in groups for word in _joined(group)]
    if any(path.startswith("-") for path in paths):
        return [*arranged, "--", *paths]
    return [*paths, *arranged]


def positionals(parser: argparse.ArgumentParser) -> list[str]:
    """Return what the help of a command calls its arguments that are no options."""
    return [str(x.metavar or x.dest) for x in parser._actions if not x.option_strings]


def _is_option(word: str, options: dict[str, argparse.Action]) -> bool:
    """Return whether a word is one; -1 and -1,2 are numbers."""
    return len(word) > 1 and word[0] == "-" and not re.match(r"-[\d.]", word)


def _find(word: str, options: dict[str, argparse.Action]) -> argparse.Action | None:
    """Return the option that a word names; it may be shortened."""
    if word in options:
        return options[word]
    found = {id(action): action for name, action in options.items() if name.startswith(word)}
    return next(iter(found.values())) if len(found) == 1 and word.startswith("--") else None


def _count(
    action: argparse.Action | None, rest: Sequence[str], options: dict[str, argparse.Action]
) -> int:
    """Return how many of the words that follow an option are its own."""
    if action is None or action.nargs == 0 or not rest or _is_option(rest[0], options):
        return 0
    n = 1
    if isinstance(action, Words):
        while n < len(rest) and not _is_option(rest[n], options):
            if action.like and not re.fullmatch(action.like, rest[n]):
                break
            n += 1
    return n


def _joined(group: Sequence[str]) -> Sequence[str]:
    """Return an option and its words; argparse takes a word such as -1,2 for an option."""
    option, *words = group
    if not any(word.startswith("-") for word in words):
        return group
    return [f"{option}={','.join(words)}" if option.startswith("--") else option + words[0]]
