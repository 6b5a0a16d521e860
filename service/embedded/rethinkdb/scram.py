"""The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), as RethinkDB's handshake uses it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final

ITERATIONS: Final = 4096
_SALT_BYTES: Final = 16

MALFORMED: Final = 10
WRONG_PASSWORD: Final = 12
UNKNOWN_USER: Final = 17


class AuthenticationError(Exception):
    """The client did not prove who it is; `code` (10 to 20) is the handshake's error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Credentials:
    """What a server keeps of a password. The salt is drawn once: clients cache by it."""

    def __init__(self, password: str) -> None:
        self.salt = secrets.token_bytes(_SALT_BYTES)
        self.iterations = ITERATIONS if password else 1
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), self.salt, self.iterations)
        client_key = _hmac(salted, b"Client Key")
        self.stored_key = hashlib.sha256(client_key).digest()
        self.server_key = _hmac(salted, b"Server Key")


class Exchange:
    """One login: `first` answers the client's first message, `final` its proof."""

    def __init__(self, users: Mapping[str, Credentials]) -> None:
        self._users = users
        self._nonce = ""
        self._messages = ""
        self._credentials: Credentials | None = None
        self.user = ""

    def first(self, message: str) -> str:
        header, bare = message[:3], message[3:]
        if header not in ("n,,", "y,,"):
            raise AuthenticationError(MALFORMED, "Invalid or unsupported channel binding flag")
        attributes = _attributes(bare)
        if "n" not in attributes or not attributes.get("r"):
            raise AuthenticationError(MALFORMED, "Expected a username and a nonce")
        self.user = attributes["n"].replace("=2C", ",").replace("=3D", "=")
        self._credentials = self._users.get(self.user)
        known = self._credentials or Credentials(secrets.token_hex())
        self._nonce = attributes["r"] + base64.b64encode(secrets.token_bytes(18)).decode()
        salt = base64.b64encode(known.salt).decode()
        answer = f"r={self._nonce},s={salt},i={known.iterations}"
        self._messages = f"{bare},{answer}"
        return answer

    def final(self, message: str) -> str:
        without_proof, _, encoded = message.rpartition(",p=")
        attributes = _attributes(without_proof)
        if attributes.get("r") != self._nonce:
            raise AuthenticationError(MALFORMED, "Invalid nonce")
        if self._credentials is None:
            raise AuthenticationError(UNKNOWN_USER, "Unknown user")
        try:
            proof = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise AuthenticationError(MALFORMED, "Invalid encoding") from None
        signed = f"{self._messages},{without_proof}".encode()
        signature = _hmac(self._credentials.stored_key, signed)
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=False))
        if not hmac.compare_digest(
            hashlib.sha256(client_key).digest(), self._credentials.stored_key
        ):
            raise AuthenticationError(WRONG_PASSWORD, "Wrong password")
        answer = _hmac(self._credentials.server_key, signed)
        return f"v={base64.b64encode(answer).decode()}"


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _attributes(message: str) -> dict[str, str]:
    return {part[:1]: part[2:] for part in message.split(",") if part[1:2] == "="}
