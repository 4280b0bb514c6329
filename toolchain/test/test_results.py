"""The reports of the four test runners, each from a run of the real one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shell import TOOLCHAIN

sys.path.insert(0, str(TOOLCHAIN))

import results

MODULES = TOOLCHAIN.parent / "node_modules"
VITEST = """
import { describe, expect, it } from "vitest";
describe("a film", () => {
  it("has a sound", () => { expect([1]).toHaveLength(2); });
  it("has a picture", () => { expect(1).toBe(1); });
  it.skip("has a smell", () => undefined);
});
"""
VITEST_HOOK = """
import { beforeAll, describe, it } from "vitest";
describe("a film", () => {
  beforeAll(() => { throw new Error("docker: exit 1 after 3 s\\nand its output"); });
  it("has a sound", () => undefined);
});
"""
PYTEST = """
import pytest
def test_sound():
    assert 1 == 2, "tracks of sound"
def test_picture():
    pass
@pytest.mark.skip
def test_smell():
    pass
"""
GO = """
package film
import "testing"
func TestFilm(t *testing.T) {
  t.Run("sound", func(t *testing.T) { t.Fatal("expected 2 tracks, found 1") })
  t.Run("picture", func(t *testing.T) {})
}
func TestSmell(t *testing.T) { t.Skip() }
"""
NODE = """
const { describe, it } = require("node:test");
describe("a film", () => {
  it("has a sound", () => { throw new Error("expected 2 tracks, found 1"); });
  it("has a picture", () => undefined);
  it("has a smell", { skip: true }, () => undefined);
});
"""


def run(folder: Path, *command: str | Path, **environment: str) -> str:
    """Runs a test runner that fails; returns its output."""
    result = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1, result.stderr
    return result.stdout


def vitest(folder: Path, content: str) -> results.Results:
    """Vitest's results for a test file, with the log next to the report as in a real run."""
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "film.test.ts").write_text(content)
    report = folder / "suite.report"
    reporter = TOOLCHAIN / "runner" / "vitest-reporter.mjs"
    command = f"exec vitest run --reporter=verbose --reporter={reporter} >suite.log 2>&1"
    path = f"{MODULES / '.bin'}:{os.environ['PATH']}"
    run(folder, "bash", "-c", command, PATH=path, REPORT=str(report), NO_COLOR="1")
    return results.read("vitest", report, 1)


def test_vitest(tmp_path: Path) -> None:
    failure = "film.test.ts > a film > has a sound: expected [ 1 ] to have a length of 2 but got 1"
    assert vitest(tmp_path, VITEST) == results.Results(1, 1, 1, (failure,))


@pytest.mark.parametrize(
    ("content", "failure"),
    [
        ('throw new Error("no such film");', "film.test.ts: no such film"),
        (VITEST_HOOK, "film.test.ts > a film: docker: exit 1 after 3 s"),
    ],
)
def test_a_file_that_vitest_cannot_run_has_an_error(tmp_path: Path, content: str, failure: str) -> None:
    found = vitest(tmp_path, content)
    assert (found.failed, found.failures) == (1, (failure,))


def test_a_failed_global_set_up_has_an_error(tmp_path: Path) -> None:
    (tmp_path / "setup.ts").write_text('export default () => { throw new Error("make up: exit 1\\n500 lines"); };')
    (tmp_path / "vitest.config.mts").write_text('export default { test: { globalSetup: "setup.ts" } };')
    found = vitest(tmp_path, VITEST)
    assert found == results.Results(0, 1, 0, ("Error: make up: exit 1",))


def test_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_film.py").write_text(PYTEST)
    run(tmp_path, sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "--junitxml", "report")
    found = results.junit((tmp_path / "report").read_text())
    assert found == results.Results(1, 1, 1, ("test_film > test_sound: AssertionError: tracks of sound",))


def test_a_file_that_pytest_cannot_import_has_an_error(tmp_path: Path) -> None:
    (tmp_path / "test_film.py").write_text("import no_such_film")
    run_status_2 = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "--junitxml", "report"]
    assert subprocess.run(run_status_2, cwd=tmp_path, capture_output=True, check=False).returncode == 2
    found = results.junit((tmp_path / "report").read_text())
    assert found.failed == 1
    assert "ModuleNotFoundError: No module named 'no_such_film'" in found.failures[0]


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go here")
def test_go(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module film\n")
    (tmp_path / "film_test.go").write_text(GO)
    report = run(tmp_path, "go", "test", "-vet=off", "-trimpath", "-json", ".", CGO_ENABLED="0", GOFLAGS="")
    failure = "TestFilm/sound: film_test.go:5: expected 2 tracks, found 1"
    assert results.go(report) == results.Results(1, 2, 1, (failure,))
    shown = subprocess.run(
        [sys.executable, TOOLCHAIN / "results.py", "go-output"],
        input=f"go: downloading film\n{report}",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.startswith("go: downloading film\n=== RUN   TestFilm\n")


def test_node(tmp_path: Path) -> None:
    (tmp_path / "film.test.cjs").write_text(NODE)
    report = run(tmp_path, "node", "--test", "--test-reporter=tap", "film.test.cjs")
    found = results.tap(report)
    assert found == results.Results(1, 1, 1, ("has a sound: expected 2 tracks, found 1",))


@pytest.mark.parametrize(
    ("form", "report", "status", "expected"),
    [
        ("check", None, 0, results.Results(passed=1)),
        ("check", None, 2, results.Results(failed=1, failures=("expected exit status 0, it was 2",))),
        ("none", None, 0, results.Results()),
        ("none", None, 1, results.Results(failed=1, failures=("expected exit status 0, it was 1",))),
        ("tap", "# pass 4\n# fail 0\n# skipped 1\n", 0, results.Results(4, 0, 1)),
        (
            "tap",
            "# pass 4\n# fail 0\n# skipped 1\n",
            7,
            results.Results(4, 1, 1, ("expected exit status 0, it was 7",)),
        ),
        ("tap", "# pass 0\n# fail 0\n# skipped 0\n", 0, results.Results(0, 1, 0, ("expected tests, none ran",))),
        ("junit", "<broken", 0, results.Results(0, 1, 0, ("expected tests, none ran",))),
        ("vitest", None, 1, results.Results(0, 1, 0, ("expected exit status 0, it was 1",))),
    ],
)
def test_the_counts_of_a_step(
    tmp_path: Path, form: str, report: str | None, status: int, expected: results.Results
) -> None:
    file = tmp_path / "report"
    if report is not None:
        file.write_text(report)
    assert results.read(form, file, status) == expected
