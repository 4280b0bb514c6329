"""A model hub on this machine, for tests: it answers as the real one answers huggingface_hub below version 1.

What it knows of the real one, and tests rely on: the description of a model with sizes and hashes; redirects of large
files to another host (here: another port), which must not see the token; ranges; the errors that a hub tells by
X-Error-Code. It can break: cut a connection, send another content, be busy.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, TextIO
from urllib.parse import unquote, urlsplit

TOKEN: Final = "hf_testTokenThatIsNowhereElse"  # noqa: S105 - of this double
LARGE: Final = 10_000
"""Bytes from which a file lies on the other host."""
_CHUNK: Final = 64 * 1024
_MUTE_SECONDS: Final = 3.0


@dataclass
class Repository:
    """A model on the hub."""

    files: dict[str, bytes]
    gated: bool = False
    branches: set[str] = field(default_factory=lambda: {"main"})
    pinned: str = ""
    """The commit that it says it is at, where that is not to be made of the files."""

    @property
    def commit(self) -> str:
        """The commit: unless pinned, it changes with the files."""
        if self.pinned:
            return self.pinned
        names = "".join(f"{name} {sha256(content)}\n" for name, content in sorted(self.files.items()))
        return hashlib.sha1(names.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Request:
    """What was asked."""

    method: str
    path: str
    host: str
    range: str | None
    token: str | None


@dataclass
class HubDouble:
    """The hub; change it while it runs."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    accepted: dict[str, set[str]] = field(default_factory=lambda: {TOKEN: set()})
    """The gated models whose licence the owner of a token has accepted."""
    cuts: dict[str, list[int]] = field(default_factory=dict)
    """By file: how many bytes its next answers hold before the connection breaks."""
    damaged: dict[str, int] = field(default_factory=dict)
    """By file: how many of its next answers have another content of the same length."""
    busy: int = 0
    """How many of the next requests are answered with `busy_status`."""
    busy_status: int = 503
    """huggingface_hub itself waits and asks again, but not where it is told 521, a server that is down."""
    busy_after_cut: int = 0
    """How many requests are answered so once a connection was broken."""
    mute: int = 0
    """How many of the next requests are not answered for three seconds, and then not at all."""
    slow: float = 0.0
    """Seconds before each 64 KiB of a large file."""
    requests: list[Request] = field(default_factory=list)
    log: TextIO | None = None
    """Where each request is told as a line of JSON; of a token, only whether there was one."""
    address: str = "127.0.0.1"
    """Where it listens, and what others call it."""
    port: int = 0
    """0: any that is free, noted here."""
    store_port: int = 0

    @property
    def endpoint(self) -> str:
        """Where it answers: HF_ENDPOINT."""
        return f"http://{self.address}:{self.port}"

    @property
    def store(self) -> str:
        """The other host, where large files lie."""
        return f"http://{self.address}:{self.store_port}"

    def add(self, name: str, files: Mapping[str, bytes], *, gated: bool = False, pinned: str = "") -> Repository:
        """Puts a model on the hub, or a new commit of it."""
        self.repositories[name] = Repository(dict(files), gated, pinned=pinned)
        return self.repositories[name]

    def note(self, request: Request) -> None:
        """Remembers a request."""
        self.requests.append(request)
        if self.log:
            self.log.write(f"{json.dumps({**asdict(request), 'token': request.token is not None})}\n")
            self.log.flush()


@contextmanager
def running_hub(hub: HubDouble | None = None) -> Iterator[HubDouble]:
    """The hub, or one without models; it ends with the block."""
    hub = hub or HubDouble()
    with ExitStack() as servers:
        hub.port = servers.enter_context(_serving(hub, hub.port))
        hub.store_port = servers.enter_context(_serving(hub, 0))
        yield hub


@contextmanager
def _serving(hub: HubDouble, port: int) -> Iterator[int]:
    """Answers at a port of the hub's address, which is given."""
    handler = type("BoundHandler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer((hub.address, port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def sha256(content: bytes) -> str:
    """How the hub names a large file."""
    return hashlib.sha256(content).hexdigest()


def git_name(content: bytes) -> str:
    """How the hub names any other file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class _Refusal(Exception):  # noqa: N818 - an answer
    """An answer without a content: status, X-Error-Code, X-Error-Message."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Code": code, "X-Error-Message": message}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubDouble

    def do_HEAD(self) -> None:
        """Answers without the content."""
        self._answer()

    def do_GET(self) -> None:
        """Answers with the content."""
        self._answer()

    def log_message(self, *_arguments: object) -> None:
        """Keeps quiet: tests look at `requests`."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        authorization = self.headers.get("Authorization")
        token = authorization.removeprefix("Bearer ") if authorization else None
        host = self.headers.get("Host", "")
        self.hub.note(Request(self.command, path, host, self.headers.get("Range"), token))
        try:
            self._check_credentials(token)
            self._route(path, token)
        except _Refusal as refusal:
            self._send(refusal.status, refusal.headers, b"")
        except ConnectionError:
            self.close_connection = True

    def _check_credentials(self, token: str | None) -> None:
        if self.hub.busy > 0:
            self.hub.busy -= 1
            raise _Refusal(self.hub.busy_status)
        if self.hub.mute > 0:
            self.hub.mute -= 1
            time.sleep(_MUTE_SECONDS)
            raise ConnectionAbortedError
        if token is not None and token not in self.hub.accepted:
            raise _Refusal(401, message="Invalid credentials in Authorization header")

    def _route(self, path: str, token: str | None) -> None:
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._describe(found[1], found[2] or "main")
        elif found := re.fullmatch(r"/store/([0-9a-f]{64})", path):
            self._send_large(found[1])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], found[2], found[3], token)
        else:
            raise _Refusal(404)

    def _repository(self, name: str, revision: str) -> Repository:
        repository = self.hub.repositories.get(name)
        if repository is None:
            # The real hub does not tell a stranger what does not exist from what is hidden.
            raise _Refusal(401, "RepoNotFound", "Repository not found")
        if revision != repository.commit and revision not in repository.branches:
            raise _Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repository

    def _describe(self, name: str, revision: str) -> None:
        """A gated model's description is open to everybody; only its files are not."""
        repository = self._repository(name, revision)
        siblings = [_sibling(file, content) for file, content in repository.files.items()]
        facts = {
            "id": name,
            "sha": repository.commit,
            "siblings": siblings,
            "gated": "auto" if repository.gated else False,
        }
        self._send(200, {"Content-Type": "application/json"}, json.dumps(facts).encode())

    def _resolve(self, name: str, revision: str, file: str, token: str | None) -> None:
        repository = self._repository(name, revision)
        self._check_access(name, repository, token)
        content = repository.files.get(file)
        if content is None:
            raise _Refusal(404, "EntryNotFound", "Entry not found")
        headers = {"X-Repo-Commit": repository.commit}
        if len(content) < LARGE:
            self._send(200, {**headers, "ETag": f'"{git_name(content)}"'}, content)
            return
        name_of_content = sha256(content)
        linked = {"X-Linked-ETag": f'"{name_of_content}"', "X-Linked-Size": str(len(content))}
        self._send(302, {**headers, **linked, "Location": f"{self.hub.store}/store/{name_of_content}"}, b"")

    def _check_access(self, name: str, repository: Repository, token: str | None) -> None:
        if not repository.gated:
            return
        if token is None:
            raise _Refusal(401, "GatedRepo", f"Access to model {name} is restricted.")
        if name not in self.hub.accepted[token]:
            raise _Refusal(403, "GatedRepo", f"Access to model {name} is restricted and you are not authorized.")

    def _send_large(self, name: str) -> None:
        files = ((file, content) for known in self.hub.repositories.values() for file, content in known.files.items())
        found = next(((file, content) for file, content in files if sha256(content) == name), None)
        if found is None:
            raise _Refusal(404)
        file, content = found
        if self.hub.damaged.get(file, 0) > 0:
            self.hub.damaged[file] -= 1
            content = bytes(len(content))
        first = _first_byte(self.headers.get("Range"))
        if first >= len(content):
            raise _Refusal(416)
        headers = {"ETag": f'"{name}"'}
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        cuts = self.hub.cuts.get(file)
        self._send(206 if first else 200, headers, content[first:], cuts.pop(0) if cuts else None)

    def _send(self, status: int, headers: Mapping[str, str], content: bytes, cut: int | None = None) -> None:
        self.send_response(status)
        for header, value in headers.items():
            if value:
                self.send_header(header, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = content if cut is None else content[:cut]
        for start in range(0, len(sent), _CHUNK):
            if self.hub.slow:
                time.sleep(self.hub.slow)
            self.wfile.write(sent[start : start + _CHUNK])
        if cut is not None:
            self.hub.busy, self.hub.busy_after_cut = self.hub.busy_after_cut, 0
            self.close_connection = True


def _sibling(file: str, content: bytes) -> dict[str, Any]:
    facts: dict[str, Any] = {"rfilename": file, "size": len(content), "blobId": git_name(content)}
    if len(content) >= LARGE:
        facts["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 130}
    return facts


def _first_byte(header: str | None) -> int:
    found = re.fullmatch(r"bytes=(\d+)-", header or "")
    return int(found[1]) if found else 0
