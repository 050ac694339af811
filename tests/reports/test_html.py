"""The HTML report: untrusted names, nothing loaded, and every field optional."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from edgekit.reports import render_html
from edgekit.reports.memory_map import memory_maps
from edgekit.reports.noise import noise_drawing
from tests.reports.example import example_plan, example_report

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&{{ 7*7 }}"


class _Page(HTMLParser):
    """Collects start tags and checks that all are closed in order."""

    VOID = frozenset({"meta", "link", "img", "br", "line", "rect"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _hostile(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hostile(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hostile(item) for item in value]
    return HOSTILE if isinstance(value, str) else value


def _hostile_plan() -> dict[str, Any]:
    plan = _hostile(example_plan())
    assert isinstance(plan, dict)
    return plan


def test_page_says_the_headline() -> None:
    text = _Page(render_html(example_report(), example_plan())).text
    headline = ("pretrainedResnet_quant.tflite", "stm32f746", "fits", "bit-exact", "50.6 KiB", "66.2 ms", "87.8 %")
    for expected in headline:
        assert expected in text


def test_hostile_text_stays_text() -> None:
    page = render_html(_hostile(example_report()), _hostile_plan())
    parsed = _Page(page)
    assert not [tag for tag, _ in parsed.tags if tag in ("img", "iframe", "object", "link", "base")]
    assert not [name for _, attrs in parsed.tags for name in attrs if name.startswith("on")]
    assert len([tag for tag, _ in parsed.tags if tag == "script"]) == 1
    assert HOSTILE in parsed.text
    assert "{{ 7*7 }}" in parsed.text


@pytest.mark.parametrize("report", [example_report(), {}])
def test_page_loads_nothing(report: dict[str, Any]) -> None:
    page = render_html(report, example_plan())
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)
    for _, attrs in _Page(page).tags:
        assert not {"src", "href", "srcset", "action"} & set(attrs)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [p for key, item in items for p in [(*path, key), *_paths(item, (*path, key))]]


def test_every_field_may_be_null_or_missing() -> None:
    whole = example_report()
    for path in _paths(whole):
        for missing in (False, True):
            report = copy.deepcopy(whole)
            parent: Any = report
            for key in path[:-1]:
                parent = parent[key]
            if missing:
                del parent[path[-1]]
            else:
                parent[path[-1]] = None
            _Page(render_html(report, {}))


def test_empty_report_and_plan() -> None:
    text = _Page(render_html({}, {})).text
    assert "Not measured" in text and "not validated" in text and "fit not known" in text


def test_failure_is_shown() -> None:
    report = example_report()
    report["fits"] = False
    report["ram"]["total"] = 400000
    report["validation"] |= {"bit_exact": False, "first_mismatch": "layer 3 (conv2d_2) differs"}
    text = _Page(render_html(report, example_plan())).text
    assert "does not fit" in text and "not bit-exact" in text and "layer 3 (conv2d_2) differs" in text
    assert "too much" in text


def test_a_layer_without_noise_is_exact() -> None:
    report = example_report()
    report["quantization"][0] |= {"sqnr_db": None, "max_abs_error": 0.0}
    assert "exact" in _Page(render_html(report, {})).text


def test_what_layers_lose_is_said() -> None:
    text = _Page(render_html(example_report(), {})).text
    for part in (
        "0.61",
        "24.0 dB",
        "its weights",
        "by nupes",
        "64.0 KiB of flash and 70.0 ms an inference",
        "512 samples",
    ):
        assert part in text, part


def test_noise_is_drawn_inside_its_frame() -> None:
    rows = example_report()["quantization"]
    rows[0]["sqnr_db"], rows[1]["sqnr_db"], rows[2]["sqnr_db"] = float("inf"), float("-inf"), float("nan")
    drawing = noise_drawing(rows)
    assert drawing is not None and len(drawing["lines"][0]["points"]) == len(rows) - 1
    assert [len(line["points"]) for line in drawing["lines"][1:]] == [1, 1]
    for line in drawing["lines"]:
        for point in line["points"]:
            assert drawing["left"] <= point["x"] <= drawing["right"] + 0.1
            assert 0 <= point["y"] <= drawing["bottom"] + 0.1
    assert noise_drawing(rows[:1]) is None


def test_memory_map_geometry() -> None:
    (drawing,) = memory_maps(example_plan())
    assert drawing["lower_bound"] == 50336
    # Two buffers that work in place are one rectangle; the map keeps every rectangle inside its frame.
    assert len(drawing["rectangles"]) == len(example_plan()["buffers"]) - 4
    for rectangle in drawing["rectangles"]:
        assert drawing["left"] <= rectangle["x"] and rectangle["x"] + rectangle["width"] <= drawing["right"]
        assert drawing["top"] - 0.01 <= rectangle["y"]
        assert rectangle["y"] + rectangle["height"] <= drawing["bottom"] + 1


def test_output_is_deterministic() -> None:
    assert render_html(example_report(), example_plan()) == render_html(example_report(), example_plan())


def test_fused_names_are_cut_and_whole_in_the_tip() -> None:
    report = example_report()
    # As TFLite names them, cut where they are long.
    fused = "model/batch_normalization/FusedBatchNormV3;model/conv2d/BiasAdd;model/con"
    report["instructions"]["per_layer"][0]["name"] = fused
    page = _Page(render_html(report, {}))
    assert "…_normalization/FusedBatchNormV3" in page.text and fused not in page.text
    assert fused in [attrs.get("data-tip") for _, attrs in page.tags]
