"""Somebody before the sync's page, with a hand for its buttons."""

import tkinter as tk

from tests.ui.hand import shown_texts
from tests.ui.stage import Stage, open_main
from ui.pages.sync.page import SyncPage
from ui.state.window_api import PageName


class Sitting:
    """Somebody before the page, with a hand."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.hand, self.app = stage, stage.hand, stage.app
        open_main(stage)
        stage.program.open_page(PageName.SYNC)
        page = stage.program.window.built(PageName.SYNC)
        assert isinstance(page, SyncPage)
        self.page = page
        self.hand.wait_for(lambda: page.history.feed.is_loaded)

    def says(self, text: str, **values: str | int) -> bool:
        return self.stage.texts(text, **values) in shown_texts(self.page)

    def is_told(self, text: str, **values: str | int) -> bool:
        return self.stage.texts(text, **values) in shown_texts(self.stage.program.window.frame)

    def open_tab(self, number: int) -> None:
        self.page.tabs.select(number)  # type: ignore[no-untyped-call] # as the library's stubs have it
        self.hand.let_settle()

    def press(self, button: tk.Misc) -> None:
        self.hand.wait_for(lambda: str(button.cget("state")) == "normal", f"{button} stays off")
        self.hand.click(button)

    def preview(self) -> None:
        self.press(self.page.head.preview_button)
        before, decision = self.page.decision.proposal, self.page.decision
        self.hand.wait_for(
            lambda: decision.proposal and decision.proposal != before, "no preview came"
        )
        self.hand.wait_for(lambda: self.page.decision.pane.feed.is_complete)

    def allow(self) -> None:
        """Press the button, and then the one in the question, which is not the default."""
        self.press(self.page.decision.allow_button)
        dialog = self.page.decision.dialog
        assert dialog is not None
        self.hand.click(dialog.allow_button)

    def sync(self) -> None:
        runs = len(self.app.mirror.runs())
        self.press(self.page.head.sync_button)
        self.hand.wait_for(lambda: len(self.app.mirror.runs()) > runs)
        self.hand.wait_for(self.is_idle)

    def is_idle(self) -> bool:
        status = self.app.status().sync
        return (
            status.current_run is None and not self.stage.program.session.sync_commands.is_waiting
        )

    def first_sync(self) -> None:
        self.preview()
        self.allow()
        self.hand.wait_for(lambda: self.page.decision.proposal is None)
        self.hand.wait_for(self.is_idle)
