"""`App`: everything that the windows and the command line can ask for or do.

Works the same in the process that serves and beside it: reads come from the data folder, commands
are written there, and the service notices them within a second. Methods may be called from any
thread. They can wait for the disk, so windows call them from a worker thread.
"""

import secrets
import string
from collections.abc import Callable, Sequence
from sqlite3 import Connection
from threading import Event

from crypto.credential_input import clean, judge, split_pasted
from crypto.credentials import CredentialField, Role
from crypto.envelope import AES_KEY_CHARACTERS
from server.api.checks import SelfTestReport
from server.api.connections import Connections
from server.api.context import Context
from server.api.migration import Migration
from server.api.status import (
    EventPage,
    EventView,
    RunView,
)
from server.api.subscription import Subscription
from server.api.sync import SyncApi
from server.api.views.callbacks import (
    event_view,
)
from server.config.paths import DataFolder
from server.config.rules import UnfitError
from server.config.settings import known_settings
from server.config.store import ConfigStore, Outcome
from server.errors.base import JournalClosedError
from server.errors.credentials import describe_problem
from server.errors.message import Message
from server.journal import events, listing
from server.service.service import now_ms

_TOKEN_CHARACTERS = 32  # the console's maximum
_REQUEUE_S = 30.0


class App(Context):
    """One data folder and everything that can be done with it.

    `mirror`, `connections`, `migration` and `subscription` are the groups of commands.
    """

    def __init__(
        self,
        folder: DataFolder,
        store: ConfigStore | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        super().__init__(folder, store, clock_ms)
        self.mirror = SyncApi(folder, self._store, clock_ms, self._logged, self._wake)
        self.connections = Connections(self._store)
        self.migration = Migration(
            folder, self._store, clock_ms, lambda: self._service is not None, self.stop
        )
        self.subscription = Subscription(self, clock_ms)

    def events(
        self,
        limit: int = 50,
        before_id: int | None = None,
        event_type: str | None = None,
        state: str | None = None,
        text: str | None = None,
    ) -> EventPage:
        """Return up to `limit` events, newest first. Raises JournalError.

        A page may hold fewer and still not be the last: see `EventPage.before_id`.
        """
        wanted = None if state is None else events.EventState(state)
        page = self._read(
            lambda conn: listing.latest(conn, limit, before_id, event_type, wanted, text)
        )
        return EventPage(tuple(map(event_view, page.events)), page.before_id)

    def event(self, event_id: int) -> EventView | None:
        """Return one event, None if it has been removed. Raises JournalError."""
        page = self._read(lambda conn: listing.latest(conn, 1, event_id + 1))
        found = [event_view(one) for one in page.events if one.id == event_id]
        return found[0] if found else None

    def daily_counts(self, starts_ms: Sequence[int]) -> list[int]:
        """Count the events received from each ascending moment up to the next one.

        Raises JournalError.
        """
        return self._read(lambda conn: listing.daily_counts(conn, starts_ms))

    def sync(
        self, *, preview: bool = False, allow: str | None = None, stop: Event | None = None
    ) -> RunView:
        """Make a full run and wait for its end; see `SyncApi.sync`."""
        return self.mirror.sync(preview=preview, allow=allow, stop=stop)

    def switch_sync(self, *, is_on: bool) -> Outcome:
        """Switch the mirror on or off. Raises what `configure` raises."""
        return self.configure({"sync": {"enabled": is_on}})

    def adopt_key(self, key: str) -> Outcome:
        """Use the key that DingTalk sent, with the present token and aes_key."""
        return self.configure({"callback": {"key": key}})

    def process_again(self, event_ids: Sequence[int]) -> int:
        """Make these events pending again, except those pending or in work; return how many.

        Raises JournalError, also if this process does not serve.
        """
        return self._requeue(lambda conn: events.requeue(conn, event_ids))

    def process_failed_again(self) -> int:
        """Make all failed events pending again; return how many. Raises as `process_again`."""
        total = 0
        # In portions, so that callbacks are stored in between.
        while count := self._requeue(lambda conn: events.requeue_failed(conn, since_ms=0)):
            total += count
        return total

    def reveal(self, role: str, field: str) -> str:
        """Return a value of the `active`, `pending` or `previous` set unmasked, to be shown.

        Empty if there is no such set. Raises what `config` raises.
        """
        ring = self.config().secrets.keyring
        chosen = dict(ring.sets(self._clock_ms())).get(Role(role))
        if chosen is None:
            return ""
        values = {
            CredentialField.TOKEN: chosen.token.reveal(),
            CredentialField.AES_KEY: chosen.aes_key.reveal(),
        }
        return values.get(CredentialField(field), chosen.key)

    @staticmethod
    def generated_value(field: str) -> str:
        """Return a random `token` or `aes_key`, to be entered here and in the console."""
        length = (
            AES_KEY_CHARACTERS
            if CredentialField(field) is CredentialField.AES_KEY
            else _TOKEN_CHARACTERS
        )
        return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))

    @staticmethod
    def judge_setting(name: str, value: object) -> Message | None:
        """Return what is wrong with a setting's JSON value, None if it can be used."""
        rule = next(info.rule for info in known_settings() if info.name == name)
        try:
            rule.parse(value)
        except UnfitError as unfit:
            return unfit.message
        return None

    @staticmethod
    def judge_value(field: str, text: str) -> tuple[str, Message | None]:
        """Return an entered value cleaned, and what is wrong with it, None if it can be used.

        `field` is `token`, `aes_key` or `key`.
        """
        value = clean(CredentialField(field), text)
        problem = judge(CredentialField(field), value)
        return value, None if problem is None else describe_problem(problem)

    @staticmethod
    def split_pasted(block: str) -> dict[CredentialField, str]:
        """Find the three values in a block of text copied from the console."""
        return split_pasted(block)

    def self_test(self) -> SelfTestReport:
        """Test the way of a callback through the real socket; see `server.api.selftest`.

        Starts the service for the test if none runs on this data folder.
        """
        from server.api.selftest import run_self_test  # noqa: PLC0415 - imports an HTTP client

        return run_self_test(self, self._clock_ms)

    def _requeue(self, job: Callable[[Connection], int]) -> int:
        service = self._service
        if service is None:
            raise JournalClosedError(path=str(self.folder.database))
        return service.journal().run(job, wakes_worker=True).result(_REQUEUE_S)
