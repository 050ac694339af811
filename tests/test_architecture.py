"""The house's rules: who may import whom, and that every folder of sources is a package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("quant", "nas", "codegen", "runtime_c", "boards")

# ir <- ops <- passes, quant, codegen <- pipeline <- nas, cli. What a part may import of edgekit beside itself; a part
# that is not named here belongs to the pipeline and may import anything but nas and cli.
ALLOWED: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "progress": frozenset(),
    "integer_program": frozenset(),
    "runtime_c": frozenset(),
    "boards": frozenset({"errors"}),
    "ir": frozenset({"errors"}),
    "ops": frozenset({"errors", "ir"}),
    "passes": frozenset({"errors", "ir", "ops"}),
    "importers": frozenset({"errors", "ir", "ops", "passes"}),
    "quant": frozenset({"errors", "integer_program", "ir", "ops", "passes", "progress"}),
    "codegen": frozenset({"errors", "integer_program", "ir", "ops", "boards", "runtime_c", "toolchains"}),
    "toolchains": frozenset({"errors", "boards", "runtime_c"}),
    "emulators": frozenset({"errors", "boards", "toolchains"}),
}
ABOVE_PIPELINE = frozenset({"nas", "cli"})
TOP = frozenset({"cli", "__main__"})


def _modules() -> list[Path]:
    """All Python sources, by their real paths: the symlinks in edgekit/ are left out."""
    files = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")]
    linked = {ROOT / "edgekit" / folder for folder in FOLDERS}
    files += [p for p in (ROOT / "edgekit").rglob("*.py") if not linked & set(p.parents)]
    return sorted(files)


def _part(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "edgekit" else parts[0]


def _imports(path: Path) -> set[str]:
    """Parts of edgekit that a module imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write edgekit.…"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("edgekit.")}
    return found


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    part, imports = _part(path), _imports(path)
    if part in ALLOWED:
        assert sorted(imports - ALLOWED[part] - {part}) == [], f"{part} may import {sorted(ALLOWED[part])} only"
    elif part in TOP:
        return
    elif part == "nas":
        assert "cli" not in imports
    elif part != "__init__":
        assert sorted(imports & ABOVE_PIPELINE) == [], f"{part} is below nas and cli"


def test_every_source_folder_is_a_package() -> None:
    roots = ("edgekit", "tests", "benchmarks", *FOLDERS)
    folders = {p.parent for root in roots for p in (ROOT / root).rglob("*.py")}
    assert sorted(str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()) == []


def test_linked_folders_are_the_real_ones() -> None:
    for folder in FOLDERS:
        link = ROOT / "edgekit" / folder
        assert link.is_symlink() and link.resolve() == (ROOT / folder).resolve()
