"""The command line: one file per verb, imported only when its verb runs, so that `--help` is quick."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from edgekit.errors import BadModel, EdgekitError

VERBS = {
    "analyze": "what a model needs, and whether it would fit; compiles nothing",
    "boards": "boards with their memories",
    "build": "model to validated firmware",
    "doctor": "which toolchains and emulators are here",
    "export": "a built folder as a CMake, Zephyr, Arduino or STM32CubeIDE project",
    "ops": "the table of supported operators",
    "plan": "the memory planner alone: offsets for blocks with given lives",
    "quantize": "a float model to a quantized ONNX file, with what each layer lost",
    "run": "run a built image in the emulator",
    "validate": "accuracy and layer diff of a built image",
}


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"edgekit.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # From the table, not from the commands: importing all of them would take seconds.
        with formatter.section("Commands"):
            formatter.write_dl(sorted(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="edgekit")
def group() -> None:
    """From a board and a model to firmware that provably fits and matches its reference bit for bit.

    Example: edgekit build model.tflite --board stm32f746 -o firmware
    """


def main(arguments: list[str] | None = None) -> Any:
    """Entry point: exit code 0 ok, 1 failed check or does not fit, 2 usage or bad input."""
    try:
        return group.main(args=arguments, prog_name="edgekit", standalone_mode=True)
    except EdgekitError as error:
        from edgekit.cli.common import shortened

        print(f"error: {shortened(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except MemoryError:
        print("error: out of memory: the model needs more than this machine has", file=sys.stderr)
        sys.exit(BadModel.exit_code)
    except BrokenPipeError:
        sys.exit(1)
