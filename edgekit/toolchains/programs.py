"""Programs of this computer that are used where they are installed."""

from __future__ import annotations

import shutil

from edgekit.errors import ToolchainError


def installed(command: str, advice: str) -> str:
    """A program's path; raises ToolchainError, which says with `advice` what to do, where it is not on PATH."""
    found = shutil.which(command)
    if found is None:
        raise ToolchainError(f"{command} is not installed: {advice}")
    return found
