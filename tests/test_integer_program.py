"""Integer programs, and that they leave standard output alone."""

from __future__ import annotations

import os

import numpy as np
import pytest

from edgekit import integer_program
from edgekit.integer_program import at_most, cheapest_choice


def test_the_cheapest_choice_within_limits() -> None:
    # Two of three at least, and not the cheapest two together.
    limits = at_most([({0: -1.0, 1: -1.0, 2: -1.0}, -2.0), ({0: 1.0, 1: 1.0}, 1.0)], 3)
    outcome = cheapest_choice([1.0, 2.0, 4.0], limits, 100)
    assert np.round(outcome.x).tolist() == [1, 0, 1] and outcome.fun == 5
    assert np.round(cheapest_choice([1.0, 2.0, 4.0], limits, 100, [0, 1, 1]).x).tolist() == [0, 1, 1]


def test_what_the_solver_prints_is_no_output(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    solve = integer_program.milp

    def chatty(*args: object, **options: object) -> object:
        os.write(1, b"repaired a solution\n")
        return solve(*args, **options)

    monkeypatch.setattr(integer_program, "milp", chatty)
    cheapest_choice([1.0], [], 100)
    print("the result")
    out, err = capfd.readouterr()
    assert out == "the result\n" and "repaired" in err
