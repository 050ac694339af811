"""What every export promises: the same each time, nothing of this computer in it, nobody's work overwritten."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgekit.cli import VERBS, group, main
from edgekit.cli.export import command
from edgekit.errors import BadUsage, EdgekitError
from edgekit.exports import TARGETS, files_of, open_project
from tests.exports.conftest import NAME
from tests.exports.emulate import export


def _run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(group, ["export", *map(str, arguments)])
    if isinstance(result.exception, EdgekitError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def _all(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("target", TARGETS)
def test_twice_the_same_and_nothing_of_this_computer(target: str, firmware: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(firmware, tmp_path / "elsewhere" / "firmware")
    first, second = export(firmware, target, tmp_path / "a"), export(moved, target, tmp_path / "b" / "c")
    assert _all(first) == _all(second)
    for path, data in _all(first).items():
        text = data.decode("ascii")
        for private in (str(tmp_path), str(firmware), str(Path.cwd()), str(Path.home()), "/tmp", "/home"):
            assert private not in text, path
        assert "\r" not in text and text.endswith("\n"), path


def test_json_names_all_files(firmware: Path, tmp_path: Path) -> None:
    record = json.loads(_run(firmware, "--as", "zephyr", "-o", tmp_path / "out", "--json"))
    assert (record["target"], record["model"], record["board"]) == ("zephyr", NAME, "stm32f746")
    assert sorted([*record["files"], "edgekit-export.json"]) == sorted(_all(tmp_path / "out"))
    assert record["signature"] in (tmp_path / "out" / "include" / f"{NAME}.h").read_text()


def test_default_output_stands_beside_the_build(firmware: Path, tmp_path: Path) -> None:
    built = shutil.copytree(firmware, tmp_path / "fw")
    assert " files in" in _run(built, "--as", "cmake")
    assert (tmp_path / "fw-cmake" / "CMakeLists.txt").exists()


def test_verb_is_listed_and_offers_every_target() -> None:
    (option,) = [p for p in command.params if p.name == "target"]
    assert "export" in VERBS and set(option.type.choices) == set(TARGETS)  # type: ignore[attr-defined]
    assert "Example: edgekit export" in CliRunner().invoke(group, ["export", "--help"]).output


def test_unknown_target_is_refused(firmware: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(group, ["export", str(firmware), "--as", "keil", "-o", str(tmp_path / "out")])
    assert result.exit_code == 2 and "'keil'" in result.output and "zephyr" in result.output
    with pytest.raises(BadUsage, match="unknown export target 'keil'"):
        files_of(open_project(firmware), "keil")
    assert list(tmp_path.iterdir()) == []


def test_exit_code_is_that_of_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as info:
        main(["export", str(tmp_path), "--as", "cmake"])
    assert info.value.code == 2
    error = capsys.readouterr().err
    assert "is no finished build" in error and "edgekit build" in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("report.json", "{", "no finished build"),
        ("report.json", '{"board": "stm32f999"}', "no finished build|unknown board"),
        ("report.json", "[]", "no finished build"),
        ("plan.json", None, "no finished build"),
        (f"include/{NAME}.h", "#include <stdint.h>\n", "no signature"),
        (f"include/{NAME}.h", None, f"{NAME}.h is missing"),
        (f"src/{NAME}_selftest.c", None, "run edgekit build again"),
        ("src/two words.c", "int x;\n", "which no build writes"),
    ],
)
def test_damaged_builds_are_refused(file: str, text: str | None, message: str, firmware: Path, tmp_path: Path) -> None:
    built = shutil.copytree(firmware, tmp_path / "fw")
    if text is None:
        (built / file).unlink()
    else:
        (built / file).write_text(text)
    with pytest.raises(EdgekitError, match=message) as info:
        _run(built, "--as", "cmake", "-o", tmp_path / "out")
    assert info.value.exit_code == 2 and not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../../evil", "a b", "x; rm", "Upper", "int", ""])
def test_a_name_that_is_no_identifier_reaches_no_path(name: str, firmware: Path, tmp_path: Path) -> None:
    built = shutil.copytree(firmware, tmp_path / "fw")
    plan = json.loads((built / "plan.json").read_text())
    (built / "plan.json").write_text(json.dumps(plan | {"name": name}))
    with pytest.raises(BadUsage, match="names no model"):
        _run(built, "--as", "cmake", "-o", tmp_path / "out")


def test_a_source_that_is_a_link_is_refused(firmware: Path, tmp_path: Path) -> None:
    built = shutil.copytree(firmware, tmp_path / "fw")
    (tmp_path / "secret").write_text("secret")
    (built / "src" / "extra.c").symlink_to(tmp_path / "secret")
    with pytest.raises(BadUsage, match=r"'extra\.c', which no build writes"):
        _run(built, "--as", "arduino", "-o", tmp_path / "out")


def test_earlier_exports_are_replaced_but_nothing_else(firmware: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _run(firmware, "--as", "cmake", "-o", out)
    _run(firmware, "--as", "arduino", "-o", out)
    assert (out / "library.properties").exists() and not (out / "CMakeLists.txt").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    for force in ([], ["--force"]):
        with pytest.raises(BadUsage, match="no earlier export"):
            _run(firmware, "--as", "cmake", "-o", mine, *force)
    with pytest.raises(BadUsage, match="is no folder"):
        _run(firmware, "--as", "cmake", "-o", mine / "notes.txt")
    assert (mine / "notes.txt").read_text() == "mine"


def test_a_changed_export_is_kept_unless_forced(firmware: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _run(firmware, "--as", "cmake", "-o", out)
    main_c = out / "example" / "main.c"
    before = main_c.read_text()
    main_c.write_text(before + "/* my sensor */\n")
    with pytest.raises(BadUsage, match=r"example/main\.c was changed .*--force"):
        _run(firmware, "--as", "cmake", "-o", out)
    main_c.write_text(before)
    (out / "mine.c").write_text("int mine;\n")
    with pytest.raises(BadUsage, match=r"mine\.c was changed or added"):
        _run(firmware, "--as", "cmake", "-o", out)
    _run(firmware, "--as", "cmake", "-o", out, "--force")
    assert main_c.read_text() == before and not (out / "mine.c").exists()


def test_output_and_build_do_not_contain_each_other(firmware: Path, tmp_path: Path) -> None:
    built = shutil.copytree(firmware, tmp_path / "outer" / "fw")
    for output in (built, built / "cmake"):
        with pytest.raises(BadUsage, match="lies in the built folder"):
            _run(built, "--as", "cmake", "-o", output)
    with pytest.raises(BadUsage, match="holds the built folder"):
        _run(built, "--as", "cmake", "-o", tmp_path / "outer")
