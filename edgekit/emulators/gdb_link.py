"""GDB's remote serial protocol over an emulator's standard input and output: memory, registers, breakpoints.

https://sourceware.org/gdb/current/onlinedocs/gdb.html/Remote-Protocol.html; only what a debug stub of an Arm core
needs. Numbers are hexadecimal, bytes two digits each.
"""

from __future__ import annotations

import os
import select
import subprocess
import time

from edgekit.errors import ToolchainError

_TIMEOUT_S = 60.0
# The stub's packets hold 4096 characters.
_CHUNK = 1024


class GdbLink:
    """The client's side.

    Args:
        process: the emulator, its standard input and output being pipes.

    Raises (all methods):
        ToolchainError: the emulator ended, or does not answer.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process = process
        self._to, self._from = process.stdin.fileno(), process.stdout.fileno()
        self._buffer = b""
        # Asking for the description switches access to single registers on.
        self.ask("qXfer:features:read:target.xml:0,400")

    def ask(self, request: str) -> str:
        """Send a request and wait for its answer."""
        self.send(request)
        answer = self.receive(_TIMEOUT_S)
        if answer is None:
            raise ToolchainError(f"the emulator does not answer {request[:20]!r}")
        return answer

    def send(self, request: str) -> None:
        """Send a request."""
        data = request.encode("ascii")
        self._write(b"$%s#%02x" % (data, sum(data) & 0xFF))

    def interrupt(self) -> None:
        """Stop a running program; the answer to `c` then comes."""
        self._write(b"\x03")

    def receive(self, timeout_s: float) -> str | None:
        """The next answer, or None where none comes in time."""
        end = time.monotonic() + timeout_s
        while True:
            start = self._buffer.find(b"$")
            stop = self._buffer.find(b"#", start)
            if start >= 0 and 0 <= stop <= len(self._buffer) - 3:
                answer = self._buffer[start + 1 : stop]
                self._buffer = self._buffer[stop + 3 :]
                self._write(b"+")
                return answer.decode("latin-1")
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._from], [], [], left)[0]:
                return None
            received = os.read(self._from, 1 << 16)
            if not received:
                raise ToolchainError("the emulator ended")
            self._buffer += received

    def read(self, address: int, size: int) -> bytes | None:
        """Bytes of memory, or None where there is none."""
        parts = []
        for at in range(address, address + size, _CHUNK):
            answer = self.ask(f"m{at:x},{min(_CHUNK, address + size - at):x}")
            if answer.startswith("E"):
                return None
            parts.append(bytes.fromhex(answer))
        return b"".join(parts)

    def write(self, address: int, data: bytes) -> bool:
        """Put bytes into memory; False where there is none."""
        for at in range(0, len(data), _CHUNK):
            part = data[at : at + _CHUNK]
            if self.ask(f"M{address + at:x},{len(part):x}:{part.hex()}") != "OK":
                return False
        return True

    def register(self, number: int) -> int:
        """A 32-bit register."""
        return int.from_bytes(bytes.fromhex(self.ask(f"p{number:x}")), "little")

    def set_register(self, number: int, value: int) -> None:
        """Set a 32-bit register."""
        if self.ask(f"P{number:x}={value.to_bytes(4, 'little').hex()}") != "OK":
            raise ToolchainError(f"the emulator refuses to set register {number}")

    def breakpoint(self, address: int, on: bool) -> None:
        """Set or clear a breakpoint on a 16-bit instruction or the start of a longer one."""
        if self.ask(f"{'Z' if on else 'z'}0,{address:x},2") != "OK":
            raise ToolchainError(f"the emulator refuses a breakpoint at {address:#010x}")

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._to, data) :]
        except OSError as error:
            raise ToolchainError("the emulator ended") from error
