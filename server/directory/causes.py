"""Why something is not done, and what was adjusted: the sentences for the admin.

A cause stops one person or department and says what to do; a warning only informs.
"""

from dataclasses import dataclass

from server.errors.message import N_, GapValue, Message


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a change is not made: `code` for programs, title and hint for people."""

    code: str
    title: Message
    hint: Message


_TEXTS = {
    "no-name": (
        N_("{id} has no name in DingTalk."),
        N_("Enter a name in DingTalk; the next sync picks it up."),
    ),
    "no-contact": (
        N_("{name} has neither a mobile nor an email, and WeCom requires one of them."),
        N_(
            "Enter one in DingTalk, or allow the DingTalk app to read mobiles and emails "
            "(Permissions, Contacts)."
        ),
    ),
    "mobile-duplicate": (
        N_("{name} and {other} have the same mobile in DingTalk."),
        N_("Correct the mobile of one of them in DingTalk."),
    ),
    "mobile-held": (
        N_("In WeCom, the mobile of {name} belongs to the member {wecom_id}."),
        N_("Correct the mobile of {wecom_id} in the WeCom console, then sync again."),
    ),
    "mobile-of-leaver": (
        N_("In WeCom, the mobile of {name} belongs to {wecom_id}: {other}, who has left."),
        N_(
            "If a company phone was passed on, change or delete {wecom_id} in the WeCom console, "
            "then sync again."
        ),
    ),
    "mobile-held-unnamed": (
        N_(
            "In WeCom, the mobile of {name} belongs to another member; WeCom does not say which "
            "one."
        ),
        N_(
            "Search for the mobile in the WeCom console and correct it there, or correct it in "
            "DingTalk; then sync again."
        ),
    ),
    "takeover-changed": (
        N_(
            "{name} was to take over the member {planned}, but in WeCom the mobile belongs to "
            "{wecom_id}."
        ),
        N_(
            "Nothing was changed. The next sync works with {wecom_id}; if that is not {name}, "
            "correct the mobile in the WeCom console first."
        ),
    ),
    "userid-of-another": (
        N_("{name} was to take over the WeCom member {wecom_id}, who has a different mobile."),
        N_(
            "If both are the same person, enter the mobile of {name} for {wecom_id} in the WeCom "
            "console. If not, add {wecom_id} to sync.protected_wecom_userids; {name} then gets "
            "another userid. Then sync again."
        ),
    ),
    "mobile-undecided": (
        N_("The mobile of {name} belongs to {wecom_id}, who was not read this time."),
        N_("Nothing to do: the next complete full sync decides."),
    ),
    "member-protected": (
        N_("{name} matches the protected WeCom member {wecom_id}; nothing was changed."),
        N_("To sync this member, remove {wecom_id} from sync.protected_wecom_userids."),
    ),
    "department-name-taken": (
        N_(
            "WeCom already has a department named {name} in this place that DingBridge did "
            "not create."
        ),
        N_(
            "Enter its WeCom id for department {id} in sync.department_links, or rename it in the "
            "WeCom console."
        ),
    ),
    "department-link-unusable": (
        N_("sync.department_links assigns {wecom_id} to {name}, but it cannot be used."),
        N_("Enter the id of a WeCom department that exists and is not linked yet."),
    ),
    "department-waits": (
        N_("{name} has to wait: its parent department is not in WeCom yet."),
        N_("Resolve the conflict of the parent department; this one follows automatically."),
    ),
    "person-waits": (
        N_("{name} has to wait: none of the person's departments is in WeCom yet."),
        N_("Resolve the conflict of the department; this person follows automatically."),
    ),
    "department-circle": (
        N_("{name} would become a subdepartment of itself."),
        N_("Nothing to do: the next full sync reads both departments again."),
    ),
    "department-not-empty": (
        N_(
            "{name} is gone from DingTalk, but in WeCom it still contains members or "
            "departments that must stay: {count}."
        ),
        N_("Move its members and departments elsewhere in the WeCom console, then sync again."),
    ),
    "never-touched": (
        N_("{wecom_id} is not managed by DingBridge and must not be changed."),
        N_("Please report this: it should never have been planned."),
    ),
}


_CODES = {"mobile-held-unnamed": "mobile-held"}
"""Texts that share another one's code: the same case for programs, with less to say."""


def cause(code: str, **values: GapValue) -> Cause:
    """Return the cause for `code`; an unknown code is a bug (KeyError)."""
    title, hint = _TEXTS[code]
    return Cause(_CODES.get(code, code), Message(title, values), Message(hint, values))


def unnamed_holder(name: str) -> Cause:
    """Return the cause for a taken mobile whose holder WeCom does not name (60104, no userid)."""
    return cause("mobile-held-unnamed", name=name, wecom_id="")


CUT = N_("{field} of {name} is too long for WeCom and was shortened.")
CHARACTERS = N_(
    "{name} contains characters that WeCom rejects; they were replaced by their full-width forms."
)
NUMBERED = N_(
    "WeCom allows the name {name} only once in the same place; this one was renamed {new}."
)
NO_DEPARTMENT_NAME = N_("Department {id} has no name in DingTalk; its id is used instead.")
UNUSABLE = N_("{field} of {name} is not in a format that WeCom accepts; it was left out.")
EMAIL_TAKEN = N_("The email of {name} is already used by someone else; it was left out.")
MOBILE_MAY_STAY = N_("WeCom keeps the old mobile if the member has already activated the account.")
IF_SAME_MOBILE = N_(
    "{wecom_id} is only taken over if it has the same mobile in WeCom, which could not be checked "
    "in advance; otherwise nothing is changed and you decide."
)
UNPROVEN = N_(
    "WeCom members with the same userid as a new person, whose mobiles could not be compared: "
    "{count}. Those with the same mobile are taken over; the others are left alone."
)
UNMATCHED = N_(
    "WeCom members for whom nobody was found in DingTalk: {count}. New people whose mobile could "
    "not be looked up in WeCom: {people}. If one of them has the mobile of such a member, that "
    "member is taken over instead of a new one being created."
)
SOME_DEPARTMENTS_WAIT = N_("{name} is not in all of the person's departments yet.")
NO_MOBILES = N_(
    "DingTalk returned no mobiles at all: the app lacks the permission, or nobody has one."
)
NO_EMAILS = N_(
    "DingTalk returned no emails at all: the app lacks the permission, or nobody has one."
)
CIRCLE = N_("The departments {ids} were read as subdepartments of each other; nothing is removed.")
SOURCE_MISSING = N_("The departments to sync, {ids}, were not found; nothing is removed.")
MOVED = N_(
    "DingTalk changed while it was being read ({names}); another sync is needed to read all of it."
)
OUT_OF_SIGHT = N_(
    "Not found, and outside the app's contact scope, so nothing proves that they are gone: "
    "{names}. They were kept."
)
UNANSWERED = N_(
    "Not found, and DingTalk did not confirm that they are gone: {names}. They were kept."
)
NOWHERE = N_(
    "According to DingTalk, these are in departments that do not exist: {names}. They were left "
    "unchanged."
)
DISPUTED = N_(
    "DingTalk lists these people but says that they do not exist: {names}. They were left "
    "unchanged."
)


def warning(text: str, **values: GapValue) -> Message:
    """Return one of the warnings above with its values."""
    return Message(text, values)
