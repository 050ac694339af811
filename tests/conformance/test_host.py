"""Every kernel on the host, both variants, under AddressSanitizer and UBSan, with gcc and clang."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edgekit.codegen.lowering import Target
from tests.conformance.suite import write_suite

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
@pytest.mark.parametrize("dsp", [False, True], ids=["portable", "dsp"])
def test_kernels_equal_reference_under_sanitizers(tmp_path: Path, dsp: bool, compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} on this machine: sanitizers need a host compiler")
    suite = write_suite(tmp_path / "suite", Target(dsp=dsp))
    (tmp_path / "main.c").write_text(MAIN)
    binary = tmp_path / "conformance"
    flags = ["-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-ffp-contract=off"]
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    includes = [f"-I{d}" for d in suite.include_dirs]
    command = [compiler, *flags, *sanitize, *includes, "-o", binary, tmp_path / "main.c", *suite.sources]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if "cannot find" in built.stderr and "asan" in built.stderr:
        pytest.skip(f"{compiler} has no AddressSanitizer runtime here")
    assert built.returncode == 0, built.stderr[-4000:]
    run = subprocess.run([binary], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-4000:]
    counts = [int(line) for line in run.stdout.split()]
    assert len(counts) == len(suite.cases)
    assert [name for name, count in zip(suite.cases, counts, strict=True) if count] == []
