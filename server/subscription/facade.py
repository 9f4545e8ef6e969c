"""The subscription's part of the facade: compare with DingTalk's record, take it, or write ours.

Works alike beside the service and in its process: each order asks DingTalk itself, and leaves what
it found in the database. Everything here waits for the network.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from server.config.store import Config, Outcome
from server.dingtalk.client import DingTalkClient
from server.errors.vendor import NoRecordError, RecordUnusableError
from server.journal import subscription as stored
from server.journal.opening import peek
from server.journal.subscription import Finding
from server.reports import SelfTestReport, Step
from server.rest.tokens import TokenCache
from server.status import SubscriptionView
from server.subscription.asking import ensure_askable, line, look
from server.subscription.comparison import Ours, compare, unusable_values
from server.subscription.views import subscription_view
from server.sync.parties import Pace
from server.sync_orders import Orders

if TYPE_CHECKING:
    from server.app import App


def _unheard(step: Step) -> None:
    del step


class Subscription:
    """What can be asked and ordered about the subscription of one data folder."""

    def __init__(self, app: "App", clock_ms: Callable[[], int], pace: Pace | None = None) -> None:
        self._app = app
        self._clock_ms = clock_ms
        self._pace = pace or Pace()
        self._orders = Orders(app.folder, clock_ms)

    def view(self, config: Config) -> SubscriptionView:
        """Show the last comparison; asks nobody. Raises JournalError."""
        return subscription_view(peek(self._app.folder.database, stored.load), config)

    def compare(self) -> SubscriptionView:
        """Ask DingTalk now and compare; that it could not be asked is told in the view.

        Raises SettingsError where app_key or app_secret is missing, StoreError, JournalError.
        """
        config = self._app.config()
        with self._line(config) as client:
            self._note(look(client, Ours.of(config), self._clock_ms()))
        return self.view(config)

    def take(self) -> Outcome:
        """Use the token and aes_key that DingTalk has on record, as `configure` would.

        `key` stays as it is: DingTalk's record does not hold it. Raises NoRecordError,
        RecordUnusableError, VendorError, SettingsError, StoreError and JournalError; then nothing
        was changed.
        """
        with self._line(self._app.config()) as client:
            record = client.get_callback()
        if record is None:
            raise NoRecordError
        unusable = unusable_values(record)
        if unusable:
            raise RecordUnusableError(names=", ".join(unusable))
        values = {"token": record.token.reveal(), "aes_key": record.aes_key.reveal()}
        outcome = self._app.configure({"callback": values})
        self._note(compare(record, Ours.of(outcome.config), self._clock_ms()))
        return outcome

    def register(self, heard: Callable[[Step], object] = _unheard) -> SelfTestReport:
        """Write our subscription to DingTalk; see `server.subscription.registration`.

        `heard` is called with each step as it ends, on this thread. Raises SettingsError where
        app_key or app_secret is missing, what starting the service raises where none runs, and
        what `config` raises. What fails on the way is told in the report.
        """
        from server.subscription.registration import (  # noqa: PLC0415 - brings the self-test along
            register,
        )

        with self._line(self._app.config()) as client:
            report = register(self._app, client, self._clock_ms, heard)
            if any(step.name == "check_url" for step in report.steps):
                config = self._app.config()
                self._note(look(client, Ours.of(config), self._clock_ms()))
        return report

    @contextmanager
    def _line(self, config: Config) -> Iterator[DingTalkClient]:
        """Provide a client that has no memory of a rejected secret: somebody asks on purpose."""
        ensure_askable(config)
        with line(config, self._pace, TokenCache(self._pace.clock)) as client:
            yield client

    def _note(self, finding: Finding) -> None:
        self._orders.write(lambda conn: stored.note(conn, finding))
