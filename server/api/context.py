"""`Context`: one data folder, its settings, its status, and the service of this process.

The basis of `App` and what self-test and registration need of it. Methods may be called from any
thread; they can wait for the disk.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar

from server.api.status import Notice, RejectionView, Status, SubscriptionView, SyncView
from server.api.views.callbacks import (
    Stored,
    credentials_view,
    doctor_view,
    error_notice,
    event_counts,
    folder_notices,
    notices,
    rejection_view,
    service_view,
)
from server.api.views.subscription import subscription_notices, subscription_view
from server.api.views.sync import sync_notices, sync_view
from server.config.paths import DataFolder
from server.config.store import Config, ConfigStore, Outcome
from server.errors.base import DingBridgeError, NotInForceError
from server.journal import listing, rejections, subscription
from server.journal.opening import open_read_only
from server.journal.salvage import noted
from server.service.disk_space import shortage
from server.service.instance import ServiceRecord, running_service
from server.service.logs import LogSetup, SecretMask, set_up_logging
from server.service.service import Service, now_ms
from server.sync.clients import Throttle

T = TypeVar("T")

_LAST_REJECTIONS = 200


class Context:
    """One data folder: its settings, its status, and the service of this process."""

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
        self._service: Service | None = None  # read it once per method: another thread may stop it

    def set_up_logging(self, **options: object) -> LogSetup:
        """Log to the data folder. Only the process that serves may do this."""
        return set_up_logging(self.folder, self._mask, **options)  # type: ignore[arg-type] # passed on unchanged

    def start(
        self, host: str | None = None, port: int | None = None, pace: Throttle | None = None
    ) -> str:
        """Serve this data folder in this process; return the callback address.

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
        """Stop serving; return the names of the threads that did not end within `timeout_s`."""
        service, self._service = self._service, None
        return service.stop(timeout_s) if service is not None else ()

    def config(self) -> Config:
        """Return settings and secrets. Raises StoreError and SettingsError."""
        return self._store.load()

    def configure(self, changes: Mapping[str, object]) -> Outcome:
        """Merge a JSON object of settings into the stored ones.

        Raises SettingsError, which names every unusable value, and StoreError; then nothing was
        changed. Raises NotInForceError if everything is saved, but cannot be used yet.
        """
        outcome = self._store.merge(changes)
        service = self._service
        if service is not None:
            try:
                service.reload_settings()
            except Exception as failure:
                if outcome.changed:
                    raise NotInForceError(outcome.changed) from failure
        return outcome

    def status(self) -> Status:
        """Return the whole status. What cannot be read becomes a notice."""
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
            lambda: self.last_comparison(config or Config()), SubscriptionView(), failures
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

    def rejected_calls(self) -> tuple[RejectionView, ...]:
        """Return the rejected calls, newest first. Raises JournalError."""
        stored = self._stored()
        last_ms = max((use.last_used_at_ms for use in stored.uses.values()), default=0)
        return tuple(rejection_view(one, last_ms) for one in stored.rejections)

    def masked(self, text: str) -> str:
        """Return `text` without the secrets in use, for reports that leave this computer."""
        return self._mask.mask(text)

    def _wake(self) -> None:
        """Let this process's service, if there is one, look for requests at once."""
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

    def _stored(self) -> Stored:
        stored, service = self._read(_stored), self._service
        if service is None:
            return stored
        # The service stores its list a moment later; in this process the list itself is at hand.
        live = sorted(service.rejections().snapshot(), key=lambda one: -one.at_ms)
        return replace(stored, rejections=live)

    def _record(self) -> ServiceRecord | None:
        """Return who serves; this process's own service is asked directly."""
        service = self._service
        return running_service(self.folder) if service is None else service.record

    def _read(self, job: Callable[[Connection], T]) -> T:
        return open_read_only(self.folder.database, job)

    def _moved_aside(self) -> list[Path]:
        """Return the damaged databases; none if the folder cannot be listed (noted elsewhere)."""
        try:
            return sorted(self.folder.root.glob("*.damaged-*.db"))
        except OSError:
            return []

    def last_comparison(self, config: Config) -> SubscriptionView:
        """Return the last comparison with DingTalk's record without a call. Raises JournalError."""
        return subscription_view(self._read(subscription.load), config)


def _stored(conn: Connection) -> Stored:
    return Stored(
        rejections.last_uses(conn), listing.counts(conn), rejections.latest(conn, _LAST_REJECTIONS)
    )


def _or_noted(read: Callable[[], T], otherwise: T, failures: list[Notice]) -> T:
    try:
        return read()
    except DingBridgeError as failure:
        notice = error_notice(failure)
        if notice not in failures:  # one damaged file fails several reads
            failures.append(notice)
        return otherwise
