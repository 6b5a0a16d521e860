"""A port from beginning to end: read, decide, write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import copymode
from tokenize import detect_encoding

from .colouring import Colours
from .connections import find_idiom
from .leaving import keep_plain
from .passes.annotations import rewrite_annotations
from .passes.answers import rewrite_answers
from .passes.applications import rewrite_applications
from .passes.awaiting import await_calls
from .passes.blocking import tell_of_blocking, tell_of_log_handlers, tell_of_waiting_for_threads
from .passes.blocks import detach_blocks
from .passes.class_based_views import rewrite_class_based_views
from .passes.connections_left import tell_of_connections_left
from .passes.connections_that_leave import tell_of_connections_that_leave
from .passes.counting import count_routes
from .passes.databases import replace_openers, rewrite_queries
from .passes.deployment import rewrite_deployment
from .passes.doctests import tell_of_doctests
from .passes.doubles import rename_targets, rewrite_doubles
from .passes.entering import enter_blocks
from .passes.entries import unwritten
from .passes.entries_lacking import tell_of_entries
from .passes.environment_of_tests import tell_of_environments
from .passes.environs import rewrite_environs
from .passes.errors import rewrite_errors
from .passes.exits import tell_of_exits
from .passes.expectations import rewrite_expectations
from .passes.files import rewrite_files
from .passes.functions import define_functions
from .passes.half_written import tell_of_half_written
from .passes.handovers import rewrite_handovers
from .passes.imports import rewrite_imports
from .passes.iterators import rewrite_iterators
from .passes.members import tell_of_members
from .passes.memory import tell_of_memory
from .passes.middleware import rewrite_middleware
from .passes.names_passed_on import rename_names_passed_on
from .passes.operators import rewrite_operators
from .passes.overrides import rewrite_overrides
from .passes.plugins import tell_of_plugins
from .passes.rendering import tell_of_rendering
from .passes.request_classes import rewrite_request_classes
from .passes.requirements import tell_of_requirements
from .passes.resources import rewrite_resources
from .passes.running_loops import rewrite_running_loops
from .passes.serving import tell_of_serving
from .passes.settings import keep_prefixes, tell_of_settings
from .passes.settings_of_tests import tell_of_settings_of_tests
from .passes.stream_contexts import tell_of_streams
from .passes.streams import rewrite_streams
from .passes.streams_closed import tell_of_streams_closed
from .passes.streams_without_an_end import tell_of_streams_without_an_end
from .passes.tests_of_werkzeug import rewrite_tests_of_werkzeug
from .passes.testsuites import rewrite_testsuites
from .passes.threads_of_sqlite import share_between_threads
from .passes.unknown_answers import tell_of_unknown_answers
from .passes.urls import tell_of_urls
from .plan import Plan
from .program import Module, Program
from .project import linked_away, read
from .refusals import stuck, used_in
from .report import Kind, Report
from .sites import Site
from .statements import Evaluation

Tell = Callable[[str, int, int], None]

STEPS = (
    replace_openers,
    tell_of_connections_left,
    tell_of_connections_that_leave,
    tell_of_entries,
    rewrite_errors,
    rewrite_testsuites,
    rewrite_tests_of_werkzeug,
    tell_of_memory,
    rewrite_doubles,
    rewrite_handovers,
    rewrite_expectations,
    rewrite_imports,
    rename_names_passed_on,
    rename_targets,
    rewrite_request_classes,
    rewrite_class_based_views,
    rewrite_applications,
    share_between_threads,
    rewrite_resources,
    tell_of_urls,
    rewrite_environs,
    rewrite_middleware,
    rewrite_overrides,
    tell_of_members,
    tell_of_unknown_answers,
    rewrite_files,
    rewrite_streams,
    tell_of_streams,
    tell_of_streams_without_an_end,
    tell_of_streams_closed,
    detach_blocks,
    await_calls,
    enter_blocks,
    rewrite_operators,
    rewrite_running_loops,
    rewrite_answers,
    rewrite_iterators,
    tell_of_settings,
    keep_prefixes,
    tell_of_settings_of_tests,
    tell_of_plugins,
    tell_of_doctests,
    tell_of_environments,
    tell_of_rendering,
    define_functions,
    rewrite_annotations,
    rewrite_queries,
    tell_of_half_written,
    tell_of_blocking,
    tell_of_log_handlers,
    tell_of_waiting_for_threads,
    tell_of_serving,
    tell_of_exits,
    count_routes,
)
"""What makes out the edits; the order matters where the pass says so."""


@dataclass(frozen=True)
class Change:
    """A file that changes.

    Attributes:
        path: relative to the project.
        before: its text; empty for a new file.
        after: its new text.
    """

    path: Path
    before: str
    after: str


@dataclass(frozen=True)
class Port:
    """What a port comes to, before anything is written."""

    root: Path
    changes: list[Change]
    report: Report
    is_parsed: bool
    """Whether any file could be parsed."""

    def write(self) -> None:
        """Write the changed files: all of them, or none.

        Raises:
            OSError: one of them cannot be written.
        """
        with ExitStack() as stack:
            renames = []
            for change in self.changes:
                path = (self.root / change.path).resolve()
                written = path.with_name(f".{path.name}.ported")
                stack.callback(written.unlink, missing_ok=True)
                _write(written, change.after, path)
                renames.append((written, path))
            for written, path in renames:
                written.replace(path)


def _write(written: Path, text: str, path: Path) -> None:
    """Write what is to take a file's place, with its permissions and its encoding."""
    if not path.exists():
        written.write_bytes(text.encode())
        return
    with path.open("rb+") as before:  # which fails if it may not be written
        encoding = detect_encoding(before.readline)[0] if path.suffix == ".py" else "utf-8"
    written.write_bytes(text.encode(encoding))
    copymode(path, written)


def port(
    root: Path,
    names: Mapping[str, str] | None = None,
    tell: Tell = lambda what, done, of: None,
) -> Port:
    """Find out how to port a project. Nothing is written.

    Args:
        root: a directory, or one file.
        names: new names of connections, by their old ones.
        tell: told what is being done, and how much of how much is done.

    Raises:
        NotAProject: there is no Python file at `root`.
    """
    program = read(root, lambda done, of: tell("reading", done, of))
    Evaluation(program, lambda done, of: tell("following calls", done, of)).run()
    plan, outcome = _planned(program, dict(names or {}))
    report = plan.report
    changes = [Change(module.path, module.source, text) for module, text in outcome.items()]
    if root.is_dir():
        others = [Change(*change) for change in rewrite_deployment(plan)]
        changes += [other for other in others if not (root / other.path).is_symlink()]
        tell_of_requirements(plan)
        for link in linked_away(root):
            reason = "a link to outside of the project is left as it is"
            report.tell_of_file(link.as_posix(), Kind.NOTE, reason)
    changes.sort(key=lambda change: change.path)
    report.changed = [change.path.as_posix() for change in changes]
    return Port(program.root, changes, report, bool(program.modules))


def _planned(program: Program, names: dict[str, str]) -> tuple[Plan, dict[Module, str]]:
    """Decide, and make out all edits; once more for files that would not be Python then."""
    plain: set[Module] = set()
    left: set[Module] = set()
    unchanged: set[Module] = set()
    while True:
        plan = _decided(program, Report(), names, left)
        for module in unchanged:
            plan.by_hand[module].add(module.tree)
        _report_on_input(plan)
        for step in STEPS:
            step(plan)
        outcome, broken = plan.outcome()
        if broken == unchanged:
            return plan, outcome
        left |= broken & plain
        plain |= broken
        unchanged = broken & left
        keep_plain(program, plain, left)


def _report_on_input(plan: Plan) -> None:
    names, kept = plan.idiom.names, plan.idiom.kept
    for name in sorted(names.keys() - {*kept, *_bare(kept)}):
        reason = f"--map {name}: no connection is kept by this name"
        plan.report.tell_of_file(".", Kind.NOTE, reason)
    unparsed = plan.program.unparsed
    if not unparsed and not plan.program.is_of_flask:
        plan.report.tell_of_file(
            ".", Kind.NOTE, "no file here imports Flask: nothing is to be done"
        )
    hides = plan.program.module_at("service")
    if hides is not None and plan.program.module_at("service.porting") is None:
        reason = "this hides the package `service` that ported code imports: give it another name"
        plan.report.tell_of_file(hides.path.as_posix(), Kind.HAND, reason)
    for path, line, reason in unparsed:
        plan.report.tell_of_file(path.as_posix(), Kind.HAND, f"cannot be parsed: {reason}", line)


def _bare(names: Iterable[str]) -> set[str]:
    return {name.lstrip("_") for name in names}


def _decided(program: Program, report: Report, names: dict[str, str], left: set[Module]) -> Plan:
    """Convert as many connections as can be; what one of them needs may refuse another."""
    refused = used_in(find_idiom(program, names), left)
    while True:
        idiom = find_idiom(program, names, refused)
        colours = Colours(program, idiom)
        plan = Plan(program, colours, report, idiom)
        found = stuck(idiom, _can_await(colours)) | unwritten(plan)
        if not found.keys() - refused.keys():
            return plan
        refused |= found


def _can_await(colours: Colours) -> Callable[[Site], bool]:
    return lambda site: colours.is_async(colours.owner(site))
