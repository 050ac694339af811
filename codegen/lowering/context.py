"""What a lowering rule works with: buffers of values, constants, parameter structs and the step under construction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from edgekit.boards import Board
from edgekit.codegen.memory.weights import tables_of, times_read
from edgekit.codegen.program import (
    Arg,
    Buffer,
    BufferArg,
    Constant,
    ConstantArg,
    Fields,
    KernelCall,
    Literal,
    Loop,
    Params,
    ParamsArg,
    Step,
)
from edgekit.errors import InternalError
from edgekit.ir import Array, Value

# Bytes of the struct types that constants are made of, as every supported ABI lays them out.
STRUCT_BYTES = {"ek_channel": 12, "ek_channel_64": 16, "ek_rescale": 12, "ek_divisor": 12}


@dataclass(frozen=True)
class Target:
    """What kernels may use.

    Attributes:
        dsp: the two-lane 16-bit instructions of Armv7E-M and Armv8-M with DSP.
        mve: integer vectors of 128 bit (Armv8.1-M); has dsp too.
        dual_issue: the core issues two instructions a cycle (Cortex-M7).
    """

    dsp: bool
    mve: bool = False
    dual_issue: bool = False

    @classmethod
    def of(cls, board: Board) -> Target:
        """What the board's core has."""
        return cls(board.dsp, board.mve, board.core == "cortex-m7")


@dataclass(frozen=True)
class View:
    """A value that is part of a buffer: `offset` bytes from its start, in a loop `advance` bytes further in each round;
    its rows are `pitch` elements apart, or without gaps (0)."""

    buffer: Buffer
    offset: int = 0
    advance: int = 0
    pitch: int = 0


class LoweringContext:
    """Collects the program while rules run; one per program."""

    def __init__(
        self, target: Target, room: Sequence[int] = (), overwriting: bool = True, fewest_cycles: bool = False
    ) -> None:
        self.target, self.fewest_cycles = target, fewest_cycles
        self.overwriting = overwriting
        self._room = room
        self.buffers: list[Buffer] = []
        self.constants: list[Constant] = []
        self.params: list[Params] = []
        self.steps: list[Step] = []
        self._of_value: dict[Value, Buffer] = {}
        self._views: dict[Value, View] = {}
        self._parts: dict[Value, tuple[Value, int, int]] = {}
        self._loop: Loop | None = None
        self._shared: tuple[View, int] | None = None
        self._structs: dict[tuple[str, str], Params] = {}
        self._tables: dict[tuple[str, tuple[int, ...], bytes], Constant] = {}

    def begin(self, name: str, op: str, macs: int, node: int, names: tuple[str, ...] = ()) -> None:
        """Start a step, which computes the nodes `names` and leaves the outputs of the node at the position `node`."""
        self.steps.append(Step(len(self.steps), name, op, macs, node=node, names=names))

    def call(self, kernel: str, *args: Arg) -> None:
        """Add a kernel call to the current step."""
        self.steps[-1].calls.append(KernelCall(kernel, args, self._loop))

    def count_readings(self, first: int, macs: int) -> None:
        """Of the current step's calls from `first` on, which are a part of one layer with so many multiplications."""
        step = self.steps[-1]
        tables = tables_of(step.calls[first:])
        for table in tables:
            step.readings[table] = step.readings.get(table, 0) + self.times * times_read(tables, macs)

    @contextmanager
    def loop(self, times: int) -> Iterator[None]:
        """What is called inside is called `times` times."""
        self._loop = Loop(times)
        try:
            yield
        finally:
            self._loop = None

    @property
    def times(self) -> int:
        """How often what is called now is called."""
        return 1 if self._loop is None else self._loop.times

    def place(self, value: Value, view: View) -> None:
        """Let a value be a part of a buffer."""
        self._views[value] = view

    def place_constant(self, part: Value, whole: Value, offset: int, advance: int) -> None:
        """Let a constant be a part of another: `offset` bytes from its start, in a loop `advance` further a round."""
        self._parts[part] = whole, offset, advance

    def streamed(self, image: Value, size: int) -> Buffer:
        """The buffer of `size` bytes that rows of a graph input stream into, which is never whole."""
        buffer = self.buffer(image)
        buffer.size, buffer.kind = size, "scratch"
        return buffer

    def row_pitch(self, value: Value) -> int:
        """From row to row of a value, in elements."""
        view = self._views.get(value)
        return view.pitch if view is not None and view.pitch else value.shape[-1]

    @contextmanager
    def sharing_scratch(self, room: int, place: View | None = None) -> Iterator[None]:
        """Let the kernels called inside, one after the other, share their scratch, of about `room` bytes: in a buffer
        of its own, or at the end of another one from `place` on.
        """
        self._shared = place or View(self.scratch(1).buffer), room
        try:
            yield
        finally:
            self._shared = None

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Nothing that is lowered inside may take the place of what it is made of."""
        allowed, self.overwriting = self.overwriting, False
        try:
            yield
        finally:
            self.overwriting = allowed

    def allow_in_place(self, x: Value, y: Value) -> None:
        """Let the plan give `y` the bytes of `x`, where it is computed and this its last reader."""
        if not self.overwriting or x.is_constant or "scratch" in (self.buffer(x).kind, self.buffer(y).kind):
            return
        self.steps[-1].in_place.append((self.buffer(x), self.buffer(y)))

    def buffer(self, value: Value) -> Buffer:
        """The buffer of a computed value or graph input; a constant has none."""
        if value.is_constant:
            raise InternalError(f"constant {value.name!r} is lowered as if something computed it")
        if value in self._views:
            return self._views[value].buffer
        if value not in self._of_value:
            self._of_value[value] = self._new_buffer(value.name, value.nbytes, "activation", max(4, value.dtype.size))
        return self._of_value[value]

    def alias(self, value: Value, other: Value) -> None:
        """Let `value` be the same bytes as `other`."""
        self._of_value[value] = self.buffer(other)

    def read(self, value: Value, offset: int = 0) -> Arg:
        """A const pointer to a computed value or to the table of a constant, `offset` bytes from its start."""
        return self.operand_as(value, value.dtype.c_name, offset)

    def operand(self, value: Value) -> Arg:
        """`read` from the start."""
        return self.operand_as(value, value.dtype.c_name)

    def operand_as(self, value: Value, c_type: str, offset: int = 0) -> Arg:
        """`read` as another type, `offset` bytes from its start."""
        if not value.is_constant:
            return self._pointer(value, c_type, False, offset)
        whole, start, advance = self._parts.get(value, (value, 0, 0))
        table = self.constant(whole.dtype.c_name, whole.array.reshape(-1))
        cast = None if c_type == value.dtype.c_name and not (start or offset or advance) else c_type
        return ConstantArg(table.constant, cast, start + offset, advance)

    def write(self, value: Value, c_type: str | None = None, offset: int = 0) -> BufferArg:
        """A pointer to a value being made."""
        return self._pointer(value, c_type or value.dtype.c_name, True, offset)

    def _pointer(self, value: Value, c_type: str, writes: bool, offset: int) -> BufferArg:
        view = self._views.get(value)
        if view is None:
            return BufferArg(self.buffer(value), c_type, writes, offset)
        return BufferArg(view.buffer, c_type, writes, view.offset + offset, view.advance)

    def scratch(self, size: int, alignment: int = 4) -> BufferArg:
        """Working memory of the current step."""
        step = self.steps[-1]
        if self._shared is not None:
            place, _ = self._shared
            shared = place.buffer
            shared.size, shared.alignment = max(shared.size, place.offset + size), max(shared.alignment, alignment)
            return BufferArg(shared, "void", True, place.offset)
        buffer = self._new_buffer(f"scratch of {step.name}", size, "scratch", max(4, alignment))
        return BufferArg(buffer, "void", True)

    def room(self) -> int:
        """Bytes that scratch of the current step may take; 0 asks for the least. A step that looks is flexible."""
        if self._shared is not None:
            return self._shared[1]
        step = self.steps[-1]
        step.flexible = True
        return self._room[step.index] if step.index < len(self._room) else 0

    def constant(self, c_type: str, rows: Array, weights: int = 0) -> ConstantArg:
        """A table in flash; equal tables are shared.

        Args:
            weights: how many numbers of a product it stands for, where those are packed.
        """
        rows = np.ascontiguousarray(rows)
        key = (c_type, rows.shape, hashlib.sha256(rows.reshape(-1).view(np.uint8).data).digest())
        if key in self._tables:
            return ConstantArg(self._tables[key])
        size = STRUCT_BYTES[c_type] * rows.shape[0] if c_type in STRUCT_BYTES else rows.nbytes
        step = self.steps[-1]
        constant = Constant(len(self.constants), c_type, rows, step.name, size, weights)
        self.constants.append(constant)
        self._tables[key] = constant
        step.weight_bytes += size
        return ConstantArg(constant)

    def struct(self, c_type: str, fields: Fields) -> ParamsArg:
        """A parameter struct; equal ones are shared."""
        key = (c_type, repr(fields))
        if key not in self._structs:
            self._structs[key] = Params(len(self.params), c_type, fields)
            self.params.append(self._structs[key])
        return ParamsArg(self._structs[key])

    def _new_buffer(self, label: str, size: int, kind: str, alignment: int) -> Buffer:
        buffer = Buffer(len(self.buffers), label, max(1, size), kind, alignment)
        self.buffers.append(buffer)
        return buffer


__all__ = ["Literal", "LoweringContext", "Target"]
