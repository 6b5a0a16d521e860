"""What the objects of Flask, and of Quart, have by themselves; all else somebody put there."""

from __future__ import annotations

import dis
import inspect
from functools import cache

import flask
import quart
from flask.ctx import _AppCtxGlobals
from flask.sessions import SecureCookieSession
from werkzeug.local import LocalProxy

_CLASSES: dict[str, tuple[type, ...]] = {
    "flask.Flask": (flask.Flask, quart.Quart),
    "flask.Request": (flask.Request, quart.Request),
    "flask.g": (_AppCtxGlobals,),
    "flask.session": (SecureCookieSession,),
}


def may_have(kind: str, name: str) -> bool:
    """Whether an object of this class has the attribute, or nobody knows which ones it has."""
    return kind not in _CLASSES or name in _attributes(kind)


@cache
def _attributes(kind: str) -> set[str]:
    return set(dir(LocalProxy)).union(*(members(of) for of in _CLASSES[kind]))


def members(of: type) -> set[str]:
    """What objects of a class have: by the class, or since they are made."""
    found = set(dir(of))
    for each in of.__mro__:
        made = vars(each).get("__init__")
        if inspect.isfunction(made):
            found |= {
                str(step.argval)
                for step in dis.get_instructions(made)
                if step.opname == "STORE_ATTR"
            }
    return found


def taken() -> set[str]:
    """What requests have under Quart alone: their classes cannot have something else so named."""
    return members(quart.Request) - members(flask.Request)
