"""Which functions make JSON, and so come to what encodes it for the app."""

from __future__ import annotations

import re

import libcst as cst
import libcst.matchers as m

from service.porting.encoders import ENCODERS
from service.porting.plan import Plan
from service.porting.program import Class, Function
from service.porting.reach import with_callers
from service.porting.registration import ENCODER, ON_THE_LOOP, TEMPLATE, VIEW
from service.porting.sites import Site
from service.porting.values import Many, Row, Values

_MAKING = ("flask.jsonify", "flask.json.", "flask.Flask.json.")

_DUMPING = {"json.dump", "json.dumps"}


def is_of_encoder(function: Function) -> bool:
    """Whether it is what the app asks to encode what becomes JSON."""
    bases = function.owner.external_bases() if function.owner is not None else []
    flasks = (base.rpartition(".")[2] for base in bases if base.startswith("flask."))
    return not ENCODERS.isdisjoint(flasks) or ENCODER in function.roles


def making_json(plan: Plan) -> set[Function]:
    """The functions that call what makes JSON, and the views of whose results it is made."""
    found = {
        site.where
        for site in plan.sites("call")
        if isinstance(site.where, Function)
        if any(path.startswith(_MAKING) for path in site.paths)
    }
    views = (function for function in plan.functions() if VIEW in function.roles)
    return found | {view for view in views if not view.returns or _is_json(view.returns)}


def _is_json(values: Values) -> bool:
    """Whether a view may answer with a list or a dictionary, perhaps beside a status."""
    return any(
        isinstance(value, Many) or (isinstance(value, Row) and any(map(_is_json, value.places[:1])))
        for value in values
    )


def is_used_beside_the_loop(plan: Plan, of: Class) -> bool:
    """Whether all that is seen of an encoder is `cls=` in what no event loop comes to call."""
    if any(_other_mentions(of).search(each.source) for each in plan.program.modules.values()):
        return False
    using = dumping_with(plan, of)
    users = with_callers(using, plan.program.sites.values())
    return bool(using) and not any(_is_on_the_loop(plan, each) for each in users)


def dumping_with(plan: Plan, of: Class) -> set[Function]:
    """The functions that make JSON with an encoder, given as `cls`."""
    using = (site.where for site in plan.sites("call") if _is_given(site, of))
    return {each for each in using if isinstance(each, Function)}


def _is_on_the_loop(plan: Plan, function: Function) -> bool:
    awaits = plan.colours.is_async(function) and not plan.colours.tolerates_blocking(function)
    return awaits or bool(function.roles & {ON_THE_LOOP, TEMPLATE})


def _is_given(site: Site, of: Class) -> bool:
    args = site.node.args if isinstance(site.node, cst.Call) else ()
    named = m.Arg(m.Name(of.name), keyword=m.Name("cls"))
    return not site.paths.isdisjoint(_DUMPING) and any(m.matches(arg, named) for arg in args)


def _other_mentions(of: Class) -> re.Pattern[str]:
    """Where a class is mentioned that is neither defined, nor imported, nor given as `cls`."""
    return re.compile(rf"^(?!\s*(from|import)\b).*(?<!class )(?<!cls=)\b{of.name}\b", re.MULTILINE)
