"""The thread `dingbridge-subscription` compares DingTalk's record with ours when that is due.

`Timing` decides when: regularly, after a change of settings, and soon after a rejected call. No
callback ever waits for this thread. It needs app_key and app_secret, but not the sync.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable

from crypto.secret import Secret
from server.config.store import Config
from server.errors.base import DingBridgeError
from server.errors.vendor import CallCancelledError
from server.journal import subscription as stored
from server.journal.journal import Journal
from server.journal.rejections import Rejection
from server.journal.subscription import Finding, Standing
from server.rest.tokens import TokenCache
from server.subscription.comparison import (
    LocalSubscription,
    dingtalk_client,
    look,
    missing_settings,
)
from server.sync.clients import Throttle

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
QUIET_MS = 10 * MINUTE_MS
_RETRY_MS = (5 * MINUTE_MS, 15 * MINUTE_MS, 60 * MINUTE_MS, 4 * 60 * MINUTE_MS)

_LONGEST_WAIT_S = 60.0
_AFTER_TROUBLE_S = 60.0
_JOB_S = 30.0

_log = logging.getLogger(__name__)


class Timing:
    """When to compare next. Takes the time as an argument; for one thread."""

    def __init__(self) -> None:
        self._regular_at_ms = 0  # at once
        self._rejected_at_ms: int | None = None
        self._quiet_ms = QUIET_MS
        self._quiet_until_ms = 0
        self._failures = 0

    def due_in_ms(self, now_ms: int) -> int:
        """Return how long to wait, at most a day."""
        at_ms = self._regular_at_ms
        if self._rejected_at_ms is not None:
            at_ms = min(at_ms, self._rejected_at_ms)
        return min(max(0, at_ms - now_ms), DAY_MS)

    def is_regular(self, now_ms: int) -> bool:
        """Whether a regular comparison is due, not only one after a rejected call.

        Only then may a secret that DingTalk refused be tried again: any stranger can cause
        rejected calls.
        """
        return self._regular_at_ms <= now_ms

    def changed(self, now_ms: int) -> None:
        """Compare now: the settings changed."""
        self._regular_at_ms = now_ms
        self._quiet_ms, self._failures = QUIET_MS, 0

    def rejected(self, now_ms: int) -> None:
        """Compare soon: a call was rejected."""
        if self._rejected_at_ms is None:
            self._rejected_at_ms = max(now_ms, min(self._quiet_until_ms, now_ms + DAY_MS))

    def asked(self, now_ms: int, *, is_news: bool, is_retryable: bool = False) -> None:
        """Note that DingTalk was asked, and whether the finding is new."""
        self._quiet_ms = QUIET_MS if is_news else min(self._quiet_ms * 2, DAY_MS)
        self._quiet_until_ms = now_ms + self._quiet_ms
        self._rejected_at_ms = None
        wait_ms = DAY_MS
        if is_retryable:
            wait_ms = _RETRY_MS[min(self._failures, len(_RETRY_MS) - 1)]
        if self.is_regular(now_ms):
            self._failures = self._failures + 1 if is_retryable else 0
            self._regular_at_ms = now_ms + wait_ms
        self._regular_at_ms = min(self._regular_at_ms, now_ms + wait_ms)


def _steady_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class Watch:
    """One thread for one journal. Start it once, stop it once."""

    def __init__(
        self,
        journal: Journal,
        config: Callable[[], Config],
        *,
        clock_ms: Callable[[], int],
        steady_ms: Callable[[], int] = _steady_ms,
        pace: Throttle | None = None,
    ) -> None:
        """Prepare the thread. `steady_ms` is a monotonic clock, for waits."""
        self._journal = journal
        self._config = config
        self._clock_ms = clock_ms
        self._steady_ms = steady_ms
        self._pace = pace or Throttle()
        self._tokens = TokenCache(self._pace.clock)
        self._timing = Timing()
        self._known: tuple[str, Secret] | None = None
        self._newest_rejection_ms = 0
        self._was_rejected = threading.Event()
        self._nudged = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="dingbridge-subscription", daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def request_stop(self) -> None:
        """End soon. A call in flight is not interrupted; its answer is ignored."""
        self._stopping.set()
        self._nudged.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end, at most `timeout_s`; return whether the thread has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def nudge(self) -> None:
        """Read the settings again now: they changed."""
        self._nudged.set()

    def note_rejections(self, rejections: Iterable[Rejection]) -> None:
        """Compare soon if a callback was rejected; requests that are no callbacks do not count."""
        newest_ms = max((one.at_ms for one in rejections if one.verdict is not None), default=0)
        if newest_ms != self._newest_rejection_ms:  # the clock may have been set back
            self._newest_rejection_ms = newest_ms
            self._was_rejected.set()
            self._nudged.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._nudged.wait(min(self._guarded(), _LONGEST_WAIT_S))
            self._nudged.clear()

    def _guarded(self) -> float:
        """Do what is due; the one handler of this thread."""
        try:
            return self.loop(self._steady_ms())
        except CallCancelledError:
            return 0.0
        except DingBridgeError as failure:
            if self._stopping.is_set():  # the database has been closed
                return 0.0
            _log.error("DingTalk's record could not be compared: %s", failure)
        except Exception:  # noqa: BLE001 - the thread must survive; the log has the traceback
            _log.exception("Internal error while comparing DingTalk's record")
        return _AFTER_TROUBLE_S

    def loop(self, now_ms: int) -> float:
        """Compare if that is due; return the seconds until it may be due again."""
        config = self._config()
        if missing_settings(config):
            return _LONGEST_WAIT_S
        known = (LocalSubscription.of(config).subject, config.secrets.app_secret)
        if known != self._known:
            self._known = known
            self._timing.changed(now_ms)
        if self._was_rejected.is_set():
            self._was_rejected.clear()
            self._timing.rejected(now_ms)
        if not self._timing.due_in_ms(now_ms):
            self._ask(config)
            now_ms = self._steady_ms()
        return self._timing.due_in_ms(now_ms) / 1000

    def _ask(self, config: Config) -> None:
        if self._timing.is_regular(self._steady_ms()):
            self._tokens.forget_refusals()
        with dingtalk_client(config, self._pace, self._tokens, self._stopping) as client:
            finding = look(client, LocalSubscription.of(config), self._clock_ms())
        if self._stopping.is_set():
            return
        is_news = False
        try:
            job = self._journal.run(lambda conn: stored.note(conn, finding))
            is_news = bool(job.result(_JOB_S))
        finally:  # even if the disk is full: asking DingTalk again would not help
            now_ms = self._steady_ms()
            self._timing.asked(now_ms, is_news=is_news, is_retryable=finding.will_pass)
        if is_news:
            _log_finding(finding)


def _log_finding(finding: Finding) -> None:
    if finding.standing is Standing.FAILED and finding.cause is not None:
        _log.warning("DingTalk could not be asked for its record: %s", finding.cause.title)
    elif finding.standing is Standing.DIFFERS:
        _log.warning("DingTalk's own record differs: %s", ", ".join(finding.differences))
    else:
        _log.info("Compared with DingTalk's own record: %s", finding.standing)
    if finding.missing_events:
        _log.info("DingTalk's record lacks events: %s", ", ".join(finding.missing_events))
