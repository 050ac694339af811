"""edgekit doctor."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess

import click

from edgekit.cli.common import json_option, print_json

PACKAGES = ("numpy", "onnx", "onnxruntime", "ai-edge-litert", "unicorn", "ziglang")
PROGRAMS = {
    "arm-none-eabi-gcc": "apt install gcc-arm-none-eabi libnewlib-arm-none-eabi (optional: --toolchain gcc)",
    "qemu-system-arm": "apt install qemu-system-arm (optional: emulates Cortex-M55 boards)",
    "gcc": "apt install gcc (optional: kernels under sanitizers)",
    "clang": "apt install clang (optional: kernels under sanitizers)",
}


@click.command("doctor", epilog="Example: edgekit doctor")
@json_option
def command(as_json: bool) -> None:
    """Say which toolchains and emulators are here, and how to get the others."""
    packages = {name: _package(name) for name in PACKAGES}
    programs = {name: _program(name) for name in PROGRAMS}
    ok = all(version is not None for version in packages.values())
    if as_json:
        print_json({"python": platform.python_version(), "packages": packages, "programs": programs, "ok": ok})
    else:
        print(f"python {platform.python_version()}")
        for name, version in packages.items():
            print(f"  {name}: {version or f'MISSING: pip install {name}'}")
        for name, version in programs.items():
            print(f"  {name}: {version or f'not here; {PROGRAMS[name]}'}")
    if not ok:
        raise SystemExit(1)


def _package(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _program(name: str) -> str | None:
    path = shutil.which(name)
    if path is None:
        return None
    result = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=20)
    return result.stdout.partition("\n")[0].strip() or None
