"""Streams of random networks: the same bits as the reference, rows made once and never missed, on this computer."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory.weights import bytes_read
from edgekit.codegen.program import Constant
from edgekit.codegen.streaming.buffers import line_buffers, lines_of
from edgekit.codegen.streaming.reach import reach_of, runs_by_rows, streamed_inputs, turns
from edgekit.codegen.streaming.stream import Schedule, Stream
from edgekit.codegen.streaming.stripes import can_be_cut, recomputed_macs, stripes_of
from edgekit.host import build_host_model
from edgekit.ops.reference import run_reference
from edgekit.ops.spec import random_codes
from tests.codegen.streaming.networks import coded, random_network, random_streams, striped, turned

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


@pytest.mark.parametrize("seed", range(8))
def test_images_turned_row_by_row_equal_the_reference(seed: int) -> None:
    graph = turned(random_network(seed))
    nodes = tuple(graph.nodes)
    assert turns(nodes[0]) and not turns(nodes[1])
    most = graph.outputs[0].shape[2] if can_be_cut(nodes) else 1
    model = build_host_model(graph, [Stream(nodes, 1 + seed % 3, stripes=min(most, 1 + seed % 4))])
    assert len(model.program.steps) == 1
    x = random_codes(np.random.default_rng(seed), graph.inputs[0].shape)
    (got,) = model([x])
    np.testing.assert_array_equal(got, run_reference(graph, [x])[graph.outputs[0]])


@pytest.mark.parametrize("seed", SEEDS)
def test_stripes_make_every_column_and_read_what_they_have(seed: int) -> None:
    graph = random_network(seed, wider=20)
    nodes = tuple(graph.nodes)
    if not can_be_cut(nodes):
        return
    whole = Stream(nodes, 1)
    assert recomputed_macs(whole) == 0
    recomputed = [recomputed_macs(Stream(nodes, 1, stripes=count)) for count in (2, 4)]
    assert 0 <= recomputed[0] <= recomputed[1]
    for count in (1, 2, 3, 5):
        stripes = stripes_of(Stream(nodes, 1, stripes=count))
        done = 0
        for stripe in stripes:
            assert stripe.made[whole.last.output].first == done
            done = stripe.made[whole.last.output].end
            for node in nodes:
                for value in streamed_inputs(node):
                    here = stripe.standing(value)
                    assert here.first <= stripe.read[node].first and stripe.read[node].end <= here.end
        assert done == graph.outputs[0].shape[2]


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


@pytest.mark.parametrize("seed", range(8))
def test_streams_read_their_weights_as_often_as_whole_layers(seed: int) -> None:
    # A multiplication reads one weight, by rows as in one go; some rows are never made, since nothing reads them.
    graph = random_network(seed)
    programs = [lower(graph, Target(False), groups=groups) for groups in ((), random_streams(graph, seed))]
    whole, rows = (dict(zip(map(_content, p.constants), bytes_read(p), strict=True)) for p in programs)
    assert set(whole) == set(rows) and any(step.readings for step in programs[1].steps)
    for (c_type, rows_of_table), reads in whole.items():
        if c_type == "uint8_t":
            # A table of a function: once in every round at least.
            assert rows[c_type, rows_of_table] >= reads
        else:
            assert 0.75 * reads <= rows[c_type, rows_of_table] <= reads


def _content(table: Constant) -> tuple[str, bytes]:
    return table.c_type, table.rows.tobytes()
