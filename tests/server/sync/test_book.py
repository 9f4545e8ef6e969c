"""The ledger of a run, by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.directory.causes import cause
from server.directory.model import Ledger, MemberState, PersonLink, Refusal
from server.journal import ledger as stored
from server.journal.journal import Journal
from server.sync.ledger import RunLedger

LINK = PersonLink("u1", "ZhangSan", MemberState("张三"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path / "dingbridge.db", 0)
    yield journal
    assert journal.close(10)


@pytest.fixture
def run_ledger(journal: Journal) -> RunLedger:
    return RunLedger(journal, Ledger({"u1": LINK, "u2": PersonLink("u2", "lisi", None)}), 0)


@pytest.mark.parametrize("userid", ["ZhangSan", "ZHANGSAN", "zhangsan"])
def test_a_members_owner_is_found_whatever_the_case(run_ledger: RunLedger, userid: str) -> None:
    assert run_ledger.owner_of(userid) is LINK
    assert run_ledger.owner_of("wangwu") is None


def test_another_value_that_is_refused_is_news(run_ledger: RunLedger, journal: Journal) -> None:
    reason = cause("no-name", id="u1")
    first, later = Refusal("a@b.cn", 1.0, reason), Refusal("a@b.cn", 9.0, reason)
    other = Refusal("c@d.cn", 9.0, reason)
    news = [run_ledger.refuse("u1", "email", one) for one in (first, later, other)]
    assert news == [True, False, True]
    assert run_ledger.refuse("u1", "mobile", Refusal("138", 9.0, reason)) is True
    run_ledger.ensure_stored()
    known = journal.read(stored.load).refusals["u1"]
    assert {field: refusal.value for field, refusal in known.items()} == {
        "email": "c@d.cn",
        "mobile": "138",
    }
