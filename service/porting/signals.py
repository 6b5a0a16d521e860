"""Signals of the project's own: who sends one calls its receivers."""

from __future__ import annotations

import re

from .attributes import Attributes
from .program import Function, Program
from .sites import Site
from .values import NOTHING, Arguments, External, Instance, Text, Values, one

_LIBRARY = "blinker."
_MAKING = {"blinker.Namespace.signal", "blinker.signal"}
_PLAIN = re.compile(r"[\w:. -]+")


def signalled(path: str, arguments: Arguments) -> Values | None:
    """What a call of the library gives, if it matters which signal it is of."""
    if path in _MAKING and arguments:
        texts = {value.text for value in arguments[0][1] if isinstance(value, Text)}
        known = frozenset(filter(_PLAIN.fullmatch, texts))
        return frozenset(Instance(f"{_LIBRARY}Signal({name!r})") for name in known) or None
    if path.startswith(_LIBRARY) and path.endswith(".connect_via"):
        return one(External(f"{path}()"))
    return None


def listen(program: Program, function: Function, path: str) -> bool:
    """Bind what a receiver gets, which any of the signals is sent with; whether that is news."""
    if not path.startswith(_LIBRARY):
        return False
    known = program.receivers[_signal_of(path)]
    news = [function not in known]
    known.add(function)
    sender = function.names[:1] if function.owner is None else []
    for name in [*function.names, *function.keyword_only]:
        sent = program.stored.get((_LIBRARY, "" if name in sender else name), NOTHING)
        news.append(function.bind(name, sent))
    return any(news)


def send(evaluation: Attributes, site: Site, path: str, arguments: Arguments) -> None:
    """Note what a signal is sent with, and that its receivers are called."""
    if not path.startswith(_LIBRARY) or not path.endswith((".send", ".send_async")):
        return
    program = evaluation.program
    for name, values in arguments:
        evaluation.store(one(Instance(_LIBRARY)), name, values)
    if path.endswith(".send"):
        program.sent.add(_signal_of(path))
        called = receivers(program, _signal_of(path))
        site.functions |= {function for function in called if not function.was_async}


def receivers(program: Program, signal: str) -> set[Function]:
    """Who may receive a signal; of one that nobody knows, all may."""
    return {
        function
        for other, functions in program.receivers.items()
        if other == signal or not (_is_known(other) and _is_known(signal))
        for function in functions
    }


def is_sent(program: Program, path: str) -> bool:
    """Whether the signal that something is connected to is seen to be sent."""
    signal = _signal_of(path)
    return path.startswith(_LIBRARY) and any(
        other == signal or not (_is_known(other) and _is_known(signal)) for other in program.sent
    )


def _signal_of(path: str) -> str:
    return path.removesuffix("()").rpartition(".")[0]


def _is_known(signal: str) -> bool:
    return signal.endswith("')")
