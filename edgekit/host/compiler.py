"""The C compiler of this computer, and the operator library built with it once."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from edgekit import runtime_c
from edgekit.errors import ToolchainError
from edgekit.toolchains.object_cache import cache_dir, headers_digest, replace_file
from edgekit.toolchains.zig import zig_binary

FLAGS = ("-std=gnu99", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-fno-sanitize=all", "-w")
TIMEOUT_S = 600.0
WORKERS = 2


@cache
def host_compiler() -> tuple[str, ...]:
    """The command of the compiler: gcc, clang or cc where there is one, else Zig's."""
    for name in ("gcc", "clang", "cc"):
        found = shutil.which(name)
        if found is not None:
            return (found,)
    return (str(zig_binary()), "cc")


def compile_host(arguments: Sequence[str], folder: Path) -> None:
    """Run the compiler in a folder; raises ToolchainError with its first messages."""
    command = [*host_compiler(), *FLAGS, *arguments]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"the host compiler failed: {type(error).__name__}") from error
    if done.returncode:
        lines = "\n".join(done.stderr.splitlines()[:12])
        raise ToolchainError(f"generated C does not compile on this computer:\n{lines}")


@cache
def kernel_archive() -> Path:
    """All kernels as one static library, compiled once per compiler and version of the sources."""
    sources = sorted((runtime_c.ROOT / "src").glob("*.c"))
    digest = hashlib.sha256(" ".join([*host_compiler(), *FLAGS]).encode())
    digest.update(headers_digest([runtime_c.INCLUDE]).encode())
    for source in sources:
        digest.update(source.name.encode() + source.read_bytes())
    archive = cache_dir() / "host" / f"{digest.hexdigest()[:32]}.a"
    if archive.exists():
        return archive
    with tempfile.TemporaryDirectory(prefix="edgekit-host-") as scratch:
        folder = Path(scratch)

        def compile_one(source: Path) -> Path:
            target = folder / f"{source.stem}.o"
            flags = ["-O3", "-ffunction-sections", f"-I{runtime_c.INCLUDE}"]
            compile_host([*flags, "-c", str(source), "-o", str(target)], folder)
            return target

        with ThreadPoolExecutor(WORKERS) as pool:
            objects = list(pool.map(compile_one, sources))
        made = folder / "kernels.a"
        _archive(made, objects)
        archive.parent.mkdir(parents=True, exist_ok=True)
        replace_file(made, archive)
    return archive


def _archive(target: Path, objects: Sequence[Path]) -> None:
    tool = [str(zig_binary()), "ar"] if shutil.which("ar") is None else ["ar"]
    done = subprocess.run([*tool, "rcs", str(target), *map(str, objects)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolchainError(f"cannot archive the kernels: {done.stderr.strip()[:500]}")
