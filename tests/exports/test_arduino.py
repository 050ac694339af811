"""The Arduino export, compiled as Arduino does: all of src/ flat, the sketch as C++ after <Arduino.h>."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from edgekit.boards import load_board
from edgekit.errors import BadUsage
from edgekit.exports import files_of, open_project
from edgekit.exports.rendering import plain
from edgekit.toolchains import linker_script
from edgekit.toolchains.gcc import core_flags
from tests.exports.conftest import NAME
from tests.exports.emulate import GCC, call, device, export, need

GXX = "arm-none-eabi-g++"
ARDUINO_H = """#ifndef ARDUINO_H
#define ARDUINO_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>
struct Console {
    void begin(unsigned long baud);
    void print(const char *text);
    void print(long value);
    void println(const char *text);
    void println(long value);
    void println(int value) { println((long)value); }
};
extern Console Serial;
void delay(unsigned long ms);
void setup();
void loop();
#endif
"""
CORE_CPP = """#include <Arduino.h>
extern "C" {
volatile uint32_t example_runs;
char example_text[256];
}
static size_t used;
Console Serial;
void Console::begin(unsigned long) {}
void Console::print(const char *text)
{
    while (*text && used + 1 < sizeof example_text)
        example_text[used++] = *text++;
}
void Console::print(long value) { char digit[2] = {(char)('0' + value % 10), 0}; print(digit); }
void Console::println(const char *text) { print(text); print("\\n"); }
void Console::println(long value) { print(value); print("\\n"); }
void delay(unsigned long) { example_runs = example_runs + 1; }
extern "C" int main() { setup(); for (;;) loop(); }
"""
FLAGS = ("-Os", "-g", "-w", "-ffunction-sections", "-fdata-sections", "-DARDUINO=10819", "-nostdlib")


@pytest.mark.parametrize("fixture", ["firmware", "small_firmware"])
def test_sketch_runs_and_passes_its_self_test(fixture: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    need(GCC, GXX)
    built: Path = request.getfixturevalue(fixture)
    board = load_board(built.name)
    folder = export(built, "arduino", tmp_path / "library")
    core = tmp_path / "core"
    core.mkdir()
    (core / "Arduino.h").write_text(ARDUINO_H)
    (core / "core.cpp").write_text(CORE_CPP)
    (sketch,) = folder.glob("examples/*/*.ino")
    assert sketch.stem == sketch.parent.name
    (core / "sketch.cpp").write_text(f"#include <Arduino.h>\n{sketch.read_text()}")
    (core / "startup.c").write_text(plain("common/startup.c"))
    (core / "core.ld").write_text(linker_script(board, 2048))
    flags = [*core_flags(board), *FLAGS, "-I", str(core), "-I", str(folder / "src")]
    objects = []
    for source in sorted([*(folder / "src").glob("*.c"), *core.glob("*.c"), *core.glob("*.cpp")]):
        c = source.suffix == ".c"
        target = tmp_path / f"{source.name}.o"
        standard = ["-std=gnu17"] if c else ["-std=gnu++11", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"]
        call(GCC if c else GXX, *flags, *standard, "-c", source, "-o", target)
        objects.append(target)
    elf = tmp_path / "sketch.elf"
    link = ["-nostartfiles", "-T", core / "core.ld", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments"]
    call(GCC, *core_flags(board), *link, *objects, "-o", elf)
    machine = device(built.name, elf)
    machine.run()
    text = machine.bytes_of("example_text").rstrip(b"\0").decode()
    assert re.fullmatch(rf"{NAME}: self-test passed\n{NAME}: best output \d\n", text)
    # Arduino's linker scripts do not know the section: weights are plain constants there.
    assert machine.image.weights_bytes == 0


def test_every_source_compiles_without_warnings(firmware: Path, tmp_path: Path) -> None:
    need(GCC, GXX)
    folder = export(firmware, "arduino", tmp_path / "library")
    strict = ["-Wall", "-Wextra", "-Werror", "-Os", "-DARDUINO=10819", *core_flags(load_board("stm32f746"))]
    for source in (folder / "src").glob("*.c"):
        call(GCC, "-std=gnu17", "-Wconversion", *strict, "-c", source, "-o", tmp_path / "a.o")
    for header in (folder / "src").glob("*.h"):
        probe = tmp_path / "probe.cpp"
        probe.write_text(f"#include <{header.name}>\n")
        call(GXX, "-std=c++11", *strict, "-I", folder / "src", "-c", probe, "-o", tmp_path / "b.o")


def test_float_sources_are_not_fused(tmp_path: Path) -> None:
    need(GCC)
    body = "float f(float a, float b, float c)\n{\n    return a * b + c;\n}\n"
    flags = ["-Os", "-std=gnu17", *core_flags(load_board("stm32f746"))]
    for name, text in (("plain", body), ("guarded", plain("arduino/floats.h") + body)):
        (tmp_path / f"{name}.c").write_text(text)
        assembly = call(GCC, *flags, "-S", "-o", "-", tmp_path / f"{name}.c")
        assert ("vfma" in assembly) == (name == "plain")


def test_library_metadata(firmware: Path) -> None:
    files = files_of(open_project(firmware), "arduino")
    lines = files["library.properties"].splitlines()
    properties = dict(line.partition("=")[::2] for line in lines)
    wanted = ["name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"]
    assert [key for key in wanted if key not in properties] == []
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]*", properties["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", properties["version"]) and properties["includes"] == f"{NAME}.h"
    for line in files["keywords.txt"].splitlines():
        assert re.fullmatch(r"\w+\t(KEYWORD1|KEYWORD2|LITERAL1)", line)
    assert not [path for path in files if path.startswith("src/") and path.count("/") > 1]


def test_off_chip_memory_is_refused(firmware: Path) -> None:
    project = open_project(firmware)
    outside = dataclasses.replace(project, weights_outside=project.weights_bytes)
    for target in ("arduino", "zephyr"):
        with pytest.raises(BadUsage, match=r"weights in qspi.*--internal-only"):
            files_of(outside, target)
