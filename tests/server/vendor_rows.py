"""A row of a vendor's error table, as the tests hold it against the program's own."""

from dataclasses import dataclass

from server.errors.vendor import Correction, ErrorPolicy


@dataclass(frozen=True)
class Row:
    """What a code means. `title` and `hint` are how the sentences begin; no other ones begin so."""

    number: int
    policy: ErrorPolicy
    title: str
    hint: str
    fix: Correction | None = None
    is_suspicious: bool = False
    backoff_s: tuple[float, ...] = (1.0, 2.0, 4.0)
