"""An icon in a notification area that is not there."""

import pystray


class FakeIcon:
    """What pystray shows, without a screen."""

    HAS_MENU = HAS_NOTIFICATION = True

    def __init__(self, name: str, icon: object, title: str, menu: pystray.Menu) -> None:
        del name
        self.icon, self.title, self.menu = icon, title, menu
        self.told: list[tuple[str, str]] = []
        self.updates = 0
        self.is_running = False

    def run_detached(self) -> None:
        self.is_running = True

    def update_menu(self) -> None:
        self.updates += 1

    def notify(self, message: str, title: str) -> None:
        self.told.append((title, message))

    def stop(self) -> None:
        self.is_running = False
