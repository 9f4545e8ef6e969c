"""The self-test: one button, a line a step, and what to do where one failed."""

import tkinter as tk
from tkinter import ttk

from server.api.checks import SelfTestReport
from ui.help.opening import Topic
from ui.pages.page import Page
from ui.state.session import Session
from ui.widgets.layout import Action, ButtonRow, Scrolled, heading
from ui.widgets.steps import StepList


class SelfTestPage(Page):
    """Runs the test when it is first shown, and again whenever somebody asks."""

    help_topic = Topic.SELF_TEST

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, session)
        texts, theme = self.texts, self.theme
        heading(
            self,
            theme,
            texts("Self-test"),
            texts(
                "Sends a signed, encrypted request to the real address, as DingTalk does, and "
                "checks the response. Nothing of it is stored."
            ),
        ).pack(fill="x")
        self.buttons = ButtonRow(self, theme, Action(texts("R&un the self-test"), self.run))
        self.buttons.pack(fill="x", pady=theme.pad(12, 8))
        self._progress = ttk.Progressbar(self, mode="indeterminate", length=theme.px(200))
        area = Scrolled(self, theme)
        area.pack(fill="both", expand=True)
        self.steps = StepList(area.body, theme, texts)
        self.steps.pack(fill="x")
        self._has_run = False

    def shown(self) -> None:
        """Test at once: whoever comes here wants to know."""
        if not self._has_run:
            self.run()

    def run(self) -> None:
        """Run the test; the button waits meanwhile."""
        self._has_run = True
        self.steps.clear()
        self.buttons.buttons[0].configure(state="disabled")
        self._progress.pack(anchor="w", after=self.buttons)
        self._progress.start(15)
        self.session.ask(self.session.app.self_test, self._done, ended=self._rest)

    def _done(self, report: SelfTestReport) -> None:
        if self.winfo_exists():
            self.steps.show(report)

    def _rest(self) -> None:
        if self.winfo_exists():
            self._progress.stop()
            self._progress.pack_forget()
            self.buttons.buttons[0].configure(state="normal")
