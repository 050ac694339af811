"""The lowered program: kernel calls over buffers and constants. Nothing here knows graphs, files or C syntax rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from edgekit.ir import Array


@dataclass(eq=False)
class Buffer:
    """Bytes that a plan must place.

    Attributes:
        index: position in Program.buffers; the only name that reaches C.
        label: for reports.
        size: bytes, at least 1.
        kind: "input", "output", "activation", "scratch", or "copy" of one that is moved.
        alignment: bytes, a power of two.
        outside: whether it must stand off the chip.
    """

    index: int
    label: str
    size: int
    kind: str
    alignment: int = 4
    outside: bool = False


@dataclass(eq=False)
class Constant:
    """A table in flash.

    Attributes:
        c_type: element type, for example "int8_t" or "ek_channel".
        rows: the array, or for a struct type an integer array whose rows are the struct's fields in order.
        layer: the step that it belongs to.
        weights: how many numbers of a product it stands for, where those are packed, or 0.
    """

    index: int
    c_type: str
    rows: Array
    layer: str
    size: int
    weights: int = 0


Fields: TypeAlias = Mapping[str, "FieldValue"]
FieldValue: TypeAlias = "int | float | Sequence[int] | Sequence[float] | Fields"


@dataclass(eq=False)
class Params:
    """A parameter struct of a kernel, a constant too but small: `fields` become designated initialisers."""

    index: int
    c_type: str
    fields: Fields


@dataclass(frozen=True)
class BufferArg:
    """A pointer into a buffer, `offset` bytes from its start, and in a loop `advance` bytes further in each round."""

    buffer: Buffer
    c_type: str
    writes: bool = False
    offset: int = 0
    advance: int = 0


@dataclass(frozen=True)
class ConstantArg:
    """A pointer to a table; with `c_type` as that type, `offset` bytes from its start, in a loop `advance` further in
    each round."""

    constant: Constant
    c_type: str | None = None
    offset: int = 0
    advance: int = 0


@dataclass(frozen=True)
class ParamsArg:
    """A pointer to a parameter struct."""

    params: Params


@dataclass(frozen=True)
class Literal:
    """An integer or float argument, written exactly; in a loop an integer `advance` larger in each round."""

    value: int | float
    advance: int = 0


Arg: TypeAlias = BufferArg | ConstantArg | ParamsArg | Literal


# The call that asks the firmware for rows of a streamed input: where to, the first row, how many.
FEED_ROWS = "feed_rows"


@dataclass(eq=False)
class Loop:
    """Rounds of one or more calls that follow each other."""

    times: int


@dataclass(frozen=True)
class KernelCall:
    """One call of runtime_c: `kernel` is both the function and the file that defines it. Neighbours of one `loop` are
    its body."""

    kernel: str
    args: tuple[Arg, ...]
    loop: Loop | None = None


# Ends the name of a step that runs again.
AGAIN = " (again)"


@dataclass(eq=False)
class Step:
    """One layer.

    Attributes:
        name, op: of the graph's node, for reports.
        in_place: (input, output) pairs that may share one address.
        weight_bytes: bytes of its constants in flash.
        results: the buffers of the node's outputs, in order.
        flexible: its kernels could use more scratch, or less.
        node: the position in the graph of the node whose outputs it leaves; names: of all nodes that it computes.
        rounds: in which several nodes run by rows, or 0.
        halo_macs: multiplications beyond `macs`, of what stripes compute again.
        readings: of a stream, how often its rounds together go over each table (`memory/weights.py`).
        again: whether it only makes again what an earlier step has made.
    """

    index: int
    name: str
    op: str
    macs: int
    calls: list[KernelCall] = field(default_factory=list)
    in_place: list[tuple[Buffer, Buffer]] = field(default_factory=list)
    weight_bytes: int = 0
    results: list[Buffer] = field(default_factory=list)
    flexible: bool = False
    node: int = 0
    names: tuple[str, ...] = ()
    rounds: int = 0
    halo_macs: int = 0
    readings: dict[Constant, int] = field(default_factory=dict)
    again: bool = False

    def buffers(self) -> list[Buffer]:
        """Every buffer that the step touches, once, in order of appearance."""
        return list(dict.fromkeys(a.buffer for c in self.calls for a in c.args if isinstance(a, BufferArg)))

    def written(self) -> set[Buffer]:
        """The buffers that the step writes."""
        return {a.buffer for c in self.calls for a in c.args if isinstance(a, BufferArg) and a.writes}


@dataclass(frozen=True)
class Port:
    """An input or output of the program: where it lives, numpy's name of its type, and how its codes read.

    An input with a `row_axis` is never whole in memory: it streams in by rows along that axis, through `buffer`.
    """

    name: str
    buffer: Buffer
    c_type: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int | None
    row_axis: int = 0


@dataclass(frozen=True)
class StepOrder:
    """What is known about the order of a program's steps.

    Attributes:
        positions: where each step stood before, in the order of the graph.
        peak: the most bytes live at one step; lower_bound: no order has fewer.
    """

    positions: tuple[int, ...]
    peak: int
    lower_bound: int


# The calls that move a buffer's bytes, which a board's DMA may do meanwhile: to, from, how many; and the wait until at
# most so many of the moves started are not done.
COPY, WAIT = "ek_dma_start", "ek_dma_wait"


@dataclass(frozen=True)
class Move:
    """Bytes that are copied off the chip after a step's own calls, or onto it before them (`fetches`).

    Attributes:
        start, end: the steps in which the copy starts, and at whose start it is waited for; a store, after the calls of
            its step, ends behind the last step at the latest.
    """

    step: int
    label: str
    source: Buffer
    target: Buffer
    bytes: int
    fetches: bool
    start: int
    end: int


@dataclass
class Program:
    """Steps in execution order, everything they touch, and the ports.

    Attributes:
        order: how the steps were ordered, where they were.
        moves: what the steps copy off the chip and back, in the order of time; calls of COPY among theirs.
    """

    name: str
    steps: list[Step]
    buffers: list[Buffer]
    constants: list[Constant]
    params: list[Params]
    inputs: list[Port]
    outputs: list[Port]
    order: StepOrder | None = None
    moves: list[Move] = field(default_factory=list)

    @property
    def kernels(self) -> list[str]:
        """All kernels called, sorted."""
        called = {call.kernel for step in self.steps for call in step.calls}
        return sorted(called - {FEED_ROWS})
