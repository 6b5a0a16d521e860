"""Every place that a password, a key or a token can be, each with one that is only there."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from .raw_http import request


class Secrets(dict[str, str]):
    """A secret for each place that is asked for; made when it is."""

    def __missing__(self, place: str) -> str:
        self[place] = f"hush{secrets.token_hex(8)}"
        return self[place]

    def found_in(self, text: str) -> list[str]:
        """The places whose secrets are in a text, as they are or encoded."""
        return [place for place, secret in self.items() if secret in text or quote(secret) in text]


def connections(
    hidden: Secrets, urls: Mapping[str, str], unused_port: int, authority: Path
) -> dict[str, str]:
    """URLs that all fail, each in a way of its own, and each with a secret or two."""
    nowhere = f"127.0.0.1:{unused_port}"
    a, b, client = (urlsplit(urls[name]) for name in ("a", "b", "client"))
    at_a, at_b, at_client = (there.netloc.rpartition("@")[2] for there in (a, b, client))
    return {
        "a": f"postgresql://postgres:{hidden['a, wrong']}@{at_a}{a.path}",
        "b": f"rethinkdb://admin:{hidden['b, wrong']}@{at_b}{b.path}",
        "client": f"redis://:{hidden['client, wrong']}@{at_client}{client.path}",
        "a_query": f"postgresql://{at_a}/db?user=x&password={hidden['a, query']}",
        "a_encoded": f"postgresql://{at_a}/db?user=x&%70assword={hidden['a, encoded query']}",
        "a_nowhere": f"postgresql://u:{hidden['a, nowhere']}@{nowhere}/db",
        "a_tls": f"postgresql://u:{hidden['a, tls']}@{at_a}/db?sslmode=require",
        "a_hosts": f"postgresql://u:{hidden['a, hosts']}@{nowhere},{nowhere}/db",
        "b_nowhere": f"rethinkdb://u:{hidden['b, nowhere']}@{nowhere}/db",
        "b_tls": f"rethinkdb://u:{hidden['b, tls']}@{at_b}/db?tls_ca={authority}",
        "client_query": f"redis://{at_client}/0?password={hidden['client, query']}",
        "client_user": f"redis://u:{hidden['client, user']}@{at_client}/0",
        "client_nowhere": f"redis://u:{hidden['client, nowhere']}@{nowhere}/0",
        "client_tls": f"rediss://u:{hidden['client, tls']}@{at_client}/0",
        "client_name": f"redis://u:{hidden['client, name']}@nothing.invalid/0",
        "client_sentinel": f"redis+sentinel://u:{hidden['sentinel']}@{nowhere}/master",
        "client_cluster": f"redis+cluster://u:{hidden['cluster']}@{nowhere}",
    }


REFUSED: Mapping[str, str] = {
    "no URL": "{}",
    "no URL, with a host": "user:{}@host/db",
    "one slash": "postgresql:/u:{}@host/db",
    "another scheme": "mysql://u:{}@host/db",
    "a slash in the password": "postgresql://u:{}/x@host/db",
    "a hash in the password": "redis://u:{}#x@host/0",
    "an at in the password": "mysql://u:x@{}@host/db",
    "a slash in the user": "mysql://u/x:{}@host/db",
    "no such port": "redis://u:{}@host:99999/0",
    "a port that is none": "postgresql://u:{}@host:port/db",
    "no such option": "rethinkdb://u:{}@host/db?nothing=1",
    "a secret option": "rethinkdb://host/db?api_key={}",
    "an encoded option": "mysql://host/db?%70assword={}",
    "no such database": "redis+cluster://u:{}@host/3",
    "a bracket": "redis://u:{}@[::1/0",
}
"""URLs with which nothing starts."""


def requests(hidden: Secrets) -> dict[str, bytes]:
    """Requests with a secret in each place that a request has."""

    def body(members: object, path: str = "/api/tokens") -> bytes:
        return request(path, body=json.dumps(members).encode())

    def header(name: str, value: str = "{}", target: str = "/healthz") -> bytes:
        return request(target, f"{name}: {value.format(hidden[name + target])}".encode())

    return {
        "password": body({"name": "somebody", "password": hidden["password"]}),
        "player": body({"name": "some body", "password": hidden["new"]}, "/api/players"),
        "password for a name": body({"name": hidden["name"] * 3, "password": "x"}),
        "a list": body({"name": [hidden["list"]], "password": [hidden["list"]]}),
        "an object": body({"name": "x", "password": {hidden["key"]: hidden["value"]}}),
        "a text": body(hidden["text"]),
        "a member too many": body({"name": "x", "token": hidden["token"]}),
        "half a body": request("/api/tokens", body=f'{{"password": "{hidden["half"]}'.encode()),
        "no JSON": request("/api/tokens", body=b'{"password": %s}' % hidden["bare"].encode()),
        "form": request(
            "/api/tokens", body=hidden["form"].encode(), content_type=b"application/x-form"
        ),
        "too much": body(hidden["too much"] * 5000),
        "bearer": request(
            "/api/matches", b"Authorization: Bearer " + hidden["bearer"].encode(), body=b"{}"
        ),
        "basic": request(
            "/api/matches", b"Authorization: Basic " + hidden["basic"].encode(), body=b"{}"
        ),
        "no scheme": request(
            "/api/matches", b"Authorization: " + hidden["no scheme"].encode(), body=b"{}"
        ),
        "cookie": header("Cookie", "session={}"),
        "referer": header("Referer", "http://somewhere/?token={}"),
        "agent": header("User-Agent"),
        "forwarded": header("X-Forwarded-For"),
        "host": request("/healthz").replace(b"localhost", hidden["host"].encode() * 9),
        "any header": header("X-Api-Key", "{}", "/api/leaderboard"),
        "query": request(f"/api/players?limit={hidden['query']}"),
        "unknown query": request(f"/api/players?token={hidden['unknown query']}"),
        "path": request(f"/api/tokens/{hidden['path']}"),
        "path of a player": request(f"/api/players/{hidden['path of a player']}/summary"),
        "path of a file": request(f"/docs/{hidden['path of a file']}"),
        "path of a file, and a date": request(
            f"/docs/{hidden['dated']}/../swagger-ui.css", b"If-Range: Sun, 06 Nov 99999 00:00:00 Z"
        ),
        "URL": request(f"http://u:{hidden['URL']}@localhost/api/leaderboard?x={hidden['URL']}"),
        "no URL": request(f"http://[{hidden['no URL']}"),
        "method": request(f"/{hidden['method']}", method=b"BREW"),
        "malformed": request("/healthz", b"X : " + hidden["malformed"].encode()),
        "WebSocket": request(
            f"/{hidden['WebSocket']}",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ).replace(b"Connection: close", b"Connection: Upgrade"),
        "failing": body({"password": hidden["failing"]}, "/fail"),
        "failing, bearer": request(
            "/fail", b"Authorization: Bearer " + hidden["failing, bearer"].encode(), body=b"{}"
        ),
    }
