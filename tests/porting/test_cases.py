"""Every case of `tests/porting/cases`: what comes out, that it compiles, and that it stays so."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from service.porting.porting import port
from service.porting.report import Line, Routes

from .cases import CASES, Case

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)

OTHER_REASONS = {
    "app_contexts_that_block",
    "await_in_a_class_body",
    "called_with_items",
    "functions_found_and_wrapped",
    "initialized_in_a_context",
    "special_methods_in_tests",
}
"""Cases whose functions stay in threads for another reason, too, once they are ported."""


def project(folder: Path, files: dict[str, str]) -> Path:
    """These files, in a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def written(folder: Path) -> dict[str, str]:
    """The files of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@dataclass(frozen=True)
class Run:
    """What one run of the tool did with the files of a case."""

    before_writing: dict[str, str]
    written: dict[str, str]
    lines: list[Line]
    routes: Routes


@cache
def run(name: str, *, again: bool = False) -> Run:
    """Run the tool on the Flask project of a case, or again on what is to come of it."""
    case = CASES[name]
    with TemporaryDirectory() as folder:
        files = case.expected if again else case.before
        found = port(project(Path(folder), files), case.names)
        before_writing = written(Path(folder))
        found.write()
        report = found.report
        return Run(before_writing, written(Path(folder)), report.lines(), report.routes)


@every_case
def test_it_comes_out_as_written(case: Case) -> None:
    first = run(case.name)
    assert first.before_writing == case.before
    assert first.written == case.expected
    assert [str(line) for line in first.lines] == case.report


@every_case
def test_it_compiles(case: Case) -> None:
    for name, text in case.expected.items():
        if name.endswith(".py"):
            compile(text, name, "exec", dont_inherit=True)


@every_case
def test_a_second_time_changes_nothing(case: Case) -> None:
    assert run(case.name, again=True).written == case.expected


@every_case
def test_a_second_report_says_what_remains_and_nothing_new(case: Case) -> None:
    first, second = run(case.name), run(case.name, again=True)
    kinds = {"hand"} if case.name in OTHER_REASONS else {"hand", "thread"}
    assert asked(second.lines, kinds) <= asked(first.lines, kinds)
    assert asked(second.lines, {"hand"}) == asked(first.lines, {"hand"})
    assert sum(astuple(second.routes)) == sum(astuple(first.routes))


def asked(lines: list[Line], kinds: set[str]) -> Counter[tuple[str, str, str]]:
    """The lines of these kinds, wherever in their files."""
    return Counter((line.file, line.kind, line.reason) for line in lines if line.kind in kinds)


def test_line_ends_and_a_byte_order_mark_are_kept(tmp_path: Path) -> None:
    source = "from flask import Flask\r\n\r\napp = Flask(__name__)  # \xfc\r\n"
    (tmp_path / "app.py").write_bytes(source.encode())
    port(tmp_path).write()
    after = (tmp_path / "app.py").read_bytes().decode()
    assert "app = Quart(__name__)  # \xfc\r\n" in after
    assert after.count("\n") == after.count("\r\n")


def test_a_file_that_is_not_python_is_reported_and_left(tmp_path: Path) -> None:
    broken = "from flask import Flask\nprint 'so long ago'\n"
    project(tmp_path, {"app.py": "import flask\n", "old.py": broken})
    found = port(tmp_path)
    found.write()
    assert (tmp_path / "old.py").read_text() == broken
    assert (tmp_path / "app.py").read_text() == "import quart\n"
    (line,) = found.report.lines()
    assert (line.file, line.kind) == ("old.py", "hand")


def test_what_is_installed_or_hidden_is_left(tmp_path: Path) -> None:
    elsewhere = [".hidden/a.py", "node_modules/a.py", "env3/lib/a.py", "build/a.py"]
    files = dict.fromkeys([*elsewhere, "app.py"], "import flask\n") | {"env3/pyvenv.cfg": ""}
    assert port(project(tmp_path, files)).report.changed == ["app.py"]


def test_of_one_file_only_that_changes(tmp_path: Path) -> None:
    test = "from app import app\n\n\ndef test_it():\n    assert app.test_client().get('/')\n"
    files = {"app.py": "import flask\n", "test_app.py": test, "Procfile": "web: gunicorn app:app\n"}
    found = port(project(tmp_path, files) / "test_app.py")
    assert {change.path.name for change in found.changes} <= {"test_app.py"}


def test_a_name_that_nothing_is_mapped_from_is_told(tmp_path: Path) -> None:
    found = port(project(tmp_path, {"app.py": "import flask\n"}), {"db": "main"})
    assert [line.kind for line in found.report.lines()] == ["note"]


def test_another_encoding_stays_and_so_does_what_it_means(tmp_path: Path) -> None:
    head = "# -*- coding: latin-1 -*-\n"
    source = head + "from flask import Flask\n\napp = Flask(__name__)  # \xfc\n"
    (tmp_path / "app.py").write_bytes(source.encode("latin-1"))
    port(tmp_path).write()
    after = (tmp_path / "app.py").read_bytes().decode("latin-1")
    assert after.startswith(head)
    assert "app = Quart(__name__)  # \xfc\n" in after


def test_each_route_counts_once_whatever_decorates_it(tmp_path: Path) -> None:
    case = CASES["decorators_with_partial"]
    routes = port(project(tmp_path, case.before)).report.routes
    assert (routes.ported, routes.left_sync, routes.by_hand) == (3, 0, 0)


def test_a_route_that_calls_a_macro_needs_a_hand(tmp_path: Path) -> None:
    case = CASES["macros_of_templates"]
    routes = port(project(tmp_path, case.before)).report.routes
    assert (routes.ported, routes.left_sync, routes.by_hand) == (0, 0, 1)


def test_a_route_whose_template_may_use_what_needs_a_hand_needs_one(tmp_path: Path) -> None:
    source = """import time

from flask import Flask, render_template_string

app = Flask(__name__)


class Settings:
    def __getitem__(self, key):
        time.sleep(1)
        return key


@app.context_processor
def inject():
    return {"settings": Settings()}


@app.get("/")
def index():
    return render_template_string("{{ settings['x'] }}")


@app.get("/plain")
def plain():
    return "plain"
"""
    routes = port(project(tmp_path, {"app.py": source})).report.routes
    assert (routes.ported, routes.left_sync, routes.by_hand) == (1, 0, 1)


def test_a_route_within_a_wrapper_that_stays_in_a_thread_is_left_sync(tmp_path: Path) -> None:
    case = CASES["decorators_that_stay_plain"]
    routes = port(project(tmp_path, case.before)).report.routes
    assert (routes.ported, routes.left_sync, routes.by_hand) == (0, 1, 0)


def test_a_route_that_comes_to_a_place_for_a_hand_needs_one(tmp_path: Path) -> None:
    source = """from flask import Flask, after_this_request, request

app = Flask(__name__)


def later(response):
    response.call_on_close(print)
    return response


@app.get("/itself")
def itself():
    return {"who": request.remote_user}


@app.get("/inside")
def inside():
    @after_this_request
    def close(response):
        return later(response)

    return "ok"


@app.get("/other")
def other():
    return "ok"
"""
    routes = port(project(tmp_path, {"app.py": source})).report.routes
    assert (routes.ported, routes.left_sync, routes.by_hand) == (1, 0, 2)


def test_a_route_whose_template_comes_to_a_place_for_a_hand_needs_one(tmp_path: Path) -> None:
    source = """from flask import Flask, render_template, render_template_string, request

app = Flask(__name__)


@app.template_global("whoever")
def who():
    return request.remote_user


@app.template_filter()
def loud(text):
    return text.upper()


def page(name):
    return render_template(name + ".html")


@app.get("/file")
def of_a_file():
    return render_template("pages/inner.html")


@app.get("/text")
def of_a_text():
    return render_template_string("{% include 'head.html' %}")


@app.get("/given")
def given():
    return render_template_string("{{ shown() }}", shown=lambda: request.remote_user)


@app.get("/any")
def of_any():
    return page("main")


@app.get("/plain")
def plain():
    return render_template("plain.html", text=render_template_string("{{ 'who' | loud }}"))
"""
    files = {
        "app.py": source,
        "templates/head.html": "{{ whoever() }}",
        "templates/outer.html": "{% include 'head.html' %}{% block inner %}{% endblock %}",
        "templates/pages/inner.html": "{% extends 'outer.html' %}{{ 'text' | loud }}",
        "templates/plain.html": "whoever {{ text | loud }}",
    }
    routes = port(project(tmp_path, files)).report.routes
    assert (routes.ported, routes.left_sync, routes.by_hand) == (1, 0, 4)
