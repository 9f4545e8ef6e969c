"""DingTalk's calls, one method each, from `oapi` endpoints only.

Every method raises `VendorError`; what it returns is complete and typed. Thread-safe.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from crypto.secret import Secret
from server.dingtalk.errors import VENDOR, raise_for_error
from server.dingtalk.wire import (
    CallbackRecord,
    DingTalkDepartment,
    DingTalkUser,
    FailedEvents,
    parse_department,
    parse_listed_user,
    parse_user,
)
from server.errors.vendor import CallCancelledError, ErrorPolicy, VendorError, VendorRefusedError
from server.rest import fields
from server.rest.gateway import Client, Gateway, Surroundings
from server.rest.session import Call, Purpose
from server.rest.tokens import Account

_LOG = logging.getLogger(__name__)
_CALLS_PER_S = 19  # of 20 per app and API (API-1433); other programs may call as well
_PAGE_SIZE = 100  # the largest that user/list takes (API-0062, API-0066)


@dataclass(frozen=True, slots=True)
class UserPage:
    """A page of a department's members; `next_cursor` is None on the last page."""

    users: tuple[DingTalkUser, ...]
    next_cursor: int | None


def connect(
    app_key: str, app_secret: Secret, base: str, surroundings: Surroundings
) -> "DingTalkClient":
    """Return a client for an app; nothing is called yet."""
    login = Call(
        "gettoken", Purpose.TOKEN, query={"appkey": app_key}, secrets={"appsecret": app_secret}
    )
    gateway = Gateway(
        VENDOR,
        Account(base, app_key, app_secret),
        login=login,
        raise_for_error=raise_for_error,
        calls_per_s=_CALLS_PER_S,
        surroundings=surroundings,
    )
    return DingTalkClient(gateway)


class DingTalkClient(Client):
    """DingTalk's calls. Ids go in and come out as strings."""

    def readable_departments(self) -> tuple[str, ...]:
        """Return the roots of what the app may read (auth/scopes); () if DingTalk does not say.

        It only serves a suggestion to the admin, so a failure is logged, not raised, unless the
        service is stopping.
        """
        try:
            answer = self._gateway.ask(Call("auth/scopes"))
        except CallCancelledError:
            raise
        except VendorError as error:
            _LOG.info("DingTalk does not say what the app may read: %s", error)
            return ()
        scopes = answer.get("auth_org_scopes")
        return (
            fields.whole_numbers(scopes.get("authed_dept")) or ()
            if isinstance(scopes, dict)
            else ()
        )

    def get_user(self, userid: str) -> DingTalkUser:
        """Return a person with their manager, "" for none (v2/user/get)."""
        call = Call("topapi/v2/user/get", body={"userid": userid})
        result = self._object(call)
        user = self._gateway.required(parse_user(result), call, "userid")
        if user.department_ids is None and result.get("dept_id_list") is not None:
            raise self._gateway.unreadable(
                call, "dept_id_list"
            )  # unreadable, which is not the same as in no department
        # Unlike in a list, an absent manager here means that there is none.
        return replace(user, manager_userid=user.manager_userid or "")

    def list_users(self, department_id: str, cursor: int = 0) -> UserPage:
        """Return a page of the direct members of a department (v2/user/list).

        Includes people with restricted visibility, who would otherwise look as if they had left.
        The answer for an empty department may lack the list.
        """
        how = {"cursor": cursor, "size": _PAGE_SIZE, "contain_access_limit": True}
        call = self._about("topapi/v2/user/list", department_id, **how)
        page = self._object(call)
        following = self._next_cursor(call, page, cursor)
        listed = page.get("list")
        if listed is None and fields.flag(page.get("has_more")) is False:
            listed = []  # sometimes left out for an empty department
        entries = self._gateway.required(fields.only_objects(listed), call, "list")
        users = tuple(self._listed(call, entry, department_id) for entry in entries)
        return UserPage(users, following)

    def get_department(self, department_id: str) -> DingTalkDepartment:
        """Return a department with its order (v2/department/get)."""
        call = self._about("topapi/v2/department/get", department_id)
        return self._department(call, self._object(call))

    def list_subdepartments(self, department_id: str) -> tuple[DingTalkDepartment, ...]:
        """Return the departments one level below, without orders (v2/department/listsub)."""
        call = self._about("topapi/v2/department/listsub", department_id)
        answer = self._gateway.ask(call)
        below = answer.get("result")
        if below is None and "result" in answer:
            below = []  # no department below
        entries = self._gateway.required(fields.only_objects(below), call, "result")
        return tuple(self._department(call, entry) for entry in entries)

    def get_callback(self) -> CallbackRecord | None:
        """Return the subscription that a program registered; None if the console made it."""
        try:
            answer = self._gateway.ask(Call("call_back/get_call_back"))
        except VendorRefusedError as error:
            if error.policy is ErrorPolicy.GONE:
                return None
            raise
        url = fields.identifier(answer.get("url"))
        if url is None:
            return None
        return CallbackRecord(
            url=url,
            token=Secret(fields.text(answer.get("token")) or ""),
            aes_key=Secret(fields.text(answer.get("aes_key")) or ""),
            event_types=fields.identifiers(answer.get("call_back_tag")) or (),
        )

    def register_callback(self, record: CallbackRecord) -> None:
        """Register a subscription; DingTalk calls `check_url` before it answers.

        A lost reply raises `OutcomeUnknownError`; `get_callback` shows what happened. Error 71006:
        there already is a subscription.
        """
        self._gateway.ask(_callback_call("register", record, is_repeatable=False))

    def update_callback(self, record: CallbackRecord) -> None:
        """Replace the whole subscription; DingTalk calls `check_url` before it answers."""
        self._gateway.ask(_callback_call("update", record, is_repeatable=True))

    def take_failed_events(self) -> FailedEvents:
        """Return undelivered events, at most 200 (get_call_back_failed_result).

        The next call clears what this one returned, so store the events before anything else. For
        the same reason a lost reply is never retried but raises `OutcomeUnknownError`: its events
        may be lost, and only a full run makes up for them.
        """
        call = Call("call_back/get_call_back_failed_result", is_repeatable=False)
        answer = self._gateway.ask(call)
        entries = fields.items(answer.get("failed_list")) or ()
        return FailedEvents(
            payloads=tuple(self._as_json(call, entry) for entry in entries),
            has_more=fields.flag(answer.get("has_more")) or False,
        )

    def _about(self, path: str, department_id: str, **how: object) -> Call:
        """Return a call about a department; the id may come from an event and be unreadable."""
        number = fields.number(department_id)
        call = Call(path, body={"dept_id": number, **how})
        if number is None:
            raise self._gateway.unreadable(call, "dept_id")
        return call

    def _object(self, call: Call) -> Mapping[str, Any]:
        result = self._gateway.ask(call).get("result")
        if not isinstance(result, dict):
            raise self._gateway.unreadable(call, "result")
        return result

    def _as_json(self, call: Call, entry: object) -> str:
        """Return any entry as JSON text that can be stored: DingTalk does not send it again."""
        try:
            return fields.text(json.dumps(entry, ensure_ascii=False)) or "null"
        except RecursionError:
            raise self._gateway.unreadable(call, "failed_list") from None

    def _listed(self, call: Call, entry: Mapping[str, Any], department_id: str) -> DingTalkUser:
        return self._gateway.required(parse_listed_user(entry, department_id), call, "userid")

    def _department(self, call: Call, entry: Mapping[str, Any]) -> DingTalkDepartment:
        return self._gateway.required(parse_department(entry), call, "dept_id, name")

    def _next_cursor(self, call: Call, page: Mapping[str, Any], cursor: int) -> int | None:
        """Return the next cursor; one that does not advance would loop for ever."""
        has_more = page.get("has_more")
        if has_more is None or fields.flag(has_more) is False:
            return None
        following = fields.number(page.get("next_cursor"))
        if not fields.flag(has_more) or following is None or following <= cursor:
            raise self._gateway.unreadable(call, "next_cursor")
        return following


def _callback_call(verb: str, record: CallbackRecord, *, is_repeatable: bool) -> Call:
    return Call(
        f"call_back/{verb}_call_back",
        Purpose.WRITE,
        body={
            "call_back_tag": list(record.event_types),
            "token": record.token.reveal(),
            "aes_key": record.aes_key.reveal(),
            "url": record.url,
        },
        masked=(record.token, record.aes_key),
        is_repeatable=is_repeatable,
    )
