"""Files that are not Python: how the app is served, and how pytest runs its tests."""

from __future__ import annotations

import re
from pathlib import Path

from service.porting.collected import SETTINGS
from service.porting.plan import Plan
from service.porting.registration import FIXTURE, TEST
from service.porting.report import Kind

_WSGI = re.compile(
    r"^(?P<kind>[\w-]+:\s*)(?P<env>(?:\w+=\S+\s+)*)(?P<server>gunicorn|waitress-serve|uwsgi)\b"
    r"(?P<arguments>.*)$",
    re.MULTILINE,
)
_SERVER = re.compile(r"\b(?:gunicorn|waitress-serve|uwsgi)\b")
_SERVES = re.compile(r"""(?<![\w-])flask["',]*\s+(?:\S+\s+)*["']?run\b""")
_BY_COMMAND = "flask run serves no Quart: write a Hypercorn line, or quart run"
_COMMAND = re.compile(
    r"""(?:^\s*[@-]?\s*|(?:&&|\|\||;|\bRUN|\bexec|\b(?:command|entrypoint|release):)\s+|\bCMD\s+)"""
    r"""(?:\w+=\S+\s+)*[\["']*flask["',]*\s+["']?[\w-]"""
)
_NO_APP = "the flask command finds no Quart app: write quart in its place"
_INSTALLS = re.compile(r"\binstall\b[^&;|]*|^\s*#.*")
_FILES = ("Dockerfile*", "compose*.y*ml", "docker-compose*.y*ml", "Makefile", "*.sh", ".env")
_FLASKENV, _QUARTENV = ".flaskenv", ".quartenv"
_VARIABLE = re.compile(r"(?<![\w$.{])FLASK_(?:APP|DEBUG|RUN_\w+)(?=\s*[=:]|\s+[\w.])")
_ENVIRONMENT = "Quart reads .quartenv, QUART_APP and QUART_DEBUG"
_VARIABLES = "the quart command reads QUART_ in place of FLASK_"
_APP = re.compile(r"""(?<=\s)(?P<quote>["']?)(?P<app>[\w.]+:\w+(?:\([^)]*\))?)(?P=quote)(?=\s|$)""")

File = tuple[Path, str, str]


def rewrite_deployment(plan: Plan) -> list[File]:
    """The files that change beside the modules: path, text before, text after."""
    found = []
    procfile = plan.program.root / "Procfile"
    if procfile.is_file():
        before = procfile.read_text()
        after = _WSGI.sub(_hypercorn, before)
        found.append((Path("Procfile"), before, after))
        _tell_of_servers(plan, "Procfile", after)
    for path in sorted(path for files in _FILES for path in plan.program.root.glob(files)):
        if path.is_file():
            _tell_of_servers(plan, path.name, path.read_text(errors="replace"))
    if (plan.program.root / _FLASKENV).is_file() and not (plan.program.root / _QUARTENV).is_file():
        plan.report.tell_of_file(_FLASKENV, Kind.NOTE, _ENVIRONMENT, 1)
    if has_tests(plan):
        found.append(_pytest(plan))
    return [(path, before, after) for path, before, after in found if before != after]


def _tell_of_servers(plan: Plan, name: str, text: str) -> None:
    """What starts the app, or another of its commands; if nothing does, what is set for them."""
    lines = [_INSTALLS.sub("", line) for line in text.splitlines()]
    of_command = False
    for number, line in enumerate(lines, start=1):
        if _SERVER.search(line):
            reason = "write a Hypercorn line with the same options"
            plan.report.tell_of_file(name, Kind.HAND, reason, number)
        elif _SERVES.search(line) or _COMMAND.search(line):
            reason = _BY_COMMAND if _SERVES.search(line) else _NO_APP
            plan.report.tell_of_file(name, Kind.HAND, reason, number)
            of_command = True
    variables = [number for number, line in enumerate(lines, start=1) if _VARIABLE.search(line)]
    if variables and not of_command:
        plan.report.tell_of_file(name, Kind.NOTE, _VARIABLES, variables[0])


def _hypercorn(match: re.Match[str]) -> str:
    bind = re.search(r"(?:-b|--bind|--listen)[= ](\S+)", match["arguments"])
    workers = re.search(r"(?:-w|--workers)[= ](\S+)", match["arguments"])
    rest = match["arguments"]
    for known in (bind, workers):
        rest = rest.replace(known[0], "", 1) if known is not None else rest
    app = _APP.search(rest)
    if app is None or rest.replace(app[0], "", 1).strip():
        return match[0]
    options = f" --bind {bind[1] if bind else '0.0.0.0:$PORT'}"
    options += f" --workers {workers[1]}" if workers else ""
    name = f"'{app['app']}'" if "(" in app["app"] else app["app"]
    return f"{match['kind']}{match['env']}hypercorn{options} {name}"


def has_tests(plan: Plan) -> bool:
    """Whether the project has tests, which pytest-asyncio is to run."""
    if not plan.program.is_of_flask:
        return False
    return any(TEST in function.roles for function in plan.functions())


def _pytest(plan: Plan) -> File:
    """Tell pytest-asyncio to run coroutine functions as tests and fixtures."""
    root = plan.program.root
    scope = "session" if _has_wide_fixtures(plan) else "function"
    settings = [
        "asyncio_mode = {}auto{}",
        f"asyncio_default_fixture_loop_scope = {{}}{scope}{{}}",
        f"asyncio_default_test_loop_scope = {{}}{scope}{{}}",
    ]
    for name, table in SETTINGS:
        path, section = root / name, f"[{table}]"
        quote = '"' if path.suffix == ".toml" else ""
        before = path.read_text() if path.is_file() else ""
        if section in before:
            missing = [line for line in settings if line.split(" ")[0] not in before]
            lines = "".join(f"{line.format(quote, quote)}\n" for line in missing)
            head, _, tail = before.partition(section)
            return Path(name), before, f"{head}{section}\n{lines}{tail.lstrip(' ')[1:]}"
        if name == "pytest.ini" and before:
            return Path(name), before, before
    lines = "".join(f"{line.format('', '')}\n" for line in settings)
    return Path("pytest.ini"), "", f"[pytest]\n{lines}"


def _has_wide_fixtures(plan: Plan) -> bool:
    """Whether a fixture that becomes async outlives a test, and with it its event loop."""
    import libcst as cst

    from service.porting.nodes import text_of

    for function in plan.colours.asynchronous:
        if FIXTURE in function.roles and isinstance(function.node, cst.FunctionDef):
            for decorator in function.node.decorators:
                if isinstance(decorator.decorator, cst.Call):
                    for arg in decorator.decorator.args:
                        if arg.keyword and arg.keyword.value == "scope":
                            return text_of(arg.value) != "function"
    return False
