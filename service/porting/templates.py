"""The templates of a project: the names in their expressions, and which others they take in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .template_uses import ANYHOW, Use, uses

SUFFIXES = {".htm", ".html", ".j2", ".jinja", ".jinja2", ".svg", ".txt", ".xml"}
"""Files that may be templates."""

RENDERING_FILES = {"flask.render_template", "flask.stream_template"}
RENDERING_TEXTS = {"flask.render_template_string", "flask.stream_template_string"}
"""What renders a template, by the name of its file or by its text."""

_EXPRESSION = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_FILTER = re.compile(r"\|\s*([A-Za-z_]\w*)")
_HANDED = re.compile(r"(?<=[(\[,=])\s*([A-Za-z_]\w*)\s*(?=[,)\]])")
_MACRO = re.compile(r"\{%-?\s*(?:macro|call)\b[^%]*%\}")
"""What has parameters, and is given nothing there."""
_WORD = re.compile(r"[A-Za-z_]\w*")
_OF_G = re.compile(r"\bg\.([A-Za-z_]\w*)")
_SESSION = re.compile(r"(?<![.\w])(?:session|get_flashed_messages)\b")
_QUOTED = re.compile(r"""["']([^"']+)["']""")


class Templates:
    """All templates of a project.

    Attributes:
        words: the names in the expressions of all of them.
        filters: those of them that are filters.
        handed: those that are arguments, and not called.
        read_from_g: the attributes of `g` in them.
        read_session: whether any of them looks into the session, be it for flashed messages.
    """

    def __init__(self, files: Mapping[str, str], texts: Iterable[str]) -> None:
        """Read the files, by their paths, and what else may have templates in it."""
        self._files = files
        self._uses: dict[str, Mapping[str, Use] | None] = {}
        everything = [*map(_expressions, files.values()), *map(_expressions, texts)]
        self.words = _words(everything)
        self.filters = {name for text in everything for name in _FILTER.findall(text)}
        calling = [_MACRO.sub("", text) for text in everything]
        self.handed = {name for text in calling for name in _HANDED.findall(text)}
        self.read_session = any(map(_SESSION.search, everything))
        self.read_from_g = {name for text in everything for name in _OF_G.findall(text)}

    def words_of(self, text: str) -> set[str]:
        """The names in a template, and in the files that it names."""
        return _words(map(_expressions, self._taken_in(text)))

    def words_at(self, name: str) -> set[str]:
        """The same by the name of a file; the names in all templates if there is no such file."""
        files = self._at(name)
        return self.words_of("".join(files)) if files else self.words

    def use_of(self, text: str, name: str) -> Use:
        """How a template, and the files that it names, use what they are given by a name."""
        if text not in self._uses:
            self._uses[text] = uses(self._taken_in(text), self._at)
        known = self._uses[text]
        return ANYHOW if known is None else known.get(name, Use())

    def use_at(self, file: str, name: str) -> Use:
        """The same by the name of a file."""
        files = self._at(file)
        return self.use_of(files[0], name) if len(files) == 1 else ANYHOW

    def _taken_in(self, text: str) -> list[str]:
        """A template, and the files that it names."""
        found: list[str] = []
        queue = [text]
        while queue:
            here = queue.pop()
            found.append(here)
            for name in _QUOTED.findall(_expressions(here)):
                queue += [file for file in self._at(name) if file not in (*found, *queue)]
        return found

    def _at(self, name: str) -> list[str]:
        return [text for path, text in self._files.items() if f"/{path}".endswith(f"/{name}")]


def _expressions(text: str) -> str:
    return "".join(_EXPRESSION.findall(text))


def _words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in _WORD.findall(text)}
