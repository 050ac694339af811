"""Fuzz for some minutes: python -m tests.fuzz.run --minutes 60 [TARGET..]. Needs the extra `fuzz` (atheris).

A child process per target fuzzes and goes on after every failure; the first input of each kind of failure is kept in
tests/fuzz/crashes/TARGET, which the suite replays. Inputs that reach new code collect in out/fuzz/TARGET.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.fuzz import guard, mutate_onnx, mutate_tflite

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CORPUS = HERE / "corpus"
CRASHES = HERE / "crashes"
GROWN = ROOT / "out" / "fuzz"
MAX_BYTES = {"onnx": 1 << 14, "tflite": 1 << 14, "passes": 256, "quantizer": 256}
SLICE_SECONDS = 600

Mutator = Callable[[bytes, int, bytes], "bytes | None"]
MUTATORS: dict[str, Mutator] = {"onnx": mutate_onnx.mutate, "tflite": mutate_tflite.mutate}


def main() -> None:
    """Divide the time among the targets, in slices, and print executions and failures of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=sorted(MAX_BYTES))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        fuzz(options.targets[0], int(60 * options.minutes))
        return
    seconds = int(60 * options.minutes / len(options.targets))
    executions = dict.fromkeys(options.targets, 0)
    while seconds > 0:
        for target in options.targets:
            end = time.monotonic() + min(seconds, SLICE_SECONDS)
            while (left := int(end - time.monotonic())) > 5:
                executions[target] += _slice(target, left)
        seconds -= SLICE_SECONDS
    for target, count in executions.items():
        kept = len(list((CRASHES / target).glob("*"))) if (CRASHES / target).is_dir() else 0
        print(f"{target}: {count} executions, {kept} failures in {CRASHES / target}")


def _slice(target: str, seconds: int) -> int:
    """Run one child; a crash of the interpreter itself leaves a file and ends the slice early."""
    command = [sys.executable, "-m", "tests.fuzz.run", "--child", "--minutes", str(seconds / 60), target]
    # One thread: libraries that start many want more addresses than the memory limit leaves.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    GROWN.mkdir(parents=True, exist_ok=True)
    log = GROWN / f"{target}.log"
    before = len(log.read_text(errors="replace")) if log.exists() else 0
    with log.open("ab") as file:
        code = subprocess.run(command, cwd=ROOT, env=environment, stderr=file, stdout=file, check=False).returncode
    text = log.read_text(errors="replace")[before:]
    counts = re.findall(r"number_of_executed_units:\s*(\d+)", text) or re.findall(r"^#(\d+)\s", text, re.M)
    coverage = re.findall(r"cov: \d+ ft: \d+", text)
    print(f"{target}: {counts[-1:]} executions, {coverage[-1:]}, exit code {code}", flush=True)
    print("".join(f"{line}\n" for line in text.splitlines() if line.startswith("FAILURE")), end="", flush=True)
    return int(counts[-1]) if counts else 0


def fuzz(target: str, seconds: int) -> None:
    """Fuzz one target in this process."""
    import atheris

    with atheris.instrument_imports(include=["edgekit", "tests.fuzz.targets", "tests.fuzz.random_graphs"]):
        from tests.fuzz.targets import TARGETS
    seen: set[str] = set()

    def one(data: bytes) -> None:
        try:
            with guard.time_limit():
                TARGETS[target](data)
        except (Exception, guard.TooSlow) as error:
            _keep(target, data, error, seen)

    for folder in (GROWN / target, CRASHES / target):
        folder.mkdir(parents=True, exist_ok=True)
    arguments = [
        sys.argv[0], f"-max_total_time={seconds}", f"-max_len={MAX_BYTES[target]}", "-timeout=120", "-rss_limit_mb=0",
        # Wall-clock time says nothing on a busy machine; the guard measures processor time.
        "-report_slow_units=120",
        "-print_final_stats=1", "-len_control=0", f"-artifact_prefix={CRASHES / target}/", f"-seed={os.getpid()}",
        str(GROWN / target), str(CORPUS / target),
    ]  # fmt: skip
    mutator = MUTATORS.get(target)
    if mutator is None:
        atheris.Setup(arguments, one)
    else:
        atheris.Setup(
            arguments, one,
            custom_mutator=lambda data, size, seed: _mutated(atheris, mutator, data, size, seed),
            custom_crossover=lambda first, second, size, seed: (mutator(first, seed, second) or first)[:size],
        )  # fmt: skip
    with guard.memory_limit():
        atheris.Fuzz()


def _mutated(atheris: object, mutator: Mutator, data: bytes, size: int, seed: int) -> bytes:
    """Mostly a change of the model, at times of plain bytes."""
    if seed % 10:
        changed = mutator(data, seed, b"")
        if changed is not None and len(changed) <= size:
            return changed
    return atheris.Mutate(data, size)  # type: ignore[attr-defined,no-any-return]


def signature(error: BaseException) -> str:
    """What kind of failure it is: the exception and the innermost line of ours."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if str(ROOT) in f.filename and ".venv" not in f.filename
    ]
    where = f"{Path(frames[-1].filename).name}:{frames[-1].name}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {where}"


def _keep(target: str, data: bytes, error: BaseException, seen: set[str]) -> None:
    kind = signature(error)
    if kind in seen:
        return
    seen.add(kind)
    name = f"{type(error).__name__}-{hashlib.sha256(data).hexdigest()[:12]}"
    (CRASHES / target / name).write_bytes(data)
    print(f"FAILURE {target} {name}: {kind}: {str(error)[:300]!r}", flush=True)


if __name__ == "__main__":
    main()
