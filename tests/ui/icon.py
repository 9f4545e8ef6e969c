"""An icon in a notification area that is not there."""

from collections.abc import Callable

import pystray


class FakeIcon:
    """What pystray shows, without a screen."""

    HAS_MENU = HAS_NOTIFICATION = True

    def __init__(self, name: str, icon: object, title: str, menu: pystray.Menu) -> None:
        del name
        self.icon, self.title, self.menu = icon, title, menu
        self.told: list[tuple[str, str]] = []
        self.updates = 0
        self.is_running = self.visible = False
        self.appear: Callable[[], object] = lambda: None

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
