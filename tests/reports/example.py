"""A report and a plan with the shape and size of a small residual network's, for the page's tests."""

from __future__ import annotations

from typing import Any

_LAYERS: list[tuple[str, str, int, float, int, int]] = [
    # name, op, MACs, instructions per MAC (or instructions without MACs), weight bytes, output bytes
    ("conv2d", "conv2d", 442368, 2.31, 640, 16384),
    ("conv2d_1", "conv2d", 2359296, 1.18, 2496, 16384),
    ("conv2d_2", "conv2d", 2359296, 1.18, 2496, 16384),
    ("add", "add", 0, 329000, 96, 16384),
    ("conv2d_3", "conv2d", 1179648, 1.12, 4992, 8192),
    ("conv2d_4", "conv2d", 2359296, 1.06, 9600, 8192),
    ("conv2d_5", "conv2d", 131072, 1.44, 896, 8192),
    ("add_1", "add", 0, 165000, 96, 8192),
    ("conv2d_6", "conv2d", 1179648, 1.05, 19200, 4096),
    ("conv2d_7", "conv2d", 2359296, 1.02, 37632, 4096),
    ("conv2d_8", "conv2d", 131072, 1.31, 2816, 4096),
    ("add_2", "add", 0, 83000, 96, 4096),
    ("average_pooling2d", "avg_pool2d", 0, 18400, 24, 64),
    ("dense", "fully_connected", 640, 3.9, 760, 10),
    ("softmax", "softmax", 0, 1460, 1024, 10),
]


# What a row of quantization has beside its error, for a layer with weights of fewer than 8 bits.
_NARROW: dict[str, Any] = {
    "codes_sqnr_db": 45.0, "bits": 4, "exponent": 0.61, "weight_sqnr_db": 21.5, "weights_sqnr_db": 24.0,
    "cause": "weights",
}  # fmt: skip


def example_plan() -> dict[str, Any]:
    """A plan of 52 KiB in one region, with in-place additions and two scratch buffers."""
    steps = [{"index": i, "name": row[0], "op": row[1]} for i, row in enumerate(_LAYERS)]
    spans = [
        ("input_1", "input", 36864, 3072, 0, 0), ("conv2d", "activation", 0, 16384, 0, 6),
        ("add", "activation", 0, 16384, 0, 6), ("conv2d_1", "activation", 16384, 16384, 1, 2),
        ("conv2d_2", "activation", 32768, 16384, 2, 3), ("conv2d_3", "activation", 16384, 8192, 4, 5),
        ("conv2d_4", "activation", 24576, 8192, 5, 10), ("add_1", "activation", 24576, 8192, 5, 10),
        ("conv2d_5", "activation", 16384, 8192, 6, 7), ("conv2d_6", "activation", 0, 4096, 8, 9),
        ("conv2d_7", "activation", 4096, 4096, 9, 12), ("add_2", "activation", 4096, 4096, 9, 12),
        ("conv2d_8", "activation", 0, 4096, 10, 11), ("average_pooling2d", "activation", 0, 64, 12, 13),
        ("dense", "activation", 64, 10, 13, 15), ("Identity", "output", 64, 10, 13, 15),
        ("scratch of conv2d_2", "scratch", 49152, 1184, 2, 2), ("scratch of conv2d_7", "scratch", 16384, 4608, 9, 9),
    ]  # fmt: skip
    buffers = [
        {"name": n, "kind": k, "region": "ram", "offset": o, "size": s, "first": f, "last": last, "shared_with": []}
        for n, k, o, s, f, last in spans
    ]
    region = {"name": "ram", "capacity": 320000, "arena": 50336, "lower_bound": 50336, "proven": True}
    return {"schema": 1, "regions": [region], "steps": steps, "buffers": buffers}


def example_report() -> dict[str, Any]:
    """A build that fits and is bit-exact."""
    layers: list[dict[str, Any]] = [
        {
            "name": name,
            "op": op,
            "macs": macs,
            "instructions": round(macs * cost if macs else cost),
            "cycles": round(1.1 * (macs * cost if macs else cost)),
            "flash": flash,
        }
        for name, op, macs, cost, flash, _ in _LAYERS
    ]
    total = sum(layer["instructions"] for layer in layers)
    return {
        "schema": 1, "model": "pretrainedResnet_quant.tflite", "board": "stm32f746",
        "toolchain": "arm-none-eabi-gcc 12.2.1", "precision": "int8", "macs": 12501632,
        "ram": {"total": 51780, "arena": 50336, "scratch": 0, "io": 0, "scratch_in_arena": 4608, "io_in_arena": 3082,
                "data_bss": 564, "stack_bound": 880,
                "stack_measured": 812, "budget": 327680, "external": 0},
        "flash": {"total": 98620, "code": 16756, "weights": 81864, "budget": 1048576, "external": 0},
        "regions": [
            {"name": "itcm", "address": 0x0, "size": 16384, "used": 0},
            {"name": "dtcm", "address": 0x20000000, "size": 65536, "used": 1444},
            {"name": "sram1", "address": 0x20010000, "size": 245760, "used": 50336},
            {"name": "flash", "address": 0x08000000, "size": 1048576, "used": 98620},
        ],
        "instructions": {"total": total, "per_layer": layers},
        "latency_ms": {"model": 66.2, "low": 54.0, "high": 87.8,
                       "label": "cycle model of cortex-m7 at 216 MHz, not measured",
                       "cycles": 14299200, "memory_cycles": 21000, "cycles_per_instruction": 1.1,
                       "method": "cycles", "calibrated": True},
        "accuracy": {"reference": 0.881, "quantized": 0.878, "emulated": 0.878, "samples": 1000},
        "validation": {"inputs": 10, "source": "random inputs", "bit_exact": True, "first_mismatch": None,
                       "runtimes": [{"name": "LiteRT reference kernels", "outputs": 100, "differing": 0},
                                    {"name": "LiteRT with XNNPACK", "outputs": 100, "differing": 7}]},
        "quantization": [
            {"name": layer["name"], "op": layer["op"], "sqnr_db": 41.0 - 1.7 * i, "max_abs_error": 0.01 * (i + 1)}
            | (_NARROW if i == 1 else {})
            for i, layer in enumerate(layers)
        ],
        "low_bits": {"quantizer": "nupes", "samples": 512, "iterations": 500, "seed": 0,
                     "mixed": {"budget_flash": 65536, "forecast_flash": 65000, "budget_latency_ms": 70.0,
                               "forecast_latency_ms": 66.2, "proven": True, "error": 0.02, "error_bound": 0.02},
                     "layers": [{"name": layers[1]["name"], "bits": 4}]},
        "warnings": ["the stack bound assumes that interrupts use a stack of their own"],
        "fits": True,
    }  # fmt: skip
