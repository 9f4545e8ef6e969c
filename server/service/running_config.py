"""The settings and credentials in force, and how they change while the service runs.

They change on the disk (`configure`, a window), when DingTalk first uses a pending set, and when a
grace period ends. A change is in force even if it could not be saved yet; saving is retried.
"""

import logging
import threading
from collections.abc import Callable, Mapping

from crypto.callback import CallbackVerifier
from crypto.credentials import Keyring
from server.config.store import Config, ConfigStore
from server.journal.rejections import LastUse
from server.service.logs import SecretMask

_log = logging.getLogger(__name__)

_HOUR_MS = 60 * 60 * 1000


class RunningConfig:
    """The settings and credentials in force. Methods may be called from any thread.

    `on_keyring` is called with new credentials before anything is verified with them, `on_change`
    with the settings before and after a change, `on_promotion` when a promotion must be saved.
    """

    def __init__(self, store: ConfigStore, mask: SecretMask, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._mask = mask
        self._clock_ms = clock_ms
        self._config = Config()
        self._keyring = Keyring()
        self._unsaved: Keyring | None = None  # after a promotion that is not on the disk yet
        self._is_behind = False  # a change on the disk could not be read
        self._lock = threading.Lock()  # guards the keyring in force
        self._files = threading.Lock()  # one thread at a time loads or saves settings
        self.on_keyring: Callable[[Keyring], object] = _nothing
        self.on_change: Callable[[Config, Config], object] = _nothing
        self.on_promotion: Callable[[], object] = _nothing

    def load(self) -> None:
        """Load settings and credentials at start; raises what `ConfigStore.load` raises."""
        self._config = self._store.load()
        self._mask.register(self._config.secrets.all())
        self._keyring = self._config.secrets.keyring

    def now(self) -> Config:
        """Return the settings in force, with the secrets that are on the disk."""
        return self._config

    @property
    def keyring(self) -> Keyring:
        """The credentials in force."""
        return self._keyring

    # --- promotion: DingTalk uses new credentials

    def promote(self, verifier: CallbackVerifier) -> None:
        """Make the pending set active; a duty saves that later. On the listener's thread."""
        with self._lock:
            if self._keyring != verifier.keyring:
                return  # the keyring has just changed; the next call decides
            self._unsaved = self._keyring.promoted(self._clock_ms(), self._grace_ms)
            self._use(self._unsaved)
        _log.info("DingTalk uses the new credentials; the previous ones stay accepted for a while")
        self.on_promotion()

    @property
    def has_unsaved(self) -> bool:
        """Whether a promotion must still be saved."""
        return self._unsaved is not None

    def save_promotion(self) -> None:
        """Save a promotion, if there is one. Raises StoreError."""
        with self._files:
            promoted = self._unsaved
            if promoted is None:
                return
            config = self._store.update_keyring(lambda stored: stored.overtaken_by(promoted))
            with self._lock:
                if self._unsaved is promoted:
                    self._unsaved = None
            self._adopt(config)

    # --- reload: somebody changes the files

    def has_changed(self) -> bool:
        """Whether the files differ from what is in force. Raises FileAccessError."""
        return self._is_behind or self._store.changed_since_load()

    def reload(self) -> None:
        """Load the files if they changed.

        Raises StoreError and SettingsError. Then the settings in force stay, and `has_changed`
        stays true.
        """
        with self._files:
            if not self.has_changed():
                return
            self._is_behind = True
            self._adopt(self._store.reload())
            self._is_behind = False
        _log.info("Settings reloaded")

    # --- expiry: the grace period of the previous credentials ends

    def must_check_previous(self) -> bool:
        """Whether it is time to check whether the previous credentials are still used."""
        ring, now_ms, grace_ms = self._keyring, self._clock_ms(), self._grace_ms
        if ring.previous is None or self._unsaved is not None:
            return False
        left_ms = ring.previous_until_ms - now_ms
        # At half time, so that a use is noticed early enough without a write of the file for each.
        return left_ms <= grace_ms // 2 or left_ms > grace_ms

    def check_previous(self, uses: Mapping[str, LastUse]) -> None:
        """Prolong the grace period while the previous credentials are used, else end it.

        `uses` says when each set was last used. Raises StoreError.
        """
        with self._files:
            now_ms, ring = self._clock_ms(), self._keyring
            until_ms = _accepted_until_ms(ring, uses, now_ms, self._grace_ms)
            if until_ms == ring.previous_until_ms and now_ms < until_ms:
                return
            self._adopt(
                self._store.update_keyring(
                    lambda stored: _until(stored, ring, until_ms).expired(now_ms)
                )
            )
        if now_ms < until_ms:
            _log.info("The previous credentials are still in use and stay accepted")
        else:
            _log.info("The previous credentials are no longer accepted")

    @property
    def _grace_ms(self) -> int:
        return self._config.settings.callback.previous_grace_hours * _HOUR_MS

    def _use(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self.on_keyring(keyring)

    def _adopt(self, config: Config) -> None:
        """Put other settings and secrets in force."""
        before = self._config
        self._mask.register(config.secrets.all())
        with self._lock:
            self._config = config
            keyring = config.secrets.keyring
            if self._unsaved is not None:  # a promotion happened while the files were being read
                keyring = keyring.overtaken_by(self._unsaved)
            if keyring != self._keyring:
                self._use(keyring)
        self._mask.unregister(before.secrets.all())
        self.on_change(before, config)


def _accepted_until_ms(
    ring: Keyring, uses: Mapping[str, LastUse], now_ms: int, grace_ms: int
) -> int:
    """Return until when to accept the previous set; at most one grace period from now.

    The admin may return to it in the console. While it is the one used last it does not expire,
    however long this computer is off: otherwise every call would be rejected.
    """
    active_ms, previous_ms = (
        uses[one.fingerprint].last_used_at_ms if one and one.fingerprint in uses else None
        for one in (ring.active, ring.previous)
    )
    if previous_ms is not None:
        is_last = active_ms is None or previous_ms > active_ms
        if is_last or previous_ms + grace_ms > ring.previous_until_ms:
            return now_ms + grace_ms
    return min(ring.previous_until_ms, now_ms + grace_ms)  # the clock may have been fast


def _until(stored: Keyring, ring: Keyring, until_ms: int) -> Keyring:
    """Change the end of the grace period if `stored` still has the same previous set."""
    return stored.prolonged(until_ms) if stored.previous == ring.previous else stored


def _nothing(*_: object) -> None:
    """Do nothing: the callbacks are optional."""
