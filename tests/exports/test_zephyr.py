"""The Zephyr export with stand-ins for Zephyr's CMake functions and headers: built, linked and run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgekit.boards import load_board
from edgekit.exports.rendering import plain
from edgekit.toolchains import linker_script
from edgekit.toolchains.gcc import core_flags
from tests.exports.conftest import NAME
from tests.exports.emulate import GCC, call, device, export, need

# What find_package(Zephyr) does for an application: options from prj.conf, the app library, every module's CMakeLists.
ZEPHYR_CONFIG = """
set(zephyr_stub ${CMAKE_CURRENT_LIST_DIR})
function(zephyr_include_directories)
  target_include_directories(zephyr_interface INTERFACE ${ARGN})
endfunction()
function(zephyr_library_named name)
  set(ZEPHYR_CURRENT_LIBRARY ${name} PARENT_SCOPE)
  add_library(${name} STATIC)
  target_link_libraries(${name} PUBLIC zephyr_interface)
  set_property(GLOBAL APPEND PROPERTY ZEPHYR_LIBS ${name})
endfunction()
function(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()
function(zephyr_library_include_directories)
  target_include_directories(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()
function(zephyr_library_compile_options)
  target_compile_options(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()
enable_language(C)
add_library(zephyr_interface INTERFACE)
target_include_directories(zephyr_interface INTERFACE ${zephyr_stub}/include)
target_compile_definitions(zephyr_interface INTERFACE __ZEPHYR__=1)
add_library(app STATIC)
target_link_libraries(app PUBLIC zephyr_interface)
file(STRINGS ${CMAKE_CURRENT_SOURCE_DIR}/prj.conf lines REGEX "^CONFIG_")
foreach(line ${lines})
  string(REGEX MATCH "^([A-Z0-9_]+)=(.*)$" _ ${line})
  set(${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
endforeach()
foreach(module ${EXTRA_ZEPHYR_MODULES})
  file(STRINGS ${module}/zephyr/module.yml cmake_line REGEX "^  cmake: ")
  string(REPLACE "  cmake: " "" cmake_folder "${cmake_line}")
  get_filename_component(unique ${module}/x REALPATH)
  string(MD5 unique ${unique})
  add_subdirectory(${module}/${cmake_folder} ${CMAKE_BINARY_DIR}/modules/${unique})
endforeach()
file(WRITE ${CMAKE_BINARY_DIR}/stub.c "")
add_executable(zephyr_final ${CMAKE_BINARY_DIR}/stub.c ${zephyr_stub}/kernel.c ${zephyr_stub}/startup.c)
get_property(libs GLOBAL PROPERTY ZEPHYR_LIBS)
target_link_libraries(zephyr_final PRIVATE zephyr_interface -Wl,--whole-archive app ${libs} -Wl,--no-whole-archive)
target_link_options(zephyr_final PRIVATE -T${zephyr_stub}/kernel.ld -nostartfiles -Wl,--gc-sections)
"""
KERNEL_H = """#include <stdint.h>
#define __aligned(bytes) __attribute__((aligned(bytes)))
#define K_SECONDS(s) (s)
void k_sleep(int seconds);
"""
KERNEL_C = """#include <stdarg.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/printk.h>
volatile uint32_t example_runs;
char example_text[256];
static unsigned used;
void printk(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    for (; *format && used + 1 < sizeof example_text; format++) {
        if (format[0] == '%') {
            example_text[used++] = (char)('0' + va_arg(args, int) % 10);
            format++;
        } else {
            example_text[used++] = *format;
        }
    }
    va_end(args);
}
void k_sleep(int seconds)
{
    (void)seconds;
    example_runs++;
}
"""


def _stub(folder: Path, board_name: str) -> Path:
    board = load_board(board_name)
    (folder / "include" / "zephyr" / "sys").mkdir(parents=True)
    (folder / "ZephyrConfig.cmake").write_text(ZEPHYR_CONFIG)
    (folder / "include" / "zephyr" / "kernel.h").write_text(KERNEL_H)
    (folder / "include" / "zephyr" / "sys" / "printk.h").write_text("void printk(const char *format, ...);\n")
    (folder / "kernel.c").write_text(KERNEL_C)
    (folder / "startup.c").write_text(plain("common/startup.c"))
    (folder / "kernel.ld").write_text(linker_script(board, 2048))
    (folder / "arm.cmake").write_text(
        "set(CMAKE_SYSTEM_NAME Generic)\nset(CMAKE_SYSTEM_PROCESSOR arm)\nset(CMAKE_C_COMPILER arm-none-eabi-gcc)\n"
        "set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)\n"
        f'set(CMAKE_C_FLAGS_INIT "{" ".join(core_flags(board))} -Wall -Wextra -Wconversion -Werror")\n'
    )
    return folder


def _build(sample: Path, stub: Path, build: Path) -> Path:
    call("cmake", "-S", sample, "-B", build, f"-DZephyr_DIR={stub}", f"-DCMAKE_TOOLCHAIN_FILE={stub / 'arm.cmake'}")
    call("cmake", "--build", build)
    return build / "zephyr_final"


def test_sample_runs_and_passes_its_self_test(firmware: Path, tmp_path: Path) -> None:
    need("cmake", GCC)
    folder = export(firmware, "zephyr", tmp_path / "module")
    machine = device(firmware.name, _build(folder / "sample", _stub(tmp_path / "stub", firmware.name), tmp_path / "b"))
    machine.run()
    text = machine.bytes_of("example_text").rstrip(b"\0").decode()
    assert re.fullmatch(rf"{NAME}: self-test passed\n{NAME}: best output \d\n", text)
    assert machine.image.weights_bytes == 0


def test_two_modules_share_their_kernels(firmware: Path, tmp_path: Path) -> None:
    """Zephyr links whole archives: a kernel that two modules brought would be defined twice."""
    need("cmake", GCC)
    folder = export(firmware, "zephyr", tmp_path / "module")
    other = tmp_path / "other"
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        target = other / path.relative_to(folder).as_posix().replace(NAME, "second")
        target.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text().replace(NAME, "second").replace(NAME.upper(), "SECOND")
        target.write_text(text)
    sample = folder / "sample"
    (sample / "prj.conf").write_text((sample / "prj.conf").read_text() + "CONFIG_EDGEKIT_SECOND=y\n")
    lists = (sample / "CMakeLists.txt").read_text()
    both = lists.replace(
        "find_package", "list(APPEND EXTRA_ZEPHYR_MODULES ${CMAKE_CURRENT_SOURCE_DIR}/../../other)\nfind_package"
    )
    (sample / "CMakeLists.txt").write_text(both)
    _build(sample, _stub(tmp_path / "stub", firmware.name), tmp_path / "b")
    libraries = {p.stem for p in (tmp_path / "b").rglob("*.a")}
    assert {f"libedgekit_{NAME}", "libedgekit_second"} <= libraries


def test_yaml_files_say_what_zephyr_reads(firmware: Path, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML not installed")
    folder = export(firmware, "zephyr", tmp_path / "module")
    module = yaml.safe_load((folder / "zephyr" / "module.yml").read_text())
    assert set(module) == {"name", "build", "samples"} and module["name"] == f"edgekit_{NAME}"
    assert (folder / module["build"]["cmake"] / "CMakeLists.txt").exists()
    assert (folder / module["build"]["kconfig"]).exists()
    for sample in module["samples"]:
        described = yaml.safe_load((folder / sample / "sample.yaml").read_text())
        assert described["tests"][f"sample.edgekit.{NAME}"]["harness"] == "console"


def test_kconfig_option_is_what_the_sample_sets(firmware: Path, tmp_path: Path) -> None:
    kconfiglib = pytest.importorskip("kconfiglib", reason="kconfiglib not installed")
    folder = export(firmware, "zephyr", tmp_path / "module")
    tree = kconfiglib.Kconfig(str(folder / "zephyr" / "Kconfig"), warn_to_stderr=False)
    option = tree.syms[f"EDGEKIT_{NAME.upper()}"]
    assert option.type == kconfiglib.BOOL and option.str_value == "n" and tree.warnings == []
    mine = [line for line in (folder / "sample" / "prj.conf").read_text().splitlines() if "EDGEKIT" in line]
    (tmp_path / "mine.conf").write_text("\n".join(mine))
    tree.load_config(str(tmp_path / "mine.conf"))
    assert option.str_value == "y" and tree.warnings == []
