"""The ledger of a run, by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.directory.causes import cause
from server.directory.model import Ledger, MemberState, PersonLink, Refusal
from server.journal import ledger as stored
from server.journal.journal import Journal
from server.sync.ledger import Book

LINK = PersonLink("u1", "ZhangSan", MemberState("张三"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path / "dingbridge.db", 0)
    yield journal
    assert journal.close(10)


@pytest.fixture
def book(journal: Journal) -> Book:
    return Book(journal, Ledger({"u1": LINK, "u2": PersonLink("u2", "lisi", None)}), 0)


@pytest.mark.parametrize("userid", ["ZhangSan", "ZHANGSAN", "zhangsan"])
def test_a_members_owner_is_found_whatever_the_case(book: Book, userid: str) -> None:
    assert book.owner_of(userid) is LINK
    assert book.owner_of("wangwu") is None


def test_another_value_that_is_refused_is_news(book: Book, journal: Journal) -> None:
    reason = cause("no-name", id="u1")
    first, later = Refusal("a@b.cn", 1.0, reason), Refusal("a@b.cn", 9.0, reason)
    other = Refusal("c@d.cn", 9.0, reason)
    news = [book.refuse("u1", "email", one) for one in (first, later, other)]
    assert news == [True, False, True]
    assert book.refuse("u1", "mobile", Refusal("138", 9.0, reason)) is True
    book.ensure_stored()
    known = journal.read(stored.load).refusals["u1"]
    assert {field: refusal.value for field, refusal in known.items()} == {
        "email": "c@d.cn",
        "mobile": "138",
    }
