"""Reads the results of a test step from its report.

`results.py read FORMAT REPORT STATUS` prints three numbers (passed, failed, skipped), and one line per failure: the
test's name and what it expected. Formats: vitest (runner/vitest-reporter.mjs), junit (pytest), go (go test -json), tap
(node --test); check (a command that passes or fails) and none (one that tests nothing) have no report.

`go test -json | results.py go-output` prints the output of the tests.
"""

import json
import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LONGEST = 300


@dataclass(frozen=True)
class Results:
    """Counts of tests, and a line for every test that failed."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: tuple[str, ...] = ()


def _failure(name: str, message: str) -> str:
    """A failed test in one line: the first one of its message, without colours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", message).strip()
    return f"{name}: {plain.splitlines()[0] if plain else 'no message'}"[:_LONGEST]


def vitest(text: str) -> Results:
    """The report of runner/vitest-reporter.mjs."""
    report = json.loads(text)
    failures = tuple(_failure(failure["name"], failure["message"]) for failure in report["failures"])
    return Results(report["passed"], report["failed"], report["skipped"], failures)


def junit(text: str) -> Results:
    """The XML report of pytest. Lines with an E have the failed assertion."""
    root = ET.fromstring(text)  # noqa: S314 - our own report
    total: Counter[str] = Counter()
    for suite in root.iter("testsuite"):
        total.update({name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")})
    failed = total["failures"] + total["errors"]
    failures = []
    for case in root.iter("testcase"):
        for problem in (*case.iter("failure"), *case.iter("error")):
            expected = re.search(r"^E +(.+)$", problem.text or "", flags=re.MULTILINE)
            name = f"{case.get('classname')} > {case.get('name')}"
            failures.append(_failure(name, expected[1] if expected else problem.get("message", "")))
    return Results(total["tests"] - failed - total["skipped"], failed, total["skipped"], tuple(failures))


def go(text: str) -> Results:
    """Every test and subtest of `go test -json`. A test with failed subtests is counted but not listed."""
    events = [event for event in _events(text.splitlines()) if "Test" in event]
    total = Counter(event["Action"] for event in events)
    failed = [event["Test"] for event in events if event["Action"] == "fail"]
    output: defaultdict[str, str] = defaultdict(str)
    for event in events:
        if not re.match(r" *(===|---|\S+_test\.go:\d+: *$| *Error Trace:)", line := event.get("Output", "")):
            output[event["Test"]] += " ".join(line.split()) + " "
    leaves = [name for name in failed if not any(other.startswith(f"{name}/") for other in failed)]
    failures = tuple(_failure(name, output[name]) for name in leaves)
    return Results(total["pass"], total["fail"], total["skip"], failures)


def _events(lines: Iterable[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines if line.startswith("{")]


def tap(text: str) -> Results:
    """The report of Node's test runner. A suite with failed tests is not listed."""
    found = dict(re.findall(r"^# (pass|fail|skipped) (\d+)$", text, flags=re.MULTILINE))
    failed = re.findall(r"^ *not ok \d+ - (.*)\n((?:(?! *\.\.\.$).*\n)*)", text, flags=re.MULTILINE)
    failures = []
    for name, details in failed:
        expected = re.search(r"^ *error: (?:\|-\n *)?'?(.*?)'?$", details, flags=re.MULTILINE)
        if "subtestsFailed" not in details:
            failures.append(_failure(name, expected[1] if expected else ""))
    return Results(int(found["pass"]), int(found["fail"]), int(found["skipped"]), tuple(failures))


FORMATS: Mapping[str, Callable[[str], Results]] = {"vitest": vitest, "junit": junit, "go": go, "tap": tap}


def read(form: str, file: Path, status: int) -> Results:
    """The results of a step. A step that failed without a failed test, or ran no test, counts as one failure."""
    ended = f"expected exit status 0, it was {status}"
    if form not in FORMATS:
        return Results(failed=1, failures=(ended,)) if status else Results(passed=int(form == "check"))
    try:
        results = FORMATS[form](file.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, ET.ParseError):
        results = Results()
    if results.failed or (status == 0 and results.passed + results.skipped):
        return results
    problem = _unhandled_error(file.with_suffix(".log")) or (ended if status else "expected tests, none ran")
    return Results(results.passed, 1, results.skipped, results.failures or (problem,))


def _unhandled_error(log: Path) -> str | None:
    """The error of Vitest's global set-up: it is only in the log, not in the report."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    found = re.search(r"^⎯+ Unhandled Error ⎯+\n(.+)", text, flags=re.MULTILINE)
    return found and found[1][:_LONGEST]


def show_go_output(lines: Iterable[str]) -> None:
    """Prints what the tests print, as it comes; a line that is not an event is printed as it is."""
    for line in lines:
        sys.stdout.write(json.loads(line).get("Output", "") if line.startswith("{") else line)
        sys.stdout.flush()


def main(command: str, *words: str) -> None:
    """Runs one of the two commands."""
    if command == "go-output":
        show_go_output(sys.stdin)
        return
    form, file, status = words
    results = read(form, Path(file), int(status))
    print(results.passed, results.failed, results.skipped)
    for failure in results.failures:
        print(failure)


if __name__ == "__main__":
    main(*sys.argv[1:])
