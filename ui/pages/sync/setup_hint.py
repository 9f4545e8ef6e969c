"""What keeps the mirror from working, and the buttons that help: one card at the page's head."""

import tkinter as tk
from collections.abc import Sequence
from dataclasses import dataclass, replace
from tkinter import ttk

from server.api.status import ErrorView, SyncState, SyncView
from ui.state.session import Session
from ui.state.window_api import PageName
from ui.widgets.layout import Action
from ui.widgets.notice import NoticeCard
from ui.words.health import Health
from ui.words.setting_words import LABELS


@dataclass(frozen=True, slots=True)
class _Hint:
    """What is told; `section`: of the settings; `ip`: the address to add where one was named."""

    health: Health
    title: str
    hint: str
    is_setting: bool = False
    section: str = ""
    is_tried_again: bool = False
    is_preview: bool = False
    ip: str = ""


class SetupHintCard(ttk.Frame):
    """Empty where nothing is needed."""

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent)
        self._session = session
        self._shown: _Hint | None = None
        self.buttons: Sequence[ttk.Button] = ()

    def show(self, sync: SyncView, missing: Sequence[str]) -> None:
        """Show what is needed now, the gravest only."""
        hint = self._hint(sync, missing)
        if hint == self._shown:
            return
        self._shown = hint
        for child in self.winfo_children():
            child.destroy()
        self.buttons = ()
        self.configure(height=1)  # an empty frame keeps the height it had
        if hint is not None:
            self._build(hint)

    def _hint(self, sync: SyncView, missing: Sequence[str]) -> _Hint | None:
        texts = self._session.texts
        if missing:
            return _Hint(
                Health.NOT_SET_UP,
                texts("These settings are needed before anything can be synced:"),
                texts(", ").join(texts(LABELS.get(name, name)) for name in missing),
                is_setting=True,
                section=missing[0].partition(".")[0],
            )
        if sync.quarantine is not None:
            hint = texts(
                "{hint} DingBridge retries automatically at {moment}.",
                hint=texts.of(sync.quarantine.error.hint),
                moment=texts.moment(sync.quarantine.until_ms),
            )
            return self._of_error(sync.quarantine.error, hint)
        if sync.last_preview is not None and sync.last_preview.error is not None:
            error = sync.last_preview.error
            return replace(self._of_error(error, texts.of(error.hint)), is_preview=True)
        errors = [run.error for run in (sync.last_run, sync.last_full_run) if run and run.error]
        if sync.state is SyncState.FAILED and errors:
            return self._of_error(errors[0], texts.of(errors[0].hint))
        if sync.last_full_run is not None and sync.last_full_run.incomplete_reason:
            reasons = texts.joined(map(texts.of, sync.last_full_run.incomplete_reason))
            told = texts("DingTalk was not read completely, so nobody was removed.")
            return _Hint(Health.ATTENTION, reasons, told, is_tried_again=True)
        return None

    def _of_error(self, error: ErrorView, hint: str) -> _Hint:
        title = self._session.say(error.title)
        ip = str(error.hint.values.get("ip") or error.title.values.get("ip") or "")
        section = error.code.partition("-")[0]  # a vendor's refusals are called after it
        return _Hint(
            Health.BROKEN,
            title,
            hint,
            is_setting=True,
            section=section,
            is_tried_again=True,
            ip=ip,
        )

    def _build(self, hint: _Hint) -> None:
        theme = self._session.theme
        words = (hint.title, hint.hint)
        card = NoticeCard(self, theme, hint.health, words, *self._actions(hint))
        card.pack(fill="x", pady=theme.pad(10, 0))
        self.buttons = card.buttons

    def _actions(self, hint: _Hint) -> list[Action]:
        session, texts = self._session, self._session.texts
        actions = []
        if hint.is_tried_again:
            again = session.sync_commands.preview if hint.is_preview else session.sync_commands.sync
            actions.append(Action(texts("Try a&gain now"), again))
        if hint.ip:
            label = texts("Copy {ip}", ip=hint.ip)
            actions.append(Action(label, lambda: session.copy_and_repeat(hint.ip)))
        elif hint.is_setting:
            open_settings = Action(
                texts("Open sett&ings"),
                lambda: session.windows.open_page(PageName.SETTINGS, hint.section),
            )
            actions.append(open_settings)
        return actions
