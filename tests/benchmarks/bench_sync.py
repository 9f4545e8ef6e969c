"""Count and time the calls of full runs and of single events, against the least possible.

Run: python tests/benchmarks/bench_sync.py [people] [departments] [speed]
Time runs `speed` times faster for the rate limits (20 and 15 calls a second an API), and the
seconds shown are multiplied by it: what the run would take at the vendors' own pace. No threshold
is judged here.
"""

import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from server.rest.session import Limits
from server.simulator.company import Company
from server.simulator.company_generator import generate
from server.sync.clients import ClientPool, Throttle
from server.sync.engine import Engine
from tests.server.sync.world import World, open_world

_DINGTALK_A_SECOND, _WECOM_A_SECOND = 20, 15
_PAGE = 100


@dataclass(frozen=True)
class Least:
    """The fewest calls that can do it, and the seconds they take side by side."""

    reads: int
    writes: int
    seconds: float


def least(company: Company, *, user_gets: int, writes: int, largest_writes: int) -> Least:
    """Reckon the least: one listsub, one order and all pages a department, both sides at once."""
    roster = company.roster
    departments = len(roster.departments)
    pages = sum(max(1, -(-len(roster.members(one)) // _PAGE)) for one in roster.departments)
    busiest = max(departments, pages, user_gets)
    seconds = max(busiest / _DINGTALK_A_SECOND, largest_writes / _WECOM_A_SECOND)
    return Least(2 * departments + pages + user_gets + 2, writes, seconds)


def calls(world: World) -> Counter[str]:
    """Count the calls by path, tokens left out."""
    listed = [*world.dingtalk.log.calls(), *world.wecom.log.calls()]
    return Counter(one.path.removeprefix("/cgi-bin") for one in listed if "token" not in one.path)


def measure(world: World, title: str, bound: Least, speed: float) -> None:
    """Make a full run and print what it took."""
    world.forget_calls()
    started = time.perf_counter()
    result = world.sync()
    took_s = (time.perf_counter() - started) * speed
    counted = calls(world)
    written = len(world.wecom.writes())
    print(f"\n{title}: {result.status}")
    print(f"  reads  {sum(counted.values()) - written:6}   least {bound.reads:6}")
    print(f"  writes {written:6}   least {bound.writes:6}")
    print(f"  seconds {took_s:7.0f}  least {bound.seconds:6.0f}")
    for path, count in sorted(counted.items()):
        print(f"    {count:6}  {path}")


def main(people: int = 10_000, departments: int = 500, speed: float = 20.0) -> None:
    """Measure a first run, a second without changes, a third with one per cent changed."""
    company = generate(people, departments, 1, odd=False)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_world(Path(folder), company, approve_first_run=False) as world,
    ):
        world.engine.close()
        pace = replace(Throttle(), speed=speed, limits=Limits(total_s=60 * speed))
        world.engine = Engine(
            world.journal, lambda: world.config, ClientPool(pace), lambda: world.now_ms
        )
        roster = company.roster
        writes = people + departments
        bound = least(company, user_gets=people, writes=writes, largest_writes=people)
        measure(world, "first run", bound, speed)
        bound = least(company, user_gets=0, writes=0, largest_writes=0)
        measure(world, "second run, nothing changed", bound, speed)
        changed = list(roster.people)[: people // 100]
        for userid in changed:
            company.change(userid, title="新职位")
        bound = least(
            company,
            user_gets=len(changed),
            writes=len(changed),
            largest_writes=len(changed),
        )
        measure(world, "third run, one per cent changed", bound, speed)
        single_events(world)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory, simulators and engine in one process: {peak_mb:.0f} MB")


def single_events(world: World) -> None:
    """Print the calls of one hire, one change, one leaver."""
    company = world.company
    person = company.draft("新人", (1,), mobile="19900000000")
    steps: dict[str, Callable[[], object]] = {
        "a hire": lambda: company.hire(person),
        "a change": lambda: company.change(person.userid, title="经理"),
        "a leaver": lambda: company.leave(person.userid),
    }
    for title, happen in steps.items():
        happen()
        world.forget_calls()
        world.engine.follow([person.userid], [])
        print(f"\n{title}: {dict(calls(world))}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *map(float, sys.argv[3:4]))
