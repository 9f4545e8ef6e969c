"""What every command prints with: nothing printed may steer the terminal, or fail for want of one.

Standard output carries what was asked for, standard error what is said about it.
"""

import sys
from collections.abc import Iterable
from contextlib import suppress


def show(lines: Iterable[str]) -> None:
    """Write to standard output."""
    for line in lines:
        print(_visible(line))


def say(*lines: str) -> None:
    """Write to standard error, as far as there is one and somebody reads it."""
    if sys.stderr is None:  # print would take standard output instead
        return
    with suppress(OSError):
        for line in lines:
            print(_visible(line), file=sys.stderr, flush=True)


def _visible(line: str) -> str:
    """Blank out what would steer the terminal; names and texts may come from anybody."""
    return "".join(sign if sign.isprintable() else " " for sign in line)
