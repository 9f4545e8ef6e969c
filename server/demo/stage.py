"""Where the demo shows itself: scenes, lines and checks, in the language of whoever watches."""

from collections.abc import Callable
from typing import Protocol

from server.errors.message import Message

Say = Callable[..., object]


class Texts(Protocol):
    """Sentences in the reader's language; the demo gets it from whoever shows it."""

    def __call__(self, text: str, **values: str | int) -> str:
        """Return a sentence, its gaps filled."""

    def of(self, message: Message) -> str:
        """Return a message as a sentence."""

    def moment(self, at_ms: int | None) -> str:
        """Return a time as local date and time."""


class CheckFailedError(Exception):
    """Something is not as it should be, and what comes next would build on it."""


class Stage:
    """Shows lines through `say`."""

    def __init__(self, texts: Texts, say: Say) -> None:
        self.texts = texts
        self._say = say

    def scene(self, text: str, **values: str | int) -> None:
        """Begin a scene with its title."""
        self._say("")
        self._say(self.texts(text, **values))

    def line(self, text: str, **values: str | int) -> None:
        """Show a sentence."""
        self.show(self.texts(text, **values))

    def tell(self, message: Message) -> None:
        """Show a message."""
        self.show(self.texts.of(message))

    def show(self, line: str) -> None:
        """Show a line as it is."""
        self._say(f"  {line}")

    def check(self, text: str, *, is_right: bool, **values: str | int) -> None:
        """Show a sentence and whether it is true; raises CheckFailedError where it is not."""
        self.show(f"{'ok  ' if is_right else 'FAIL'}  {self.texts(text, **values)}")
        if not is_right:
            raise CheckFailedError(text)
