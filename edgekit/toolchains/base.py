"""What every C toolchain does alike: compile in parallel through the object cache, link, and explain failures."""

from __future__ import annotations

import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from edgekit import runtime_c
from edgekit.boards import Board
from edgekit.errors import DoesNotFit, ToolchainError
from edgekit.toolchains import object_cache
from edgekit.toolchains.image import Image
from edgekit.toolchains.linking import memory_regions

FREESTANDING = Path(runtime_c.__file__).resolve().parent / "freestanding"
HARNESS = Path(runtime_c.__file__).resolve().parent / "harness"
WORKERS = 2
TIMEOUT_S = 300.0
MESSAGE_LINES = 12

COMMON_FLAGS = (
    "-std=c99",
    "-ffunction-sections",
    "-fdata-sections",
    "-ffreestanding",
    "-ffp-contract=off",
    "-fomit-frame-pointer",
    "-fno-common",
    "-fno-stack-protector",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Werror",
)
# Unrolled copy loops cost hundreds of bytes and save nothing that counts.
SMALL_SOURCES = {"startup.c": "s", "memory.c": "s"}
_LLD_OVERFLOW = re.compile(r"will not fit in region '(\w+)': overflowed by (\d+) bytes")
_GNU_OVERFLOW = re.compile(r"region `(\w+)' overflowed by (\d+) bytes")


@dataclass(frozen=True)
class Toolchain(ABC):
    """A C compiler and linker for bare-metal Cortex-M.

    Attributes:
        optimise: the level after -O for all sources.
        optimise_source: level by source file name, over `optimise`.
    """

    optimise: str = "2"
    optimise_source: Mapping[str, str] = field(default_factory=lambda: dict(SMALL_SOURCES))

    @property
    @abstractmethod
    def name(self) -> str:
        """Short name: 'zig' or 'gcc'."""

    @abstractmethod
    def version(self) -> str:
        """The compiler's version.

        Raises:
            ToolchainError: it is not installed; says what to install.
        """

    @abstractmethod
    def _driver(self) -> list[str]:
        """The command that compiles and links."""

    @abstractmethod
    def _core_flags(self, board: Board) -> list[str]:
        """Flags that choose core, FPU and calling convention."""

    @abstractmethod
    def _stack_usage_flags(self, su_file: Path) -> list[str]:
        """Flags that write stack usage to `su_file`, which is the object's path with suffix .su."""

    @abstractmethod
    def _link_flags(self) -> list[str]:
        """Flags of the link step beside script, objects and output."""

    def _libraries(self, board: Board) -> list[str]:
        """What follows the objects on the linker's command line."""
        return []

    def _environment(self, scratch: Path) -> dict[str, str] | None:
        """Environment of the compiler; `scratch` is a folder that may be littered."""
        return None

    def compile(
        self,
        sources: Sequence[Path],
        include_dirs: Sequence[Path],
        board: Board,
        work_dir: Path,
        linker_script: str,
        defines: Mapping[str, str],
        output: str = "firmware.elf",
    ) -> Image:
        """Compile and link. The ELF file depends on contents and names only, not on where folders lie.

        Args:
            sources: C files; the memory functions of runtime_c/freestanding are added.
            include_dirs: searched in this order; all headers below them count as inputs.
            work_dir: takes objects, linker script and ELF file.
            linker_script: text, see `linker_script`.
            defines: macros; an empty value defines the bare name.

        Raises:
            ToolchainError: a compiler or linker message, or no compiler.
            DoesNotFit: a memory region overflows.
        """
        work_dir.mkdir(parents=True, exist_ok=True)
        objects = work_dir / "obj"
        objects.mkdir(exist_ok=True)
        jobs = _named([*sources, FREESTANDING / "memory.c"], objects)
        flags = [*self._core_flags(board), *COMMON_FLAGS]
        flags += [f"-D{name}={value}" if value else f"-D{name}" for name, value in sorted(defines.items())]
        includes = [path.resolve() for path in include_dirs]
        headers = object_cache.headers_digest([*includes, FREESTANDING])
        beside = {folder: object_cache.headers_digest([folder]) for folder in {source.parent for source, _ in jobs}}
        with ThreadPoolExecutor(WORKERS) as pool:
            compiled = [
                pool.submit(self._compile_one, source, target, flags, includes, headers + beside[source.parent])
                for source, target in jobs
            ]
            for job in compiled:
                job.result()
        elf = work_dir / output
        self._link([target for _, target in jobs], board, elf, linker_script)
        return Image.load(elf, board, [target.with_suffix(".su") for _, target in jobs])

    def _compile_one(self, source: Path, target: Path, flags: list[str], includes: list[Path], headers: str) -> None:
        level = self.optimise_source.get(source.name, self.optimise)
        flags = [*flags, f"-O{level}"]
        key = object_cache.object_key(source, headers, [self.name, self.version(), *flags])
        if object_cache.fetch(key, target):
            return
        su_file = target.with_suffix(".su")
        command = [*self._driver(), *flags, *self._stack_usage_flags(su_file)]
        for folder in includes:
            command += ["-I", str(folder)]
        # A bare file name and its folder as the current one: no path gets into the object.
        command += ["-isystem", str(FREESTANDING), "-c", source.name, "-o", str(target)]
        scratch = target.with_suffix(".tmp")
        result = self._call(command, source.parent, self._environment(scratch))
        shutil.rmtree(scratch, ignore_errors=True)
        if result.returncode:
            raise ToolchainError(f"{self.name}: {source.name} does not compile:\n{_first_lines(result.stderr)}")
        # A file without functions has no stack usage; a function that is missing here is decoded from its machine code.
        su_file.touch()
        object_cache.store(key, target)

    def _link(self, objects: list[Path], board: Board, elf: Path, script_text: str) -> None:
        script = elf.with_suffix(".ld")
        script.write_text(script_text, encoding="utf-8")
        command = [*self._driver(), *self._core_flags(board), "-O2", *self._link_flags(), "-T", script.name]
        command += ["-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,-e,Reset_Handler"]
        command += [str(path.relative_to(elf.parent)) for path in objects]
        command += [*self._libraries(board), "-o", elf.name]
        result = self._call(command, elf.parent, None)
        if result.returncode:
            _raise_overflow(result.stderr, board)
            raise ToolchainError(f"{self.name}: {elf.name} does not link:\n{_first_lines(result.stderr)}")

    def _call(
        self, command: list[str], folder: Path, environment: dict[str, str] | None
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                command,
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ToolchainError(f"{self.name}: {Path(command[0]).name} failed: {type(error).__name__}") from error


def _named(sources: Sequence[Path], objects: Path) -> list[tuple[Path, Path]]:
    """Absolute sources and their object files; equal names in different folders get numbers."""
    seen: dict[str, int] = {}
    jobs = []
    for source in sources:
        count = seen[source.stem] = seen.get(source.stem, -1) + 1
        name = f"{source.stem}.{count}.o" if count else f"{source.stem}.o"
        jobs.append((source.resolve(), objects.resolve() / name))
    return jobs


def _first_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[:MESSAGE_LINES])


def _raise_overflow(message: str, board: Board) -> None:
    """Raise DoesNotFit for the region that overflows most; both linkers name it and the bytes too many."""
    worst: dict[str, int] = {}
    for name, count in [*_LLD_OVERFLOW.findall(message), *_GNU_OVERFLOW.findall(message)]:
        worst[name] = max(worst.get(name, 0), int(count))
    if not worst:
        return
    name = max(worst, key=lambda key: worst[key])
    region = memory_regions(board)[name]
    raise DoesNotFit(region.name, region.size + worst[name], region.size, [])
