"""The STM32CubeIDE export: its XML is read as the IDE does, and its tree built with exactly those settings."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from edgekit.boards import board_names, load_board
from edgekit.errors import BadUsage
from edgekit.exports import files_of, open_project
from tests.exports.conftest import NAME
from tests.exports.emulate import GCC, call, device, export, need

ST = "com.st.stm32cube.ide.mcu.gnu.managedbuild"
# The IDE knows a chip's core by its name.
CORES = {
    "STM32F1": "cortex-m3", "STM32L1": "cortex-m3", "STM32F4": "cortex-m4", "STM32L4": "cortex-m4",
    "STM32F7": "cortex-m7", "STM32H7": "cortex-m7", "STM32H5": "cortex-m33", "STM32U5": "cortex-m33",
    "STM32N6": "cortex-m55",
}  # fmt: skip
CUBEMX_SCRIPT = """ENTRY(Reset_Handler)
MEMORY
{
  RAM (xrw) : ORIGIN = 0x20000000, LENGTH = 320K
  FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 1024K
}
REGION_ALIAS("EDGEKIT_WEIGHTS", FLASH)
REGION_ALIAS("EDGEKIT_ARENA_0", RAM)
SECTIONS
{
  .isr_vector : { KEEP(*(.vectors)) } >FLASH
  .text : { *(.text*) } >FLASH
  .rodata : { *(.rodata*) } >FLASH
  INCLUDE edgekit_sections.ld
  __ek_data_load = LOADADDR(.data);
  .data : { __ek_data_start = .; *(.data*) . = ALIGN(4); __ek_data_end = .; } >RAM AT> FLASH
  .bss : { __ek_bss_start = .; *(.bss*) *(COMMON) . = ALIGN(4); __ek_bss_end = .; } >RAM
  __ek_stack_top = ORIGIN(RAM) + LENGTH(RAM);
}
"""


class Settings:
    """One configuration of .cproject as a compiler's command line."""

    def __init__(self, folder: Path, title: str) -> None:
        root = ElementTree.parse(folder / ".cproject").getroot()
        (self.configuration,) = [c for c in root.iter("configuration") if c.get("name") == title]
        self.folder, self.title = folder, title

    def option(self, name: str) -> ElementTree.Element:
        (found,) = [o for o in self.configuration.iter("option") if o.get("superClass") == f"{ST}.{name}"]
        return found

    def value(self, name: str) -> str:
        return str(self.option(name).get("value")).rpartition(".value.")[2]

    def values(self, name: str) -> list[str]:
        return [str(v.get("value")) for v in self.option(name).iter("listOptionValue")]

    def core(self) -> list[str]:
        core = CORES[self.value("option.target_mcu")[:7]]
        return [
            f"-mcpu={core}",
            "-mthumb",
            f"-mfpu={self.value('option.fpu')}",
            f"-mfloat-abi={self.value('option.floatabi')}",
        ]

    def compiler(self) -> list[str]:
        level = self.value("tool.c.compiler.option.optimization.level").replace("o", "-O", 1)
        paths = [f"-I{p}" for p in self.values("tool.c.compiler.option.includepaths")]
        other = self.values("tool.c.compiler.option.otherflags")
        return ["-std=gnu11", f"-{self.value('tool.c.compiler.option.debuglevel')}", level, *paths, *other]

    def sources(self) -> list[Path]:
        roots = [self.folder / str(e.get("name")) for e in self.configuration.iter("entry")]
        return sorted(p for root in roots for p in root.rglob("*.c"))

    def script(self) -> Path:
        text = str(self.option("tool.c.linker.option.script").get("value"))
        return self.folder / text.removeprefix("${workspace_loc:/${ProjName}/").removesuffix("}")


def _compile(settings: Settings) -> list[Path]:
    build = settings.folder / settings.title
    build.mkdir()
    objects = []
    for source in settings.sources():
        target = build / f"{source.stem}.o"
        flags = [*settings.core(), *settings.compiler(), "-ffunction-sections", "-fdata-sections", "-Wall", "-Werror"]
        call(GCC, source, *flags, "-c", "-o", target, cwd=build)
        objects.append(target)
    return objects


@pytest.mark.parametrize("title", ["Debug", "Release"])
def test_project_builds_and_passes_its_self_test(title: str, firmware: Path, tmp_path: Path) -> None:
    need(GCC)
    folder = export(firmware, "cubeide", tmp_path / "project")
    settings = Settings(folder, title)
    objects = _compile(settings)
    elf = folder / title / f"{NAME}.elf"
    # The IDE's own command line, with the flags from .cproject.
    link = ["-T", settings.script(), "--specs=nosys.specs", "-Wl,--gc-sections", "-static"]
    link += [*settings.values("tool.c.linker.option.otherflags"), "--specs=nano.specs"]
    libraries = ["-Wl,--start-group", "-lc", "-lm", "-Wl,--end-group"]
    call(GCC, "-o", elf, *objects, *settings.core(), *link, *libraries, cwd=folder / title)
    machine = device("stm32f746", elf)
    machine.run()
    assert (machine.integer("example_selftest"), machine.integer("example_runs")) == (0, 1)


def test_sections_drop_into_a_script_of_cubemx(firmware: Path, tmp_path: Path) -> None:
    need(GCC)
    folder = export(firmware, "cubeide", tmp_path / "project")
    readme = (folder / "README.md").read_text()
    aliases = [line for line in CUBEMX_SCRIPT.splitlines() if line.startswith("REGION_ALIAS")]
    assert all(alias in readme for alias in aliases)
    settings = Settings(folder, "Release")
    objects = _compile(settings)
    (folder / "CubeMX.ld").write_text(CUBEMX_SCRIPT)
    elf = folder / "Release" / "dropped.elf"
    call(
        GCC, "-o", elf, *objects, *settings.core(), "-T", "CubeMX.ld", "-nostartfiles", "-Wl,--gc-sections", cwd=folder
    )
    machine = device("stm32f746", elf)
    machine.run()
    assert machine.integer("example_selftest") == 0
    assert machine.image.weights_bytes > 40_000 and machine.image.arena_bytes > 5_000


def test_xml_is_consistent(firmware: Path, tmp_path: Path) -> None:
    folder = export(firmware, "cubeide", tmp_path / "project")
    project = ElementTree.parse(folder / ".project").getroot()
    assert project.findtext("name") == NAME
    natures = [n.text for n in project.iter("nature")]
    assert "com.st.stm32cube.ide.mcu.MCUProjectNature" in natures and "org.eclipse.cdt.core.cnature" in natures
    root = ElementTree.parse(folder / ".cproject").getroot()
    ids = [e.get("id") for tag in ("option", "tool", "toolChain", "builder", "inputType") for e in root.iter(tag)]
    assert len(ids) > 60 and len(ids) == len(set(ids))
    for title in ("Debug", "Release"):
        settings = Settings(folder, title)
        assert settings.value("option.target_mcu") == "STM32F746NGHx"
        assert settings.script().exists()
        assert [(folder / title / p).resolve().is_dir() for p in settings.values("tool.c.compiler.option.includepaths")]


def test_chips_of_other_vendors_are_refused(small_firmware: Path) -> None:
    with pytest.raises(BadUsage, match=r"STM32 chips only.*rp2040"):
        files_of(open_project(small_firmware), "cubeide")


def test_every_board_of_st_says_its_chip() -> None:
    for name in board_names():
        board = load_board(name)
        assert (board.mcu is not None) == ("STM32" in board.title), name
        if board.mcu is not None:
            assert CORES[board.mcu[:7]] == board.core and board.mcu[:9] in board.title
