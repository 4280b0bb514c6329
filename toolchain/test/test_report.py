"""The tables after a deployment."""

import http.server
import sys
import threading
import time

import pytest

from shell import TOOLCHAIN, Shell

sys.path.insert(0, str(TOOLCHAIN))

import report

OUTPUTS = {
    "images": {
        name: {
            "reference": f"r:5000/n/{name}@sha256:{digit}",
            "digest": f"sha256:{digit}",
            "tag": f"r:5000/n/{name}:cpu-{digit}",
        }
        for name, digit in (("asr", "1"), ("mux", "2"))
    },
    "services": {"asr": {"container": "c-asr", "image": "", "logs": "docker logs c-asr"}},
}


def fake_docker(*arguments: str) -> str:
    """An engine with the image asr and its healthy container."""
    return "/c-asr healthy 0\n" if "container" in arguments else "724000000 r:5000/n/asr@sha256:1\n"


def test_tables_show_sizes_and_what_was_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "docker", fake_docker)
    bytes_of = {"n/mux/manifests/sha256:2": 1_500_000, "n/mux/manifests/sha256:0": 1_000_000}
    monkeypatch.setattr(report, "ask_registry", lambda _, path: {"layers": [{"size": bytes_of[path]}]})
    older = {"asr": OUTPUTS["images"]["asr"], "mux": {"reference": "r:5000/n/mux@sha256:0"}}
    before = report.snapshot({"images": older}, "r:5000")
    assert report.snapshot({}, "r:5000") == {}
    report.print_tables(OUTPUTS, "r:5000", before)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["asr", "724", "MB", "sha256:1", "unchanged"] in rows
    assert ["mux", "1.5", "MB", "(registry),", "was", "1.0", "MB", "(registry)", "sha256:2", "changed"] in rows
    assert ["asr", "healthy", "docker", "logs", "c-asr"] in rows


def test_only_the_local_registry_is_queried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "docker", fake_docker)
    monkeypatch.setattr(report, "ask_registry", lambda *_: pytest.fail("the registry was asked"))
    before = {"asr": {"reference": "r:5000/n/asr@sha256:0", "size": "1.0 MB (registry)"}}
    report.print_tables(OUTPUTS, "127.0.0.1:5000", before)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["asr", "724", "MB", "sha256:1", "changed"] in rows
    assert ["mux", "not", "in", "the", "engine", "sha256:2", "new"] in rows
    assert ["asr", "healthy", "docker", "logs", "c-asr"] in rows


def states(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """An engine that returns these states in order, then the last one for ever. Removes the pause between queries."""
    said = iter(lines)
    monkeypatch.setattr(report, "docker", lambda *_: next(said, lines[-1]))
    monkeypatch.setattr(report.time, "sleep", lambda _: None)


@pytest.mark.parametrize(
    ("lines", "limit", "named"),
    [
        (["/c-asr starting 0"], "_PATIENCE", "asr is starting"),
        (["/c-asr unhealthy 0"], "_PATIENCE", "asr is unhealthy"),
        (["/c-asr exited 0"], "_STOPPED", "asr is exited"),
        ([""], "_STOPPED", "asr is missing"),
        (
            ["/c-asr starting 7", "/c-asr starting 8", "/c-asr starting 9", "/c-asr restarting 10"],
            "",
            "asr is restarting",
        ),
    ],
)
def test_a_service_that_cannot_get_healthy_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lines: list[str], limit: str, named: str
) -> None:
    states(monkeypatch, *lines)
    if limit:
        monkeypatch.setattr(report, limit, 0)
    assert report.wait_until_healthy(OUTPUTS["services"]) == 1
    assert named in capsys.readouterr().err


def test_a_service_that_is_slow_or_was_restarted_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = ["/c-asr exited 0", "/c-asr starting 1", "/c-asr unhealthy 2", "/c-asr healthy 2"]
    states(monkeypatch, *slow)
    monkeypatch.setattr(report, "_PROGRESS", 0)
    assert report.wait_until_healthy(OUTPUTS["services"]) == 0
    assert "waiting for asr (unhealthy)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "fails"),
    [("Error response from daemon: No such container: c-asr", False), ("Cannot connect to the Docker daemon", True)],
)
def test_a_failing_engine_is_not_a_missing_container(shell: Shell, words: str, *, fails: bool) -> None:
    shell.double("docker", f"echo {words!r} >&2; exit 1")
    script = "python3 -c \"import report; print(report.containers({'asr': {'container': 'c-asr'}}))\""
    result = shell.run(script, PYTHONPATH=str(TOOLCHAIN))
    assert (result.returncode, words in result.stderr) == ((1, True) if fails else (0, False))
    assert ("missing" in result.stdout) is not fails


class Registry(http.server.BaseHTTPRequestHandler):
    """Answers slowly, with the status in the path."""

    def do_GET(self) -> None:
        time.sleep(1)
        self.send_response(int(self.path.rsplit("/", 1)[1]))
        self.end_headers()
        self.wfile.write(b'{"tags": []}')

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_a_registry_may_be_slow_and_only_404_means_missing() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        address = f"127.0.0.1:{server.server_address[1]}"
        assert report.ask_registry(address, "200") == {"tags": []}
        assert report.ask_registry(address, "404") == {}
        with pytest.raises(SystemExit, match="answers 503"):
            report.ask_registry(address, "503")
        server.shutdown()
    with pytest.raises(SystemExit, match="does not answer"):
        report.ask_registry(address, "200")
