"""edgekit run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from edgekit.cli.common import json_option, print_json


@click.command("run", epilog="Example: edgekit run firmware --input x.npy --output y.npy --dequantize")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--input", "input_path", required=True, type=click.Path(path_type=Path), help="npy or npz with samples.")
@click.option("--output", "output_path", type=click.Path(path_type=Path), help="Where to write the outputs (npy).")
@click.option("--dequantize", is_flag=True, help="Write float32 instead of the model's output codes.")
@json_option
def command(folder: Path, input_path: Path, output_path: Path | None, dequantize: bool, as_json: bool) -> None:
    """Run a built image in the emulator on every sample of a file."""
    from edgekit.built import open_build
    from edgekit.data import load_data
    from edgekit.errors import BadUsage

    built = open_build(folder)
    dataset = load_data(input_path, built.graph.inputs)
    outputs, instructions = [], 0
    with built.firmware.machine() as machine:
        for sample in dataset.samples:
            built.firmware.write_inputs(machine, sample)
            instructions = machine.run_once().total
            results = built.firmware.read_outputs(machine)
            if dequantize:
                results = [
                    r if v.quant is None else v.quant.dequantize(r)
                    for r, v in zip(results, built.graph.outputs, strict=True)
                ]
            outputs.append(results)
    stacked = [np.concatenate([o[i][None] for o in outputs]) for i in range(len(built.graph.outputs))]
    # A batch axis of 1 is the sample axis already.
    stacked = [s.reshape(len(outputs), *s.shape[2:]) if s.ndim > 2 and s.shape[1] == 1 else s for s in stacked]
    if output_path is not None:
        try:
            if len(stacked) == 1:
                np.save(output_path, stacked[0])
            else:
                arrays: dict[str, Any] = {f"y{i}": s for i, s in enumerate(stacked)}
                np.savez(output_path.with_suffix(".npz"), **arrays)
        except OSError as error:
            raise BadUsage(f"cannot write {output_path}: {error.strerror}") from error
    if as_json:
        print_json({"outputs": [s.tolist() for s in stacked], "instructions": instructions})
    else:
        for index, result in enumerate(stacked):
            print(f"output {index}: {result.dtype}{list(result.shape)}")
        print(f"{instructions} instructions per inference")
