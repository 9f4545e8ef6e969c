"""The settings and credentials in force, and everything by which they change while it runs.

They change on the disk (`configure`, a window), by DingTalk's first use of a pending set, and with
the time. What is in force never depends on whether it could be saved: that is tried again.
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
    """What the service works with now. Methods may be called from any thread.

    `on_keyring` is called with other credentials before anything is verified with them;
    `on_change` with the settings before and after, once these are in force; `on_promotion` when
    there is something to save.
    """

    def __init__(self, store: ConfigStore, mask: SecretMask, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._mask = mask
        self._clock_ms = clock_ms
        self._config = Config()
        self._keyring = Keyring()
        self._unsaved: Keyring | None = None  # as it is since a promotion that is not on disk yet
        self._is_behind = False  # a change was seen and could not be read
        self._lock = threading.Lock()  # the keyring in force
        self._files = threading.Lock()  # one thread at a time takes up or saves settings
        self.on_keyring: Callable[[Keyring], object] = _nothing
        self.on_change: Callable[[Config, Config], object] = _nothing
        self.on_promotion: Callable[[], object] = _nothing

    def load(self) -> None:
        """Begin with what is on the disk; raises as `ConfigStore.load`."""
        self._config = self._store.load()
        self._mask.register(self._config.secrets.all())
        self._keyring = self._config.secrets.keyring

    def now(self) -> Config:
        """Return the settings in force, and the secrets as they are on the disk."""
        return self._config

    @property
    def keyring(self) -> Keyring:
        """The credentials in force."""
        return self._keyring

    # --- DingTalk uses new credentials

    def promote(self, verifier: CallbackVerifier) -> None:
        """Make the pending set active at once; saving it is a duty. On the web's thread."""
        with self._lock:
            if self._keyring != verifier.keyring:
                return  # changed meanwhile; the next call decides anew
            self._unsaved = self._keyring.promoted(self._clock_ms(), self._grace_ms)
            self._use(self._unsaved)
        _log.info("DingTalk uses the new credentials; the old ones are accepted for a while")
        self.on_promotion()

    @property
    def has_unsaved(self) -> bool:
        """Whether a promotion is still to be saved."""
        return self._unsaved is not None

    def save_promotion(self) -> None:
        """Save what DingTalk's use made active, if anything; raises StoreError."""
        with self._files:
            promoted = self._unsaved
            if promoted is None:
                return
            config = self._store.update_keyring(lambda stored: stored.overtaken_by(promoted))
            with self._lock:
                if self._unsaved is promoted:
                    self._unsaved = None
            self._adopt(config)

    # --- somebody changes the files

    def has_changed(self) -> bool:
        """Whether the files hold something else than what is in force; raises FileAccessError."""
        return self._is_behind or self._store.changed_since_load()

    def take_up(self) -> None:
        """Take up what changed on the disk, if anything did.

        Raises StoreError and SettingsError; what is in force stays then, and `has_changed` says so.
        """
        with self._files:
            if not self.has_changed():
                return
            self._is_behind = True
            self._adopt(self._store.reload())
            self._is_behind = False
        _log.info("Took up changed settings")

    # --- the former credentials end

    def must_judge_previous(self) -> bool:
        """Whether it is time to look whether the former credentials are still used."""
        ring, now_ms, grace_ms = self._keyring, self._clock_ms(), self._grace_ms
        if ring.previous is None or self._unsaved is not None:
            return False
        left_ms = ring.previous_until_ms - now_ms
        # By halves, so that a use is heard of in time, and each does not cost a write of the file.
        return left_ms <= grace_ms // 2 or left_ms > grace_ms

    def judge_previous(self, uses: Mapping[str, LastUse]) -> None:
        """Accept the former credentials for as long as they are used, and then no longer.

        `uses` tells when each set was last used. Raises StoreError.
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
        """Use other settings and secrets from now on."""
        before = self._config
        self._mask.register(config.secrets.all())
        with self._lock:
            self._config = config
            keyring = config.secrets.keyring
            if self._unsaved is not None:  # promoted while the files were being read
                keyring = keyring.overtaken_by(self._unsaved)
            if keyring != self._keyring:
                self._use(keyring)
        self._mask.unregister(before.secrets.all())
        self.on_change(before, config)


def _accepted_until_ms(
    ring: Keyring, uses: Mapping[str, LastUse], now_ms: int, grace_ms: int
) -> int:
    """Return until when the former set is to be accepted; never longer than the grace from now.

    DingTalk may go back to it, where the admin does so in the console. While it is the last one
    used it does not end, however long this computer is off: every call would be refused then.
    """
    active_ms, previous_ms = (
        uses[one.fingerprint].last_used_at_ms if one and one.fingerprint in uses else None
        for one in (ring.active, ring.previous)
    )
    if previous_ms is not None:
        is_last = active_ms is None or previous_ms > active_ms
        if is_last or previous_ms + grace_ms > ring.previous_until_ms:
            return now_ms + grace_ms
    return min(ring.previous_until_ms, now_ms + grace_ms)  # the clock may have been ahead


def _until(stored: Keyring, ring: Keyring, until_ms: int) -> Keyring:
    """Give the former set another end, where it is still the one that was judged."""
    return stored.prolonged(until_ms) if stored.previous == ring.previous else stored


def _nothing(*_: object) -> None:
    """Nobody listens yet."""
