"""The supported-operator page is the one that the specs generate."""

from __future__ import annotations

from pathlib import Path

from edgekit.ops import OPS
from edgekit.ops.spec import demand
from edgekit.reports.operators import PAGE, operators_markdown

ROOT = Path(__file__).resolve().parents[2]


def test_committed_page_equals_the_generated_one() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == operators_markdown(), "run `make docs`"


def test_every_operator_and_constraint_is_on_the_page() -> None:
    page = operators_markdown().lower()
    for spec in OPS:
        assert f"## {spec.name}\n" in page
        for constraint in spec.constraints:
            assert constraint.__doc__ and demand(constraint).rstrip(".").lower() in page
