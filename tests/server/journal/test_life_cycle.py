"""The events' whole life against a model of plain dictionaries, in any order of steps."""

from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.journal import events, listing
from server.journal.connection import connect_in_memory
from server.journal.events import EventState, NewEvent
from server.journal.retention import prune_events
from server.journal.schema import migrate

KEYS = st.integers(0, 30).map(str)
DELAYS = st.one_of(st.none(), st.integers(1, 20))


@dataclass
class Expected:
    """What the model knows of an event."""

    key: str
    received_at_ms: int
    state: EventState = EventState.PENDING
    duplicates: int = 0
    attempts: int = 0
    error: str | None = None
    due_ms: int = 0


class LifeCycle(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.conn = connect_in_memory()
        migrate(self.conn, Path("memory.db"))
        self.model: dict[int, Expected] = {}
        self.last_id = 0
        self.duplicates = 0
        self.now_ms = 1000

    def teardown(self) -> None:
        self.conn.close()

    def in_state(self, *states: EventState) -> list[int]:
        return [event_id for event_id, event in self.model.items() if event.state in states]

    @rule(passed_ms=st.integers(1, 10))
    def time_passes(self, passed_ms: int) -> None:
        self.now_ms += passed_ms

    @rule(keys=st.lists(KEYS, max_size=6))
    def append(self, keys: list[str]) -> None:
        events.append(self.conn, [NewEvent(k, self.now_ms, "t", k, None, k) for k in keys])
        for key in keys:
            known = [event for event in self.model.values() if event.key == key]
            if known:
                known[0].duplicates += 1
                self.duplicates += 1
            else:
                self.last_id += 1
                self.model[self.last_id] = Expected(key, self.now_ms)

    @rule(limit=st.integers(1, 5))
    def claim(self, limit: int) -> None:
        due = [i for i in self.in_state(EventState.PENDING) if self.model[i].due_ms <= self.now_ms]
        # Of the delayed ones that are due, no more than `limit` are woken, the longest due first.
        woken = sorted((i for i in due if self.model[i].due_ms), key=lambda i: self.model[i].due_ms)
        claimed = [event.id for event in events.claim(self.conn, limit, self.now_ms)]
        fresh = [i for i in due if not self.model[i].due_ms]
        if len(woken) <= limit:
            assert claimed == sorted(due)[:limit]
        for event_id in woken:
            is_delayed = self.conn.execute(
                "SELECT not_before_ms FROM events WHERE id = ?", (event_id,)
            ).fetchone()
            if is_delayed == (None,):
                self.model[event_id].due_ms = 0
        assert set(claimed) <= set(fresh) | set(woken)
        assert len(claimed) == min(limit, len(due))
        for event_id in claimed:
            self.model[event_id].state = EventState.WORKING
            self.model[event_id].attempts += 1

    @precondition(lambda self: self.in_state(EventState.WORKING))
    @rule(data=st.data(), is_done=st.booleans())
    def finish(self, data: st.DataObject, is_done: bool) -> None:  # noqa: FBT001 - hypothesis
        working = self.in_state(EventState.WORKING)
        chosen = data.draw(st.lists(st.sampled_from(working), min_size=1, unique=True))
        assert (events.complete if is_done else events.ignore)(self.conn, chosen) == len(chosen)
        for event_id in chosen:
            self.model[event_id].state = EventState.DONE if is_done else EventState.IGNORED
            self.model[event_id].error = None

    @precondition(lambda self: self.in_state(EventState.WORKING))
    @rule(data=st.data(), delay_ms=DELAYS)
    def fail(self, data: st.DataObject, delay_ms: int | None) -> None:
        event = data.draw(st.sampled_from(self.in_state(EventState.WORKING)))
        retry_at_ms = None if delay_ms is None else self.now_ms + delay_ms
        assert events.fail(self.conn, event, "why", retry_at_ms) == 1
        self.model[event].state = EventState.FAILED if delay_ms is None else EventState.PENDING
        self.model[event].error = "why"
        self.model[event].due_ms = retry_at_ms or 0

    @rule(ids=st.lists(st.integers(1, 40), max_size=5))
    def requeue(self, ids: list[int]) -> None:
        events.requeue(self.conn, ids)
        for event_id in set(ids) & set(self.model):
            event = self.model[event_id]
            finished = {EventState.DONE, EventState.IGNORED, EventState.FAILED}
            if event.state in finished or event.due_ms:
                event.state, event.error, event.attempts, event.due_ms = (
                    EventState.PENDING, None, 0, 0
                )  # fmt: skip

    @rule()
    def restart(self) -> None:
        working = self.in_state(EventState.WORKING)
        assert events.release_stale(self.conn) == len(working)
        for event_id in working:
            self.model[event_id].state = EventState.PENDING

    @rule(keep_at_most=st.integers(0, 20), age_ms=st.integers(0, 100))
    def prune(self, keep_at_most: int, age_ms: int) -> None:
        older_than_ms = self.now_ms - age_ms
        finished = self.in_state(EventState.DONE, EventState.IGNORED, EventState.FAILED)
        excess = len(self.model) - keep_at_most
        gone = [
            event_id
            for place, event_id in enumerate(finished)
            if (self.model[event_id].received_at_ms < older_than_ms or place < excess)
            and event_id != self.last_id
        ]
        assert prune_events(self.conn, older_than_ms, keep_at_most) == len(gone)
        for event_id in gone:
            del self.model[event_id]

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        stored = {event.id: event for event in listing.latest(self.conn, 1000).events}
        assert sorted(stored) == sorted(self.model)
        for event_id, expected in self.model.items():
            event = stored[event_id]
            assert (event.event_id, event.received_at_ms, event.state) == (
                expected.key,
                expected.received_at_ms,
                expected.state,
            )
            assert (event.duplicates, event.attempts, event.error) == (
                expected.duplicates,
                expected.attempts,
                expected.error,
            )

    @invariant()
    def the_counts_are_those_of_the_model(self) -> None:
        counted = listing.counts(self.conn)
        for state in EventState:
            assert getattr(counted, state) == len(self.in_state(state))
        assert counted.duplicates == self.duplicates

    @invariant()
    def the_next_due_time_is_that_of_the_model(self) -> None:
        due = [event.due_ms for event in self.model.values() if event.due_ms]
        assert events.next_due_ms(self.conn) == min(due, default=None)


TestLifeCycle = LifeCycle.TestCase
TestLifeCycle.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,  # a busy machine is no failure
    suppress_health_check=[HealthCheck.too_slow],
)
