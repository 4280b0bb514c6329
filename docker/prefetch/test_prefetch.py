"""The prefetch, run as the program that it is, against a hub of our own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cp_whisperx.ml.hub import read_hub_models, snapshot_folder
from hub_double import TOKEN, HubDouble, git_name, running_hub, sha256
from prefetch import _LOCK, prepare_environment

HERE = Path(__file__).parent
WHISPER = "Systran/faster-whisper-base"
GATED = "pyannote/segmentation-3.0"
BIG = "Systran/faster-whisper-medium"
WEIGHTS = os.urandom(3_000_000)
BIG_WEIGHTS = os.urandom(25_000_000)
STEP = 10 * 1024 * 1024
"""Bytes in which huggingface_hub writes to the disk, and so goes on."""


@pytest.fixture
def hub() -> Iterator[HubDouble]:
    """A hub with an open model and a gated one."""
    with running_hub() as double:
        double.add(
            WHISPER, {"model.bin": WEIGHTS, "config.json": b"{}", "README.md": b"# Whisper", "other.bin": b"?" * 20_000}
        )
        double.add(GATED, {"pytorch_model.bin": os.urandom(50_000), "config.yaml": b"task: {}\n"}, gated=True)
        yield double


@dataclass
class Prefetch:
    """A model cache, and the program that fills it."""

    hub: HubDouble
    cache: Path
    environment: dict[str, str] = field(default_factory=dict)

    def wanted(self, name: str, **changes: Any) -> dict[str, Any]:
        repository = self.hub.repositories[name]
        return {
            "repository": name,
            "revision": repository.commit,
            "stages": ["asr"],
            "gated": repository.gated,
            **changes,
        }

    @staticmethod
    def python_path(*further: Path) -> str:
        return ":".join(str(folder) for folder in (HERE.parent / "common", HERE, *further))

    def command(self, *wanted: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.cache.parent),
            "PYTHONPATH": self.python_path(),
            "MODEL_CACHE": str(self.cache),
            "HF_HUB_CACHE": str(self.cache / "huggingface/hub"),
            # What every container of a stack with hub models is given.
            "HF_HUB_OFFLINE": "1",
            "HF_ENDPOINT": self.hub.endpoint,
            "PREFETCH_MODELS": json.dumps(wanted),
            "PREFETCH_PAUSE": "0",
            "PREFETCH_ATTEMPTS": "3",
            **self.environment,
        }
        return [sys.executable, "-m", "prefetch"], environment

    def run(self, *wanted: dict[str, Any], token: str = "") -> subprocess.CompletedProcess[str]:
        arguments, environment = self.command(*wanted)
        return subprocess.run(
            arguments, env=environment, input=f"{token}\n", capture_output=True, text=True, timeout=300, check=False
        )

    def succeed(self, *wanted: dict[str, Any], token: str = "") -> str:
        result = self.run(*wanted, token=token)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def fail(self, *wanted: dict[str, Any], token: str = "") -> str:
        """The last line of a run that fails: what failed and how to fix it."""
        result = self.run(*wanted, token=token)
        assert result.returncode == 1, result.stdout + result.stderr
        (line,) = result.stderr.splitlines()
        assert line.startswith("prefetch: ")
        return line

    def content(self, name: str) -> dict[str, bytes]:
        """What the stages would open of a model."""
        found = read_hub_models(self.cache).models[name]
        folder = snapshot_folder(self.cache / "huggingface/hub", name, found.commit)
        return {file: (folder / file).read_bytes() for file in found.files}


@pytest.fixture
def prefetch(hub: HubDouble, tmp_path: Path) -> Prefetch:
    """An empty model cache."""
    (tmp_path / "models").mkdir()
    return Prefetch(hub, tmp_path / "models")


def test_the_pinned_files_of_a_model_come_and_no_others(prefetch: Prefetch) -> None:
    said = prefetch.succeed(prefetch.wanted(WHISPER, files=["model.bin", "*.json"], megabytes=3))
    assert prefetch.content(WHISPER) == {"model.bin": WEIGHTS, "config.json": b"{}"}
    assert f"1 of 1: {WHISPER}, about 3 MB" in said
    assert f"{WHISPER}: 3.0 MB complete" in said
    assert not any("README" in str(path) or "other" in str(path) for path in prefetch.cache.rglob("*"))


def test_a_second_run_needs_no_network_and_changes_nothing(prefetch: Prefetch) -> None:
    wanted = prefetch.wanted(WHISPER)
    prefetch.succeed(wanted)
    before = {path: path.lstat().st_mtime_ns for path in prefetch.cache.rglob("*") if path.name != _LOCK}
    prefetch.hub.requests.clear()
    prefetch.environment = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    assert "1 of 1 models are in" in prefetch.succeed(wanted)
    assert prefetch.hub.requests == []
    assert {path: path.lstat().st_mtime_ns for path in before} == before


def test_a_branch_is_looked_up_once_and_then_stays(prefetch: Prefetch) -> None:
    wanted = prefetch.wanted(WHISPER, revision="main", toBePinned=True)
    prefetch.succeed(wanted)
    first = prefetch.hub.repositories[WHISPER].commit
    prefetch.hub.add(WHISPER, {"model.bin": os.urandom(20_000)})
    prefetch.succeed(wanted)
    assert read_hub_models(prefetch.cache).models[WHISPER].commit == first
    assert prefetch.content(WHISPER)["model.bin"] == WEIGHTS


def test_another_revision_replaces_the_one_before_it(prefetch: Prefetch) -> None:
    prefetch.succeed(prefetch.wanted(WHISPER))
    new = os.urandom(40_000)
    prefetch.hub.add(WHISPER, {"model.bin": new, "config.json": b"{}"})
    said = prefetch.succeed(prefetch.wanted(WHISPER))
    assert "removing 3.0 MB of earlier commits" in said
    assert prefetch.content(WHISPER) == {"model.bin": new, "config.json": b"{}"}
    assert sum(path.stat().st_size for path in prefetch.cache.rglob("blobs/*")) < 50_000


def test_a_file_that_vanished_comes_back(prefetch: Prefetch) -> None:
    wanted = prefetch.wanted(WHISPER)
    prefetch.succeed(wanted)
    (blob,) = prefetch.cache.rglob(f"blobs/{sha256(WEIGHTS)}")
    blob.unlink()
    prefetch.succeed(wanted)
    assert prefetch.content(WHISPER)["model.bin"] == WEIGHTS


def test_a_file_that_was_damaged_comes_back(prefetch: Prefetch) -> None:
    wanted = prefetch.wanted(WHISPER)
    prefetch.succeed(wanted)
    for content in (WEIGHTS, b"{}"):
        (blob,) = prefetch.cache.rglob(f"blobs/{sha256(content) if content == WEIGHTS else git_name(content)}")
        blob.write_bytes(bytes(len(content)))
        prefetch.succeed(wanted)
        assert prefetch.content(WHISPER) == prefetch.hub.repositories[WHISPER].files


def test_weights_that_the_list_no_longer_believes_are_not_kept(prefetch: Prefetch) -> None:
    prefetch.succeed(prefetch.wanted(WHISPER))
    assert "does not have the expected checksum" in prefetch.fail(
        prefetch.wanted(WHISPER, sha256={"model.bin": "0" * 64})
    )


def test_the_list_of_what_is_there_never_names_what_is_being_removed(prefetch: Prefetch) -> None:
    prefetch.succeed(prefetch.wanted(WHISPER))
    new = os.urandom(40_000)
    prefetch.hub.add(WHISPER, {"model.bin": new})
    prefetch.environment = {"PYTHONPATH": prefetch.python_path(_end_at_removal(prefetch.cache.parent))}
    assert prefetch.run(prefetch.wanted(WHISPER)).returncode == 9
    assert prefetch.content(WHISPER) == {"model.bin": new}
    prefetch.environment = {}
    assert "removing 3.0 MB of earlier commits" in prefetch.succeed(prefetch.wanted(WHISPER))
    assert prefetch.content(WHISPER) == {"model.bin": new}


def _end_at_removal(folder: Path) -> Path:
    """A folder that makes Python end, as if it were killed, where it would remove a commit."""
    return _python_with(
        folder,
        "import os, shutil\nremove = shutil.rmtree\n"
        "shutil.rmtree = lambda path, *_, **__: os._exit(9) if 'snapshots' in str(path) else remove(path)\n",
    )


def test_a_broken_connection_goes_on_where_it_stopped(prefetch: Prefetch) -> None:
    prefetch.hub.add(BIG, {"model.bin": BIG_WEIGHTS})
    prefetch.hub.cuts["model.bin"] = [STEP + 1000, STEP + 1000]
    prefetch.succeed(prefetch.wanted(BIG))
    assert prefetch.content(BIG)["model.bin"] == BIG_WEIGHTS
    ranges = [request.range for request in prefetch.hub.requests if request.path.startswith("/store/")]
    assert ranges == [None, f"bytes={STEP}-", f"bytes={2 * STEP}-"]


def test_a_run_that_was_killed_is_gone_on_with_by_the_next(prefetch: Prefetch) -> None:
    prefetch.hub.add(BIG, {"model.bin": BIG_WEIGHTS})
    prefetch.hub.slow = 0.005
    wanted = prefetch.wanted(BIG)
    arguments, environment = prefetch.command(wanted)
    with subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL) as program:
        _wait_for(lambda: sum(part.stat().st_size for part in prefetch.cache.rglob("*.incomplete")) > 0)
        program.kill()
    assert not (prefetch.cache / "hub.json").exists()
    prefetch.hub.slow = 0
    prefetch.hub.requests.clear()
    prefetch.succeed(wanted)
    assert prefetch.content(BIG)["model.bin"] == BIG_WEIGHTS
    (asked,) = [request.range for request in prefetch.hub.requests if request.path.startswith("/store/")]
    assert asked
    assert int(asked.removeprefix("bytes=").removesuffix("-")) > 0


def _wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "no part of the file came within 120 s"
        time.sleep(0.02)


def test_a_busy_hub_is_asked_again(prefetch: Prefetch) -> None:
    prefetch.hub.busy = 2
    said = prefetch.succeed(prefetch.wanted(WHISPER))
    assert "interrupted (HfHubHTTPError)" in said


def test_a_hub_that_stays_busy_is_given_up(prefetch: Prefetch) -> None:
    prefetch.hub.busy = 1000
    said = prefetch.fail(prefetch.wanted(WHISPER))
    assert f"answered 503 when asked for {WHISPER}" in said
    assert prefetch.hub.busy == 997


def test_an_outage_in_the_middle_of_a_model_is_waited_for(prefetch: Prefetch) -> None:
    # The small file is there by then: huggingface_hub takes any part of a commit for the whole where no hub answers.
    prefetch.hub.add(WHISPER, {"config.json": b"{}", "model.bin": WEIGHTS})
    prefetch.hub.cuts["model.bin"] = [1000]
    prefetch.hub.busy_after_cut, prefetch.hub.busy_status = 1, 521
    said = prefetch.succeed(prefetch.wanted(WHISPER))
    assert said.count("interrupted (") == 2
    assert "checksum" not in said
    assert prefetch.content(WHISPER) == {"config.json": b"{}", "model.bin": WEIGHTS}


def test_an_outage_that_lasts_is_not_told_as_a_damaged_file(prefetch: Prefetch) -> None:
    prefetch.hub.add(WHISPER, {"config.json": b"{}", "model.bin": WEIGHTS})
    prefetch.hub.cuts["model.bin"] = [1000]
    prefetch.hub.busy_after_cut, prefetch.hub.busy_status = 1000, 521
    said = prefetch.fail(prefetch.wanted(WHISPER))
    assert f"answered 521 when asked for {WHISPER}" in said
    assert prefetch.hub.busy == 998


def test_a_hub_that_says_nothing_is_asked_again(prefetch: Prefetch) -> None:
    prefetch.hub.mute = 2
    prefetch.environment = {"PREFETCH_ANSWER_SECONDS": "1"}
    said = prefetch.succeed(prefetch.wanted(WHISPER))
    assert "interrupted (ReadTimeout)" in said


def test_a_damaged_file_is_fetched_again(prefetch: Prefetch) -> None:
    prefetch.hub.damaged["model.bin"] = 1
    said = prefetch.succeed(prefetch.wanted(WHISPER))
    assert "model.bin has a wrong checksum; downloading it again" in said
    assert prefetch.content(WHISPER)["model.bin"] == WEIGHTS


def test_a_file_that_stays_damaged_is_told_and_not_kept(prefetch: Prefetch) -> None:
    prefetch.hub.damaged["model.bin"] = 1000
    said = prefetch.fail(prefetch.wanted(WHISPER))
    assert f"model.bin of {WHISPER} from {prefetch.hub.endpoint} does not have the expected checksum." in said
    assert not (prefetch.cache / "hub.json").exists()
    assert not list(prefetch.cache.rglob(f"blobs/{sha256(WEIGHTS)}"))


def test_a_hub_with_other_weights_than_the_list_is_not_believed(prefetch: Prefetch) -> None:
    said = prefetch.fail(prefetch.wanted(WHISPER, sha256={"model.bin": "0" * 64}))
    assert "does not have the expected checksum" in said
    assert not any(request.path.startswith("/store/") for request in prefetch.hub.requests)


def test_a_gated_model_comes_with_a_token_that_only_the_hub_sees(prefetch: Prefetch) -> None:
    prefetch.hub.accepted[TOKEN].add(GATED)
    result = prefetch.run(prefetch.wanted(GATED), token=TOKEN)
    assert result.returncode == 0
    assert set(prefetch.content(GATED)) == {"pytorch_model.bin", "config.yaml"}
    assert TOKEN not in result.stdout + result.stderr
    hosts = {request.host for request in prefetch.hub.requests if request.token}
    assert hosts == {urlsplit(prefetch.hub.endpoint).netloc}
    assert any(request.host == urlsplit(prefetch.hub.store).netloc for request in prefetch.hub.requests)
    home = prefetch.cache.parent
    assert not any(TOKEN.encode() in path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_without_a_token_it_is_told_where_to_get_one(prefetch: Prefetch) -> None:
    said = prefetch.fail(prefetch.wanted(GATED))
    assert f"{GATED} is gated, and no token is set." in said
    assert "https://huggingface.co/settings/tokens" in said
    assert "set it (pulumi config set --secret --path models.token) and run `make up`" in said


def test_a_model_that_turns_out_to_be_gated_is_told_alike(prefetch: Prefetch) -> None:
    said = prefetch.fail(prefetch.wanted(GATED, gated=False))
    assert f"{GATED} is gated, and no token is set." in said


def test_a_licence_that_was_not_accepted_is_told_with_its_page(prefetch: Prefetch) -> None:
    said = prefetch.fail(prefetch.wanted(GATED, licencePage=f"https://huggingface.co/{GATED}"), token=TOKEN)
    assert f"has not accepted the licence of {GATED}" in said
    assert f"Accept it at https://huggingface.co/{GATED}" in said
    assert "then run `make models" in said
    assert TOKEN not in said


def test_a_token_that_the_hub_does_not_know_is_told_and_not_shown(prefetch: Prefetch) -> None:
    said = prefetch.fail(prefetch.wanted(WHISPER), token="hf_wrong")
    assert "rejected the token" in said
    assert "hf_wrong" not in said


def test_a_token_that_cannot_be_one_is_refused_and_not_shown(prefetch: Prefetch) -> None:
    said = prefetch.fail(prefetch.wanted(WHISPER), token="hf with spaces")
    assert "invalid characters" in said
    assert "spaces" not in said.replace("quotes and spaces", "")
    assert prefetch.hub.requests == []


def test_a_gated_model_that_the_stages_can_do_without_is_left_out(prefetch: Prefetch) -> None:
    wanted = (prefetch.wanted(GATED, fallback="silero's result stands"), prefetch.wanted(WHISPER))
    said = prefetch.succeed(*wanted)
    assert "left out: " in said
    assert "Without it: silero's result stands." in said
    assert "1 of 2 models are in" in said
    listed = read_hub_models(prefetch.cache)
    assert set(listed.models) == {WHISPER}
    assert "no token is set" in listed.absent[GATED].reason
    prefetch.environment = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    assert "1 left out" in prefetch.succeed(*wanted)


def test_it_comes_when_the_licence_was_accepted_meanwhile(prefetch: Prefetch) -> None:
    wanted = prefetch.wanted(GATED, fallback="silero's result stands")
    assert "has not accepted" in prefetch.succeed(wanted, token=TOKEN)
    prefetch.hub.accepted[TOKEN].add(GATED)
    prefetch.succeed(wanted, token=TOKEN)
    listed = read_hub_models(prefetch.cache)
    assert set(listed.models) == {GATED}
    assert listed.absent == {}


def test_a_hub_that_is_down_keeps_nobody_from_what_was_left_out_before(prefetch: Prefetch) -> None:
    wanted = (prefetch.wanted(GATED, fallback="silero's result stands"), prefetch.wanted(WHISPER))
    prefetch.succeed(*wanted, token=TOKEN)
    before = read_hub_models(prefetch.cache)
    prefetch.environment = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    said = prefetch.succeed(*wanted, token=TOKEN)
    assert f"left out again: The hub http://127.0.0.1:9 cannot be reached for {GATED}" in said
    assert "Without it: silero's result stands." in said
    assert read_hub_models(prefetch.cache) == before
    prefetch.environment = {}
    prefetch.hub.busy = 1000
    assert "left out again: " in prefetch.succeed(*wanted, token=TOKEN)


def test_why_a_model_was_left_out_is_known_until_it_is_asked_for_again(prefetch: Prefetch) -> None:
    gated = prefetch.wanted(GATED, fallback="silero's result stands")
    prefetch.succeed(gated)
    prefetch.fail(prefetch.wanted(WHISPER), prefetch.wanted(WHISPER, repository="nobody/nothing"), gated)
    listed = read_hub_models(prefetch.cache)
    assert (set(listed.models), set(listed.absent)) == ({WHISPER}, {GATED})


def test_a_hub_that_is_down_is_an_error_where_nothing_was_left_out_before(prefetch: Prefetch) -> None:
    prefetch.environment = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    wanted = prefetch.wanted(GATED, fallback="silero's result stands")
    assert "cannot be reached" in prefetch.fail(wanted, token=TOKEN)


def test_it_reports_an_unknown_revision(prefetch: Prefetch) -> None:
    said = prefetch.fail(prefetch.wanted(WHISPER, revision="f" * 40))
    assert f"has no revision {'f' * 40} of {WHISPER}" in said
    assert "docker/prefetch/models.json" in said


def test_it_reports_an_unknown_model(prefetch: Prefetch) -> None:
    said = prefetch.fail(prefetch.wanted(WHISPER, repository="nobody/nothing"))
    assert "has no model nobody/nothing" in said


def test_it_reports_files_that_the_model_does_not_have(prefetch: Prefetch) -> None:
    said = prefetch.fail(prefetch.wanted(WHISPER, files=["*.onnx"]))
    assert f"{WHISPER} has none of the files *.onnx" in said


def test_no_network_is_told_in_one_sentence(prefetch: Prefetch) -> None:
    prefetch.environment = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    said = prefetch.fail(prefetch.wanted(WHISPER))
    assert f"The hub http://127.0.0.1:9 cannot be reached for {WHISPER}" in said
    assert "HTTPS_PROXY" in said


def test_what_came_before_an_error_stays(prefetch: Prefetch) -> None:
    prefetch.fail(prefetch.wanted(WHISPER), prefetch.wanted(GATED))
    assert set(read_hub_models(prefetch.cache).models) == {WHISPER}


def test_a_time_limit_ends_it_and_the_next_run_goes_on(prefetch: Prefetch) -> None:
    prefetch.hub.slow = 0.3
    prefetch.environment = {"PREFETCH_TIME_LIMIT": "5", "PREFETCH_REPORT_SECONDS": "0.2"}
    result = prefetch.run(prefetch.wanted(WHISPER))
    assert result.returncode == 1
    assert "timed out (PREFETCH_TIME_LIMIT)" in result.stderr
    assert f"{WHISPER}: " in result.stdout
    assert "of 3.0 MB" in result.stdout
    prefetch.hub.slow = 0
    prefetch.environment = {}
    prefetch.succeed(prefetch.wanted(WHISPER))


def test_a_disk_without_room_is_told_before_anything_comes(prefetch: Prefetch) -> None:
    repository = prefetch.hub.repositories[WHISPER]
    prefetch.environment = {"PYTHONPATH": prefetch.python_path(_small_disk(prefetch.cache.parent))}
    said = prefetch.fail(prefetch.wanted(WHISPER))
    assert (
        f"The disk is full: {WHISPER} needs 3 MB more in {prefetch.cache / 'huggingface/hub'}, 1 MB are free." in said
    )
    assert repository.commit
    assert not any(request.path.startswith("/store/") for request in prefetch.hub.requests)


def _small_disk(folder: Path) -> Path:
    """A folder that makes Python see 1 MB of free disk."""
    return _python_with(
        folder,
        "import shutil\nfacts = shutil.disk_usage('/')\nshutil.disk_usage = lambda _: facts._replace(free=1_000_000)\n",
    )


def _python_with(folder: Path, program: str) -> Path:
    """A folder from which Python runs this program when it starts."""
    (folder / "changed").mkdir()
    (folder / "changed/sitecustomize.py").write_text(program)
    return folder / "changed"


def test_it_reports_a_cache_folder_that_does_not_exist(prefetch: Prefetch) -> None:
    prefetch.environment = {"MODEL_CACHE": str(prefetch.cache / "nowhere")}
    assert "nowhere is missing" in prefetch.fail(prefetch.wanted(WHISPER))


def test_a_list_that_is_wrong_is_told_with_what_is_wrong(prefetch: Prefetch) -> None:
    said = prefetch.fail({"repository": WHISPER, "revison": "main"})
    assert "0.revision: Field required" in said
    assert "0.revison" in said


def test_two_at_once_do_the_work_once(prefetch: Prefetch) -> None:
    prefetch.hub.slow = 0.02
    arguments, environment = prefetch.command(prefetch.wanted(WHISPER))
    programs = [subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL) for _ in range(2)]
    assert [program.wait(60) for program in programs] == [0, 0]
    asked = [request for request in prefetch.hub.requests if request.method == "GET" and "/store/" in request.path]
    assert len(asked) == 2
    assert prefetch.content(WHISPER)["model.bin"] == WEIGHTS


def test_the_hosts_own_certificates_are_trusted_beside_the_public_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    prepare_environment("-----BEGIN CERTIFICATE-----\nthe proxy's\n-----END CERTIFICATE-----", 30)
    bundle = Path(os.environ["REQUESTS_CA_BUNDLE"])
    content = bundle.read_text()
    bundle.unlink()
    assert "the proxy's" in content
    assert content.count("BEGIN CERTIFICATE") > 100
