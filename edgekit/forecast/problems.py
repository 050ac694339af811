"""What keeps a model from being built, one record per layer, out of the errors that name all of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgekit.errors import UnsupportedModel

_LAYER = re.compile(
    r"layer (?P<quote>['\"])(?P<layer>.*?)(?P=quote)(?: \((?P<op>[^)]*)\))?: (?P<why>.*?)(?:; (?P<rewrite>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Problem:
    """One reason.

    Attributes:
        layer: its name, or None where the reason is the model as a whole.
        op: the operator as the file format or edgekit calls it, or None.
        why, rewrite: what is wrong, and what to do instead (None where the reason says it).
    """

    layer: str | None
    op: str | None
    why: str
    rewrite: str | None


def problems_of(error: UnsupportedModel) -> list[Problem]:
    """The layers that an error names, in its order; the whole error as one problem where it names none."""
    text = str(error)
    head, *lines = text.split("\n  ")
    return [_problem(line) for line in (lines or [head])]


def _problem(text: str) -> Problem:
    found = _LAYER.fullmatch(text)
    if found is None:
        return Problem(None, None, text, None)
    return Problem(found["layer"], found["op"], found["why"], found["rewrite"])
