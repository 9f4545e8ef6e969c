"""The overview: is all well, in one look; and where not, the button that solves it."""

import tkinter as tk
from collections.abc import Sequence
from datetime import datetime, timedelta
from tkinter import ttk

from server.api.status import Level, Notice, Status, SyncView
from server.errors.message import N_
from ui.help.opening import Topic
from ui.pages.page import Page
from ui.state.session import Session
from ui.state.window_api import PageName
from ui.widgets.chart import ColumnChart
from ui.widgets.layout import Action, ButtonRow, Scrolled, TwoLines, Wrapped
from ui.widgets.notice import NoticeCard
from ui.widgets.quick_fixes import quick_fix
from ui.words.health import HEALTH_WORDS, Health, StatusSnapshot, Verdict, judge, last_contact
from ui.words.run_words import health_of, state_words, time_words

_DAYS = 7
_COUNT_EVERY_MS = 5000
_HEALTH_OF_LEVEL = {
    Level.ERROR: Health.BROKEN,
    Level.WARNING: Health.ATTENTION,
    Level.INFO: Health.NOT_SET_UP,
}
_WEEKDAYS = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))


class OverviewPage(Page):
    """Watches the status and counts the events of the last days while it is seen."""

    help_topic = Topic.OVERVIEW

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, session)
        self._attention_shown: tuple[Notice, ...] | None = None
        self._timer = ""
        area = Scrolled(self, self.theme)
        area.pack(fill="both", expand=True)
        body = area.body
        self._add_banner(body)
        self._attention = ttk.Frame(body)
        self._attention.pack(fill="x")
        columns = ttk.Frame(body)
        columns.pack(fill="x", pady=self.theme.pad(12, 0))
        columns.columnconfigure((0, 1), weight=1, uniform="half")
        self._add_address(columns)
        self._add_contact(columns)
        self._add_sync(columns)
        self._add_events(columns)
        session.watch(self, self._take)

    def shown(self) -> None:
        """Count at once, and then every few seconds."""
        self._count()

    def left(self) -> None:
        """Stop counting."""
        if self._timer:
            self.after_cancel(self._timer)
            self._timer = ""

    def _add_banner(self, body: ttk.Frame) -> None:
        banner = ttk.Frame(body)
        banner.pack(fill="x", pady=self.theme.pad(0, 12))
        self._picture = ttk.Label(banner)
        self._picture.pack(side="left", padx=self.theme.pad(0, 14))
        words = TwoLines(banner, style="Big.TLabel")
        words.pack(side="left", fill="x", expand=True)
        self.headline, self._since = words.title, words.hint

    def _card(
        self, parent: ttk.Frame, title: str, row: int, column: int, span: int = 1
    ) -> ttk.LabelFrame:
        card = ttk.LabelFrame(parent, text=title, padding=self.theme.px(12))
        gap = self.theme.px(6)
        card.grid(
            row=row,
            column=column,
            columnspan=span,
            sticky="nsew",
            padx=(0 if column == 0 else gap, gap if column == 0 and span == 1 else 0),
            pady=(0, gap * 2),
        )
        return card

    def _add_address(self, columns: ttk.Frame) -> None:
        texts = self.texts
        card = self._card(columns, texts("Callback address"), 0, 0)
        self._address = Wrapped(card, style="Strong.TLabel")
        self._address.pack(fill="x")
        self._address_hint = Wrapped(card, style="Hint.TLabel")
        self._address_hint.pack(fill="x", pady=self.theme.pad(2, 8))
        ButtonRow(
            card,
            self.theme,
            Action(texts("Co&py"), self._copy_url),
            Action(texts("Set-up &guide"), self.session.windows.open_guide),
        ).pack(fill="x", side="bottom")

    def _add_contact(self, columns: ttk.Frame) -> None:
        card = self._card(columns, self.texts("Last contact from DingTalk"), 0, 1)
        self._contact = Wrapped(card, style="Strong.TLabel")
        self._contact.pack(fill="x")
        self._contact_hint = Wrapped(card, style="Hint.TLabel")
        self._contact_hint.pack(fill="x", pady=self.theme.pad(2, 8))
        open_credentials = Action(
            self.texts("Show &values in use"),
            lambda: self.session.windows.open_page(PageName.CREDENTIALS),
        )
        ButtonRow(card, self.theme, open_credentials).pack(fill="x", side="bottom")

    def _add_sync(self, columns: ttk.Frame) -> None:
        card = self._card(columns, self.texts("Sync to WeCom"), 1, 0, span=2)
        open_sync = Action(
            self.texts("Open the sy&nc"), lambda: self.session.windows.open_page(PageName.SYNC)
        )
        ButtonRow(card, self.theme, open_sync, side="right").pack(side="right")
        self._sync_picture = ttk.Label(card)
        self._sync_picture.pack(side="left", anchor="n", padx=self.theme.pad(0, 10))
        words = TwoLines(card)
        words.pack(side="left", fill="x", expand=True)
        self.sync_state, self.sync_times = words.title, words.hint

    def _add_events(self, columns: ttk.Frame) -> None:
        card = self._card(columns, self.texts("Events of the last 7 days"), 2, 0, span=2)
        background = ttk.Style(self).lookup("TFrame", "background") or "SystemButtonFace"
        self.chart = ColumnChart(card, self.theme, background)
        self.chart.pack(fill="x")
        row = ttk.Frame(card)
        row.pack(fill="x", pady=self.theme.pad(8, 0))
        self._counts = Wrapped(row)
        self._counts.pack(side="left", fill="x", expand=True)
        show_events = Action(
            self.texts("S&how events"), lambda: self.session.windows.open_page(PageName.EVENTS)
        )
        ButtonRow(row, self.theme, show_events, side="right").pack(side="right")

    # --- what is new

    def _take(self, snapshot: StatusSnapshot) -> None:
        verdict = judge(snapshot)
        self._show_banner(snapshot.status, verdict)
        if verdict.attention != self._attention_shown:
            self._attention_shown = verdict.attention
            self._show_attention(verdict.attention)
        self._show_address(snapshot.status)
        self._show_contact(snapshot.status)
        self._show_sync(snapshot.status.sync)
        counts = snapshot.status.events
        total = counts.pending + counts.working + counts.done + counts.ignored + counts.failed
        self._counts.show(
            self.texts(
                "Events stored: {total}; failed: {failed}; received more than once: {duplicates}.",
                total=f"{total:,}",
                failed=f"{counts.failed:,}",
                duplicates=f"{counts.duplicates:,}",
            )
        )

    def _show_banner(self, status: Status, verdict: Verdict) -> None:
        self._picture.configure(image=self.theme.pictures.states[verdict.health])
        # What is wrong stands below with its button; here, that something is.
        is_fine = verdict.health is Health.WORKING
        words = self.texts(HEALTH_WORDS[verdict.health])
        self.headline.show(self.session.say(verdict.headline) if is_fine else words)
        if status.service.is_running:
            since = self.texts.moment(status.service.started_at_ms)
            self._since.show(self.texts("Running since {since}", since=since))
        else:
            self._since.show(self.texts("The service is not running."))

    def _show_attention(self, notices: Sequence[Notice]) -> None:
        for child in self._attention.winfo_children():
            child.destroy()
        # An empty frame keeps the height it had, unless it is told another one.
        self._attention.configure(height=1)
        for notice in notices:
            self._add_notice(notice)

    def _add_notice(self, notice: Notice) -> None:
        action = quick_fix(notice, self.session)
        card = NoticeCard(
            self._attention,
            self.theme,
            _HEALTH_OF_LEVEL[notice.level],
            (self.session.say(notice.title), self.session.say(notice.hint)),
            *(() if action is None else (action,)),
        )
        card.pack(fill="x", pady=self.theme.pad(0, 8))

    def _show_address(self, status: Status) -> None:
        texts = self.texts
        self._address.show(status.callback_url or "–")
        if status.has_public_url:
            hint = texts("Paste it into the DingTalk console: Event subscription, HTTP push.")
        else:
            hint = texts(
                "This is the address on this computer. DingTalk needs one that can be reached from "
                "the internet; the set-up guide explains how."
            )
        self._address_hint.show(hint)

    def _show_contact(self, status: Status) -> None:
        contact = last_contact(status)
        if contact is None:
            self._contact.show(self.texts("None yet"))
            self._contact_hint.show(
                self.texts("DingTalk sends a request when Save is pressed in its console.")
            )
            return
        self._contact.show(self.texts.moment(contact.last_used_at_ms))
        self._contact_hint.show(
            self.texts(
                "From {remote}; requests with these values so far: {calls}.",
                remote=contact.last_used_from or "–",
                calls=f"{contact.calls:,}",
            )
        )

    def _show_sync(self, sync: SyncView) -> None:
        picture = self.theme.pictures.small_states[health_of(sync)]
        self._sync_picture.configure(image=picture)
        self.sync_state.show(state_words(sync, self.texts))
        self.sync_times.show(time_words(sync, self.texts))

    def _copy_url(self) -> None:
        self.session.copy_and_repeat(self.session.callback_url())

    # --- the chart

    def _count(self) -> None:
        self._timer = self.after(_COUNT_EVERY_MS, self._count)
        days = _last_days(datetime.now().astimezone())
        starts_ms = [round(day.timestamp() * 1000) for day in days]
        labels = [self.texts(_WEEKDAYS[day.weekday()]) for day in days[:-1]] + [self.texts("Today")]
        self.session.ask(
            lambda: self.session.app.daily_counts(starts_ms),
            lambda counts: self._counted(labels, counts),
            lambda _: None,
        )

    def _counted(self, labels: Sequence[str], counts: Sequence[int]) -> None:
        if self.winfo_exists():
            self.chart.show(tuple(zip(labels, counts, strict=True)))


def _last_days(now: datetime) -> list[datetime]:
    """Return when each of the last days began here, today last."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return [(today - timedelta(days=back)).astimezone() for back in reversed(range(_DAYS))]
