"""``service port``, as a process of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, run

import pytest
from click.testing import CliRunner

from service.cli import main
from service.porting.porting import port
from tests.command import ROOT, running

from .test_cases import project, written

APP = """from flask import Flask, render_template

app = Flask(__name__)


@app.route("/")
def index():
    return render_template("index.html")
"""


async def test_without_write_it_shows_a_diff_and_exits_with_1(tmp_path: Path) -> None:
    project(tmp_path, {"app.py": APP})
    async with running("port", str(tmp_path)) as command:
        status, errors = await command.ended()
    assert (status, errors) == (1, "")
    assert command.lines[:3] == ["--- a/app.py", "+++ b/app.py", "@@ -1,8 +1,10 @@"]
    assert '+    return await render_template("index.html")' in command.lines
    assert command.lines[-2] == "routes: 1 ported, 0 left sync, 0 needing a hand"
    assert written(tmp_path) == {"app.py": APP}


async def test_with_write_it_writes_and_there_is_nothing_more_to_do(tmp_path: Path) -> None:
    project(tmp_path, {"app.py": APP})
    async with running("port", "--write", str(tmp_path)) as command:
        assert await command.ended() == (0, "")
    assert "@@" not in "".join(command.lines)
    assert "await render_template" in (tmp_path / "app.py").read_text()
    async with running("port", str(tmp_path)) as command:
        assert await command.ended() == (0, "")


async def test_json_is_for_programs(tmp_path: Path) -> None:
    project(tmp_path, {"app.py": APP.replace("flask import", "flask import escape,")})
    async with running("port", "--json", str(tmp_path / "app.py")) as command:
        assert (await command.ended())[0] == 1
    told = json.loads("\n".join(command.lines))
    assert told["routes"] == {"ported": 1, "left_sync": 0, "by_hand": 0}
    assert told["changed"] == ["app.py"]


async def test_bad_input_is_one_clear_line(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("print = 1\n")
    for arguments, expected in [
        ([str(tmp_path)], f"Error: {tmp_path}: no Python file is here"),
        ([str(notes)], f"Error: {notes}: neither a Python file nor a directory"),
        (["--map", "db", str(tmp_path)], "'db': write OLD=NEW, as in db=a"),
        (["--map", 'db=a"b', str(tmp_path)], "allowed: a Python identifier"),
        (["--map", "db=a", "--map", "log=a", str(tmp_path)], "'a' twice: each needs its own name"),
        (["--map", "db=a", "--map", "db=b", str(tmp_path)], "'db' twice: which is meant?"),
        ([str(tmp_path / "none")], "does not exist"),
    ]:
        async with running("port", *arguments) as command:
            status, errors = await command.ended()
        assert status == 2
        assert expected in errors.splitlines()[-1]


def test_without_libcst_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("service.porting.command", raising=False)
    monkeypatch.setitem(sys.modules, "service.porting.command", None)
    result = CliRunner().invoke(main, ["port", str(tmp_path)])
    assert result.exit_code == 2
    assert "pip install 'service[port]'" in result.output


async def test_a_file_that_cannot_be_parsed_is_told_with_its_line(tmp_path: Path) -> None:
    project(tmp_path, {"broken.py": "from flask import Flask\n\napp = = Flask(__name__)\n"})
    async with running("port", str(tmp_path / "broken.py")) as command:
        assert await command.ended() == (1, "")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    reason = f"invalid syntax: make it Python {version}, which this runs on, and run this again"
    assert command.lines[0] == f"broken.py:3: hand: cannot be parsed: {reason}"
    assert "nothing is to be done" not in "".join(command.lines)


async def test_a_program_may_have_another_name(tmp_path: Path) -> None:
    project(tmp_path, {"manage": "#!/usr/bin/env python3\n" + APP})
    async with running("port", "--write", str(tmp_path / "manage")) as command:
        assert await command.ended() == (0, "")
    assert "await render_template" in (tmp_path / "manage").read_text()


async def test_links_are_left_and_what_they_lead_to_outside(tmp_path: Path) -> None:
    inside, outside = tmp_path / "project", tmp_path / "outside"
    project(inside, {"real.py": APP})
    project(outside, {"other.py": APP, "package/more.py": APP})
    (inside / "alias.py").symlink_to("real.py")
    (inside / "other.py").symlink_to(outside / "other.py")
    (inside / "package").symlink_to(outside / "package")
    async with running("port", "--write", str(inside)) as command:
        assert await command.ended() == (0, "")
    left = "note: a link to outside of the project is left as it is"
    assert command.lines[:2] == [f"other.py:0: {left}", f"package:0: {left}"]
    assert "await render_template" in (inside / "real.py").read_text()
    assert (inside / "alias.py").is_symlink()
    assert written(outside) == {"other.py": APP, "package/more.py": APP}


async def test_what_cannot_be_written_leaves_everything_as_it_was(tmp_path: Path) -> None:
    sources = {"a.py": APP, "b.py": APP, "c.py": APP}
    project(tmp_path, sources)
    (tmp_path / ".b.py.ported").mkdir()
    async with running("port", "--write", str(tmp_path)) as command:
        status, errors = await command.ended()
    assert status == 2
    assert errors.startswith("Error: nothing was changed: ")
    assert errors.count("\n") <= 1
    (tmp_path / ".b.py.ported").rmdir()
    assert written(tmp_path) == sources


def test_the_files_stay_what_they_were_otherwise(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_bytes(b"\xef\xbb\xbf" + APP.encode())
    (tmp_path / "real.py").chmod(0o750)
    (tmp_path / "app.py").symlink_to("real.py")
    port(tmp_path / "app.py").write()
    assert (tmp_path / "app.py").is_symlink()
    text = (tmp_path / "real.py").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    assert b"await render_template" in text
    assert (tmp_path / "real.py").stat().st_mode & 0o777 == 0o750


def test_it_runs_among_the_modules_of_the_project(tmp_path: Path) -> None:
    project(tmp_path, {"app.py": APP, "config.py": "DEBUG = True\n"})
    command = [sys.executable, "-m", "service", "port", "--write", "."]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "await render_template" in (tmp_path / "app.py").read_text()


def test_20_000_lines_take_less_than_a_minute_and_show_how_far_it_is(tmp_path: Path) -> None:
    applications = Path(__file__).parent / "applications"
    source = (applications / "toolbox" / "toolbox.py").read_text()
    count = -(-20_000 // source.count("\n"))
    project(tmp_path, {f"part{number}/toolbox.py": source for number in range(count)})
    terminal, of_command = pty.openpty()
    command = Popen(
        [sys.executable, "-m", "service", "port", "--write", str(tmp_path)],
        stdout=DEVNULL,
        stderr=of_command,
    )
    os.close(of_command)
    shown = "".join(printed(terminal))
    _, status, used = os.wait4(command.pid, 0)
    command.returncode = os.waitstatus_to_exitcode(status)
    assert command.returncode == 0
    assert used.ru_utime + used.ru_stime < 60  # other processes do not count
    assert re.search(r"\r(reading|following calls) +\[#*\.*\] \d+/\d+", shown)
    for number in range(count):
        assert "quart" in (tmp_path / f"part{number}" / "toolbox.py").read_text()


def printed(terminal: int) -> Iterator[str]:
    """What comes at this end of a terminal, until nobody has the other."""
    with suppress(OSError), open(terminal, "rb", buffering=0) as screen:
        while text := screen.read(1024):
            yield text.decode()


def test_who_reads_may_stop_before_the_end(tmp_path: Path) -> None:
    long = "".join(f"\n\n@app.get('/{n}')\ndef view{n}():\n    return ''\n" for n in range(2_000))
    project(tmp_path, {"app.py": APP + long})
    program = [sys.executable, "-m", "service", "port", str(tmp_path)]
    with Popen(program, stdout=PIPE, stderr=PIPE) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.readline()
        command.stdout.close()
        assert command.stderr.read() == b""
        assert command.wait() == 1
