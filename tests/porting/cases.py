"""Cases of the tool, as data: files before, files after, lines of the report.

A case is a file of `tests/porting/cases`. `=== before NAME` begins a file of the Flask project,
`=== after NAME` what becomes of it (a file without one stays as it is), `=== report` the lines of
the report, `=== map` the `--map` options.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "cases"


@dataclass
class Case:
    """One case.

    Attributes:
        before: the project's files.
        after: those that change, as they come out.
        report: the report's lines, without the counts.
        names: the `--map` options.
    """

    name: str
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    report: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def expected(self) -> dict[str, str]:
        """All files of the ported project."""
        return self.before | self.after


def read(path: Path) -> Case:
    """The case that a file tells."""
    case = Case(path.stem)
    head, *sections = ("\n" + path.read_text()).split("\n=== ")
    assert not head.strip(), path
    for section in sections:
        title, _, text = section.partition("\n")
        what, _, name = title.partition(" ")
        text = text.strip("\n") + "\n" if text.strip() else ""
        if what == "report":
            case.report = text.splitlines()
        elif what == "map":
            case.names = dict(line.split("=") for line in text.split())
        else:
            getattr(case, what)[name] = text
    return case


CASES = {path.stem: read(path) for path in sorted(FOLDER.glob("*.txt"))}
