"""The facade: all that windows and the command line may ask for or order.

Works alike in the process that serves and beside it: what is asked is read from the data folder,
what is ordered is written there, and the service takes it up within a second. Methods may be
called from any thread; they can wait for the disk, so a window calls them from a worker.
"""

import secrets
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection
from threading import Event
from typing import TypeVar

from crypto.credentials import Field, Role
from crypto.entry import clean, judge, take_apart
from crypto.envelope import AES_KEY_CHARACTERS
from server.api.checks import SelfTestReport
from server.api.connections import Connections
from server.api.migration import Moving
from server.api.status import (
    EventPage,
    EventView,
    Notice,
    RejectionView,
    RunView,
    Status,
    SubscriptionView,
    SyncView,
)
from server.api.subscription import Subscription
from server.api.sync import Mirror
from server.api.views.callbacks import (
    Stored,
    credentials_view,
    doctor_view,
    error_notice,
    event_counts,
    event_view,
    folder_notices,
    notices,
    rejection_view,
    service_view,
)
from server.api.views.subscription import subscription_notices
from server.api.views.sync import sync_notices, sync_view
from server.config.paths import DataFolder
from server.config.rules import UnfitError
from server.config.settings import known_settings
from server.config.store import Config, ConfigStore, Outcome
from server.errors.base import DingBridgeError, JournalClosedError, NotInForceError
from server.errors.credentials import describe_problem
from server.errors.message import Message
from server.journal import events, listing, rejections
from server.journal import rejections as contact
from server.journal.opening import peek
from server.journal.salvage import noted
from server.service.disk_space import shortage
from server.service.instance import ServiceRecord, running_service
from server.service.logs import LogSetup, SecretMask, set_up_logging
from server.service.service import Service, now_ms
from server.sync.clients import Pace

T = TypeVar("T")

_LAST_REJECTIONS = 200
_TOKEN_CHARACTERS = 32  # the most that the console takes
_REQUEUE_S = 30.0


class App:
    """One data folder and everything that can be done with it."""

    def __init__(
        self,
        folder: DataFolder,
        store: ConfigStore | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.folder = folder
        self._store = store or ConfigStore(folder)
        self._clock_ms = clock_ms
        self._mask = SecretMask()
        self._service: Service | None = None  # looked at once a method: another thread may stop it
        self.mirror = Mirror(folder, self._store, clock_ms, self._logged, self._wake)
        self.connections = Connections(self._store)
        self.moving = Moving(
            folder, self._store, clock_ms, lambda: self._service is not None, self.stop
        )
        self.subscription = Subscription(self, clock_ms)

    # --- the service in this process

    def set_up_logging(self, **options: object) -> LogSetup:
        """Log to the data folder. Only the process that serves may do this."""
        return set_up_logging(self.folder, self._mask, **options)  # type: ignore[arg-type] # handed through as they are

    def start(
        self, host: str | None = None, port: int | None = None, pace: Pace | None = None
    ) -> str:
        """Serve this data folder in this process; returns the callback address.

        `pace` makes the sync run faster, for simulated vendors. Raises AlreadyRunningError,
        ListenerError, JournalError, StoreError, SettingsError.
        """
        service = Service(self.folder, ConfigStore(self.folder), self._mask, self._clock_ms, pace)
        address = service.start(host, port)
        self._service = service
        return address

    @property
    def is_serving(self) -> bool:
        """Whether this process answers callbacks."""
        service = self._service
        return service is not None and service.is_serving

    def stop(self, timeout_s: float = 5.0) -> tuple[str, ...]:
        """Stop serving; returns the names of threads that did not end within `timeout_s`."""
        service, self._service = self._service, None
        return service.stop(timeout_s) if service is not None else ()

    # --- what is

    def config(self) -> Config:
        """Return settings and secrets. Raises StoreError and SettingsError."""
        return self._store.load()

    def status(self) -> Status:
        """Return everything at a glance. What cannot be read becomes a notice."""
        failures: list[Notice] = []
        config = _or_noted(self._store.load, None, failures)
        empty = Stored({}, listing.Counts(0, 0, 0, 0, 0, 0), [])
        stored = _or_noted(self._stored, empty, failures)
        record = _or_noted(self._record, None, failures)
        doctor = doctor_view(stored)
        is_enabled = config is not None and config.settings.sync.enabled
        sync = _or_noted(
            lambda: self._read(
                lambda conn: sync_view(conn, is_enabled=is_enabled, is_alive=record is not None)
            ),
            SyncView(is_enabled),
            failures,
        )
        subscription = _or_noted(
            lambda: self.subscription.view(config or Config()), SubscriptionView(), failures
        )
        credentials = credentials_view(config or Config(), stored.uses, self._clock_ms())
        room = shortage(self.folder)
        public_url = config.settings.callback.public_url if config is not None else ""
        damaged = {str(path): noted(path) for path in self._moved_aside()}
        return Status(
            service=service_view(record),
            credentials=credentials,
            doctor=doctor,
            events=event_counts(stored.counts),
            sync=sync,
            notices=(
                *failures,
                *notices(config, record, doctor, damaged, room, credentials.in_use),
                *folder_notices(self.folder),
                *sync_notices(sync),
                *subscription_notices(subscription, credentials, is_mirroring=is_enabled),
            ),
            callback_url=public_url or (record.address if record else ""),
            has_public_url=bool(public_url),
            subscription=subscription,
        )

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
        """Return one event, None where it was removed meanwhile. Raises JournalError."""
        page = self._read(lambda conn: listing.latest(conn, 1, event_id + 1))
        found = [event_view(one) for one in page.events if one.id == event_id]
        return found[0] if found else None

    def daily_counts(self, starts_ms: Sequence[int]) -> list[int]:
        """Count the events received from each ascending moment up to the next one.

        Raises JournalError.
        """
        return self._read(lambda conn: listing.daily_counts(conn, starts_ms))

    def rejected_calls(self) -> tuple[RejectionView, ...]:
        """Return the calls that were turned away, newest first. Raises JournalError."""
        stored = self._stored()
        last_ms = max((use.last_used_at_ms for use in stored.uses.values()), default=0)
        return tuple(rejection_view(one, last_ms) for one in stored.rejections)

    # --- what is to be

    def configure(self, changes: Mapping[str, object]) -> Outcome:
        """Merge a JSON object of settings into the stored ones.

        Raises SettingsError naming every value that cannot be used, and StoreError; then nothing
        was changed. Raises NotInForceError where all is saved, but cannot be used here yet.
        """
        outcome = self._store.merge(changes)
        service = self._service
        if service is not None:
            try:
                service.take_up_changes()
            except Exception as failure:
                if outcome.changed:
                    raise NotInForceError(outcome.changed) from failure
        return outcome

    def sync(
        self, *, preview: bool = False, allow: str | None = None, stop: Event | None = None
    ) -> RunView:
        """Have a full run made and wait for its end; see `Mirror.sync`."""
        return self.mirror.sync(preview=preview, allow=allow, stop=stop)

    def switch_sync(self, *, is_on: bool) -> Outcome:
        """Switch the mirror on or off; raises as `configure`."""
        return self.configure({"sync": {"enabled": is_on}})

    def adopt_key(self, key: str) -> Outcome:
        """Use the key that DingTalk sent, with the token and aes_key as they are."""
        return self.configure({"callback": {"key": key}})

    def process_again(self, event_ids: Sequence[int]) -> int:
        """Make these events pending again; return how many were neither pending nor in work.

        Raises JournalError, also where this process does not serve.
        """
        return self._requeue(lambda conn: events.requeue(conn, event_ids))

    def process_failed_again(self) -> int:
        """Make all failed events pending again; return how many. Raises as `process_again` does."""
        total = 0
        # In portions, so that callbacks are stored in between.
        while count := self._requeue(lambda conn: events.requeue_failed(conn, since_ms=0)):
            total += count
        return total

    def reveal(self, role: str, field: str) -> str:
        """Return a value of the `active`, `pending` or `previous` set unmasked, to be shown.

        Empty where there is no such set. Raises what `config` raises.
        """
        ring = self.config().secrets.keyring
        chosen = dict(ring.sets(self._clock_ms())).get(Role(role))
        if chosen is None:
            return ""
        values = {Field.TOKEN: chosen.token.reveal(), Field.AES_KEY: chosen.aes_key.reveal()}
        return values.get(Field(field), chosen.key)

    @staticmethod
    def generated_value(field: str) -> str:
        """Return a random `token` or `aes_key` to enter both here and in the console."""
        length = AES_KEY_CHARACTERS if Field(field) is Field.AES_KEY else _TOKEN_CHARACTERS
        return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))

    def masked(self, text: str) -> str:
        """Return `text` without the secrets in use, for reports that leave this computer."""
        return self._mask.mask(text)

    @staticmethod
    def judge_setting(name: str, value: object) -> Message | None:
        """Return what is wrong with a setting's JSON value, None where it can be used."""
        rule = next(info.rule for info in known_settings() if info.name == name)
        try:
            rule.parse(value)
        except UnfitError as unfit:
            return unfit.message
        return None

    @staticmethod
    def judge_value(field: str, text: str) -> tuple[str, Message | None]:
        """Return an entered value cleaned, and what is wrong with it, None where it can be used.

        `field` is `token`, `aes_key` or `key`.
        """
        value = clean(Field(field), text)
        problem = judge(Field(field), value)
        return value, None if problem is None else describe_problem(problem)

    @staticmethod
    def take_apart(block: str) -> dict[Field, str]:
        """Find the three values in a block of text copied from the console."""
        return take_apart(block)

    def self_test(self) -> SelfTestReport:
        """Make a check_url round trip through the real socket, and more; see `server.api.selftest`.

        Starts the service for the time of the test where none runs on this data folder.
        """
        from server.api.selftest import run_self_test  # noqa: PLC0415 - brings an HTTP client along

        return run_self_test(self, self._clock_ms)

    def _wake(self) -> None:
        """Let the service of this process, where there is one, look for requests at once."""
        service = self._service
        if service is not None:
            service.wake()

    @contextmanager
    def _logged(self, config: Config) -> Iterator[None]:
        """Log to the data folder while this process holds it without serving."""
        in_use = config.secrets.all()
        self._mask.register(in_use)
        log = self.set_up_logging()
        try:
            yield
        finally:
            log.close()
            self._mask.unregister(in_use)

    def _requeue(self, job: Callable[[Connection], int]) -> int:
        service = self._service
        if service is None:
            raise JournalClosedError(path=str(self.folder.database))
        return service.journal().run(job, wakes_worker=True).result(_REQUEUE_S)

    def _stored(self) -> Stored:
        stored, service = self._read(_stored), self._service
        if service is None:
            return stored
        # The service writes its list down a moment later; here the list itself is at hand.
        live = sorted(service.rejections().snapshot(), key=lambda one: -one.at_ms)
        return replace(stored, rejections=live)

    def _record(self) -> ServiceRecord | None:
        """Return who serves; of this process's own service it is known without the disk."""
        service = self._service
        return running_service(self.folder) if service is None else service.record

    def _read(self, job: Callable[[Connection], T]) -> T:
        return peek(self.folder.database, job)

    def _moved_aside(self) -> list[Path]:
        """Return the damaged databases; none where the folder cannot be listed, told elsewhere."""
        try:
            return sorted(self.folder.root.glob("*.damaged-*.db"))
        except OSError:
            return []


def _stored(conn: Connection) -> Stored:
    return Stored(
        contact.uses(conn), listing.counts(conn), rejections.latest(conn, _LAST_REJECTIONS)
    )


def _or_noted(read: Callable[[], T], otherwise: T, failures: list[Notice]) -> T:
    try:
        return read()
    except DingBridgeError as failure:
        notice = error_notice(failure)
        if notice not in failures:  # one damaged file fails several reads
            failures.append(notice)
        return otherwise
