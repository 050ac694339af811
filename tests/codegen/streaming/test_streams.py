"""Streams of random networks: the same bits as the reference, rows made once and never missed, on this computer."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.codegen.streaming.buffers import line_buffers, lines_of
from edgekit.codegen.streaming.reach import reach_of, runs_by_rows, streamed_inputs
from edgekit.codegen.streaming.stream import Schedule, Stream
from edgekit.host import build_host_model
from edgekit.ops.reference import run_reference
from edgekit.ops.spec import random_codes
from tests.codegen.streaming.networks import coded, random_network, random_streams, striped

SEEDS = range(24)


@pytest.mark.parametrize("cut", [False, True], ids=["whole rows", "stripes"])
@pytest.mark.parametrize("seed", SEEDS)
def test_streams_equal_the_reference(seed: int, cut: bool) -> None:
    graph = coded(random_network(seed), (8, 8, 4, 8, 3, 2)[seed % 6])
    streams = random_streams(graph, seed)
    streams = striped(streams, seed) if cut else streams
    assert all(runs_by_rows(node) for stream in streams for node in stream.nodes)
    model = build_host_model(graph, streams)
    assert sum(step.rounds > 0 for step in model.program.steps) == len(streams)
    x = random_codes(np.random.default_rng(seed), graph.inputs[0].shape)
    for _ in range(2):  # the second run starts with what the first one left in the buffers
        (got,) = model([x])
        np.testing.assert_array_equal(got, run_reference(graph, [x])[graph.outputs[0]])
        x = x[:, ::-1].copy()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_row_is_made_once_and_is_there_when_it_is_read(seed: int) -> None:
    graph = random_network(seed)
    for rows in (1, 2, 3, 5):
        schedule = Schedule(Stream(tuple(graph.nodes), rows))
        ends = dict.fromkeys(schedule.stream.inside, 0)
        done = 0
        for index in range(schedule.rounds):
            now = schedule.round(index)
            for value in schedule.stream.inside:
                assert now.made[value].first >= ends[value] and now.kept[value] <= now.made[value].first
                ends[value] = max(ends[value], now.made[value].end)
            for node in graph.nodes:
                made, reach = now.made[node.output], reach_of(node)
                for value in streamed_inputs(node):
                    if made.count and value in now.kept:
                        assert now.kept[value] <= reach.first(made.first) and reach.end(made.end) <= ends[value]
            assert now.made[graph.nodes[-1].output].first == done
            done = now.made[graph.nodes[-1].output].end
        assert done == graph.outputs[0].shape[1]


@pytest.mark.parametrize("seed", SEEDS)
def test_line_buffers_never_meet(seed: int) -> None:
    graph = random_network(seed)
    schedule = Schedule(Stream(tuple(graph.nodes), 1 + seed % 3))
    buffers, lines = line_buffers(schedule, range(schedule.rounds)), lines_of(schedule, range(schedule.rounds))
    for at in range(len(graph.nodes)):
        taken = sorted((buffers.offsets[line.value], line.extent(at)) for line in lines if line.extent(at))
        ends = [start + size for start, size in taken]
        assert all(end <= start for end, (start, _) in zip(ends[:-1], taken[1:], strict=True))
        assert buffers.free[at] == max(ends, default=0) <= buffers.size
