"""The command line on one hostile file, in a process of its own with limits on time and memory."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import resource
import sys
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

CPU_SECONDS = 10
PEAK_BYTES = 2_000_000_000
# Addresses are many more than bytes in use: libraries reserve what they never touch.
ADDRESS_BYTES = 3_500_000_000
WALL_SECONDS = 40.0

COMMANDS = {
    "analyze": ["analyze"],
    "analyze_float32": ["analyze", "--precision", "float32"],
    "build": ["build", "--board", "stm32f746"],
    "build_float32": ["build", "--board", "stm32f746", "--precision", "float32"],
}

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload([
    "edgekit.cli.analyze", "edgekit.cli.build", "edgekit.pipeline", "edgekit.forecast.analysis",
    "edgekit.importers.onnx",
    "edgekit.importers.tflite", "edgekit.quant.affine", "onnx.defs", "tests.importers.hostile",
])  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: the exit code; negative for a signal, such as that of the time limit.
        text: all that it printed.
        peak: the most bytes of memory it had; seconds: processor time.
    """

    code: int | None
    text: str
    peak: int
    seconds: float


def run(path: Path, command: str, *more: str, seconds: int = CPU_SECONDS) -> Outcome:
    """`edgekit COMMAND path` under the limits."""
    receiver, sender = _server.Pipe(duplex=False)
    arguments = [COMMANDS[command][0], str(path), *COMMANDS[command][1:], *more]
    if arguments[0] == "build":
        arguments += ["-o", str(path.parent / "firmware")]
    process = _server.Process(target=_child, args=(arguments, sender, str(path.parent / "said"), seconds))
    process.start()
    sender.close()
    process.join(WALL_SECONDS * seconds / CPU_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    peak, spent = 0, 0.0
    with contextlib.suppress(EOFError):
        peak, spent = receiver.recv() if receiver.poll() else (0, 0.0)
    text = (path.parent / "said").read_text() if (path.parent / "said").exists() else ""
    return Outcome(process.exitcode, text, peak, spent)


def _child(arguments: list[str], sender: Connection, errors: str, seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    before = used.ru_utime + used.ru_stime
    resource.setrlimit(resource.RLIMIT_CPU, (int(before) + seconds, int(before) + seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    with Path(errors).open("w") as sys.stderr:
        sys.stdout = sys.stderr
        code: object = 0
        try:
            from edgekit.cli import main

            main(arguments)
        except SystemExit as error:
            code = error.code
        except BaseException:
            traceback.print_exc(file=sys.stderr)
            code = 70
        used = resource.getrusage(resource.RUSAGE_SELF)
    sender.send((used.ru_maxrss * 1024, used.ru_utime + used.ru_stime - before))
    sender.close()
    os._exit(code if isinstance(code, int) else 1)


def refused(path: Path, command: str, match: str = "", *more: str) -> Outcome:
    """Assert one clear error of exit code 2 within the limits."""
    outcome = run(path, command, *more)
    assert outcome.code == 2, f"exit code {outcome.code} after {outcome.seconds:.1f} s: {outcome.text[-1500:]}"
    within_limits(outcome)
    assert len(outcome.text) < 20_000, f"{len(outcome.text)} characters of error"
    assert outcome.text.count("error: ") == 1 or "not supported: " in outcome.text, outcome.text
    assert re.search(match, outcome.text), f"{outcome.text[:1500]!r} says nothing of {match!r}"
    return outcome


def within_limits(outcome: Outcome, seconds: int = CPU_SECONDS) -> None:
    """Assert time, memory, and that there is no traceback."""
    assert "Traceback" not in outcome.text
    assert outcome.seconds < seconds, f"{outcome.seconds:.1f} s"
    assert 0 < outcome.peak < PEAK_BYTES, f"{outcome.peak / 1e9:.2f} GB"
