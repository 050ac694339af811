"""Program and plan to C: the model's header, its layers, its weights, and a harness main for bare metal."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.codegen.emit import literals
from edgekit.codegen.emit.calls import LayerWriter
from edgekit.codegen.emit.names import comment_text
from edgekit.codegen.emit.rendering import template_environment
from edgekit.codegen.memory.plan import MemoryPlan
from edgekit.codegen.program import Arg, BufferArg, KernelCall, Literal, ParamsArg, Port, Program

ARENA_ALIGNMENT = 16
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class EmittedModel:
    """Generated text by path relative to the output folder, and the names that the tools look for.

    Attributes:
        layer_symbols: one C function per step, in order.
        run_symbol: the function of one inference.
    """

    name: str
    files: Mapping[str, str]
    layer_symbols: tuple[str, ...]
    run_symbol: str


def emit_model(name: str, program: Program, plan: MemoryPlan, weights: bool = True) -> EmittedModel:
    """Generate the C of a program, its tables only with `weights`. `name` is a C identifier (see names.c_name)."""
    regions = plan.arenas
    environment, writer = template_environment(_TEMPLATES), LayerWriter(name, plan, regions)
    layers = [f"{name}_layer_{step.index:03d}" for step in program.steps]
    values = {
        "name": name,
        "macro": name.upper(),
        "arenas": [max(1, plan.arena[r]) for r in regions],
        "sections": [plan.regions[r].section for r in regions],
        "alignment": ARENA_ALIGNMENT,
        "inputs": [_port(p, plan, regions) for p in program.inputs],
        "outputs": [_port(p, plan, regions) for p in program.outputs],
        "params": [(f"{name}_params_{p.index}", p.c_type, literals.struct(p.fields)) for p in program.params],
        "constants": _tables(name, program, weights),
        "layers": [
            (layers[step.index], comment_text(f"{step.op}: {step.name}"), writer.statements(step))
            for step in program.steps
        ],
        "macs": sum(step.macs for step in program.steps if not step.again),
        "weights": sum(constant.size for constant in program.constants),
        "signature": signature(program, plan),
    }
    files = {
        f"include/{name}.h": "model.h.j2",
        f"src/{name}.c": "model.c.j2",
        f"src/{name}_weights.h": "weights.h.j2",
        f"src/{name}_weights.c": "weights.c.j2",
        "harness/main.c": "main.c.j2",
        "CMakeLists.txt": "CMakeLists.txt.j2",
    }
    if not weights:
        del files[f"src/{name}_weights.c"]
    rendered = {path: environment.get_template(template).render(values) for path, template in files.items()}
    return EmittedModel(name, rendered, tuple(layers), f"{name}_run")


def emit_weights(name: str, program: Program, far: Collection[int]) -> str:
    """The text of src/<name>_weights.c with the tables whose numbers are in `far` in flash off the chip."""
    template = template_environment(_TEMPLATES).get_template("weights.c.j2")
    return template.render(name=name, constants=_tables(name, program, weights=True, far=far))


def _tables(name: str, program: Program, weights: bool, far: Collection[int] = ()) -> list[tuple[object, ...]]:
    return [
        (
            f"{name}_table_{c.index}",
            c.c_type,
            literals.elements(c.rows),
            literals.table(c) if weights else "",
            comment_text(c.layer),
            c.index in far,
        )
        for c in program.constants
    ]


def signature(program: Program, plan: MemoryPlan) -> str:
    """16 hex digits that change whenever weights, layers or placement do."""
    digest = hashlib.sha256()
    for constant in program.constants:
        digest.update(np.ascontiguousarray(constant.rows).reshape(-1).view(np.uint8).data)
    for step in program.steps:
        digest.update(repr([_call_identity(call, plan) for call in step.calls]).encode())
    return digest.hexdigest()[:16]


def _call_identity(call: KernelCall, plan: MemoryPlan) -> tuple[object, ...]:
    return call.kernel, call.loop and call.loop.times, [_identity(arg, plan) for arg in call.args]


def _identity(arg: Arg, plan: MemoryPlan) -> str:
    if isinstance(arg, BufferArg):
        place = plan.places[arg.buffer]
        return f"{place.region}+{place.offset + arg.offset}+{arg.advance}"
    if isinstance(arg, ParamsArg):
        return literals.struct(arg.params.fields)
    if isinstance(arg, Literal):
        return f"{arg.value}+{arg.advance}"
    return f"table {arg.constant.index}+{arg.offset}+{arg.advance}"


def _port(port: Port, plan: MemoryPlan, regions: list[str]) -> dict[str, object]:
    place = plan.places[port.buffer]
    return {
        "arena": regions.index(place.region),
        "offset": place.offset,
        "c_type": port.c_type,
        "shape": port.shape,
        "elements": max(1, math.prod(port.shape)),
        "bytes": math.prod(port.shape) * element_bytes(port.c_type) if port.row_axis else port.buffer.size,
        "row_axis": port.row_axis,
        "quantized": port.scale is not None,
        "scale": literals.float32_decimal(1.0 if port.scale is None else port.scale),
        "zero_point": f"({port.zero_point})" if (port.zero_point or 0) < 0 else str(port.zero_point or 0),
        "label": comment_text(port.name),
    }


def element_bytes(c_type: str) -> int:
    """Bytes of one element of a C type that ports and tables have."""
    sizes = {"float": 4, "double": 8}
    return sizes[c_type] if c_type in sizes else int(c_type.strip("uint_")) // 8
