"""edgekit's own C parts for this computer, compiled by zig when first needed, and kept."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from edgekit.errors import ToolchainError
from edgekit.toolchains.object_cache import cache_dir, replace_file
from edgekit.toolchains.zig import zig_binary, zig_version

_LINK_FLAGS = {"linux": ["-fPIC", "-Wl,-z,lazy"], "darwin": ["-fPIC", "-Wl,-undefined,dynamic_lookup"]}
_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")


@cache
def shared_library(source: Path, headers: Sequence[Path] = (), libc: bool = True) -> Path:
    """A C file of this package as a shared library; symbols that it lacks are left to the process that loads it.

    Args:
        headers: files beside the source that it includes.
        libc: whether it calls the C library, which takes zig ten seconds to prepare when it is new on a computer.

    Raises:
        ToolchainError: zig is missing or refuses the file, or the cache cannot be written.
    """
    text = b"".join(path.read_bytes() for path in (source, *headers))
    key = hashlib.sha256(text + f"{zig_version()} {sys.platform} {libc}".encode()).hexdigest()[:16]
    kept = cache_dir() / "native" / f"{source.stem}-{key}{_SUFFIX}"
    if kept.exists():
        return kept
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        _compile(source, libc, kept)
    except OSError as error:
        raise ToolchainError(f"{kept.parent}: {error.strerror}; set XDG_CACHE_HOME to a folder to write to") from error
    return kept


def _compile(source: Path, libc: bool, kept: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / f"{source.stem}{_SUFFIX}"
        # The plainest CPU: the cache may be in a home folder that several computers share.
        command = [str(zig_binary()), "cc", "-shared", "-O2", "-mcpu=baseline", "-std=c11", "-fno-sanitize=all"]
        command += ["-Wall", "-Wextra", "-Werror", *_LINK_FLAGS.get(sys.platform, [])]
        if not libc and sys.platform in _LINK_FLAGS:
            command.append("-nostdlib")
        command += ["-o", str(made), str(source)]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
        if result.returncode:
            raise ToolchainError(f"{source.name} does not compile for this computer:\n{result.stderr[:2000]}")
        replace_file(made, kept)
