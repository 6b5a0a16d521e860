"""What may be shown of URLs, options and errors: everything but passwords."""

from __future__ import annotations

import re
from urllib.parse import unquote

_WORDS = "pass|pwd|secret|token|key|auth|cred"
_PASSWORD = re.compile(r"(//[^:@]*:).*@")
_IN_QUERY = re.compile(r"([?&]([^=&]*)=)[^&#]*")
_SECRET = re.compile(_WORDS, re.IGNORECASE)


def redacted(url: str) -> str:
    """The URL without its password, also where the query holds it."""
    return _IN_QUERY.sub(_without_secret, _PASSWORD.sub(r"\1***@", url))


def _without_secret(option: re.Match[str]) -> str:
    # The drivers read an option whose name is percent-encoded, too.
    return f"{option[1]}***" if _SECRET.search(unquote(option[2])) else option[0]


def shown(option: str, value: object) -> str:
    """The value of an option, unless its name says that it is a secret."""
    return "***" if _SECRET.search(option) else redacted(repr(value))


def told(error: BaseException) -> str:
    """An error in one line."""
    return redacted(" ".join(f"{type(error).__name__}: {error}".split()).rstrip(": "))
