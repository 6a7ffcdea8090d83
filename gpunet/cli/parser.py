"""An argument parser whose errors are exceptions and suggest the nearest option or command."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

# Options as other programs have them
OTHER_NAMES = {
    "--lr": "--learning-rate",
    "--wd": "--weight-decay",
    "--bs": "--batch-size",
    "--layers": "--hidden",
    "--device": "--backend",
    "--gpu": "--backend",
    "--model": "--save",
    "fit": "train",
    "test": "evaluate",
}
LONG_DASHES = ("–", "—")  # which text processors and chats make of two hyphens


class Parser(argparse.ArgumentParser):
    """Raises ValueError for bad arguments, so that they are reported as every other error.

    Attributes
    ----------
    commands : mapping of str to Parser
        The parsers of the commands; empty for a command itself.
    """

    commands: Mapping[str, Parser] = {}

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> argparse.Namespace:
        """Parse all arguments; the command in question reports those that it does not know."""
        args = sys.argv[1:] if args is None else args
        for one in args:
            if one.startswith(LONG_DASHES):
                self.error(f"{one} begins with a dash that is no hyphen; write --{one.lstrip('-–—')}")
        options: argparse.Namespace
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            command = self.commands.get(getattr(options, "command", ""), self)
            others = [name for name, other in self.commands.items() if unknown[0] in other.option_names()]
            hint = f"; {unknown[0]} is an option of {', '.join(others)}" if others else ""
            command.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return options

    def error(self, message: str) -> NoReturn:
        """Raise a ValueError."""
        nearest = self._nearest(message)
        hint = f"; did you mean {nearest}?" if nearest else ""
        raise ValueError(f"{message.rstrip('.')}{hint} (see {self.prog} --help)")

    def option_names(self) -> list[str]:
        """The options, as they are written."""
        return re.findall(r"--[\w-]+", self.format_usage())

    def options_with_values(self) -> set[str]:
        """Those that take a value, of all commands."""
        parsers = [self, *self.commands.values()]
        return {name for one in parsers for name in re.findall(r"(--[\w-]+)\s+\w", one.format_usage())}

    def _nearest(self, message: str) -> str | None:
        """The known option or command most similar to the unknown one of argparse's message."""
        # Options with one hyphen, or with none before a "=", are among the unknown ones.
        unknown = re.search(
            r"unrecognized arguments: (?:-{1,2}([\w-]+)|([\w-]+)=)|invalid choice: '(\w+)'", message
        )
        if unknown is None:
            return None
        known = [*self.commands, *self.option_names()]
        name = unknown[3] or f"--{unknown[1] or unknown[2]}"
        if len(name) == 3 and name.startswith("--"):  # one letter, as -o is
            found = [option for option in known if option.startswith(name)]
            return found[0] if len(found) == 1 else None
        if name in OTHER_NAMES:
            return OTHER_NAMES[name] if OTHER_NAMES[name] in known else None
        return next(iter(difflib.get_close_matches(name, known, 1)), None)


class Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the defaults other than None, False and nothing at all."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False or action.default == ():
            return action.help
        return super()._get_help_string(action)
