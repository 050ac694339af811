"""Every kernel on the host, both variants, under AddressSanitizer and UBSan, with gcc and clang; and on aarch64."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgekit.codegen.lowering import Target
from tests.conformance.suite import Suite, write_suite

AARCH64 = "aarch64-linux-gnu-gcc"
# Scratch: the least, and an amount that cuts layers into several tiles.
ROOM = {"gcc": 0, "clang": 700}

MAIN = """#include <stdio.h>
extern int conformance_results[];
extern const int conformance_count;
void conformance_run(void);
int main(void)
{
    conformance_run();
    for (int i = 0; i < conformance_count; ++i) { printf("%d\\n", conformance_results[i]); }
    return 0;
}
"""


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("target", [Target(False), Target(True), Target(True, True)], ids=["portable", "dsp", "mve"])
def test_kernels_equal_reference_under_sanitizers(tmp_path: Path, target: Target, compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} on this machine: sanitizers need a host compiler")
    suite = write_suite(tmp_path / "suite", target, ROOM[compiler])
    flags = ["-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    assert _differing(tmp_path, suite, [compiler, *flags, *sanitize], []) == []


def test_kernels_equal_reference_on_aarch64(tmp_path: Path) -> None:
    if shutil.which(AARCH64) is None or shutil.which("qemu-aarch64") is None:
        pytest.skip(f"no {AARCH64} or no qemu-aarch64 on this machine")
    suite = write_suite(tmp_path / "suite", Target(dsp=False), 0)
    command = [AARCH64, "-O2", "-static", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    assert _differing(tmp_path, suite, command, ["qemu-aarch64"]) == []


def _differing(folder: Path, suite: Suite, compiler: list[str], runner: list[str]) -> list[str]:
    """The cases whose results differ. Files are compiled two at a time, the cases themselves unoptimised."""
    main = folder / "main.c"
    main.write_text(MAIN)
    includes = [f"-I{d}" for d in suite.include_dirs]

    def compile_one(source: Path) -> Path:
        target = folder / f"{source.stem}.o"
        level = ["-O0"] if source.name in suite.drivers else []
        command = [*compiler, "-std=c99", "-ffp-contract=off", *level, *includes, "-c", source, "-o", target]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stderr[-4000:]
        return target

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, [main, *suite.sources]))
    binary = folder / "conformance"
    linked = subprocess.run([*compiler, "-o", binary, *objects], capture_output=True, text=True, check=False)
    if "cannot find" in linked.stderr and "asan" in linked.stderr:
        pytest.skip(f"{compiler[0]} has no AddressSanitizer runtime here")
    assert linked.returncode == 0, linked.stderr[-4000:]
    run = subprocess.run([*runner, binary], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-4000:]
    counts = [int(line) for line in run.stdout.split()]
    assert len(counts) == len(suite.cases)
    return [name for name, count in zip(suite.cases, counts, strict=True) if count]
