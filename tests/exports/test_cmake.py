"""The CMake export: configured, built, run in the emulator, and used by another project in both ways."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from edgekit.built import open_build
from edgekit.exports import files_of, open_project, write_export
from tests.exports.conftest import NAME
from tests.exports.emulate import GCC, call, device, export, need

CONSUMER = """cmake_minimum_required(VERSION 3.15)
project(consumer C)
%s
add_executable(app main.c startup.c)
target_compile_options(app PRIVATE -ffreestanding)
target_link_libraries(app PRIVATE edgekit::%s)
target_link_options(app PRIVATE -T${CMAKE_CURRENT_SOURCE_DIR}/app.ld -nostartfiles -Wl,--gc-sections)
"""


def _configure(source: Path, build: Path, toolchain: Path, *options: str) -> None:
    call("cmake", "-S", source, "-B", build, f"-DCMAKE_TOOLCHAIN_FILE={toolchain}", *options)
    call("cmake", "--build", build)


@pytest.mark.parametrize("fixture", ["firmware", "small_firmware"])
def test_example_passes_its_self_test(fixture: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    need("cmake", GCC)
    built: Path = request.getfixturevalue(fixture)
    folder = export(built, "cmake", tmp_path / "export")
    _configure(folder, tmp_path / "build", folder / "cmake" / "arm-none-eabi.cmake")
    elf = tmp_path / "build" / "example" / f"{NAME}_example.elf"
    machine = device(built.name, elf)
    machine.run()
    assert (machine.integer("example_selftest"), machine.integer("example_runs")) == (0, 1)
    assert 0 <= machine.integer("example_best") < 10
    assert elf.with_suffix(".hex").exists()


def test_weights_off_the_chip(firmware: Path, tmp_path: Path) -> None:
    need("cmake", GCC)
    project = open_project(firmware)
    far = {name: text.replace("EK_WEIGHTS const", "EK_WEIGHTS_FAR const") for name, text in project.sources.items()}
    project = dataclasses.replace(project, sources=far, weights_outside=project.weights_bytes)
    folder = tmp_path / "export"
    write_export(project, "cmake", files_of(project, "cmake"), firmware, folder)
    assert "B of weights in qspi" in (folder / "README.md").read_text()
    _configure(folder, tmp_path / "build", folder / "cmake" / "arm-none-eabi.cmake")
    machine = device("stm32f746", tmp_path / "build" / "example" / f"{NAME}_example.elf")
    machine.run()
    assert machine.integer("example_selftest") == 0
    assert machine.image.region_used("qspi") == machine.image.weights_bytes > 40_000


def test_self_test_sees_a_flipped_weight(firmware: Path, tmp_path: Path) -> None:
    need("cmake", GCC)
    folder = export(firmware, "cmake", tmp_path / "export")
    _configure(folder, tmp_path / "build", folder / "cmake" / "arm-none-eabi.cmake")
    elf = tmp_path / "build" / "example" / f"{NAME}_example.elf"
    tables = sorted(s for s in device("stm32f746", elf).image.symbols if s.startswith(f"{NAME}_table_"))
    machine = device("stm32f746", elf, {tables[-1]: [0]})
    machine.run()
    result = machine.integer("example_selftest")
    # What it says is where the outputs, which still stand in the arena, first differ.
    port = open_project(firmware).outputs[0]
    want = machine.bytes_of("output_0")
    offset = _output_offset(firmware)
    got = machine.bytes_of("arena_0")[offset : offset + len(want)]
    differing = [i for i, (g, w) in enumerate(zip(got, want, strict=True)) if g != w]
    assert port.dtype == "int8" and differing and result == 1 + differing[0]
    assert machine.integer("example_runs") == 0


def _output_offset(built: Path) -> int:
    return int(json.loads((built / "plan.json").read_text())["outputs"][0]["offset"])


@pytest.mark.parametrize("way", ["add_subdirectory", "find_package"])
def test_used_by_another_project(way: str, firmware: Path, tmp_path: Path) -> None:
    need("cmake", GCC)
    folder = export(firmware, "cmake", tmp_path / "export")
    toolchain = folder / "cmake" / "arm-none-eabi.cmake"
    options = []
    if way == "find_package":
        _configure(folder, tmp_path / "build", toolchain)
        call("cmake", "--install", tmp_path / "build", "--prefix", tmp_path / "prefix")
        assert sorted(p.name for p in (tmp_path / "prefix" / "include").iterdir()) == [f"{NAME}.h"]
        text, options = f"find_package(edgekit_{NAME} REQUIRED)", [f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}"]
    else:
        text = f"add_subdirectory(${{CMAKE_CURRENT_SOURCE_DIR}}/../export {NAME})"
    app = tmp_path / "app"
    app.mkdir()
    (app / "CMakeLists.txt").write_text(CONSUMER % (text, NAME))
    main = (folder / "example" / "main.c").read_text()
    call_of_test = f"example_selftest = {NAME}_selftest(&model);"
    assert call_of_test in main
    (app / "main.c").write_text(main.replace(call_of_test, "example_selftest = 0;"))
    (app / "startup.c").write_text((folder / "example" / "startup.c").read_text())
    (app / "app.ld").write_text((folder / "example" / "stm32f746.ld").read_text())
    _configure(app, tmp_path / "app-build", toolchain, *options)
    machine = device("stm32f746", tmp_path / "app-build" / "app")
    machine.run()
    assert machine.integer("example_runs") == 1
    # Not called, so not there.
    symbols = machine.image.symbols
    assert f"{NAME}_run" in symbols and f"{NAME}_selftest" not in symbols and "input_0" not in symbols


def test_a_build_measures_no_self_test(firmware: Path) -> None:
    symbols = open_build(firmware).firmware.image.symbols
    assert f"{NAME}_run" in symbols
    assert not [s for s in symbols if "selftest" in s or s.startswith(("input_", "output_"))]
