"""Recorded figures of other engines, to hold edgekit's against.

TensorFlow Lite for Microcontrollers of August 2026 with CMSIS-NN as it pins it, arm-none-eabi-gcc 12.2 at -O2 for a
Cortex-M7 with fpv5-sp-d16. Instructions are executed ones, counted exactly in an emulator with the STM32F746's memory
map; cycles, caches and wait states are not in them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """One MLPerf Tiny int8 model on TFLM with CMSIS-NN.

    Attributes:
        file: name of the public model.
        macs: nominal multiply-accumulates of one inference.
        instructions: executed per inference.
        code, arena, stack: bytes; code is without the model's own.
        code_and_model: bytes of flash.
    """

    title: str
    file: str
    macs: int
    instructions: int
    code: int
    code_and_model: int
    arena: int
    stack: int


TFLM_CMSIS_NN: tuple[Peer, ...] = (
    Peer("IC ResNet8", "pretrainedResnet_quant.tflite", 12_501_632, 30_017_649, 79_668, 178_164, 54_996, 1_292),
    Peer("KWS DS-CNN", "kws_ref_model.tflite", 2_656_768, 7_643_158, 84_712, 138_648, 22_820, 1_292),
    Peer("VWW MobileNetV1", "vww_96_int8.tflite", 7_489_664, 24_025_600, 84_712, 418_000, 100_708, 1_292),
    Peer("AD autoencoder", "ad01_int8.tflite", 264_192, 583_229, 31_768, 308_744, 2_580, 828),
)
