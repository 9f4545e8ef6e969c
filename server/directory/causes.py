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
        N_("Enter a name in DingTalk; the next sync takes it over."),
    ),
    "no-contact": (
        N_("{name} has neither a mobile nor an email, and WeCom needs one of them."),
        N_(
            "Enter one in DingTalk, or let the DingTalk app read mobiles and emails "
            "(Permissions, Contacts)."
        ),
    ),
    "mobile-duplicate": (
        N_("{name} has the same mobile in DingTalk as {other}."),
        N_("Correct the mobile of one of them in DingTalk."),
    ),
    "mobile-held": (
        N_("The mobile of {name} belongs to the member {wecom_id} in WeCom."),
        N_("Correct the mobile of {wecom_id} in the WeCom console, then sync again."),
    ),
    "mobile-of-leaver": (
        N_("The mobile of {name} belongs to {wecom_id} in WeCom: {other}, who left."),
        N_(
            "If it is a company phone passed on, change or delete {wecom_id} in the WeCom "
            "console, then sync again."
        ),
    ),
    "mobile-held-unnamed": (
        N_(
            "The mobile of {name} belongs to another member in WeCom, and WeCom does not say whose."
        ),
        N_(
            "Search for the mobile in the WeCom console and correct it there, or correct it in "
            "DingTalk; then sync again."
        ),
    ),
    "takeover-changed": (
        N_(
            "{name} was to become the member {planned}, but in WeCom the mobile belongs to "
            "{wecom_id}."
        ),
        N_(
            "Nothing was changed. The next sync decides about {wecom_id}; if that is not {name}, "
            "correct the mobile in the WeCom console first."
        ),
    ),
    "userid-of-another": (
        N_("{name} was to become the member {wecom_id} in WeCom, who has another mobile."),
        N_(
            "If both are the same person, enter the mobile of {name} for {wecom_id} in the WeCom "
            "console. If not, add {wecom_id} to sync.protected_wecom_userids, and {name} gets "
            "another userid. Then sync again."
        ),
    ),
    "mobile-undecided": (
        N_("The mobile of {name} belongs to {wecom_id}, who was not read this time."),
        N_("Nothing to do: the next complete full sync decides."),
    ),
    "member-protected": (
        N_("{name} is the member {wecom_id} in WeCom, who is protected."),
        N_("To have this member mirrored, take {wecom_id} out of sync.protected_wecom_userids."),
    ),
    "department-name-taken": (
        N_("WeCom already has a department {name} at this place, and it is not ours."),
        N_(
            "Enter its WeCom id for department {id} in sync.department_links, or rename it in the "
            "WeCom console."
        ),
    ),
    "department-link-unusable": (
        N_("sync.department_links names {wecom_id} for {name}, which cannot be used."),
        N_("Enter the id of a WeCom department that exists and is not linked already."),
    ),
    "department-waits": (
        N_("{name} waits: the department above it is not in WeCom yet."),
        N_("Solve the conflict of the department above; this one follows by itself."),
    ),
    "person-waits": (
        N_("{name} waits: none of their departments is in WeCom yet."),
        N_("Solve the conflict of the department; this person follows by itself."),
    ),
    "department-circle": (
        N_("{name} would come to lie below itself."),
        N_("Nothing to do: the next full sync reads both departments again."),
    ),
    "department-not-empty": (
        N_("{name} is gone from DingTalk but still holds {count} in WeCom that must stay."),
        N_("Move its members and departments elsewhere in the WeCom console, then sync again."),
    ),
    "never-touched": (
        N_("{wecom_id} is not ours to change."),
        N_("Please report this: the plan should not have contained it."),
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


CUT = N_("{field} of {name} is too long for WeCom and was cut.")
CHARACTERS = N_("{name} holds characters that WeCom refuses; they became their full-width twins.")
NUMBERED = N_("WeCom allows {name} only once in a place; this one became {new}.")
NO_DEPARTMENT_NAME = N_("Department {id} has no name in DingTalk; its id is used.")
UNUSABLE = N_("{field} of {name} is not in a form that WeCom takes; it was left out.")
EMAIL_TAKEN = N_("The email of {name} is already used by somebody else; it was left out.")
MOBILE_MAY_STAY = N_("WeCom keeps the old mobile where the member has already activated.")
IF_SAME_MOBILE = N_(
    "Only if the member {wecom_id} has the same mobile in WeCom, which could not be asked before; "
    "else nothing is done and you decide."
)
UNPROVEN = N_(
    "Members of WeCom that have the userid of somebody new, while it could not be asked whether "
    "they have the same mobile: {count}. They are taken over where the mobile is the same, and "
    "left alone where it is not."
)
UNMATCHED = N_(
    "Members of WeCom that belong to nobody in DingTalk as far as could be found out: {count}. New "
    "people whose mobile WeCom was not asked for: {people}. Who of them has the mobile of such a "
    "member takes that member over instead of becoming a new one."
)
SOME_DEPARTMENTS_WAIT = N_("{name} is not yet in all of their departments.")
NO_MOBILES = N_("DingTalk shows nobody's mobile: the app lacks the permission, or there is none.")
NO_EMAILS = N_("DingTalk shows nobody's email: the app lacks the permission, or there is none.")
CIRCLE = N_("The departments {ids} lie below each other in what was read; nothing is removed.")
SOURCE_MISSING = N_("The source departments {ids} were not found; nothing is removed.")
MOVED = N_(
    "DingTalk was changed while it was being read ({names}); only another sync sees all of it."
)
OUT_OF_SIGHT = N_(
    "Missing from what was read, and outside the app's contact scope, so that nothing proves them "
    "gone: {names}. They were kept."
)
UNANSWERED = N_(
    "Missing from what was read, and DingTalk did not answer whether they are gone: {names}. They "
    "were kept."
)
NOWHERE = N_(
    "DingTalk shows these in departments that do not exist: {names}. They were left as they are."
)
DISPUTED = N_(
    "DingTalk lists these people and says that they do not exist: {names}. They were left as they "
    "are."
)


def warning(text: str, **values: GapValue) -> Message:
    """Return one of the warnings above with its values."""
    return Message(text, values)
