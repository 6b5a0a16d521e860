"""Reading a project: its Python files, and the names by which they import each other."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tokenize import detect_encoding

import libcst as cst

from .collected import collected
from .on_the_path import found_on_the_path
from .program import Module, Program
from .templates import SUFFIXES, Templates

_SKIPPED = {"node_modules", "site-packages", "__pycache__", "build", "dist", "venv", "env"}
_IMPORTS_SRC = re.compile(rb"^[ \t]*(?:from|import)[ \t]+src\b", re.MULTILINE)


class NotAProject(Exception):
    """There is nothing to port at a path; the text says why."""


def read(root: Path, tell: Callable[[int, int], None] = lambda done, of: None) -> Program:
    """Parse every Python file below `root`, or the one file that it is.

    Args:
        root: a directory or a file. Virtual environments, hidden directories and installed
            packages are left out.
        tell: told, after each file, how many of how many are read.

    Raises:
        NotAProject: there is no Python file.
    """
    if root.is_file() and not _is_python(root):
        raise NotAProject(f"{root}: neither a Python file nor a directory")
    paths = [root] if root.is_file() else list(python_files(root))
    if not paths:
        raise NotAProject(f"{root}: no Python file is here")
    top = root.parent if root.is_file() else root
    program = Program(top, {})
    tests = collected(top)
    above = top / "src"
    if any(_IMPORTS_SRC.search(path.read_bytes()) for path in paths):
        above = top
    for number, path in enumerate(paths, 1):
        try:
            name = _module_name(above if path.is_relative_to(above) else top, path)
            if name in program.modules:  # as app.py and src/app.py: both cannot be imported by it
                name = path.relative_to(top).with_suffix("").as_posix().replace("/", ".")
            module = Module(path.relative_to(top), name, _text(path))
            module.collected = tests
        except (cst.ParserSyntaxError, UnicodeDecodeError, SyntaxError, RecursionError) as error:
            program.unparsed.append((path.relative_to(top), *_unreadable(path, error)))
        else:
            program.modules[module.name] = module
        tell(number, len(paths))
    program.on_the_path = found_on_the_path(top, program.modules)
    program.templates = _templates(program)
    return program


def _is_python(path: Path) -> bool:
    """Whether a file is Python by its name, or by the line that says what runs it."""
    with path.open("rb") as file:
        first = file.readline()
    return path.suffix == ".py" or (first.startswith(b"#!") and b"python" in first)


def _templates(program: Program) -> Templates:
    """All templates, those in texts of modules included."""
    found = {
        path.relative_to(program.root).as_posix(): path.read_text(errors="replace")
        for path in files(program.root)
        if path.suffix in SUFFIXES
    }
    return Templates(found, (module.source for module in program.modules.values()))


def _text(path: Path) -> str:
    """A module's source, in the encoding that it names."""
    with path.open("rb") as file:
        encoding, _ = detect_encoding(file.readline)
    return path.read_bytes().decode(encoding)


def files(root: Path) -> Iterator[Path]:
    """Every file of a project, in a fixed order."""
    for directory, names, found in os.walk(root):
        here = Path(directory)
        names[:] = sorted(
            name for name in names if not _is_skipped(here / name) and name not in _SKIPPED
        )
        yield from (here / name for name in sorted(found))


def linked_away(root: Path) -> Iterator[Path]:
    """The links to Python files, and directories, outside of a project: they are left out."""
    whole = root.resolve()
    for directory, names, found in os.walk(root):
        here = Path(directory)
        names[:] = [n for n in names if not _is_skipped(here / n) and n not in _SKIPPED]
        for link in (here / name for name in [*names, *found]):
            is_code = link.suffix == ".py" or link.is_dir()
            if link.is_symlink() and is_code and not link.resolve().is_relative_to(whole):
                yield link.relative_to(root)


def python_files(root: Path) -> Iterator[Path]:
    """The Python files of a project; links to files are left out."""
    found = (path for path in files(root) if path.suffix == ".py" and path.is_file())
    return (path for path in found if not path.is_symlink())


def _is_skipped(directory: Path) -> bool:
    return (
        directory.name.startswith(".")
        or directory.name.endswith(".egg-info")
        or (directory / "pyvenv.cfg").exists()
    )


def _module_name(top: Path, path: Path) -> str:
    """The name it is imported by, from a folder above."""
    parts = list(path.relative_to(top).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
        if not parts:
            return path.parent.name
    return ".".join(parts)


def _unreadable(path: Path, error: Exception) -> tuple[int, str]:
    """The line where a file is not Python, what Python says of it, and what to do."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    to_do = f"make it Python {version}, which this runs on, and run this again"
    try:
        compile(path.read_bytes(), path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as found:  # a ValueError is for null bytes
        error = found
    except RecursionError:
        to_do = "an expression in it is nested too deeply"
    line = getattr(error, "lineno", None) or getattr(error, "raw_line", None) or 0
    what = getattr(error, "msg", None) or str(error).strip().splitlines()[0]
    return line, f"{what}: {to_do}"
