"""What is known of libraries: which may wait for something, and what replaces Flask extensions."""

from __future__ import annotations

import re
import sys

from .adapted import makes_data
from .drivers import SPEAKING_SQL
from .values import External, Values

_RUNNING_LOOPS = (
    *("asyncio.run", "asyncio.Runner"),
    *("asyncio.?.run_until_complete", "asyncio.?.run_forever"),
)
WAITING_IN_STDLIB = (
    *_RUNNING_LOOPS,
    *(f"os.spawn{how}" for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    *(f"signal.{name}" for name in ("pause", "sigtimedwait", "sigwait", "sigwaitinfo")),
    "builtins.input",
    "dbm",
    "fcntl.flock",
    "fcntl.lockf",
    "ftplib",
    "http.client",
    "imaplib",
    "multiprocessing",
    "os.popen",
    "os.read",
    "os.system",
    "os.wait",
    "os.wait3",
    "os.wait4",
    "os.waitid",
    "os.waitpid",
    "poplib",
    "sched",
    "select",
    "selectors",
    "shelve",
    "smtplib",
    "socket",
    "sqlite3",
    "subprocess",
    "telnetlib",
    "time.sleep",
    "urllib.request",
    "xmlrpc.client",
)
"""What of the standard library waits for a database, a server, a process or the clock."""
_NOT_WAITING_IN_STDLIB = re.compile(r"socket\.(gethostname|hton[ls]|ntoh[ls]|inet_\w+)")

_BETWEEN_THREADS = {"concurrent", "queue", "threading"}
_WAITING_FOR_THREADS = {
    "__exit__", "__iter__", "acquire", "as_completed", "get", "join", "map", "put", "result",
    "shutdown", "wait", "wait_for",
}  # fmt: skip
_WAITING_ON_ANY_THREAD = re.compile(
    r"(flask|click)\.testing\.\w+\.invoke"
    r"|concurrent\..*\.(exception|result|shutdown|wait)"
    r"|queue\.\w+\.(get|join|put)"
    r"|threading\..*\.join"
    r"|threading\.(Barrier|Event)\.wait"
    r"|time\.sleep"
)
"""Of what waits, for other threads or event loops: what means the same on whichever thread."""

NOT_WAITING = {
    "PIL",
    "attr",
    "attrs",
    "babel",
    "bcrypt",
    "bleach",
    "blinker",
    "brotli",
    "brotlicffi",
    "bson",
    "cachetools",
    "cerberus",
    "chardet",
    "click",
    "cryptography",
    "dateutil",
    "decorator",
    "docutils",
    "dotenv",
    "email_validator",
    "faker",
    "flask",
    "freezegun",
    "hypothesis",
    "idna",
    "itsdangerous",
    "jinja2",
    "jose",
    "jsonschema",
    "jwt",
    "markdown",
    "markdown2",
    "markupsafe",
    "marshmallow",
    "mistune",
    "mock",
    "nacl",
    "numpy",
    "orjson",
    "packaging",
    "passlib",
    "pydantic",
    "pygments",
    "pyotp",
    "pytest",
    "pytz",
    "qrcode",
    "quart",
    "rapidjson",
    "service",
    "simplejson",
    "six",
    "slugify",
    "toml",
    "tomli",
    "typing_extensions",
    "ujson",
    "unidecode",
    "voluptuous",
    "werkzeug",
    "wtforms",
    "xmltodict",
    "yaml",
    "zxcvbn",
}
"""Libraries that compute and wait for nothing, or nothing but files. Any other might wait."""

CALLING_WSGI = (
    "a2wsgi.WSGIMiddleware",
    "aiohttp_wsgi.",
    "apig_wsgi.",
    "asgiref.wsgi.",
    "awsgi.",
    "awsgi2.",
    "bjoern.",
    "cheroot.",
    "cherrypy.",
    "eventlet.wsgi",
    "fastapi.middleware.wsgi",
    "flup.",
    "gevent.pywsgi",
    "httpx.WSGITransport",
    "pytest_localserver.",
    "requests_wsgi_adapter.",
    "schemathesis.from_wsgi",
    "schemathesis.graphql.from_wsgi",
    "schemathesis.openapi.from_wsgi",
    "serverless_wsgi.",
    "starlette.middleware.wsgi",
    "tornado.wsgi.",
    "twisted.web.wsgi.",
    "uvicorn.middleware.wsgi",
    "waitress.",
    "webtest.",
    "werkzeug.serving.",
    "werkzeug.test.run_wsgi_app",
    "whitenoise.",
    "wsgi_intercept.",
    "wsgiref.",
)
"""Servers, test clients and adapters that call the app that they are given as one of WSGI."""

_WAITING_IN_RETHINKDB = {"run", "connect", "close", "next", "reconnect", "repl", "__iter__"}
"""All else in `rethinkdb` makes a query, or a part of one."""

EXTENSIONS = {
    "flask_admin": "nothing known",
    "flask_apispec": "quart-schema",
    "flask_babel": "quart-babel",
    "flask_bcrypt": "the package bcrypt",
    "flask_caching": "a Redis connection of get_db",
    "flask_compress": "quart-compress",
    "flask_cors": "quart-cors",
    "flask_debugtoolbar": "nothing known",
    "flask_dotenv": "python-dotenv",
    "flask_httpauth": "quart-auth, or request.authorization in a decorator of your own",
    "flask_jwt_extended": "quart-jwt-extended",
    "flask_limiter": "quart-rate-limiter",
    "flask_login": "quart-auth",
    "flask_mail": "aiosmtplib",
    "flask_marshmallow": "the package marshmallow",
    "flask_migrate": "alembic",
    "flask_mongoengine": "motor",
    "flask_mysqldb": "get_db with a backend of your own",
    "flask_openid": "authlib",
    "flask_principal": "nothing known",
    "flask_pymongo": "motor",
    "flask_redis": "get_db",
    "flask_restful": "quart.views.MethodView",
    "flask_restplus": "quart.views.MethodView and quart-schema",
    "flask_restx": "quart.views.MethodView and quart-schema",
    "flask_script": "app.cli",
    "flask_security": "quart-auth",
    "flask_seasurf": "quart-wtforms",
    "flask_session": "quart-session",
    "flask_smorest": "quart-schema",
    "flask_socketio": "app.websocket",
    "flask_sock": "app.websocket",
    "flask_sqlalchemy": "sqlalchemy.ext.asyncio, or get_db",
    "flask_swagger_ui": "quart-schema",
    "flask_talisman": "after_request functions that set the headers",
    "flask_testing": "app.test_client and pytest-asyncio",
    "flask_uploads": "quart-uploads",
    "flask_wtf": "quart-wtforms",
    "flasgger": "quart-schema",
    "pytest_flask": "fixtures of your own for app and client",
    "flask_assets": "nothing known",
    "flask_bootstrap": "nothing known",
    "flask_moment": "nothing known",
    "flask_peewee": "get_db",
    "flask_sse": "an async generator with get_db on Redis",
    "flask_dance": "authlib",
    "flask_oauthlib": "authlib",
    "flask_graphql": "ariadne or strawberry, which speak ASGI",
    "webargs": "quart-schema",
    "connexion": "connexion 3, which speaks ASGI",
    "apiflask": "quart-schema",
    "prometheus_flask_exporter": "the package prometheus_client",
    "sentry_sdk.integrations.flask": "sentry_sdk.integrations.quart",
}
"""What to use instead of a Flask extension, by the name it is imported by."""


_FOR_QUART = {"flask", "quart_flask_patch"}
"""Named after Flask, and right for Quart: what is ported, and what lets extensions run there."""


def extension(path: str) -> str | None:
    """The extension of Flask that a dotted path is of, if it is of one."""
    library, _, rest = path.partition(".")
    if library in EXTENSIONS or ("flask" in library.split("_") and library not in _FOR_QUART):
        return library
    if "flask" in rest.replace("_", ".").split("."):  # what a larger library has for Flask
        return path
    return None


CALLING_ANYTHING = "operator.methodcaller()"
"""What calls a method, nobody knows of what."""
_HOLDING_ANYTHING = ("types.SimpleNamespace.", CALLING_ANYTHING)
"""What calls whatever it was given, or a method of it."""


def _waits_for_threads(path: str) -> bool:
    """Whether this waits for another thread, or for an event loop of its own."""
    library, _, rest = path.partition(".")
    return library in _BETWEEN_THREADS and rest.rpartition(".")[2] in _WAITING_FOR_THREADS


def may_wait_here(path: str) -> bool:
    """Whether this waits for other threads, in a way that no thread of its own can take over."""
    return _waits_for_threads(path) and not may_wait_elsewhere(path)


def may_wait_elsewhere(path: str) -> bool:
    """Whether this waits while other threads go on, and may be called in a thread of its own."""
    return _WAITING_ON_ANY_THREAD.fullmatch(path) is not None


def may_wait_entered(kind: str) -> bool:
    """Whether entering or leaving an object of this class with `with` may hold the thread up."""
    library = kind.partition(".")[0]
    return library in _BETWEEN_THREADS or library in SPEAKING_SQL


def may_wait(path: str) -> bool:
    """Whether calling this may hold the thread up: for I/O, a lock, or nobody knows what."""
    library = path.partition(".")[0]
    if library == "builtins":
        return path in WAITING_IN_STDLIB
    if _waits_for_threads(path) or path.startswith(_HOLDING_ANYTHING):
        return True
    if _MAKING_ERRORS.fullmatch(path) or (library in SPEAKING_SQL and makes_data(path)):
        return False
    if library == "rethinkdb":
        return path.rpartition(".")[2] in _WAITING_IN_RETHINKDB
    if _NOT_WAITING_IN_STDLIB.fullmatch(path):
        return False
    if any(path == known or path.startswith(f"{known}.") for known in WAITING_IN_STDLIB):
        return not path.endswith(("Error", "Exception", ".Row", ".Binary", ".register_adapter"))
    return library not in NOT_WAITING and library not in sys.stdlib_module_names


_MAKING_ERRORS = re.compile(r"(\w+\.)+[A-Z]\w*(Error|Exception|Warning)")
_APPLYING = {
    *(f"builtins.{name}" for name in ("filter", "map", "max", "min", "sorted")),
    *(f"itertools.{name}" for name in ("dropwhile", "filterfalse", "starmap", "takewhile")),
    "functools.reduce",
}
"""What calls something that it is given for each of what it goes through."""


def applied(path: str, given: Values) -> set[str]:
    """What a call calls of the values that it is given, if that may wait."""
    found = {value.path for value in given if isinstance(value, External)}
    return {each for each in found if path in _APPLYING and may_wait(each)}
