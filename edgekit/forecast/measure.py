"""Measure the size table: `python -m edgekit.forecast.measure` (or `make sizes`) writes kernel_sizes.json.

Per kind of core, one image is linked that holds every kernel and one generated layer per conformance case, with the
default toolchain and the flags of every build. The image's call graph then says what each function takes and pulls
in; the generated layers give the weights of `edgekit.forecast.generated`.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from edgekit import runtime_c
from edgekit.boards import Board, Region, board_names, load_board
from edgekit.codegen.emit import EmittedModel, emit_model
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory import MemoryPlan, PlanRegion
from edgekit.codegen.memory.plan import Place
from edgekit.codegen.program import BufferArg, Program
from edgekit.forecast.generated import FEATURES, frame_key, layer_features
from edgekit.forecast.sizes import TABLE, core_key, source_digests
from edgekit.ops import OPS
from edgekit.toolchains import FunctionUse, Image, Toolchain, function_uses, get_toolchain, linker_script

_ARENA = 1 << 18
_STRUCT = re.compile(r"^\} (ek_\w+);", re.MULTILINE)
# Kernels are reached from here; the section is kept by every linker script.
_KEEP = '__attribute__((used, section(".vectors"))) const keep_function keep_all[] = {'


def boards_by_core() -> dict[str, Board]:
    """One board per kind of core, with memories that everything fits."""
    found: dict[str, Board] = {}
    for board in map(load_board, board_names()):
        found.setdefault(core_key(board), _roomy(board))
    return dict(sorted(found.items()))


def _roomy(board: Board) -> Board:
    flash = Region("flash", 0x08000000, 0x1000000, "flash", False, 1.0, "estimated")
    ram = Region("ram", 0x20000000, 0x1000000, "ram", False, 1.0, "estimated")
    return replace(board, regions=(flash, ram), vector_offset=0)


def sample_program(target: Target, seed: int = 0) -> tuple[Program, MemoryPlan]:
    """One layer per conformance case, every third one of two calls, over an arena with made-up offsets."""
    rng = random.Random(seed)
    merged = Program("sample", [], [], [], [], [], [])
    for spec in OPS:
        for case in spec.cases():
            program = lower(case.graph, target, floats=True)
            merged.constants += program.constants
            merged.params += program.params
            merged.buffers += program.buffers
            merged.inputs, merged.outputs = program.inputs, program.outputs
            for step in program.steps:
                if len(merged.steps) % 3 == 2 and len(merged.steps[-1].calls) == 1:
                    merged.steps[-1].calls += step.calls
                else:
                    merged.steps.append(step)
    for index, step in enumerate(merged.steps):
        step.index, step.name = index, f"layer {index}"
    for index, constant in enumerate(merged.constants):
        constant.index = index
    for index, params in enumerate(merged.params):
        params.index = index
    places = {
        b: Place("ram", rng.choice((0, 16 * rng.randrange(256), 16 * rng.randrange(1 << 14)))) for b in merged.buffers
    }
    plan = MemoryPlan(
        (), places, {"ram": PlanRegion("ram", _ARENA)}, {"ram": _ARENA}, {"ram": _ARENA}, {"ram": True}, 0, 0
    )
    return merged, plan


def measure_core(board: Board, toolchain: Toolchain, sources: list[Path]) -> dict[str, Any]:
    """The table's entry for one kind of core."""
    program, plan = sample_program(Target.of(board))
    emitted = emit_model("sample", program, plan)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        image, kernels = _link(folder, board, toolchain, sources, emitted)
        uses = function_uses(image.elf, image.su_files, [*kernels, "Reset_Handler"])
        functions = {name: [_rounded(use.code), use.frame, *use.callees] for name, use in uses.items()}
        for source in sources:
            _add_tables(folder / "build" / "obj" / f"{source.stem}.o", source.stem, functions)
    layers = {name: uses[name] for name in emitted.layer_symbols}
    per_layer, prologue = divmod(uses["sample_run"].code, len(layers))
    row = {
        "startup": _startup(image, uses, prologue),
        "layer_code": _fit(program, plan, list(layers.values()), per_layer),
        "layer_frame": _frames(program, list(layers.values())),
        "functions": {},
    }
    harness = {"Reset_Handler", "main", "ek_fault", "ek_ready", "ek_done", *layers}
    names = [name for name in functions if name not in harness and not name.startswith("sample_")]
    row["functions"] = {name: functions[name] for name in sorted(names)}
    return row


def _link(
    folder: Path, board: Board, toolchain: Toolchain, sources: list[Path], emitted: EmittedModel
) -> tuple[Image, list[str]]:
    """An image with every kernel and the sample layers, and the kernels' names."""
    for path, text in emitted.files.items():
        (folder / Path(path).name).write_text(text)
    generated = [folder / "sample.c", folder / "sample_weights.c", folder / "main.c"]
    everything = [*generated, runtime_c.HARNESS / "startup.c", *sources]
    includes = [runtime_c.INCLUDE, folder]
    script = linker_script(board, stack_bytes=2048)
    toolchain.compile(everything, includes, board, folder / "build", script, {})
    kernels = [name for source in sources for name in _exported(folder / "build" / "obj" / f"{source.stem}.o")]
    keep = folder / "keep.c"
    lines = ["typedef void (*keep_function)(void);", *(f"void {name}(void);" for name in kernels)]
    keep.write_text("\n".join([*lines, "extern const keep_function keep_all[];", _KEEP, ",\n".join(kernels), "};\n"]))
    return toolchain.compile([*everything, keep], includes, board, folder / "build", script, {}), kernels


def _exported(object_file: Path) -> list[str]:
    with object_file.open("rb") as stream:
        symbols = ELFFile(stream).get_section_by_name(".symtab").iter_symbols()
        return [
            s.name
            for s in symbols
            if s["st_info"]["type"] == "STT_FUNC" and s["st_info"]["bind"] == "STB_GLOBAL" and s.name.startswith("ek_")
        ]


def _add_tables(object_file: Path, stem: str, functions: dict[str, Any]) -> None:
    """Add an object's read-only tables, as what the functions use that refer to them."""
    with object_file.open("rb") as stream:
        file = ELFFile(stream)
        symbols = file.get_section_by_name(".symtab")
        for section in file.iter_sections():
            if not isinstance(section, RelocationSection):
                continue
            function = file.get_section(section["sh_info"]).name.removeprefix(".text.")
            for relocation in section.iter_relocations():
                number = symbols.get_symbol(relocation["r_info_sym"])["st_shndx"]
                table = file.get_section(number) if isinstance(number, int) else None
                if table is None or not table.name.startswith(".rodata") or function not in functions:
                    continue
                name = f"{table.name} of {stem}"
                functions[name] = [_rounded(table["sh_size"]), 0]
                if name not in functions[function]:
                    functions[function].append(name)


def _rounded(size: int) -> int:
    return -(-size // 4) * 4


def _startup(image: Image, uses: dict[str, FunctionUse], prologue: int) -> list[int]:
    """Code and stack of an image without layers; `prologue` is what the run function takes beside its calls."""
    parts = ("Reset_Handler", "main", "ek_fault", "ek_ready", "ek_done", "sample_init")
    code = image.symbols["ek_vectors"].size + sum(_rounded(uses[p].code) for p in parts if p in uses)
    chain = ("Reset_Handler", "main", "sample_run")
    return [code + _rounded(prologue), sum(uses[name].frame for name in chain)]


def _fit(program: Program, plan: MemoryPlan, layers: list[FunctionUse], per_call: int) -> dict[str, float]:
    """Least-squares weights of FEATURES for the layers' bytes; the call of each, of `per_call` bytes, is included."""

    def offset(arg: BufferArg) -> int:
        return plan.places[arg.buffer].offset + arg.offset

    rows = [list(layer_features(step, offset).values()) for step in program.steps]
    wanted = [_rounded(layer.code) + per_call for layer in layers]
    found = np.linalg.lstsq(np.array(rows, np.float64), np.array(wanted, np.float64), rcond=None)[0]
    return {name: round(float(weight), 1) for name, weight in zip(FEATURES, found, strict=True)}


def _frames(program: Program, layers: list[FunctionUse]) -> dict[str, int]:
    """The largest frame seen by `frame_key`."""
    frames: dict[str, int] = {}
    for step, layer in zip(program.steps, layers, strict=True):
        frames[frame_key(step)] = max(frames.get(frame_key(step), 0), layer.frame)
    return dict(sorted(frames.items()))


def measure_structs(toolchain: Toolchain) -> dict[str, int]:
    """sizeof of every struct type of the kernels' headers; all cores share one layout."""
    board = next(iter(boards_by_core().values()))
    names = sorted({name for header in runtime_c.headers() for name in _STRUCT.findall(header.read_text())})
    lines = [f'#include "{header.name}"' for header in runtime_c.headers()]
    lines += ["int main(void);", "int main(void) { return 0; }"]
    lines += [f"extern const char size_of_{n}[]; const char size_of_{n}[sizeof({n})] = {{0}};" for n in names]
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "structs.c"
        source.write_text("\n".join([*lines, ""]))
        sources = [source, runtime_c.HARNESS / "startup.c"]
        build = Path(scratch) / "build"
        toolchain.compile(sources, [runtime_c.INCLUDE], board, build, linker_script(board, stack_bytes=2048), {})
        with (build / "obj" / "structs.o").open("rb") as stream:
            symbols = ELFFile(stream).get_section_by_name(".symtab")
            return {name: symbols.get_symbol_by_name(f"size_of_{name}")[0]["st_size"] for name in names}


def _lines(table: dict[str, Any]) -> Iterator[str]:
    """The table as JSON with one function per line, so that changes can be read."""
    head = {key: value for key, value in table.items() if key != "cores"}
    yield json.dumps(head, indent=1)[:-2] + ',\n "cores": {'
    for at, (key, row) in enumerate(table["cores"].items()):
        yield f"  {json.dumps(key)}: {{"
        for name in ("startup", "layer_code", "layer_frame"):
            yield f'   "{name}": {json.dumps(row[name])},'
        yield '   "functions": {'
        functions = [f"    {json.dumps(name)}: {json.dumps(entry)}" for name, entry in row["functions"].items()]
        yield ",\n".join(functions)
        yield "   }\n  }" + ("," if at < len(table["cores"]) - 1 else "")
    yield " }\n}\n"


def main() -> int:
    """Measure every core and write the table."""
    parser = argparse.ArgumentParser(description="Measure the size of every kernel on every core.")
    parser.add_argument("--output", type=Path, default=TABLE)
    options = parser.parse_args()
    toolchain = get_toolchain()
    sources = sorted((runtime_c.ROOT / "src").glob("*.c"))
    cores = {}
    for key, board in boards_by_core().items():
        print(f"{key} ...", file=sys.stderr, flush=True)
        cores[key] = measure_core(board, toolchain, sources)
    table = {
        "toolchain": f"{toolchain.name} {toolchain.version()}",
        "sources": source_digests(),
        "structs": measure_structs(toolchain),
        "cores": cores,
    }
    options.output.write_text("\n".join(_lines(table)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
