"""Every code of DingTalk that a call of ours can meet.

https://open.dingtalk.com/document/development/error-code. 60020 is the one without an address, 88
the one without a sub-code; 99999 stands for what nobody knows.
"""

from server.errors.vendor import Correction, ErrorPolicy
from tests.server.vendor_rows import Row

ROWS = (
    Row(-1, ErrorPolicy.RETRY, "DingTalk is busy", "Nothing to do: DingBridge"),
    Row(
        22,
        ErrorPolicy.SKIP,
        "DingTalk does not accept the call",
        "If it happens",
        is_suspicious=True,
    ),
    Row(88, ErrorPolicy.STOP, "DingTalk refuses the call", "Open the app"),
    Row(33001, ErrorPolicy.STOP, "DingTalk refuses AppKey", "Copy AppKey (Client"),
    Row(33012, ErrorPolicy.GONE, "This person is not", "Nothing to do: the"),
    Row(
        40001, ErrorPolicy.REFRESH_TOKEN, "DingTalk refuses the access", "Nothing to do: DingBridge"
    ),
    Row(
        40014, ErrorPolicy.REFRESH_TOKEN, "DingTalk refuses the access", "Nothing to do: DingBridge"
    ),
    Row(
        40035,
        ErrorPolicy.SKIP,
        "DingTalk does not accept the call",
        "If it happens",
        is_suspicious=True,
    ),
    Row(
        40068,
        ErrorPolicy.SKIP,
        "DingTalk does not accept the call",
        "If it happens",
        is_suspicious=True,
    ),
    Row(
        40069,
        ErrorPolicy.SKIP,
        "DingTalk does not accept the call",
        "If it happens",
        is_suspicious=True,
    ),
    Row(40089, ErrorPolicy.STOP, "DingTalk refuses AppKey", "Copy AppKey (Client"),
    Row(41001, ErrorPolicy.STOP, "DingTalk did not", "If it happens"),
    Row(
        42001, ErrorPolicy.REFRESH_TOKEN, "DingTalk refuses the access", "Nothing to do: DingBridge"
    ),
    Row(43007, ErrorPolicy.STOP, "The app lacks", "Open the app"),
    Row(
        45009,
        ErrorPolicy.RETRY,
        "DingTalk's limit for",
        "Nothing to do: DingBridge",
        backoff_s=(60.0,),
    ),
    Row(50002, ErrorPolicy.SKIP, "This person is outside", "If it should"),
    Row(50003, ErrorPolicy.STOP, "The app is", "Switch it on"),
    Row(50004, ErrorPolicy.SKIP, "This department is outside", "If it should"),
    Row(50005, ErrorPolicy.STOP, "DingTalk has disabled", "Ask DingTalk's support."),
    Row(60003, ErrorPolicy.GONE, "This department is not", "Nothing to do,"),
    Row(60011, ErrorPolicy.STOP, "The app lacks", "Open the app"),
    Row(60019, ErrorPolicy.SKIP, "The app may", "If it should"),
    Row(60020, ErrorPolicy.STOP, "DingTalk does not take", "Add the public"),
    Row(60111, ErrorPolicy.GONE, "This person is not", "Nothing to do: the"),
    Row(60121, ErrorPolicy.GONE, "This person is not", "Nothing to do: the"),
    Row(
        71006,
        ErrorPolicy.FIX,
        "DingTalk already holds",
        "Replace it, or",
        fix=Correction.UPDATE_INSTEAD,
    ),
    Row(71007, ErrorPolicy.GONE, "DingTalk holds no", "Where the subscription"),
    Row(71008, ErrorPolicy.SKIP, "DingTalk does not allow", "Choose the events"),
    Row(71009, ErrorPolicy.SKIP, "DingTalk got no", "Run the self-test,"),
    Row(
        71010,
        ErrorPolicy.SKIP,
        "DingTalk does not accept the call",
        "If it happens",
        is_suspicious=True,
    ),
    Row(71011, ErrorPolicy.SKIP, "DingTalk does not accept the form", "It must start"),
    Row(71012, ErrorPolicy.SKIP, "DingTalk cannot reach", "Run the self-test,"),
    Row(90001, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90002, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90003, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90004, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90005, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90006, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90007, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90008, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90009, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90010, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90011, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90012, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90013, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90014, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90015, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90016, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90017, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90018, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90019, ErrorPolicy.RETRY, "DingTalk slows down", "Nothing to do: DingBridge"),
    Row(90020, ErrorPolicy.STOP, "The company's calls", "They return on"),
    Row(99999, ErrorPolicy.SKIP, "DingTalk answered {call}", "If it happens", is_suspicious=True),
    Row(
        400002,
        ErrorPolicy.SKIP,
        "DingTalk does not accept the call",
        "If it happens",
        is_suspicious=True,
    ),
    Row(900004, ErrorPolicy.SKIP, "DingTalk could not", "Make sure that"),
    Row(900005, ErrorPolicy.SKIP, "DingTalk could not", "Make sure that"),
    Row(900006, ErrorPolicy.SKIP, "DingTalk could not", "Make sure that"),
    Row(900007, ErrorPolicy.SKIP, "DingTalk could not", "Make sure that"),
    Row(900008, ErrorPolicy.SKIP, "DingTalk could not", "Make sure that"),
    Row(900009, ErrorPolicy.SKIP, "DingTalk could not", "Make sure that"),
    Row(900010, ErrorPolicy.SKIP, "The key at", "A subscription made"),
)
