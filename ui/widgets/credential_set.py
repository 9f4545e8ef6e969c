"""One set of credentials: masked, shown on demand, copied with one click; and its last use."""

import tkinter as tk
from tkinter import ttk

from server.api.status import CredentialSetView
from ui.state.session import Session
from ui.widgets.layout import Wrapped


class CredentialSetCard(ttk.LabelFrame):
    """Asks the facade for an unmasked value only when somebody presses a button."""

    def __init__(self, parent: tk.Misc, session: Session, role: str, title: str) -> None:
        super().__init__(parent, text=title, padding=session.theme.px(12))
        self._session = session
        self._role = role
        self._view: CredentialSetView | None = None
        self._revealed: dict[str, str] = {}
        self.columnconfigure(1, weight=1)
        self.values = {name: self._add_value(name) for name in ("token", "aes_key")}
        self.values["key"] = self._add_value("key", is_secret=False)
        self._use = Wrapped(self, style="Hint.TLabel")
        self._use.grid(row=3, column=0, columnspan=4, sticky="ew", pady=session.theme.pad(6, 0))

    def _add_value(self, name: str, *, is_secret: bool = True) -> ttk.Label:
        texts, theme, row = self._session.texts, self._session.theme, self.grid_size()[1]
        ttk.Label(self, text=name, style="Hint.TLabel").grid(
            row=row, column=0, sticky="w", padx=theme.pad(0, 16)
        )
        value = ttk.Label(self, style="Mono.TLabel")
        value.grid(row=row, column=1, sticky="w", pady=theme.pad(2, 2))
        if is_secret:
            show = ttk.Button(self, text=texts("Show"))
            show.configure(command=lambda: self._toggle(name, show))
            show.grid(row=row, column=2, padx=theme.pad(6, 0), pady=theme.pad(1, 1), sticky="ew")
        copy = ttk.Button(self, text=texts("Copy"), command=lambda: self._copy(name))
        copy.grid(row=row, column=3, padx=theme.pad(6, 0), pady=theme.pad(1, 1))
        return value

    def show(self, view: CredentialSetView, *, is_in_use: bool) -> None:
        """Show the set as it is now; what is shown unmasked stays unless the set changed."""
        before = self._view
        if before is not None and (before.token, before.aes_key) != (view.token, view.aes_key):
            self._revealed = {}
        self._view = view
        for name, label in self.values.items():
            label.configure(text=self._revealed.get(name) or getattr(view, name))
        self._use.show(self._use_words(view, is_in_use=is_in_use))

    def hide_secrets(self) -> None:
        """Mask what is shown."""
        self._revealed = {}
        for child in self.winfo_children():
            if isinstance(child, ttk.Button) and child.cget("text") == self._session.texts("Hide"):
                child.configure(text=self._session.texts("Show"))
        if self._view is not None:
            for name, label in self.values.items():
                label.configure(text=getattr(self._view, name))

    def _use_words(self, view: CredentialSetView, *, is_in_use: bool) -> str:
        texts = self._session.texts
        if view.last_used_at_ms is None:
            used = texts("DingTalk has not used it yet.")
        else:
            values = {
                "moment": texts.moment(view.last_used_at_ms),
                "remote": view.last_used_from or "–",
                "since": texts.moment(view.first_used_at_ms),
            }
            used = (
                texts("In use by DingTalk: last {moment} from {remote}, since {since}.", **values)
                if is_in_use
                else texts("DingTalk last used it {moment} from {remote}.", **values)
            )
        if view.accepted_until_ms is None:
            return used
        until = texts.moment(view.accepted_until_ms)
        accepted = texts("Valid until {until}.", until=until)
        return f"{used}\n{accepted}"

    def _toggle(self, name: str, button: ttk.Button) -> None:
        if name in self._revealed:
            del self._revealed[name]
            button.configure(text=self._session.texts("Show"))
            self._put(name, getattr(self._view, name))
            return

        def revealed(value: str) -> None:
            if button.winfo_exists():
                self._revealed[name] = value
                button.configure(text=self._session.texts("Hide"))
                self._put(name, value)

        self._session.ask(lambda: self._session.app.reveal(self._role, name), revealed)

    def _put(self, name: str, text: str) -> None:
        self.values[name].configure(text=text)

    def _copy(self, name: str) -> None:
        told = self._session.texts("Copied {name}", name=name)
        self._session.ask(
            lambda: self._session.app.reveal(self._role, name),
            lambda value: self._session.copy(value, told),
        )
