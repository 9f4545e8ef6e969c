"""The type of every secret, so that none is printed by accident."""

from hmac import compare_digest
from typing import NoReturn, Self

_MASK = "••••"
_SHOWN = 2
_LENGTH_THAT_MAY_SHOW_ITS_ENDS = 16


class Secret:
    """A string that shows itself only when asked with `reveal()`.

    Its `repr`, `str` and formatted form are masked, so it may stand in a log line, a traceback or
    a dataclass. Two secrets compare in constant time.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. Never pass it to a log, an error or an address."""
        return self._text

    def masked(self) -> str:
        """Return what may be shown: both ends of a long secret, nothing of a short one."""
        if len(self._text) < _LENGTH_THAT_MAY_SHOW_ITS_ENDS:
            return _MASK if self._text else ""
        return f"{self._text[:_SHOWN]}{_MASK}{self._text[-_SHOWN:]}"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(_bytes(self._text), _bytes(other._text))

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        """Refuse pickling: the pickle would hold the secret in plain text."""
        raise TypeError("a Secret is not pickled")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        return f"Secret({_MASK!r})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
