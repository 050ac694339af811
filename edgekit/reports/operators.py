"""docs/supported-operators.md, generated from the operator specs: `python -m edgekit.reports.operators` writes it."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgekit.ops import OPS
from edgekit.ops.spec import OpSpec, demand

PAGE = Path("docs/supported-operators.md")

_HEAD = """# Supported operators

This page is generated from the operator specs by `make docs`; a test compares it with them, so edit the specs instead.
An operator that a model uses and this table does not have, or a constraint that a layer breaks, is reported at import
with the layer's name and the rewrite given here (exit code 2).
"""


def operators_markdown() -> str:
    """The page: a table of all operators, then each with its constraints and what to do where one fails."""
    rows = [
        f"| [{spec.name}](#{spec.name}) | {_cell(spec.summary)} | {_forms(spec.onnx)} | {_forms(spec.tflite)} |"
        for spec in OPS
    ]
    table = ["| operator | what it does | ONNX | TFLite |", "|---|---|---|---|", *rows]
    return "\n".join([_HEAD, *table, "", *(_section(spec) for spec in OPS)])


def _section(spec: OpSpec) -> str:
    lines = [f"## {spec.name}", "", f"{_sentence(spec.summary)}", ""]
    texts = [demand(constraint) for constraint in spec.constraints]
    lines += [f"- {_sentence(text)}" for text in texts] or ["No constraints beyond valid shapes."]
    lines.append("")
    if spec.fixed_output_quant is not None:
        scale, zero = spec.fixed_output_quant
        lines += [f"Its int8 output always has scale 1/{round(1 / scale)} and zero point {zero}.", ""]
    if spec.rewrite:
        lines += [f"Where a constraint fails: {spec.rewrite.rstrip('.')}.", ""]
    return "\n".join(lines)


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _forms(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "–"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the page, or print it with --print."""
    parser = argparse.ArgumentParser(description="Generate docs/supported-operators.md from the operator specs.")
    parser.add_argument("--print", action="store_true", dest="to_stdout", help="print the page instead of writing it")
    if parser.parse_args().to_stdout:
        print(operators_markdown(), end="")
    else:
        PAGE.write_text(operators_markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
