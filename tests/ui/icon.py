"""An icon in a notification area that is not there."""

from collections.abc import Callable
from typing import ClassVar

import pystray


class FakeIcon:
    """What pystray shows, without a screen."""

    HAS_MENU = HAS_NOTIFICATION = True
    made: ClassVar[list["FakeIcon"]] = []
    """Those of this test, the newest last."""

    def __init__(self, name: str, icon: object, title: str, menu: pystray.Menu) -> None:
        del name
        self.icon, self.title, self.menu = icon, title, menu
        self.told: list[tuple[str, str]] = []
        self.updates = 0
        self.made.append(self)
        self.is_running = self.visible = False
        self.appear: Callable[[], object] = lambda: None

    @classmethod
    def latest(cls) -> "FakeIcon":
        return cls.made[-1]

    def run_detached(self, setup: Callable[["FakeIcon"], object]) -> None:
        """Start; what pystray does on a thread of its own waits for a call of `appear`."""
        self.is_running = True
        self.appear = lambda: setup(self)

    def update_menu(self) -> None:
        self.updates += 1

    def notify(self, message: str, title: str) -> None:
        self.told.append((title, message))

    def stop(self) -> None:
        self.is_running = False
