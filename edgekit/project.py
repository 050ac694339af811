"""The generated project on disk: sources, kernels, linking, and the fit against the board's memories."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit import runtime_c
from edgekit.boards import Board
from edgekit.codegen.emit import EmittedModel, emit_selftest, emit_weights
from edgekit.codegen.memory.region import STACK_RESERVE
from edgekit.codegen.memory.weights import ALIGNMENT, outside_tables
from edgekit.codegen.program import Program
from edgekit.emulators import emulated_board
from edgekit.errors import DoesNotFit
from edgekit.ir import Array
from edgekit.toolchains import Image, StackBound, Toolchain, linker_script, stack_bound


@dataclass(frozen=True)
class LinkedProject:
    """The linked project.

    Attributes:
        image: for the board: what is measured and shipped.
        stack: its static bound.
        far: numbers of the tables that went to flash off the chip.
        emulated: for `emulated_board`: the same image, or the same objects linked for the emulator's addresses.
    """

    image: Image
    stack: StackBound
    far: frozenset[int]
    emulated_board: Board
    emulated: Image


def write_sources(folder: Path, emitted: EmittedModel, program: Program) -> None:
    """Write generated files and copy the kernels and headers that they use."""
    for path, text in emitted.files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    for source in runtime_c.kernel_sources(program.kernels):
        shutil.copyfile(source, folder / "src" / source.name)
    for header in runtime_c.headers():
        shutil.copyfile(header, folder / "include" / header.name)
    shutil.copyfile(runtime_c.HARNESS / "startup.c", folder / "harness" / "startup.c")


def write_selftest(folder: Path, name: str, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
    """Add the self-test of one sample; after linking, so that what is measured does not hold it."""
    (folder / "src" / f"{name}_selftest.c").write_text(emit_selftest(name, inputs, outputs))


def link(
    folder: Path, board: Board, toolchain: Toolchain, name: str, program: Program, external: bool
) -> LinkedProject:
    """Compile and link the project; where not all weights fit in the program flash, and it is allowed, the tables whose
    reads cost least move to flash off the chip.

    Raises DoesNotFit for a region that overflows, naming the layers that cost most there.
    """
    weights = sum(constant.size for constant in program.constants)
    room, far = weights + ALIGNMENT * len(program.constants), frozenset[int]()
    while True:
        try:
            return _link_once(folder, board, toolchain, far)
        except DoesNotFit as error:
            inside = error.region == board.flash_internal.name
            if not (inside and external and board.external_flash is not None and len(far) < len(program.constants)):
                costs = _costliest(error, board, program, weights)
                raise DoesNotFit(error.region, error.need, error.have, costs) from error
            # Less padding than counted may stand between the tables.
            kept = sum(constant.size for constant in program.constants if constant.index not in far)
            room = min(room - 1, kept - (error.need - error.have))
            outside = board.external_flash
            if weights - room > outside.size:
                full = f"that is what {error.region} has no room for; use weights of fewer bits, or mixed ones"
                costs = _costliest(error, board, program, weights)
                raise DoesNotFit(outside.name, weights - room, outside.size, costs, full) from error
            far = outside_tables(program, room, board.external_flash.size)
            (folder / "src" / f"{name}_weights.c").write_text(emit_weights(name, program, far))


def _link_once(folder: Path, board: Board, toolchain: Toolchain, far: frozenset[int]) -> LinkedProject:
    sources = sorted((folder / "src").glob("*.c")) + sorted((folder / "harness").glob("*.c"))
    include_dirs = [folder / "include", folder / "src"]
    stack_bytes = STACK_RESERVE
    while True:
        script = linker_script(board, stack_bytes=stack_bytes)
        image = toolchain.compile(sources, include_dirs, board, folder / "build", script, {})
        bound = stack_bound(image.elf, image.su_files, "Reset_Handler")
        if bound.bytes <= stack_bytes:
            break
        stack_bytes = -(-bound.bytes // 256) * 256
    where, emulated = emulated_board(board), image
    if where != board:
        script = linker_script(where, stack_bytes=stack_bytes)
        build = folder / "build"
        emulated = toolchain.compile(sources, include_dirs, where, build, script, {}, output="emulated.elf")
    return LinkedProject(image, bound, far, where, emulated)


def _costliest(error: DoesNotFit, board: Board, program: Program, weights: int) -> list[tuple[str, int]]:
    """The three layers with most flash, or with most live bytes, by the region that overflowed."""
    if error.costliest:
        return error.costliest
    if error.region == board.flash_internal.name and weights:
        ranked = sorted(program.steps, key=lambda s: -s.weight_bytes)
        return [(s.name, s.weight_bytes) for s in ranked[:3]]
    ranked = sorted(program.steps, key=lambda s: -sum(b.size for b in s.buffers()))
    return [(s.name, sum(b.size for b in s.buffers())) for s in ranked[:3]]
