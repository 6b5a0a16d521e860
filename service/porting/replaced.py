"""Names that get something else once their module is imported: from tests, from functions."""

from __future__ import annotations

import re

from .program import Program

_NO_VALUE = r"(?:(?<=attribute=)|(?<=name=)|(?<![=\[{])(?<!: ))"
"""Before a text that may name what is replaced: not before an answer that a double is given."""


def is_patched(program: Program, name: str) -> bool:
    """Whether a test names it in a string, for `patch` or `setattr`."""
    named = rf"(?:\.|{_NO_VALUE}[\"']){re.escape(name)}[\"']"
    patching = re.compile(rf"(?:patch|setattr)\b(?:[^\n]*|[\w.]*\([^()]*){named}")
    return any(
        module.is_test and name in module.source and patching.search(module.source)
        for module in program.modules.values()
    )


def is_set_later(program: Program, name: str) -> bool:
    """Whether a test patches it, or anything sets it: of a module, or as `global`."""
    setting = re.compile(
        rf"\b(?!self\.|cls\.)\w+\.{name}\s*[-+|]?=(?!=)|\bglobal\b[^\n]*\b{name}\b"
    )
    sources = (each.source for each in program.modules.values() if name in each.source)
    return any(map(setting.search, sources)) or is_patched(program, name)
