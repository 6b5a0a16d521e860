"""What `url_for` of Quart's takes, and tells, otherwise than Flask's."""

from __future__ import annotations

import libcst.matchers as m

from service.porting.plan import Plan

_MAKING = {"flask.url_for", "flask.Flask.url_for"}
_WITH_SELF = m.Call(args=[m.ZeroOrMore(), m.Arg(keyword=m.Name("self")), m.ZeroOrMore()])
_OF_SELF = "Quart's url_for takes no `self` for a rule: give what is in the rule another name"
_HANDLING = m.Attribute(attr=m.Name("url_build_error_handlers")) | m.FunctionDef(
    name=m.Name("handle_url_build_error")
)
_WITHOUT = "Quart hands no _anchor, _method, _scheme and _external to this with the values"


def tell_of_urls(plan: Plan) -> None:
    """Report what `url_for` is called with, and what handles its errors."""
    for site in plan.sites("call"):
        if site.paths & _MAKING and m.matches(site.node, _WITH_SELF):
            plan.hand(site.where, site.node, _OF_SELF)
    for module in plan.program.modules.values():
        if "url_build_error" in module.source:
            for node in m.findall(module.tree, _HANDLING):
                plan.note(module, node, _WITHOUT)
