"""The head of the page: the switch, how the mirror stands, and the two buttons that start a run."""

import tkinter as tk
from tkinter import ttk

from server.api.status import RunSummary, SyncView
from ui.assets.theme import bind_mnemonics, mnemonic
from ui.state.session import Session
from ui.widgets.layout import Action, ButtonRow, TwoLines, Wrapped
from ui.words.run_words import count_words, health_of, state_words, time_words

_MOVE_MS = 40


class StateCard(ttk.Frame):
    """Shows a SyncView. `is_ready` says whether all settings are there that a sync needs."""

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent)
        self._session = session
        self.texts, self.theme = session.texts, session.theme
        self._is_moving = False
        top = ttk.Frame(self)
        top.pack(fill="x")
        self._add_buttons(top)
        self._add_words(top)
        self._add_progress()

    def _add_buttons(self, top: ttk.Frame) -> None:
        texts, commands = self.texts, self._session.sync_commands
        column = ttk.Frame(top)
        column.pack(side="right", anchor="n", padx=self.theme.pad(12, 0))
        row = ButtonRow(
            column,
            self.theme,
            Action(texts("Pre&view"), commands.preview),
            Action(texts("Sync &now"), commands.sync),
        )
        row.pack(anchor="e")
        self.preview_button, self.sync_button = row.buttons
        self._is_on = tk.BooleanVar(self, value=False)
        shown, underline, letter = mnemonic(texts("Sync auto&matically"))
        self.toggle = ttk.Checkbutton(
            column,
            text=shown,
            underline=underline,
            variable=self._is_on,
            command=lambda: self._session.sync_switch.turn(is_on=self._is_on.get()),
        )
        self.toggle.pack(anchor="e", pady=self.theme.pad(8, 0), padx=self.theme.pad(0, 8))
        keys = [(letter, self.toggle)]
        self.bind("<Map>", lambda _: bind_mnemonics(self.winfo_toplevel(), keys), add=True)

    def _add_words(self, top: ttk.Frame) -> None:
        row = ttk.Frame(top)
        row.pack(fill="x")
        self._picture = ttk.Label(row)
        self._picture.pack(side="left", anchor="n", padx=self.theme.pad(0, 10))
        words = TwoLines(row)
        words.pack(side="left", fill="x", expand=True)
        self.headline, self.times = words.title, words.hint

    def _add_progress(self) -> None:
        self._progress = ttk.Frame(self)
        self.bar = ttk.Progressbar(self._progress, mode="indeterminate", length=self.theme.px(160))
        self.bar.pack(side="left", padx=self.theme.pad(0, 10))
        give_up = Action(self.texts("Stop &waiting"), self._session.sync_commands.give_up)
        self._give_up = ButtonRow(self._progress, self.theme, give_up, side="right")
        self.give_up_button = self._give_up.buttons[0]
        self.counts = Wrapped(self._progress, style="Hint.TLabel")
        self.counts.pack(side="left", fill="x", expand=True)

    # --- what is new

    def show(self, sync: SyncView, *, is_ready: bool) -> None:
        """Show how the mirror stands now."""
        texts = self.texts
        self._is_on.set(sync.is_enabled)
        self.headline.show(state_words(sync, texts))
        health = health_of(sync)
        self._picture.configure(image=self.theme.pictures.states[health])
        self.times.show(time_words(sync, texts))
        self._show_progress(sync.current_run)
        is_busy = self._session.sync_commands.is_waiting
        for button in (self.preview_button, self.sync_button):
            button.configure(state="normal" if is_ready and not is_busy else "disabled")
        is_possible = is_ready or sync.is_enabled
        self.toggle.configure(state="normal" if is_possible else "disabled")

    def _show_progress(self, run: RunSummary | None) -> None:
        commands = self._session.sync_commands
        is_busy = run is not None or commands.is_waiting
        if is_busy != self._is_moving:
            self._is_moving = is_busy
            if is_busy:
                self._progress.pack(fill="x", pady=self.theme.pad(8, 0))
                self.bar.start(_MOVE_MS)
            else:
                self.bar.stop()
                self._progress.pack_forget()
        if is_busy:
            self.counts.show(self._progress_words(run))
            if commands.is_waiting:
                self._give_up.pack(side="right", before=self.counts)
            else:
                self._give_up.pack_forget()

    def _progress_words(self, run: RunSummary | None) -> str:
        texts = self.texts
        if run is None:
            return texts("Queued: waiting to start…")
        since = texts.moment(run.started_at_ms)
        if run.totals.done + run.totals.planned + run.totals.failed == 0:
            return texts("Running since {since}: reading DingTalk and WeCom…", since=since)
        return texts("Running since {since}: {counts}", since=since, counts=count_words(run, texts))
