"""What every command prints with: nothing printed may steer the terminal, or fail for want of one.

Standard output carries what was asked for, standard error what is said about it.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress


class OutputLostError(Exception):
    """Standard output takes nothing more; an OSError of the command itself is never one."""

    def __init__(self, refusal: OSError) -> None:
        super().__init__(refusal)
        self.refusal = refusal


def show(lines: Iterable[str]) -> None:
    """Write to standard output; raises OutputLostError."""
    for line in lines:
        show_text(_visible(line))


def show_text(text: str) -> None:
    """Write a JSON document, or a line of our own, to standard output; raises OutputLostError."""
    with _written():
        print(text)


def say(*lines: str) -> None:
    """Write to standard error, as far as there is one and somebody reads it."""
    if sys.stderr is None:  # print would take standard output instead
        return
    with suppress(OSError):
        for line in lines:
            print(_visible(line), file=sys.stderr, flush=True)


def flush() -> None:
    """Write what waits in the buffer of standard output; raises OutputLostError."""
    if sys.stdout is not None:
        with _written():
            sys.stdout.flush()


def discard() -> None:
    """Let what waits in the buffer go nowhere: the interpreter flushes once more at its end."""
    with suppress(OSError):  # a stream that is no file of the system's has nothing to complain of
        descriptor = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except OSError as refusal:
        raise OutputLostError(refusal) from refusal


def _visible(line: str) -> str:
    """Blank out what would steer the terminal; names and texts may come from anybody."""
    return "".join(sign if sign.isprintable() else " " for sign in line)
