"""The settings: made from the list of known ones, judged while typing, saved all at once."""

import tkinter as tk
from collections.abc import Mapping
from functools import partial
from tkinter import ttk

from server.config.settings import Language, known_settings
from server.config.store import Config, Outcome
from server.errors.base import DingBridgeError, SettingsError
from ui.help.opening import Topic
from ui.pages.page import Page
from ui.state.session import Session
from ui.widgets.connection import ConnectionPanel
from ui.widgets.layout import Action, ButtonRow, Scrolled, Wrapped, heading
from ui.widgets.moving import ExportDialog, ImportDialog
from ui.widgets.setting import SettingField, make_field
from ui.words.setting_words import LABELS, LANGUAGES, SECTIONS

# A test of these sections' accounts takes what is typed in them, and in the last what to mirror.
_TESTED = ("dingtalk", "wecom")
_USED_BY_TESTS = (*_TESTED, "sync")


class SettingsPage(Page):
    """One tab a section. Nothing is saved before everything can be used."""

    help_topic = Topic.SETTINGS

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, session)
        texts, theme = self.texts, self.theme
        self.fields: dict[str, SettingField] = {}
        self.tests: dict[str, ConnectionPanel] = {}
        self._areas: dict[str, Scrolled] = {}
        hint = texts("Every change is checked before it is saved, and can be undone.")
        heading(self, theme, texts("Settings"), hint).pack(fill="x", pady=theme.pad(0, 8))
        self._add_buttons()
        self.tabs = ttk.Notebook(self)
        self.tabs.pack(fill="both", expand=True)
        for section, title in SECTIONS.items():
            self._add_section(section, texts(title))
        self._add_language()
        self._add_moving()
        self._is_loaded = False

    def shown(self) -> None:
        """Load the settings, unless somebody is in the middle of changing them."""
        if not self._changes():
            self._load()

    def open_part(self, part: str) -> None:
        """Show the tab of a section."""
        if part in self._areas:
            self.tabs.select(self._areas[part])  # type: ignore[no-untyped-call] # as the library's stubs have it

    # --- building

    def _add_buttons(self) -> None:
        texts, theme = self.texts, self.theme
        row = ButtonRow(
            self,
            theme,
            Action(texts("Sa&ve"), self._save, is_default=True),
            Action(texts("&Undo changes"), self._load),
        )
        row.pack(side="bottom", fill="x", pady=theme.pad(10, 0))
        self.save_button, self.undo_button = row.buttons
        self._restart_row = ttk.Frame(self)
        self._restart_row.pack(side="bottom", fill="x")
        self.told = Wrapped(self, style="Strong.TLabel")
        self.told.pack(side="bottom", fill="x")
        restart = Action(texts("Use the new a&ddress now"), self._restart)
        self._restart_buttons = ButtonRow(self._restart_row, theme, restart)

    def _add_section(self, section: str, title: str) -> None:
        area = Scrolled(self.tabs, self.theme)
        area.body.configure(padding=self.theme.px(14))
        self.tabs.add(area, text=title)
        self._areas[section] = area
        for info in known_settings():
            if info.section == section and info.name in LABELS:
                field = make_field(area.body, self.session, info)
                field.pack(fill="x", pady=self.theme.pad(0, 12))
                field.on_change = partial(self._field_changed, field)
                self.fields[info.name] = field
        if section in _TESTED:
            panel = ConnectionPanel(
                area.body, self.session, section, self._tested_changes, self._refused
            )
            panel.pack(fill="x", pady=self.theme.pad(4, 0))
            self.tests[section] = panel

    def _add_language(self) -> None:
        texts, theme = self.texts, self.theme
        frame = ttk.Frame(self.tabs, padding=theme.px(14))
        self.tabs.add(frame, text=texts("Language"))
        ttk.Label(frame, text=texts("Language"), style="Strong.TLabel").pack(anchor="w")
        names = [texts("As the system"), "简体中文", "English"]
        self.language = ttk.Combobox(frame, values=names, state="readonly", width=24)
        self.language.pack(anchor="w", pady=theme.pad(2, 2))
        self.language.bind("<<ComboboxSelected>>", lambda _: self._choose_language())
        Wrapped(frame, texts("Takes effect at once."), "Hint.TLabel").pack(fill="x")

    def _add_moving(self) -> None:
        texts, theme = self.texts, self.theme
        frame = ttk.Frame(self.tabs, padding=theme.px(14))
        self.tabs.add(frame, text=texts("Backup and move"))
        ttk.Label(frame, text=texts("Move to another computer"), style="Strong.TLabel").pack(
            anchor="w"
        )
        explained = texts(
            "Windows encrypts the secrets for this account, so a copy of the data folder cannot be "
            "used elsewhere. Export here, quit, and import on the new computer: settings, secrets, "
            "events, and the links between DingTalk and WeCom are included."
        )
        Wrapped(frame, explained, "Hint.TLabel").pack(fill="x", pady=theme.pad(2, 8))
        row = ButtonRow(
            frame,
            theme,
            Action(texts("E&xport…"), lambda: ExportDialog(self, self.session)),
            Action(texts("I&mport…"), lambda: ImportDialog(self, self.session)),
        )
        row.pack(anchor="w")
        self.export_button, self.import_button = row.buttons

    # --- loading and saving

    def _load(self) -> None:
        self.told.show("")
        self.session.ask(self.session.app.config, self._loaded)

    def _loaded(self, config: Config) -> None:
        if not self.winfo_exists():
            return
        self._is_loaded = True
        secrets = {
            "dingtalk.app_secret": bool(config.secrets.app_secret),
            "wecom.contact_secret": bool(config.secrets.contact_secret),
        }
        for name, field in self.fields.items():
            field.load(secrets[name] if field.setting.is_secret else config.settings.value_of(name))
        self.language.current(LANGUAGES.index(config.settings.ui.language))
        self._changed()

    def _changes(self) -> dict[str, object]:
        return {name: field.value for name, field in self.fields.items() if field.is_changed}

    def _tested_changes(self) -> Mapping[str, object]:
        nested = _nested(self._changes())
        return {section: nested[section] for section in _USED_BY_TESTS if section in nested}

    def _field_changed(self, field: SettingField) -> None:
        panel = self.tests.get(field.setting.section)
        if panel is not None and field.is_changed:
            panel.forget()
        self._changed()

    def _changed(self) -> None:
        changes = self._changes()
        is_fine = not any(self.fields[name].problem for name in changes)
        self.save_button.configure(state="normal" if changes and is_fine else "disabled")
        self.undo_button.configure(state="normal" if changes else "disabled")

    def _save(self) -> None:
        changes = _nested(self._changes())
        self.session.ask(lambda: self.session.app.configure(changes), self._saved, self._refused)

    def _saved(self, outcome: Outcome) -> None:
        if not self.winfo_exists():
            return
        self._loaded(outcome.config)
        if outcome.needs_restart:
            self.told.show(
                self.texts(
                    "Saved. If this changes the address that DingTalk uses, enter the new one in "
                    "the DingTalk console as well, or its requests no longer arrive."
                ),
                "Strong.TLabel",
            )
            self._restart_buttons.pack(anchor="w", pady=self.theme.pad(6, 0))
        else:
            self.told.show(self.texts("✓ Saved and in effect."), "Good.TLabel")
        self.session.windows.refresh()

    def _refused(self, failure: DingBridgeError) -> None:
        """Say at each value what is wrong with it; what belongs to no field goes to a dialog."""
        problems = failure.problems if isinstance(failure, SettingsError) else ()
        shown = [one for one in problems if one.name in self.fields]
        for problem in shown:
            self.fields[problem.name].complain(self.session.say(problem.message))
        if len(shown) < max(1, len(problems)):
            self.session.windows.show_error(failure)

    def _restart(self) -> None:
        self._restart_buttons.pack_forget()
        self.told.show("")
        self.session.windows.restart_service()

    def _choose_language(self) -> None:
        chosen: Language = LANGUAGES[self.language.current()]
        self.session.windows.use_language(chosen)


def _nested(changes: Mapping[str, object]) -> dict[str, dict[str, object]]:
    nested: dict[str, dict[str, object]] = {}
    for name, value in changes.items():
        section, _, setting = name.partition(".")
        nested.setdefault(section, {})[setting] = value
    return nested
