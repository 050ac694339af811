"""The wheel holds every tracked file of the package exactly once, and nothing but `edgekit` at its top."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("quant", "nas", "codegen", "runtime_c", "boards")


def _tracked() -> list[str]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what is tracked is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def _in_wheel(name: str) -> str | None:
    """Where a tracked file stands in the wheel; None for one that does not belong there."""
    top = name.partition("/")[0]
    if (ROOT / name).is_symlink():
        return None
    return name if top == "edgekit" else f"edgekit/{name}" if top in FOLDERS else None


def test_wheel_holds_each_tracked_file_once(tmp_path: Path) -> None:
    tracked = _tracked()
    source = tmp_path / "source"
    for name in tracked:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path / "dist"), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4000:]
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == {"edgekit"}
    assert [name for name, count in Counter(names).items() if count > 1] == []
    expected = {place for place in map(_in_wheel, tracked) if place is not None}
    assert sorted(expected - set(names)) == [], "missing in the wheel: see package_data in setup.py"
    assert sorted(set(names) - expected) == []
