import threading
from dataclasses import replace

import pytest

from crypto.secret import Secret
from server.errors.vendor import CredentialsRejectedError, ErrorInfo, ErrorPolicy, VendorError
from server.rest.tokens import Account, Token, TokenCache, parse_token
from tests.server.rest.loopback import FakeTime

ACCOUNT = Account("https://vendor.example", "ding-app", Secret("app-secret"))


class Source:
    """Gives token-1, token-2, … or raises what it is told to."""

    def __init__(self, life_s: float = 7200, error: Exception | None = None) -> None:
        self.life_s = life_s
        self.error = error
        self.asked = 0

    def __call__(self) -> Token:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Token(Secret(f"token-{self.asked}"), self.life_s)


def rejected() -> CredentialsRejectedError:
    meaning = ErrorInfo(ErrorPolicy.STOP, "{vendor} refuses.", "Check.")
    return CredentialsRejectedError(40001, {"vendor": "WeCom", "call": "gettoken"}, meaning=meaning)


def test_a_token_is_asked_for_once() -> None:
    cache, source = TokenCache(FakeTime().clock), Source()

    tokens = {cache.get(ACCOUNT, source) for _ in range(5)}

    assert (tokens, source.asked) == ({Secret("token-1")}, 1)


@pytest.mark.parametrize(("life_s", "good_s"), [(7200, 6900), (10, 9), (0, 0)])
def test_a_token_is_renewed_a_margin_before_its_end(life_s: float, good_s: float) -> None:
    time, source = FakeTime(), Source(life_s)
    cache = TokenCache(time.clock)
    cache.get(ACCOUNT, source)

    time.now += good_s - 0.5
    before = cache.get(ACCOUNT, source) if good_s else Secret("token-1")
    time.now += 0.5
    after = cache.get(ACCOUNT, source)

    assert (before, after) == (Secret("token-1"), Secret("token-2"))


def test_a_discarded_token_is_renewed() -> None:
    cache, source = TokenCache(FakeTime().clock), Source()

    cache.discard(ACCOUNT, cache.get(ACCOUNT, source))

    assert cache.get(ACCOUNT, source) == Secret("token-2")


def test_a_token_that_another_thread_has_renewed_is_not_discarded() -> None:
    cache, source = TokenCache(FakeTime().clock), Source()
    old = cache.get(ACCOUNT, source)
    cache.discard(ACCOUNT, old)
    new = cache.get(ACCOUNT, source)

    cache.discard(ACCOUNT, old)

    assert (cache.get(ACCOUNT, source), source.asked) == (new, 2)


def test_the_same_text_given_again_is_another_token() -> None:
    cache, same = TokenCache(FakeTime().clock), Token(Secret("same"), 7200)
    old = cache.get(ACCOUNT, lambda: same)
    cache.discard(ACCOUNT, old)
    new = cache.get(ACCOUNT, lambda: same)

    cache.discard(ACCOUNT, old)

    assert cache.get(ACCOUNT, Source()) is new


def test_rejected_credentials_are_tried_once_only() -> None:
    cache, source = TokenCache(FakeTime().clock), Source(error=rejected())

    for _ in range(5):
        with pytest.raises(CredentialsRejectedError):
            cache.get(ACCOUNT, source)

    assert source.asked == 1


def test_changed_credentials_are_tried_at_once() -> None:
    cache = TokenCache(FakeTime().clock)
    with pytest.raises(CredentialsRejectedError):
        cache.get(ACCOUNT, Source(error=rejected()))

    changed = replace(ACCOUNT, secret=Secret("new-secret"))

    assert cache.get(changed, Source()) == Secret("token-1")


def test_changed_credentials_do_not_get_the_old_token() -> None:
    cache, source = TokenCache(FakeTime().clock), Source()
    cache.get(ACCOUNT, source)

    changed = replace(ACCOUNT, secret=Secret("new-secret"))

    assert cache.get(changed, source) == Secret("token-2")


def test_the_admin_can_have_rejected_credentials_tried_once_more() -> None:
    cache = TokenCache(FakeTime().clock)
    with pytest.raises(CredentialsRejectedError):
        cache.get(ACCOUNT, Source(error=rejected()))

    cache.forget_refusals()

    assert cache.get(ACCOUNT, Source()) == Secret("token-1")


def test_a_passing_failure_is_not_remembered() -> None:
    cache = TokenCache(FakeTime().clock)
    with pytest.raises(VendorError):
        cache.get(ACCOUNT, Source(error=VendorError({"vendor": "WeCom", "call": "gettoken"})))

    assert cache.get(ACCOUNT, Source()) == Secret("token-1")


def test_accounts_do_not_share_tokens() -> None:
    cache, source = TokenCache(FakeTime().clock), Source()

    first = cache.get(ACCOUNT, source)
    second = cache.get(replace(ACCOUNT, account_id="other-app"), source)
    third = cache.get(replace(ACCOUNT, base="http://127.0.0.1:1"), source)

    assert len({first, second, third}) == 3


def test_threads_that_need_a_token_together_ask_once() -> None:
    cache, source = TokenCache(FakeTime().clock), Source()
    start = threading.Barrier(8)
    got: list[Secret] = []

    def need() -> None:
        start.wait(5)
        got.append(cache.get(ACCOUNT, source))

    threads = [threading.Thread(target=need) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (got, source.asked) == ([Secret("token-1")] * 8, 1)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"access_token": "t", "expires_in": 60}, Token(Secret("t"), 60)),
        ({"access_token": "t", "expires_in": "60"}, Token(Secret("t"), 60)),
        ({"access_token": "t"}, Token(Secret("t"), 7200)),
        ({"access_token": ""}, None),
        ({}, None),
    ],
)
def test_a_token_is_read_with_its_life(answer: dict[str, object], expected: Token | None) -> None:
    assert parse_token(answer) == expected
