"""What stands in the way of taking DingTalk's own record; drawn in the tree of `server.errors`."""

from server.errors import DingBridgeError
from server.message import N_


class RecordError(DingBridgeError):
    """DingTalk's record of the subscription could not be taken; nothing was changed."""

    code = "subscription-record"


class NoRecordError(RecordError):
    """DingTalk has no record that a program could read."""

    code = "subscription-not-recorded"
    title_text = N_("DingTalk has no record of a subscription that a program registered.")
    hint_text = N_(
        "A subscription made in the DingTalk console is not told to programs: copy token and "
        "aes_key from the console."
    )


class RecordUnusableError(RecordError):
    """DingTalk's record holds values that cannot be used here. Gaps: names."""

    code = "subscription-unusable"
    title_text = N_("DingTalk's record holds values that cannot be used here: {names}.")
    hint_text = N_("Enter values of letters and digits here, and write them to DingTalk instead.")
