"""About: the version, where things lie, what the program runs on."""

import platform
import tkinter as tk
from tkinter import ttk

from server.version import VERSION
from ui.assets.licences import shown_licences
from ui.help.opening import Topic
from ui.pages.page import Page
from ui.state.session import Session
from ui.widgets.dialogs import centre
from ui.widgets.layout import Action, ButtonRow, Wrapped
from ui.widgets.textbox import ReadingBox
from ui.words.text import Texts


class AboutPage(Page):
    """Tells what this is, and copies what whoever helps will ask for."""

    help_topic = Topic.INDEX

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, session)
        texts, theme = self.texts, self.theme
        head = ttk.Frame(self)
        head.pack(fill="x", pady=theme.pad(0, 12))
        ttk.Label(head, image=theme.pictures.app).pack(side="left", padx=theme.pad(0, 14))
        names = ttk.Frame(head)
        names.pack(side="left")
        ttk.Label(names, text=texts("DingBridge"), style="Big.TLabel").pack(anchor="w")
        version = texts("Version {version}", version=VERSION)
        ttk.Label(names, text=version, style="Hint.TLabel").pack(anchor="w")
        Wrapped(
            self,
            texts(
                "Receives DingTalk's events, stores every one of them on this computer, syncs "
                "DingTalk's directory to WeCom, and explains in plain words when something goes "
                "wrong."
            ),
        ).pack(fill="x", pady=theme.pad(0, 12))
        self._add_facts()
        ButtonRow(
            self,
            theme,
            Action(texts("Copy these &details"), self._copy),
            Action(texts("Open data &folder"), lambda: session.open_path(session.app.folder.root)),
            Action(texts("Open &log folder"), lambda: session.open_path(session.app.folder.logs)),
            Action(texts("L&icences"), self._ask_for_licences),
        ).pack(fill="x", pady=theme.pad(14, 0))

    def _facts(self) -> list[tuple[str, str]]:
        texts, folder = self.texts, self.session.app.folder
        return [
            (texts("Version"), VERSION),
            (texts("Data folder"), str(folder.root)),
            (texts("Log file"), str(folder.log_file)),
            (texts("System"), platform.platform()),
            (texts("Runs on"), f"Python {platform.python_version()}, Tk {tk.TkVersion}"),
        ]

    def _add_facts(self) -> None:
        grid = ttk.Frame(self)
        grid.pack(fill="x")
        grid.columnconfigure(1, weight=1)
        for row, (name, value) in enumerate(self._facts()):
            ttk.Label(grid, text=name, style="Hint.TLabel").grid(
                row=row, column=0, sticky="nw", padx=self.theme.pad(0, 18)
            )
            Wrapped(grid, value).grid(row=row, column=1, sticky="ew", pady=self.theme.pad(0, 6))

    def _ask_for_licences(self) -> None:
        self.session.ask(shown_licences, self._show_licences)

    def _show_licences(self, text: str) -> None:
        if self.winfo_exists():
            LicencesWindow(self, text, self.texts)

    def _copy(self) -> None:
        lines = "\n".join(f"{name}: {value}" for name, value in self._facts())
        self.session.copy(lines, self.texts("Copied"))


class LicencesWindow(tk.Toplevel):
    """The licences of all that the program is made of."""

    def __init__(self, parent: tk.Misc, text: str, texts: Texts) -> None:
        super().__init__(parent)
        self.title(texts("Licences"))
        bar = ttk.Scrollbar(self)
        bar.pack(side="right", fill="y")
        self.box = ReadingBox(self, height=30, text_font="TkFixedFont", wrap="word")
        self.box.show(text)
        self.box.configure(yscrollcommand=bar.set, width=90)
        bar.configure(command=self.box.yview)
        self.box.pack(side="left", fill="both", expand=True)
        self.bind("<Escape>", lambda _: self.destroy())
        self.transient(parent.winfo_toplevel())
        centre(self, parent.winfo_toplevel())
        self.box.focus_set()
