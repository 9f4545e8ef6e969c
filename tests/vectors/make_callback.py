"""Writes `callback.json`: the published vectors, and ours made by the simulator's envelope.

    python -m tests.vectors.make_callback

The result is repeatable; a test compares it with the file. All credentials of ours are made up.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.simulator.dingtalk.envelope import Envelope, SignedText, framed, padded
from tests.server.simulator.malformed import FAULTS, Damage, damaged

PATH = Path(__file__).with_name("callback.json")
MADE_HERE = "made for this project by server/simulator/{module}.py"
LONGEST_WRITTEN_OUT_BYTES = 1024

Vector = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Owner:
    """A subscription's values, and what makes its vectors differ from others."""

    name: str
    token: str
    aes_key: str
    key: str

    def fields(self) -> Vector:
        return {"token": self.token, "aes_key": self.aes_key, "key": self.key}

    def envelope(self) -> Envelope:
        return Envelope(self.token, self.aes_key, self.key)


# The last characters E and G differ only in bits that belong to no byte: the same 256-bit key.
CANONICAL = Owner("app", "madeUpToken01", f"{'AbCdEf0123456789' * 3:.42}E", "dingmadeupappkey0001")
NON_CANONICAL = Owner(
    "app-trailing-bits", "madeUpToken01", f"{CANONICAL.aes_key:.42}G", CANONICAL.key
)
CORP = Owner("corp", "q7x", f"{'zYxWv9876543210tSrQ' * 3:.42}9", f"ding{'0123456789abcdef' * 2}")
SUITE = Owner("suite", "T" * 32, f"{'0aZ' * 15:.42}z", "suitemadeup0000000001")
LONG_KEY = Owner(
    "key-of-32", "madeUpToken02", f"{'m1N2b3V4c5X6' * 4:.42}o", "dingmadeupkeyof32characters00001"
)

V1 = Owner("V1", "123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", "suite4xxxxxxxxxxxxxxx")
V4 = Owner("V4", "tokenxxxx", "o1w0aum42yaptlz8alnhwikjd3jenzt9cb9wmzptgus", "dingxxxxxx")
V6 = Owner("V6", "o2oa", "Nzk5ZjFiODIxMzkyNGMyNWIyMmFiZWZkNjIzNjIxYTg", "ding21016b71e78da961")

V1_PLAIN = (
    '{"EventType":"check_create_suite_url","Random":"LPIdSnlF",'
    '"TestSuiteKey":"suite4xxxxxxxxxxxxxxx"}'
)
O2OA = (
    "github.com/o2oa/o2oa, o2server/x_program_center/src/main/java/com/x/program/center/jaxrs/"
    "dingding/TestMain.java"
)


@dataclass(frozen=True, slots=True)
class Published:
    """A vector as somebody published it; nothing in it is computed here."""

    name: str
    source: str
    owner: Owner
    timestamp: str
    nonce: str
    encrypt: str
    signature: str
    random16: str
    plaintext: str

    def verify(self) -> Vector:
        return {
            "id": self.name,
            "source": self.source,
            **self.owner.fields(),
            "timestamp": self.timestamp,
            "nonce": self.nonce,
            "encrypt": self.encrypt,
            "signature": self.signature,
            "plaintext": self.plaintext,
        }

    def generate(self) -> Vector:
        return self.verify() | {"random16_hex": self.random16.encode().hex()}


PUBLISHED = (
    Published(
        name="V1",
        source="DingTalk's documents, event subscription, local debugging (open.dingtalk.com)",
        owner=V1,
        timestamp="1445827045067",
        nonce="nEXhMP4r",
        encrypt=(
            "1a3NBxmCFwkCJvfoQ7WhJHB+iX3qHPsc9JbaDznE1i03peOk1LaOQoRz3+nlyGNhwmwJ3vDMG+OzrHMeiZI7gTRW"
            "VdUBmfxjZ8Ej23JVYa9VrYeJ5as7XM/ZpulX8NEQis44w53h1qAgnC3PRzM7Zc/D6Ibr0rgUathB6zRHP8PYrfgn"
            "NOS9PhSBdHlegK+AGGanfwjXuQ9+0pZcy0w9lQ=="
        ),
        signature="5a65ceeef9aab2d149439f82dc191dd6c5cbe2c0",
        random16="hU3bEfGZZewzhG5a",
        plaintext=V1_PLAIN,
    ),
    Published(
        name="V2",
        source="github.com/007gzs/dingtalk-sdk, tests/test_crypto.py, test_encrypt_message",
        owner=V1,
        timestamp="1445827045067",
        nonce="nEXhMP4r",
        encrypt=(
            "5DJFWzjRNOQk+5GSZxW+VrFMDWCIidPjEjg3//gm5x556BedVi62rDj1F9uXU97a4jw1R4FACUv9RCpoDobNqxhx"
            "RB2YtW901k4KHbP1/wpFJ3xdLG0n0A8U1VhENg80zKJd+YROR0YMGum4WYuoXJ6J98vt0ihYeIFoapNddLML5MyN"
            "AGM9saSpkouDMSvD+iU14i7V8ix1ia1Tb9ogog=="
        ),
        signature="bcf6dcefa4ce2dbaf7b0666c7264d46fd9aad4bd",
        random16="1234567890123456",
        plaintext=V1_PLAIN,
    ),
    Published(
        name="V4",
        source="github.com/open-dingtalk/DingTalk-Callback-Crypto, main of the C# and Go demos",
        owner=V4,
        timestamp="1605695694141",
        nonce="WelUQl6bCqcBa2fM",
        encrypt=(
            "X1VSe9cTJUMZu60d3kyLYTrBq5578ZRJtteU94wG0Q4Uk6E/wQYeJRIC0/UFW5Wkya1Ihz9oXAdLlyC9TRaqsQ=="
        ),
        signature="f36f4ba5337d426c7d4bca0dbcb06b3ddc1388fc",
        random16="WelUQl6bCqcBa2fM",
        plaintext="success",
    ),
    Published(
        name="V6",
        source=O2OA,
        owner=V6,
        timestamp="1603697312745",
        nonce="2dffdfdfdf2222",
        encrypt=(
            "QH/UQCL7dUGoPQZcBf2H2u/8ImJ+6tjDOSfHle3GmMoG/zopHbD8JpXVCBFGSUFmQ3bWXIuzwyXAZCeS2kptmA=="
        ),
        signature="502b261eda47a212db163c91322f7ddecb2e99cc",
        random16="J37SqBn34drg5QpU",
        plaintext="success",
    ),
)

# The file states a signature that is not that of its own, otherwise sound, text.
V6B = Published(
    name="V6b",
    source=O2OA,
    owner=V6,
    timestamp="1603697312745",
    nonce="2dffdfdfdf2222",
    encrypt=(
        "Z129Xx+g/4RNjuplftqRsS24/FbMqS8Zy56JGpUQtL1zpVAoqhGS1PHiF5QdxQKRwzUgNg06tDylA02Lyy/W9Q=="
    ),
    signature="77d1d1214d0bb07e91be9b231c802cfd575d8a5f",
    random16="VmJiOM50p3kcV7Dd",
    plaintext="success",
)
V6B_RIGHT_SIGNATURE = "e5ae5adaa65a2d469dc52677e7ff05725ca134f9"

# Where implementations broke: no message, a byte, both sides of a padding block, of the signed
# and unsigned byte (the official Python demo fails from 128 on), of 16 bits.
SIZES_BYTES = (0, 1, 11, 12, 23, 24, 31, 32, 127, 128, 200, 255, 256, 65_535, 65_536)
TEXTS = {
    "success": "success",
    "check-url": '{"EventType":"check_url"}',
    "chinese": '{"EventType":"user_add_org","name":"欧阳秀英","UserId":["0126"]}',
    "emoji": "👨‍👩‍👧 𠮷 ✓",
    "not-json": 'success\r\n\tnot JSON \\ " é',
}
RANDOM16 = bytes(range(0xF0, 0x100))
TIMESTAMP, NONCE = "1700000000123", "a1B2c3D4"


def generated(owner: Owner, name: str, unit: str, times: int = 1) -> Vector:
    """Seal `unit` repeated `times`; a long text is described by its hash."""
    message = (unit * times).encode()
    text = owner.envelope().seal(message, random16=RANDOM16, timestamp=TIMESTAMP, nonce=NONCE)
    return {
        "id": f"{owner.name}-{name}",
        "source": MADE_HERE.format(module="envelope"),
        **owner.fields(),
        "timestamp": TIMESTAMP,
        "nonce": NONCE,
        "random16_hex": RANDOM16.hex(),
        "plaintext": unit,
        **({} if times == 1 else {"times": times}),
        "size_bytes": len(message),
        "pad_bytes": padded(framed(RANDOM16, message, owner.key.encode()))[-1],
        **_encrypt_fields(text.encrypt),
        "signature": text.signature,
    }


def _encrypt_fields(encrypt: str) -> Vector:
    if len(encrypt) <= LONGEST_WRITTEN_OUT_BYTES:
        return {"encrypt": encrypt}
    digest = hashlib.sha256(encrypt.encode()).hexdigest()
    return {"encrypt_sha256": digest, "encrypt_length": len(encrypt)}


def _generate() -> list[Vector]:
    sizes = [
        generated(CANONICAL, f"{size}-bytes", "x" if size else "", size or 1)
        for size in SIZES_BYTES
    ]
    texts = [
        generated(owner, name, text)
        for owner in (CANONICAL, NON_CANONICAL, CORP, SUITE)
        for name, text in TEXTS.items()
    ]
    edges = [
        generated(LONG_KEY, "12-bytes", "x", 12),
        generated(LONG_KEY, "11-bytes", "x", 11),
        generated(CORP, "8-bytes", "x", 8),
        generated(CORP, "65535-bytes-chinese", "钉", 21_845),
        generated(CORP, "65536-bytes-emoji", "😀", 16_384),
    ]
    return [one.generate() for one in PUBLISHED] + sizes + texts + edges


def _verify(made: list[Vector]) -> list[Vector]:
    ours = [_opening(one) for one in made if "size_bytes" in one and "encrypt" in one]
    v6b = V6B.verify() | {"id": "V6b-signed", "signature": V6B_RIGHT_SIGNATURE}
    v6b["source"] += " (the text of V6b under its right signature)"
    return [one.verify() for one in PUBLISHED] + [v6b] + ours


def _opening(generated_vector: Vector) -> Vector:
    """Return a vector for opening what another one seals, its plaintext written out."""
    names = ("id", "source", "token", "aes_key", "key", "timestamp", "nonce", "encrypt")
    opening = {name: generated_vector[name] for name in (*names, "signature")}
    times = generated_vector.get("times", 1)
    return opening | {"plaintext": generated_vector["plaintext"] * times}


def _invalid() -> list[Vector]:
    v6b = V6B.verify() | {"fault": "wrong_signature"}
    del v6b["plaintext"]
    ours = [
        _damaged(owner, damage)
        for owner in (CANONICAL, CORP)
        for damage in Damage
        if damage in FAULTS
    ]
    signed = _damaged(CANONICAL, Damage.WRONG_SIGNATURE)
    signatures = [
        signed | {"id": f"app-signature-{name}", "signature": signature}
        for name, signature in (("empty", ""), ("not-ascii", "签名"), ("cut", "5a65ceee"))
    ]
    return [v6b, *ours, *signatures]


def _damaged(owner: Owner, damage: Damage) -> Vector:
    message = TEXTS["chinese"].encode()
    text = damaged(
        owner.envelope(), damage, message, random16=RANDOM16, timestamp=TIMESTAMP, nonce=NONCE
    )
    return {
        "id": f"{owner.name}-{damage.value.replace('_', '-')}",
        "source": MADE_HERE.format(module="malformed"),
        **owner.fields(),
        **_signed_fields(text),
        "fault": FAULTS[damage].value,
    }


def _signed_fields(text: SignedText) -> Vector:
    return {
        "timestamp": text.timestamp,
        "nonce": text.nonce,
        "encrypt": text.encrypt,
        "signature": text.signature,
    }


def vectors() -> dict[str, list[Vector]]:
    """Return all three groups."""
    made = _generate()
    return {"generate": made, "verify": _verify(made), "invalid": _invalid()}


def as_text() -> str:
    """Return the content of the file."""
    return json.dumps(vectors(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(as_text(), encoding="utf-8", newline="\n")
