"""Modules that are imported by a call: by a name, or from a file."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import libcst as cst
import libcst.matchers as m

from .environment import Environment
from .nodes import text_of
from .program import Function, Module
from .records import Records
from .sites import Site
from .values import (
    NOTHING,
    Arguments,
    External,
    Instance,
    ModuleValue,
    Text,
    Values,
    one,
    something_of,
)

_SPECIFYING = "importlib.util.spec_from_file_location"
_FROM_LOADER = "importlib.util.spec_from_loader"
_OF_SPEC = "importlib.util.module_from_spec"
_MAKING_LOADER = "importlib.machinery.SourceFileLoader"
_LOADING = "imp.load_source"
_RUNNING = "runpy.run_path"
_AGAIN = {"importlib.reload", "imp.reload"}
_PLACES = {_SPECIFYING: 1, _MAKING_LOADER: 1, _LOADING: 1, _RUNNING: 0}
"""Calls that are given a module's file: which of their arguments that is."""
_BY_KEYWORD = {"location", "path", "path_name", "pathname"}
FROM_FILES = {_SPECIFYING, _MAKING_LOADER, _LOADING}
"""Those by which the file is imported."""
_OF_PACKAGE = "builtins.__import__"
_IMPORTING = {
    *("importlib.import_module", "runpy.run_module", "werkzeug.utils.import_string"),
    *(*_PLACES, _FROM_LOADER, _OF_SPEC, _OF_PACKAGE, *_AGAIN),
}
_BY_LOADER = (".exec_module", ".load_module")


def imports(path: str) -> bool:
    """Whether a call gives a module, what a dotted name stands for, or what leads to these."""
    return path in _IMPORTING or (path.startswith(_MAKING_LOADER) and path.endswith(_BY_LOADER))


_MODULE = "module"
_KNOWN = ("importlib.", "os.", "pathlib.", "builtins.")
"""Where what leads to a file beside the code comes from."""


class Importing(Records):
    """The evaluation of calls that import."""

    def imported_by_call(
        self, site: Site, path: str, arguments: Arguments, env: Environment
    ) -> Values:
        """The module that such a call gives; of a file, what specifies it."""
        if path.endswith(_BY_LOADER):
            return self._loaded(site.node, env)
        first = arguments[0][1] if arguments else NOTHING
        if path in _AGAIN:
            return first
        if path == _OF_SPEC:
            return self.attribute(first, _MODULE)
        if path == _FROM_LOADER:
            given = NOTHING.union(*(values for _, values in arguments))
            return self._leading(path, self.attribute(given, _MODULE))
        if path == _OF_PACKAGE and not _is_of_members(site.node):
            texts = (value.text for value in first if isinstance(value, Text))
            return NOTHING.union(*(self._package(text, env) for text in texts))
        if path not in _PLACES:
            return self._imported_by_name(first, "importlib", env)
        found = self._from_file(site.node, _PLACES[path], env)
        self.program.values[site.node] = found
        return found if path in {_LOADING, _RUNNING} else self._leading(path, found)

    def _leading(self, path: str, found: Values) -> Values:
        """A specification of modules, or a loader of them: it has them as an attribute."""
        where = sorted(value.module.name for value in found if isinstance(value, ModuleValue))
        made = one(Instance(f"{path} of {', '.join(where)}"))
        self.store(made, _MODULE, found)
        return made

    def _package(self, name: str, env: Environment) -> Values:
        """What `__import__` gives of a dotted name: the package that all of it is in."""
        outermost = self.imported(name.partition(".")[0], env.scope.module)
        known = any(isinstance(value, ModuleValue) for value in outermost)
        return outermost if known else self.imported(name, env.scope.module)

    def _loaded(self, node: cst.CSTNode, env: Environment) -> Values:
        """What a loader loads; a module that it is given becomes that."""
        if not isinstance(node, cst.Call):
            return NOTHING
        found = self.attribute(self.program.values.get(node.func, NOTHING), _MODULE)
        for arg in node.args[:1]:
            if isinstance(arg.value, cst.Name) and found:
                self.change(env, arg.value.value, found)
        return found

    def _subscript(self, node: cst.Subscript, env: Environment) -> Values:
        """What `[...]` gives: of what is left when a module was run, too."""
        found = super()._subscript(node, env)
        run = self.evaluate(node.value, env)
        return found | self._members(run, self._key(node, env))

    def held(self, base: Values, found: Values, given: Arguments) -> Values:
        """What `get` returns, of such a thing as well."""
        names = given[0][1] if given else NOTHING
        return super().held(base, found, given) | self._members(base, names)

    def _members(self, run: Values, names: Values) -> Values:
        modules = [value.module for value in run if isinstance(value, ModuleValue)]
        texts = [value.text for value in names if isinstance(value, Text)]
        return NOTHING.union(*(self.member(of, text) for of in modules for text in texts))

    def _imported_by_name(self, names: Values, path: str, env: Environment) -> Values:
        """What is found by names that are written out; and something else, if others are not."""
        texts = {value.text.replace(":", ".") for value in names if isinstance(value, Text)}
        found = NOTHING
        for text in sorted(texts):
            module = self.module(text, env.scope.module)
            found |= one(ModuleValue(module)) if module else self.at(text)
        return found if len(texts) == len(names) else found | one(something_of(path))

    def _from_file(self, node: cst.CSTNode, place: int, env: Environment) -> Values:
        """The modules whose files a call may be given; nothing if one is not known."""
        args = node.args if isinstance(node, cst.Call) else ()
        by_keyword = [arg for arg in args if arg.keyword and arg.keyword.value in _BY_KEYWORD]
        given = [arg.value for arg in (*by_keyword, *args[place:])]
        if not given:
            return NOTHING
        at = given[0]
        named = self.look_up(env, at.value) if isinstance(at, cst.Name) else NOTHING
        whole = {text_of(at) or "", *(value.text for value in named if isinstance(value, Text))}
        if any(text.startswith("/") for text in whole):
            return NOTHING  # nothing beside the code
        written = self._written(at, env, frozenset())
        modules = [_at_path(self.program.modules.values(), each) for each in sorted(written)]
        known = [ModuleValue(module) for module in modules if module is not None]
        return frozenset(known) if len(known) == len(modules) else NOTHING

    def _written(self, node: cst.CSTNode, env: Environment, above: frozenset[str]) -> set[str]:
        """What the path that an expression gives may be, as far as it is written out."""
        if (text := text_of(node)) is not None:
            return {text}
        if isinstance(node, cst.Name):
            return self._written_by_name(node.value, env, above)
        if isinstance(node, cst.FormattedStringText):
            return {node.value}
        if isinstance(node, cst.Attribute):
            return self._written(node.value, env, above)
        joint = "/"
        if isinstance(node, cst.Call):
            parts: list[cst.CSTNode] = [node.func, *(arg.value for arg in node.args)]
        elif isinstance(node, cst.BinaryOperation):
            parts = [node.left, node.right]
            joint = "" if isinstance(node.operator, cst.Add) else "/"
        elif isinstance(node, cst.FormattedString):
            parts, joint = list(node.parts), ""
        elif isinstance(node, cst.FormattedStringExpression):
            parts = [node.expression]
        elif isinstance(node, cst.Subscript):
            parts = [node.value]
        else:
            return set()
        found = product(*(self._written(part, env, above) for part in parts))
        return {joint.join(each) for each in found}

    def _written_by_name(self, name: str, env: Environment, above: frozenset[str]) -> set[str]:
        values = self.look_up(env, name)
        texts = {value.text for value in values if isinstance(value, Text)}
        if texts or name in above:
            return texts if len(texts) == len(values) else set()
        for scope in (env.where, env.scope.module):
            if isinstance(scope, Function) and name in {*scope.names, *scope.keyword_only}:
                return set()
            if assigned := _assigned(scope, name):
                found = [self._written(each, env, above | {name}) for each in assigned]
                return set().union(*found) if all(found) else set()
        origins = {value.path for value in values if isinstance(value, External)}
        origins |= {value.kind for value in values if isinstance(value, Instance)}
        known = all(f"{origin}.".startswith(_KNOWN) for origin in origins)
        return {""} if name == "__file__" or (origins and known) else set()


def _is_of_members(node: cst.CSTNode) -> bool:
    """Whether `__import__` is asked for members of a module, and so gives this."""
    args = node.args if isinstance(node, cst.Call) else ()
    return any(arg.keyword and arg.keyword.value == "fromlist" for arg in args) or len(args) > 3


def _assigned(scope: Function | Module, name: str) -> list[cst.BaseExpression]:
    """What is assigned to a name there."""
    tree = scope.node if isinstance(scope, Function) else scope.tree
    target = m.AssignTarget(m.Name(name))
    found = m.findall(tree, m.Assign(targets=[target]) | m.AnnAssign(target=m.Name(name)))
    return [
        each.value for each in found if isinstance(each, cst.Assign | cst.AnnAssign) and each.value
    ]


def _at_path(modules: Iterable[Module], path: str) -> Module | None:
    """The one module whose path ends with what is written of it, or is what that ends with."""
    written = tuple(part for part in path.split("/") if part not in {"", ".", ".."})
    paths = {module: module.path.parts for module in modules}
    if not written:
        return None
    found = [module for module in paths if paths[module][-len(written) :] == written]
    found = found or [each for each in paths if written[-len(paths[each]) :] == paths[each]]
    return found[0] if len(found) == 1 else None
