"""Kept choosers answer as new ones do, and look for streams once."""

from __future__ import annotations

import pytest

from edgekit.codegen.integration import USUAL_TRICKS
from edgekit.codegen.lowering import Target
from edgekit.codegen.streaming.choice import Chooser
from edgekit.codegen.streaming.choosers import Choosers
from edgekit.codegen.streaming.schedules import Schedules
from tests.codegen.streaming.networks import random_network

TARGETS = [Target(dsp=True, dual_issue=True), Target(dsp=False), Target(dsp=True, mve=True)]


@pytest.mark.parametrize("seed", range(4))
def test_one_for_much_memory_serves_for_less(seed: int) -> None:
    graph = random_network(seed)
    choosers = Choosers(graph)
    for target in TARGETS:
        whole = choosers.of(target, 1 << 20, False, True, USUAL_TRICKS, {})
        for capacity in (2_000, 4_000, 8_000, 16_000, 64_000):
            kept = choosers.of(target, capacity, False, True, USUAL_TRICKS, {})
            assert kept is whole
            assert kept.cheapest(capacity) == Chooser(graph, target, capacity).cheapest(capacity)
        assert choosers.of(target, 1 << 21, False, True, USUAL_TRICKS, {}) is not whole


def test_schedules_are_the_same_for_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[int]()
    first = Schedules.buffers

    def counted(self: Schedules, stream: object) -> object:
        made.append(len(self._buffers))
        return first(self, stream)  # type: ignore[arg-type]

    monkeypatch.setattr(Schedules, "buffers", counted)
    choosers = Choosers(random_network(1))
    choosers.of(TARGETS[0], 1 << 20, False, True, USUAL_TRICKS, {}).cheapest(1 << 20)
    known, calls = made[-1] + 1, len(made)
    choosers.of(TARGETS[1], 1 << 20, False, True, USUAL_TRICKS, {}).cheapest(1 << 20)
    assert len(made) > calls and max(made) <= known
