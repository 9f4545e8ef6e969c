"""The file that carries a data folder to another computer.

It is one stream, sealed under a passphrase (`crypto.sealed_stream`), of exactly these parts:

    8 bytes: length of the head | the head, a JSON object | the database, to the end

Not an archive: it holds no file names that could lead out of a folder, and nothing to inflate.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from crypto.sealed_stream import (
    CHUNK_BYTES,
    HEADER_BYTES,
    SALT_BYTES,
    SEALED_CHUNK_BYTES,
    StreamCipher,
    StreamError,
    StreamFault,
)
from crypto.secret import Secret
from server.config.files import (
    JsonObject,
    half_written,
    named,
    replace_path,
    sync_folder,
    written_through,
)
from server.errors.base import DingBridgeError
from server.errors.export import (
    ExportDamagedError,
    ExportForeignError,
    ExportNewerError,
    PassphraseWrongError,
)

_LENGTH_BYTES = 8
_HEAD_MAX_BYTES = 64 * 1024 * 1024
_ERRORS: dict[StreamFault, type[DingBridgeError]] = {
    StreamFault.FOREIGN: ExportForeignError,
    StreamFault.NEWER: ExportNewerError,
    StreamFault.PASSPHRASE: PassphraseWrongError,
    StreamFault.DAMAGED: ExportDamagedError,
}


def write_export(path: Path, passphrase: Secret, head: JsonObject, database: Path | None) -> None:
    """Write an export to `path`, completely or not at all, replacing a file there.

    Raises FileAccessError.
    """
    cipher = StreamCipher.new(passphrase, os.urandom(SALT_BYTES))
    partial = half_written(path)
    try:
        with named(path):
            with written_through(partial) as stream:
                stream.write(cipher.header)
                for sealed in _sealed(cipher, _plain(head, database)):
                    stream.write(sealed)
            replace_path(partial, path)
            sync_folder(path.parent)
    finally:
        with named(path):
            partial.unlink(missing_ok=True)


def _plain(head: JsonObject, database: Path | None) -> Iterator[bytes]:
    content = json.dumps(head, ensure_ascii=False).encode()
    yield len(content).to_bytes(_LENGTH_BYTES, "big") + content
    if database is not None:
        with database.open("rb") as stream:
            while piece := stream.read(CHUNK_BYTES):
                yield piece


def _sealed(cipher: StreamCipher, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Seal in chunks; only when nothing follows is a chunk known to be the last."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) > CHUNK_BYTES:
            yield cipher.seal(bytes(waiting[:CHUNK_BYTES]), is_last=False)
            del waiting[:CHUNK_BYTES]
    yield cipher.seal(bytes(waiting), is_last=True)


def read_export(path: Path, passphrase: Secret, database: Path) -> JsonObject:
    """Return the head of an export and write its database, if any, to `database`.

    Raises FileAccessError, and an ExportError if the file is not complete and genuine. Then what
    has been written must not be used.
    """
    with named(path), path.open("rb") as source:
        try:
            plain = _Plain(_opened(source, passphrase))
            head = plain.head()
            with named(database), written_through(database) as target:
                for piece in plain.rest():
                    target.write(piece)
        except StreamError as exc:
            raise _ERRORS[exc.fault](path=str(path)) from exc
    return head


def _opened(source: BinaryIO, passphrase: Secret) -> Iterator[bytes]:
    cipher = StreamCipher.of_header(source.read(HEADER_BYTES), passphrase)
    chunk = source.read(SEALED_CHUNK_BYTES)
    while following := source.read(SEALED_CHUNK_BYTES):
        yield cipher.open(chunk, is_last=False)
        chunk = following
    yield cipher.open(chunk, is_last=True)


class _Plain:
    """Reads the opened stream from its beginning. Raises StreamError."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._waiting = bytearray()

    def head(self) -> JsonObject:
        length = int.from_bytes(self._take(_LENGTH_BYTES), "big")
        if length > _HEAD_MAX_BYTES:
            raise StreamError(StreamFault.DAMAGED)
        try:
            head = json.loads(self._take(length))
        except (ValueError, RecursionError) as exc:
            raise StreamError(StreamFault.DAMAGED) from exc
        if not isinstance(head, dict):
            raise StreamError(StreamFault.DAMAGED)
        return head

    def rest(self) -> Iterator[bytes]:
        yield bytes(self._waiting)
        yield from self._chunks

    def _take(self, count: int) -> bytes:
        while len(self._waiting) < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise StreamError(StreamFault.DAMAGED)
            self._waiting += chunk
        taken = bytes(self._waiting[:count])
        del self._waiting[:count]
        return taken
