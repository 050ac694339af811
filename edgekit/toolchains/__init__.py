"""C toolchains for the boards: compile, link, measure and bound the stack."""

from edgekit.errors import BadUsage
from edgekit.toolchains.base import HARNESS, Toolchain
from edgekit.toolchains.gcc import GccToolchain
from edgekit.toolchains.image import Image, RegionUse, Symbol
from edgekit.toolchains.linking import arena_section, linker_script
from edgekit.toolchains.stack import FunctionUse, StackBound, function_uses, stack_bound
from edgekit.toolchains.zig import ZigToolchain

TOOLCHAINS: dict[str, type[Toolchain]] = {"zig": ZigToolchain, "gcc": GccToolchain}


def get_toolchain(name: str = "zig") -> Toolchain:
    """A toolchain by name.

    Raises:
        BadUsage: no toolchain has this name.
        ToolchainError: it is not installed.
    """
    if name not in TOOLCHAINS:
        raise BadUsage(f"unknown toolchain {name!r}: choose from {', '.join(TOOLCHAINS)}")
    toolchain = TOOLCHAINS[name]()
    toolchain.version()
    return toolchain


__all__ = [
    "HARNESS",
    "TOOLCHAINS",
    "FunctionUse",
    "GccToolchain",
    "Image",
    "RegionUse",
    "StackBound",
    "Symbol",
    "Toolchain",
    "ZigToolchain",
    "arena_section",
    "function_uses",
    "get_toolchain",
    "linker_script",
    "stack_bound",
]
