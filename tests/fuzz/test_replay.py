"""Every file of the corpus, and every input that once failed, through its target."""

from __future__ import annotations

import pytest

from tests.fuzz.guard import time_limit
from tests.fuzz.run import CORPUS, CRASHES
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_known_inputs_are_built_or_refused(target: str) -> None:
    files = sorted([*(CORPUS / target).glob("*"), *(CRASHES / target).glob("*")])
    assert files
    for file in files:
        try:
            with time_limit():
                TARGETS[target](file.read_bytes())
        except BaseException as error:
            raise AssertionError(f"{file.relative_to(CORPUS.parent)}: {type(error).__name__}: {error}") from error
