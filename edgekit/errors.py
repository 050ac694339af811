"""The errors that a user can meet. Every one names where it happened and says what to do.

Exit codes (docs/cli.md): 1 for a failed check or a model that does not fit, 2 for usage or bad input.
"""

from __future__ import annotations


class EdgekitError(Exception):
    """Base of all errors that the command line prints as one clear message.

    Attributes:
        exit_code: the process exit code, 1 (failed check) or 2 (usage or bad input).
    """

    exit_code = 2

    def say(self, more: str) -> None:
        """Say more at the message's end."""
        self.args = (f"{self}; {more}",)


class BadModel(EdgekitError):
    """The model file is malformed: truncated, inconsistent or out of bounds."""


class UnsupportedModel(EdgekitError):
    """The model is well formed but uses something edgekit does not build; names each layer and a rewrite."""


class BadData(EdgekitError):
    """A data file is not readable or not of its kind, or does not fit the model: wrong shape or type."""


class BadUsage(EdgekitError):
    """The command or its options make no sense together."""


class UnknownBoard(EdgekitError):
    """No board file has this name."""


class BadBoard(EdgekitError):
    """A board file is inconsistent."""


class ToolchainError(EdgekitError):
    """A compiler, linker or emulator is missing or refused generated code."""

    exit_code = 1


class MissingPackage(EdgekitError):
    """An optional package that the work needs is not installed."""

    exit_code = 1


class DoesNotFit(EdgekitError):
    """The image needs more than a memory region has.

    Attributes:
        region: the region's name; need, have: bytes.
        costliest: up to three (layer, bytes) pairs that cost most in that region.
    """

    exit_code = 1

    def __init__(self, region: str, need: int, have: int, costliest: list[tuple[str, int]], advice: str = "") -> None:
        self.region, self.need, self.have, self.costliest = region, need, have, costliest
        layers = ", ".join(f"{name} ({size} B)" for name, size in costliest)
        message = f"does not fit: region {region} needs {need} B, has {have} B; costliest layers: {layers or 'none'}"
        super().__init__(message + (f"; {advice}" if advice else ""))


class OverBudget(EdgekitError):
    """No choice that was found keeps to the budgets that were asked for."""

    exit_code = 1


class TooSlow(OverBudget):
    """An inference takes more time than its budget, as modelled.

    Attributes:
        need, have: milliseconds.
        slowest: up to three (layer, milliseconds) pairs that take most.
    """

    def __init__(self, need: float, have: float, slowest: list[tuple[str, float]], advice: str = "") -> None:
        self.need, self.have, self.slowest = need, have, slowest
        layers = ", ".join(f"{name} ({time:.4g} ms)" for name, time in slowest)
        message = f"too slow: an inference needs {need:g} ms, the budget is {have:g} ms; slowest layers: "
        super().__init__(message + (layers or "none") + (f"; {advice}" if advice else ""))


class CheckFailed(EdgekitError):
    """A check of the result failed: a bit mismatch, a stack over its bound, an access outside the memory map."""

    exit_code = 1


class InternalError(EdgekitError):
    """A verifier found that edgekit itself broke an invariant; please report it."""

    exit_code = 1
