"""Which functions make JSON, and so come to what encodes it for the app."""

from __future__ import annotations

from service.porting.encoders import ENCODERS
from service.porting.plan import Plan
from service.porting.program import Function
from service.porting.registration import ENCODER, VIEW
from service.porting.values import Many, Row, Values

_MAKING = ("flask.jsonify", "flask.json.", "flask.Flask.json.")


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
