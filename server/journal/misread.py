"""What is told where a stored value makes no sense: no JSON, no such kind, another form.

Every value was fit to be read when it was written, but SQLite has no checksums: a flipped bit in a
text, or somebody with a database viewer, is noticed here only. Nothing but the making of our values
out of stored ones runs under this, lest a fault of ours be told to the admin as damage.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class MisreadError(Exception):
    """A stored value makes no sense; who knows of which database says `JournalUnreadableError`."""


@contextmanager
def decoding() -> Iterator[None]:
    """Turn whatever a value that makes no sense raises into `MisreadError`."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        reason = f"{type(exc).__name__}: {exc}"
        raise MisreadError(reason) from exc
