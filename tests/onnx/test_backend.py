"""Every backend case of the onnx package either passes, and is in passing.txt, or is refused by a typed error."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.onnx.cases import KINDS, PASSED, REFUSED, case_named, cases, outcome, passing

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("gcc", "clang", "cc"))), reason="no C compiler on this machine: cases are compiled"
)
SAMPLE_STEP = 24


@pytest.mark.parametrize("name", passing()[::SAMPLE_STEP])
def test_a_sample_of_the_cases(name: str) -> None:
    assert outcome(case_named(name)) == PASSED


def test_the_list_is_sorted_and_names_cases() -> None:
    names = passing()
    assert names == sorted(set(names))
    known = {name for kind in KINDS for name in cases(kind)}
    assert not set(names) - known


def test_the_documents_give_its_length() -> None:
    text = (Path(__file__).parents[2] / "docs" / "onnx-backend.md").read_text(encoding="utf-8")
    assert f"{len(passing()):,} of the ".replace(",", " ") in text


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_case_passes_or_is_refused(kind: str) -> None:
    listed = set(passing())
    problems = []
    for name, case in cases(kind).items():
        result = outcome(case)
        if name in listed and result != PASSED:
            problems.append(f"{name}: {result}")
        elif name not in listed and result == PASSED:
            problems.append(f"{name} passes: add it to tests/onnx/passing.txt")
        elif result not in (PASSED, REFUSED):
            problems.append(f"{name}: {result}")
    assert problems == []
