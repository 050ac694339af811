"""A program compiled for this computer and loaded."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit import runtime_c
from edgekit.codegen.emit import emit_model
from edgekit.codegen.integration import Group
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory import MemoryPlan, PlanRegion, plan_memory, validate_plan
from edgekit.codegen.program import Constant, Program
from edgekit.errors import BadData, InternalError
from edgekit.host.compiler import compile_host, kernel_archive
from edgekit.ir import Array, Graph, Value
from edgekit.ops.supported import require_supported_graph

MEMORY = PlanRegion("memory", 1 << 36)
ALIGNMENT = 64
_NAME = "model"
_STRUCTS = {"ek_channel": np.dtype([("bias", "i4"), ("multiplier", "i4"), ("left", "u2"), ("right", "u2")])}


class HostModel:
    """A loaded model: call it with one array per input, get one per output."""

    def __init__(self, graph: Graph, program: Program, plan: MemoryPlan, library: Path) -> None:
        self.inputs, self.outputs = list(graph.inputs), list(graph.outputs)
        self.program, self.plan = program, plan
        self._library = ctypes.CDLL(str(library))
        sizes = [max(plan.arena[name], 1) for name in plan.arenas]
        self._memory = [np.zeros(size + ALIGNMENT, np.uint8) for size in sizes]
        self._context = (ctypes.c_void_p * len(sizes))(*(_aligned(m) for m in self._memory))
        for name in ("input", "output"):
            getattr(self._library, f"{_NAME}_{name}").restype = ctypes.c_void_p
        if self._library.model_init(self._context) != 0:
            raise InternalError("the host library refuses its arena")

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """One inference; raises BadData for arrays that do not have the inputs' shapes and types."""
        for index, (value, array) in enumerate(zip(self.inputs, arrays, strict=True)):
            if array.shape != value.shape or array.dtype != value.dtype.numpy:
                raise BadData(
                    f"input {value.name!r} is {array.dtype}{list(array.shape)},"
                    f" needs {value.dtype.value}{list(value.shape)}"
                )
            data = np.ascontiguousarray(array)
            ctypes.memmove(self._library.model_input(self._context, index), data.ctypes.data, data.nbytes)
        self._library.model_run(self._context)
        return [self._read(index, value) for index, value in enumerate(self.outputs)]

    def _read(self, index: int, value: Value) -> Array:
        result = np.empty(value.shape, value.dtype.numpy)
        ctypes.memmove(result.ctypes.data, self._library.model_output(self._context, index), result.nbytes)
        return result


def _aligned(memory: Array) -> int:
    return -(-memory.ctypes.data // ALIGNMENT) * ALIGNMENT


def build_host_model(graph: Graph, groups: Sequence[Group] | None = None) -> HostModel:
    """Compile a graph, floats allowed, for this computer; `groups` (see `Lowering`) may not feed images.

    Raises UnsupportedModel for what has no kernel, ToolchainError where there is no compiler.
    """
    require_supported_graph(graph)
    program = lower(graph, Target(dsp=False), floats=True, groups=groups)
    plan = plan_memory(program, [MEMORY])
    validate_plan(program, plan)
    emitted = emit_model(_NAME, program, plan, weights=False)
    with tempfile.TemporaryDirectory(prefix="edgekit-host-") as scratch:
        folder = Path(scratch)
        for path, text in emitted.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        (folder / "weights.c").write_text(_binary_weights(program.constants, folder / "weights.bin"))
        includes = ["-Iinclude", "-Isrc", f"-I{runtime_c.INCLUDE}"]
        sources = [f"src/{_NAME}.c", "weights.c", str(kernel_archive())]
        compile_host(["-O1", "-shared", *includes, *sources, "-o", "model.so", "-Wl,-z,noexecstack"], folder)
        return HostModel(graph, program, plan, folder / "model.so")


def _binary_weights(constants: Sequence[Constant], blob: Path) -> str:
    """C that takes all tables from one binary file as they are: literals of a hundred megabytes would take minutes."""
    lines, offset = [], 0
    with blob.open("wb") as file:
        for constant in constants:
            data = _table_bytes(constant)
            file.write(data)
            file.write(bytes(-len(data) % ALIGNMENT))
            symbol = f"{_NAME}_table_{constant.index}"
            lines.append(
                f'__asm__(".section .rodata\\n.balign {ALIGNMENT}\\n.globl {symbol}\\n{symbol}:\\n'
                f'.incbin \\"{blob.name}\\", {offset}, {max(len(data), 1)}\\n.previous\\n");'
            )
            offset += len(data) + -len(data) % ALIGNMENT
        file.write(bytes(ALIGNMENT))
    return "\n".join(lines) + "\n"


def _table_bytes(constant: Constant) -> memoryview | bytes:
    if constant.c_type not in _STRUCTS:
        return np.ascontiguousarray(constant.rows).reshape(-1).view(np.uint8).data
    records = np.zeros(len(constant.rows), _STRUCTS[constant.c_type])
    for column, name in enumerate(_STRUCTS[constant.c_type].names or ()):
        records[name] = constant.rows[:, column]
    return records.tobytes()
