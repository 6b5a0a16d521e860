"""What all passes work on: the project, the colours, the edits, the report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import libcst as cst

from .colouring import Colours
from .either import may_meet_either
from .flask_types import canonical
from .idiom import Idiom
from .imports_left import ImportsLeft
from .outside import reached_outside
from .program import Function, Module, Program, Scope
from .reach import with_called
from .registration import CALLED_BY_AN_APP
from .report import Kind, Report
from .rewriter import Edits
from .sites import Site
from .values import NOTHING, External, Values

RUNTIME = "service.connections"
"""Where ported code imports the layer from."""
RUN, GET_DB, CONNECTIONS = "run", "get_db", "Connections"
RUNNING = "service.porting.runtime"
"""Where ported apps import what Quart's requests and responses lack."""
COPY_CONTEXT = "copy_current_request_context"
AWAIT_IF_AWAITABLE, RUN_IF_AWAITABLE = "await_if_awaitable", "run_if_awaitable"
ENSURE_ASYNC, PORTED_REQUEST = "ensure_async", "PortedRequest"
RUN_APART, STREAM = "run_apart", "stream_with_context"
SENDING = "service.porting.sending"
"""Where ported apps import what sends files."""
TEMPLATING, ENVIRONMENT = "service.porting.templating", "PortedEnvironment"
"""Where ported apps import an environment for their templates."""
SESSIONS = "service.porting.sessions"
"""Where ported apps import what keeps their sessions."""
REQUEST_CONTEXTS = "service.porting.request_contexts"
"""Where ported code imports contexts of requests that nobody sends."""
VIEWS = "service.porting.views"
"""Where ported apps import class-based views whose objects wait while they are made."""
TESTING = "service.porting.testing"
"""Where ported tests import what Quart's test client lacks."""


@dataclass
class Plan:
    """The state of a port between reading and writing."""

    program: Program
    colours: Colours
    report: Report
    idiom: Idiom
    entries: dict[str, str] = field(default_factory=dict)
    """What CONNECTIONS gets, by name, as source."""
    borrowed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """What these need from other modules, to be imported where they are written."""
    by_hand: dict[Module, set[cst.CSTNode]] = field(default_factory=lambda: defaultdict(set))
    """Where a hand is needed."""
    called_by_templates: set[Function] = field(default_factory=set)
    """Those of them that work for every other caller."""
    _edits: dict[Module, Edits] = field(default_factory=dict)

    def edits(self, module: Module) -> Edits:
        """The edits of one module."""
        if module not in self._edits:
            self._edits[module] = Edits(module)
        return self._edits[module]

    def name_of(self, kept: str) -> str:
        """The name in CONNECTIONS of what the project keeps under a name."""
        return self.idiom.name_of(kept)

    def hand(self, scope: Scope, node: cst.CSTNode, reason: str) -> None:
        """Report something that does not work as it is."""
        self.by_hand[scope.module].add(node)
        self.report.tell(scope.module, node, Kind.HAND, reason)

    def note(self, scope: Scope, node: cst.CSTNode, reason: str) -> None:
        """Report something that works in another way than before."""
        self.report.tell(scope.module, node, Kind.NOTE, reason)

    def sites(self, role: str) -> Iterator[Site]:
        """The sites of one role."""
        return (site for site in self.program.sites.values() if site.role == role)

    def handed(self, function: Function) -> list[Site]:
        """The calls that a function is handed to, of what is not of the project."""
        return self._handed.get(function, [])

    @cached_property
    def _handed(self) -> dict[Function, list[Site]]:
        found = defaultdict(list)
        for site in self.sites("call"):
            for function in site.escaping:
                found[function].append(site)
        return found

    @cached_property
    def outside(self) -> set[Function]:
        """The functions that may be called outside of any app context."""
        return reached_outside(self.program)

    @cached_property
    def reached(self) -> set[Function]:
        """The functions that a route, a hook or a command comes to call, or to hand over."""
        begun = (each for each in self.functions() if each.roles & CALLED_BY_AN_APP)
        return with_called(begun, self.program.sites.values(), handing=True)

    @cached_property
    def meeting_either(self) -> set[Function]:
        """The functions that may meet something which is awaitable, or is not."""
        return may_meet_either(self.colours)

    def functions(self) -> Iterator[Function]:
        """All functions of the project."""
        return iter(self.program.functions.values())

    def outcome(self) -> tuple[dict[Module, str], set[Module]]:
        """The new source of every module that changes; and those that would not be Python."""
        found, broken = {}, set()
        imports = ImportsLeft(self.program)
        for module, edits in self._edits.items():
            try:
                source = edits.apply()
                if source != module.source:
                    source = imports.set_right(module, source, edits.renamed)
                compile(source, module.path, "exec", dont_inherit=True)
            except (SyntaxError, cst.CSTValidationError) as error:
                reason = f"left as it is, since what came out is not Python: {error}"
                self.report.tell_of_file(module.path.as_posix(), Kind.HAND, reason)
                broken.add(module)
                continue
            if source != module.source:
                found[module] = source
        return found, broken


def paths(values: Values) -> set[str]:
    """The dotted names among the values."""
    return {value.path for value in values if isinstance(value, External)}


def meant(module: Module, name: str) -> set[str]:
    """The paths that a dotted name of a module stands for."""
    first, _, rest = name.partition(".")
    known = paths(module.bindings.get(first, NOTHING))
    return {canonical(f"{path}.{rest}" if rest else path) for path in known}
