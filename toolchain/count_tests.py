"""How many tests passed, failed and were skipped: `count_tests.py FORMAT FILE` prints three numbers.

Formats: vitest (its JSON reporter), junit (pytest), go (go test -json), tap (node --test). A report that is missing or
broken counts as nothing: the exit status of the suite says whether it failed.
"""

import json
import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

Counts = tuple[int, int, int]


def vitest(text: str) -> Counts:
    """Counts of Vitest's JSON report."""
    report = json.loads(text)
    return report["numPassedTests"], report["numFailedTests"], report["numPendingTests"] + report["numTodoTests"]


def junit(text: str) -> Counts:
    """Counts of pytest's XML report."""
    suites = ET.fromstring(text).iter("testsuite")  # noqa: S314 - our own report
    total: Counter[str] = Counter()
    for suite in suites:
        total.update({name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")})
    failed = total["failures"] + total["errors"]
    return total["tests"] - failed - total["skipped"], failed, total["skipped"]


def go(text: str) -> Counts:
    """Counts of `go test -json`: every test and subtest."""
    events = (json.loads(line) for line in text.splitlines() if line.startswith("{"))
    total = Counter(event["Action"] for event in events if "Test" in event)
    return total["pass"], total["fail"], total["skip"]


def tap(text: str) -> Counts:
    """Counts of Node's test runner."""
    found = dict(re.findall(r"^# (pass|fail|skipped) (\d+)$", text, flags=re.MULTILINE))
    return int(found["pass"]), int(found["fail"]), int(found["skipped"])


FORMATS: Mapping[str, Callable[[str], Counts]] = {"vitest": vitest, "junit": junit, "go": go, "tap": tap}


def count(form: str, file: Path) -> Counts:
    """The counts of a report, all 0 where it cannot be read."""
    try:
        return FORMATS[form](file.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, ET.ParseError):
        return 0, 0, 0


if __name__ == "__main__":
    print(*count(sys.argv[1], Path(sys.argv[2])))
