"""The two dialogs for moving to another computer: write the sealed file, and take it in."""

import tkinter as tk
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from tkinter import filedialog, ttk

from server.api.app import App
from server.api.checks import ExportView, ImportView
from server.errors.base import DingBridgeError
from ui.help.opening import Topic
from ui.state.session import Session
from ui.state.window_api import PageName
from ui.widgets.dialogs import centre, error_lines
from ui.widgets.layout import Action, ButtonRow, Wrapped
from ui.widgets.values import Judged, ValueEntry
from ui.words.moving_words import after_export, after_import

_WIDTH = 600
_ENDING = ".dingbridge"


class _MoveDialog(tk.Toplevel):
    """What both have in common: a form, work that takes a while, and what comes next."""

    help_topic = Topic.MOVING

    def __init__(self, parent: tk.Misc, session: Session, title: str, explained: str) -> None:
        super().__init__(parent.winfo_toplevel())
        self.session = session
        self.texts = session.texts
        self.theme = session.theme
        self.title(title)
        self.transient(parent.winfo_toplevel())
        self.resizable(width=False, height=False)
        self._is_busy = False
        # One width, whatever the texts would like: they wrap to it, and must not move it in turn.
        self.minsize(self.theme.px(_WIDTH), 1)
        self.maxsize(self.theme.px(_WIDTH), self.winfo_screenheight())
        body = ttk.Frame(self, padding=self.theme.px(16))
        body.pack(fill="both", expand=True)
        self.form = ttk.Frame(body)
        self.form.pack(fill="both", expand=True)
        Wrapped(self.form, explained).pack(fill="x", pady=self.theme.pad(0, 10))
        self.told = Wrapped(body, style="Bad.TLabel")
        self._progress = ttk.Progressbar(body, mode="indeterminate")
        self._buttons = ttk.Frame(body)
        self._buttons.pack(side="bottom", fill="x", pady=self.theme.pad(12, 0))
        self.protocol("WM_DELETE_WINDOW", self.close)
        self.bind("<Escape>", lambda _: self.close())

    def close(self) -> None:
        """Close, unless something is going on that has to end first."""
        if self._is_busy:
            return
        self.destroy()

    def add_passphrase(
        self, label: str, judge: Callable[[str], str] | None = None, hint: str = ""
    ) -> ValueEntry:
        """Add an entry that does not show what is typed; `judge` says what is wrong with it."""
        entry = ValueEntry(
            self.form,
            self.theme,
            self.texts,
            label,
            lambda text: Judged(text, judge(text) if judge else ""),
            is_secret=True,
            hint=hint,
            is_praised=judge is not None,
        )
        entry.pack(fill="x", pady=self.theme.pad(0, 8))
        entry.on_change = self.changed
        return entry

    def add_buttons(self, label: str, go: Callable[[], object]) -> ttk.Button:
        """Add the button that begins, and Cancel; returns the first."""
        row = ButtonRow(
            self._buttons,
            self.theme,
            Action(self.texts("Cancel"), self.close),
            Action(label, go, is_default=True),
            side="right",
        )
        row.pack(fill="x")
        self.cancel_button, go_button = row.buttons
        self.bind("<Return>", lambda _: go_button.invoke())
        self.changed()
        centre(self, self.master)
        return go_button

    def changed(self) -> None:
        """Judge whether one may begin; called with each change."""

    def begin(self) -> None:
        """Show that work goes on, and take nothing more."""
        self._is_busy = True
        self.told.pack_forget()
        for button in self._all_buttons():
            button.configure(state="disabled")
        self._progress.pack(fill="x", pady=self.theme.pad(8, 0))
        self._progress.start(15)

    def ended(self) -> None:
        """Take something again, whatever came of the work."""
        if self.winfo_exists():
            self._is_busy = False
            self._progress.stop()
            self._progress.pack_forget()
            for button in self._all_buttons():
                button.configure(state="normal")
            self.changed()

    def fail(self, failure: DingBridgeError) -> None:
        """Say what went wrong; it can be tried again."""
        if self.winfo_exists():
            self.told.show(error_lines(failure, self.texts))
            self.told.pack(fill="x", pady=self.theme.pad(8, 0))

    def finish(self, headline: str, lines: Iterable[str]) -> None:
        """Show in place of the form what was done, and what is to be done now."""
        for child in (*self.form.winfo_children(), *self._buttons.winfo_children()):
            child.destroy()
        Wrapped(self.form, f"✓ {headline}", "Good.TLabel").pack(
            fill="x", pady=self.theme.pad(0, 10)
        )
        for line in lines:
            row = ttk.Frame(self.form)
            row.pack(fill="x", pady=self.theme.pad(0, 6))
            ttk.Label(row, text="•").pack(side="left", anchor="n", padx=self.theme.pad(0, 6))
            Wrapped(row, line).pack(side="left", fill="x", expand=True)
        action = Action(self.texts("&Close"), self.close, is_default=True)
        row = ButtonRow(self._buttons, self.theme, action, side="right")
        row.pack(fill="x")
        self.bind("<Return>", lambda _: self.close())
        row.buttons[0].focus_force()  # the entry that had the focus is gone

    def _all_buttons(self) -> list[ttk.Button]:
        row = self._buttons.winfo_children()[0]
        return [one for one in row.winfo_children() if isinstance(one, ttk.Button)]


class ExportDialog(_MoveDialog):
    """Asks for a passphrase, twice, and for the file's place."""

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        texts = session.texts
        super().__init__(
            parent,
            session,
            texts("Export for another computer"),
            texts(
                "Settings, all secrets, events, and the links between DingTalk and WeCom go into "
                "one file. It is encrypted with a passphrase that you choose; nobody can open the "
                "file without it."
            ),
        )
        hint = texts("Four unrelated words are easy to remember.")
        self.passphrase = self.add_passphrase(texts("Passphrase"), self._judge, hint)
        self.again = self.add_passphrase(texts("Once more"), self._judge_again)
        self.go_button: ttk.Button | None = None
        self.go_button = self.add_buttons(texts("E&xport…"), self._choose)
        self.changed()
        self.passphrase.entry.focus_set()

    def changed(self) -> None:
        """Let go on with a good passphrase, typed alike twice."""
        if self.go_button is not None:
            problems = (self.passphrase.judged.problem, self.again.judged.problem)
            self.go_button.configure(state="disabled" if any(problems) else "normal")

    def _judge(self, text: str) -> str:
        problem = self.session.app.migration.judge_passphrase(text)
        return "" if problem is None else self.session.say(problem)

    def _judge_again(self, text: str) -> str:
        is_same = text == self.passphrase.text.get()
        return "" if is_same else self.texts("It does not match the one above.")

    def _choose(self) -> None:
        name = f"DingBridge-{datetime.now().astimezone():%Y-%m-%d}{_ENDING}"
        chosen = filedialog.asksaveasfilename(
            parent=self,
            initialfile=name,
            defaultextension=_ENDING,
            filetypes=[(self.texts("DingBridge export"), f"*{_ENDING}")],
        )
        if chosen:
            self._export(self.session.app, Path(chosen))

    def _export(self, app: App, path: Path) -> None:
        passphrase = self.passphrase.text.get()
        self.begin()
        self.session.ask(
            lambda: app.migration.export(path, passphrase), self._done, self.fail, self.ended
        )

    def _done(self, view: ExportView) -> None:
        if self.winfo_exists():
            headline = self.texts("Exported to {path}", path=view.path)
            self.finish(headline, after_export(view, self.texts))


class ImportDialog(_MoveDialog):
    """Asks for the file and its passphrase; the service starts anew with what was imported."""

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        texts = session.texts
        super().__init__(
            parent,
            session,
            texts("Import from another computer"),
            texts(
                "Everything here is replaced by what was exported on the old computer. The present "
                "contents are moved aside and kept."
            ),
        )
        self._has_imported = False
        self.path = tk.StringVar(self)
        self._add_file()
        self.passphrase = self.add_passphrase(texts("Passphrase"))
        self.go_button: ttk.Button | None = None
        self.go_button = self.add_buttons(texts("&Import"), self._import)
        self.path.trace_add("write", lambda *_: self.changed())
        self.changed()
        self.choose_button.focus_set()

    def changed(self) -> None:
        """Let go on with a file and a passphrase."""
        if self.go_button is not None:
            is_ready = bool(self.path.get()) and not self.passphrase.is_empty
            self.go_button.configure(state="normal" if is_ready else "disabled")

    def _add_file(self) -> None:
        label = self.texts("Exported file")
        ttk.Label(self.form, text=label, style="Strong.TLabel").pack(anchor="w")
        row = ttk.Frame(self.form)
        row.pack(fill="x", pady=self.theme.pad(2, 10))
        choose = Action(self.texts("C&hoose…"), self._choose)
        buttons = ButtonRow(row, self.theme, choose, side="right")
        buttons.pack(side="right")
        (self.choose_button,) = buttons.buttons
        entry = ttk.Entry(row, textvariable=self.path, state="readonly")
        entry.pack(side="left", fill="x", expand=True)

    def _choose(self) -> None:
        kinds = [(self.texts("DingBridge export"), f"*{_ENDING}"), (self.texts("All files"), "*")]
        chosen = filedialog.askopenfilename(parent=self, filetypes=kinds)
        if chosen:
            self.path.set(chosen)
            self.passphrase.entry.focus_set()

    def _import(self) -> None:
        app, path, passphrase = self.session.app, Path(self.path.get()), self.passphrase.text.get()
        self.begin()
        self.session.ask(
            lambda: app.migration.import_from(path, passphrase), self._done, self.fail, self.ended
        )

    def _done(self, view: ImportView) -> None:
        self._has_imported = True
        if self.winfo_exists():
            headline = self.texts(
                "Imported the export of {moment} (version {version}).",
                moment=self.texts.moment(view.exported_at_ms),
                version=view.version,
            )
            self.finish(headline, after_import(view, self.texts))

    def close(self) -> None:
        """Close; after an import the overview shows what is in use now."""
        super().close()
        if self._has_imported:
            self.session.windows.open_page(PageName.OVERVIEW)

    def ended(self) -> None:
        """Take something again, and serve again: what was under way has stopped the service."""
        if not self.session.app.is_serving:  # it may have been refused before that
            self.session.windows.restart_service()
        super().ended()
