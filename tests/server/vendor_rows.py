"""A row of a vendor's error table, as the tests hold it against the program's own."""

from dataclasses import dataclass

from server.errors.vendor import Fate, Fix


@dataclass(frozen=True)
class Row:
    """What a code means. `title` and `hint` are how the sentences begin; no other ones begin so."""

    number: int
    fate: Fate
    title: str
    hint: str
    fix: Fix | None = None
    is_suspicious: bool = False
    backoff_s: tuple[float, ...] = (1.0, 2.0, 4.0)
