"""The vectors of `tests/vectors/callback.json`, read once for the tests of this room."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

Vector = dict[str, Any]

_FILE = Path(__file__).parents[1] / "vectors" / "callback.json"
VECTORS: dict[str, list[Vector]] = json.loads(_FILE.read_text(encoding="utf-8"))


def plaintext(vector: Vector) -> bytes:
    text: str = vector["plaintext"]
    return (text * int(vector.get("times", 1))).encode()


def is_encrypt_of(vector: Vector, encrypt: str) -> bool:
    if "encrypt" in vector:
        return bool(vector["encrypt"] == encrypt)
    digest = sha256(encrypt.encode()).hexdigest()
    return (vector["encrypt_length"], vector["encrypt_sha256"]) == (len(encrypt), digest)
