"""What the service is measured against: run as `python -m tests.benchmarks.peers NAME PORT`.

`bare` is a Bottle route behind waitress that only parses the same JSON. `flask` is a Flask service
behind waitress that does the same crypto, in the usual way, and stores nothing.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import struct
import sys
import time

import bottle
import waitress
from Crypto.Cipher import AES
from flask import Flask, Response
from flask import request as flask_request

from tests.benchmarks.load import AES_KEY, KEY, PATH, TOKEN


def bare() -> bottle.Bottle:
    """Return the route that only parses."""
    app = bottle.Bottle()

    @app.post(PATH)  # type: ignore[untyped-decorator] # Bottle ships no types
    def callback() -> str:
        json.loads(bottle.request.body.read())
        bottle.response.content_type = "application/json"
        return '{"answer": "success"}'

    return app


def flask() -> Flask:
    """Return the service that opens and seals, one request at a time, and stores nothing."""
    app = Flask("peer")
    key = base64.b64decode(AES_KEY + "=")

    def signature(timestamp: str, nonce: str, encrypt: str) -> str:
        joined = "".join(sorted((TOKEN, timestamp, nonce, encrypt)))
        return hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()

    def opened(encrypt: str) -> bytes:
        plain = AES.new(key, AES.MODE_CBC, key[:16]).decrypt(base64.b64decode(encrypt))
        plain = plain[: -plain[-1]]
        (length,) = struct.unpack(">I", plain[16:20])
        if plain[20 + length :].decode() != KEY:
            raise ValueError("another key")
        return plain[20 : 20 + length]

    def sealed(message: bytes) -> str:
        content = os.urandom(16) + struct.pack(">I", len(message)) + message + KEY.encode()
        padding = 32 - len(content) % 32
        cipher = AES.new(key, AES.MODE_CBC, key[:16])
        return base64.b64encode(cipher.encrypt(content + bytes([padding]) * padding)).decode()

    @app.post(PATH)
    def callback() -> Response:
        given = flask_request.args
        encrypt = json.loads(flask_request.get_data())["encrypt"]
        expected = signature(given["timestamp"], given["nonce"], encrypt)
        if not hmac.compare_digest(expected, given["signature"]):
            return Response("rejected", 403)
        json.loads(opened(encrypt))
        timestamp, nonce = str(time.time_ns() // 1_000_000), os.urandom(8).hex()
        answer = sealed(b"success")
        document = {
            "msg_signature": signature(timestamp, nonce, answer),
            "timeStamp": timestamp,
            "nonce": nonce,
            "encrypt": answer,
        }
        return Response(json.dumps(document), 200, mimetype="application/json")

    return app


def main() -> None:
    """Serve one of the two until killed, with waitress's own defaults."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    name, port = sys.argv[1:]
    app = bare() if name == "bare" else flask()
    waitress.serve(app, host="127.0.0.1", port=int(port), _quiet=True)


if __name__ == "__main__":
    main()
