"""The tables after a deployment."""

import sys

import pytest

from shell import TOOLCHAIN

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
    return "/c-asr healthy\n" if "container" in arguments else "724000000 r:5000/n/asr@sha256:1\n"


def test_tables_show_sizes_and_what_was_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "docker", fake_docker)
    monkeypatch.setattr(report, "ask_registry", lambda *_: {"layers": [{"size": 1_500_000}]})
    report.print_tables(OUTPUTS, "r:5000", ["n/asr:cpu-1"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["asr", "724", "MB", "sha256:1", "cached"] in rows
    assert ["mux", "1.5", "MB", "(registry)", "sha256:2", "built"] in rows
    assert ["asr", "healthy", "docker", "logs", "c-asr"] in rows


def test_another_registry_than_the_local_one_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "docker", fake_docker)
    monkeypatch.setattr(report, "ask_registry", lambda *_: pytest.fail("the registry was asked"))
    report.print_tables(OUTPUTS, "127.0.0.1:5000", ["n/asr:cpu-1"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["image", "size", "digest"] in rows
    assert ["asr", "724", "MB", "sha256:1"] in rows
    assert ["mux", "not", "in", "the", "engine", "sha256:2"] in rows
    assert ["asr", "healthy", "docker", "logs", "c-asr"] in rows


def test_a_service_that_does_not_get_healthy_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "docker", lambda *_: "")
    monkeypatch.setattr(report, "_HEALTH_PATIENCE", 0)
    assert report.wait_until_healthy(OUTPUTS["services"]) == 1
    assert "asr is missing" in capsys.readouterr().err
