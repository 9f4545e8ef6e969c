"""The changes of a run behind a table: loaded page by page in the background, put into words.

Belongs to the tk thread; what it asks runs on workers. A run under way grows; `more` fetches what
it has recorded since.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from server.api.app import App
from server.api.status import ChangeView
from ui.state.session import Session
from ui.words.change_words import GROUPS, action_words, brief, group_of, who
from ui.words.text import Texts

# So many are put into words by one job: a worker that computes keeps tk waiting for a moment.
_PAGE = 250
_PAUSE_MS = 15


class ChangeRow(NamedTuple):
    """A change as the table shows it; its key is its number in the run."""

    key: int
    group: str
    action: str
    who: str
    brief: str
    result: str


@dataclass(frozen=True, slots=True)
class Extract:
    """Which changes to show: of a run, and of these only some results; None shows all."""

    run_id: int
    results: frozenset[str] | None = None


class _Portion(NamedTuple):
    rows: list[ChangeRow]
    tally: Counter[tuple[str, str]]
    read: int


class ChangeFeed:
    """Holds the rows group by group, in each in the run's order.

    `changed` is called when there are others.
    counts: how many there are of each group. tally: how many of those that are planned or held do
    what to whom, by action and kind.
    """

    def __init__(self, session: Session, changed: Callable[[], object]) -> None:
        self.rows: list[ChangeRow] = []
        self.counts: Counter[str] = Counter()
        self.tally: Counter[tuple[str, str]] = Counter()
        self.is_complete = True
        self.extract: Extract | None = None
        self._session = session
        self._changed = changed
        self._by_group: dict[str, list[ChangeRow]] = {group: [] for group in GROUPS}
        self._group: str | None = None
        self._read = 0
        self._round = 0  # answers about what was shown before are dropped
        self._is_loading = False

    def show(self, extract: Extract | None) -> None:
        """Show the changes of another run; the same one again is left as it is."""
        if extract == self.extract:
            return
        self.extract = extract
        self._round += 1
        self._by_group = {group: [] for group in GROUPS}
        self._read = 0
        self.counts, self.tally = Counter(), Counter()
        self._is_loading = False
        self._pick()
        if extract is not None:
            self.more()

    def use(self, group: str | None) -> None:
        """Show the changes of one group only, None for all."""
        self._group = group
        self._pick()

    def more(self) -> None:
        """Load what is not loaded yet."""
        extract = self.extract
        if self._is_loading or extract is None:
            return
        self._is_loading, self.is_complete = True, False
        asked, after, session = self._round, self._read, self._session
        app, texts = session.app, session.texts
        session.ask(
            lambda: _portion(app, extract, after, texts),
            lambda portion: self._loaded(asked, portion),
            ended=lambda: self._ended(asked),
        )

    def _ended(self, asked: int) -> None:
        if asked == self._round:
            self._is_loading = False

    def _loaded(self, asked: int, portion: _Portion) -> None:
        if asked != self._round:
            return
        self._read += portion.read
        for row in portion.rows:
            self._by_group[row.group].append(row)
        self.counts.update(row.group for row in portion.rows)
        self.tally.update(portion.tally)
        if portion.read == _PAGE:
            self._session.root.after(_PAUSE_MS, lambda: self._go_on(asked))
        else:
            self.is_complete = True
        self._pick()

    def _go_on(self, asked: int) -> None:
        if asked == self._round:
            self.more()

    def _pick(self) -> None:
        groups = GROUPS if self._group is None else (self._group,)
        self.rows = [row for group in groups for row in self._by_group[group]]
        self._changed()


def _portion(app: App, extract: Extract, after: int, texts: Texts) -> _Portion:
    listed = app.mirror.changes(extract.run_id, _PAGE, after)
    wanted = [
        (number, change)
        for number, change in enumerate(listed, after + 1)
        if extract.results is None or change.result in extract.results
    ]
    rows = [_row(number, change, texts) for number, change in wanted]
    return _Portion(rows, _tally([change for _, change in wanted]), len(listed))


def _row(number: int, change: ChangeView, texts: Texts) -> ChangeRow:
    return ChangeRow(
        number,
        group_of(change),
        action_words(change, texts),
        who(change),
        brief(change, texts),
        change.result,
    )


def _tally(changes: Sequence[ChangeView]) -> Counter[tuple[str, str]]:
    return Counter(
        (change.action, change.kind) for change in changes if change.result in {"planned", "held"}
    )
