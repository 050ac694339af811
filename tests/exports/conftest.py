"""One build of the packaged model for all tests of exports."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from edgekit.cli import group

NAME = "fashion_mnist_vit"


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged model, built for the STM32F746 Discovery."""
    return build(tmp_path_factory, "stm32f746")


@pytest.fixture(scope="session")
def small_firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged model for the RP2040: no FPU, no DSP instructions, a boot loader in flash, no chip of ST's."""
    return build(tmp_path_factory, "rp2040")


def build(factory: pytest.TempPathFactory, board: str) -> Path:
    folder = factory.mktemp("built") / board
    result = CliRunner().invoke(group, ["build", "--board", board, "--samples", "1", "-o", str(folder)])
    assert result.exit_code == 0, result.output
    return folder
