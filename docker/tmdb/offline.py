"""Serves responses of The Movie Database from a folder, over HTTP on localhost, so that the real client is used.

search/movie.json        one page of results in the service's own format, with all films of the folder
movie/ID.json            details
movie/ID/credits.json    cast and crew
movie/ID/keywords.json   keywords
"""

import contextlib
import functools
import json
import re
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cp_whisperx.stage import StageError

Answers = dict[str, dict[str, Any]]
"""The content of each file, by its path in the folder."""


@contextlib.contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serves the folder while the block runs; yields the base URL. Raises StageError for a file that is not JSON."""
    answers = {path.relative_to(folder).as_posix(): _read(path) for path in folder.rglob("*.json")}
    handler = functools.partial(_Handler, answers)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, answers: Answers, *arguments: Any) -> None:  # noqa: ANN401 - what the server gives its handlers
        self._answers = answers
        super().__init__(*arguments)

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        answer = answer_from(self._answers, address.path, parse_qs(address.query))
        body = json.dumps(answer if answer is not None else {"status_code": 34}).encode()
        self.send_response(HTTPStatus.NOT_FOUND if answer is None else HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - the base class's own signature
        """No-op: the stage has its own log."""


def _read(file: Path) -> dict[str, Any]:
    try:
        answer = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StageError(f"The file {file} is no JSON: {error}.", "Correct it.") from error
    if not isinstance(answer, dict):
        raise StageError(f"The file {file} holds no JSON object.", "Give it the service's own form.")
    return answer


def answer_from(answers: Answers, path: str, query: dict[str, list[str]]) -> dict[str, Any] | None:
    """The response to `/3/...`, from the file of that name; None if there is none."""
    answer = answers.get(f"{path.removeprefix('/3/')}.json")
    if answer is None or "query" not in query:
        return answer
    hits = [hit for hit in answer.get("results", []) if _matches(hit, query["query"][0])]
    return {**answer, "results": hits, "total_results": len(hits)}


def _matches(hit: dict[str, Any], query: str) -> bool:
    wanted = _plain(query)
    return any(wanted in _plain(str(hit.get(title, ""))) for title in ("title", "original_title"))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
