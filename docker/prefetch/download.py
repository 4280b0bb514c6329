"""Downloads one model from a hub into the cache: lists its files, downloads them and checks every checksum."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final, TypeVar

from huggingface_hub import HfApi, configure_http_backend, hf_hub_download, scan_cache_dir
from huggingface_hub.hf_api import RepoSibling
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

from checksums import git_hash
from cp_whisperx.errors import StageError
from cp_whisperx.files import sha256_of
from cp_whisperx.ml.hub import HubModel, lacking_files, repository_folder, snapshot_folder
from hub_errors import Asked, damaged, explained, may_pass, no_room, no_such_files, out_of_time
from model_list import WantedModel
from patience import Patience, TimeIsUp, tried_again, watched

T = TypeVar("T")

_DOWNLOADS: Final = 2
"""Attempts to download a file with the right checksum."""
_MEGABYTE: Final = 1e6
_PARTIAL: Final = "*.incomplete"


@dataclass(frozen=True)
class Hub:
    """The hub, and the cache to download to."""

    endpoint: str
    token: str
    cache: Path
    """HF_HUB_CACHE."""
    patience: Patience
    say: Callable[[str], None]


@dataclass(frozen=True)
class _Listing:
    """The files of a model according to the hub."""

    commit: str
    files: dict[str, RepoSibling]

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        return {name: file.size or 0 for name, file in self.files.items()}


class _BoundedAdapter(HTTPAdapter):
    """Adds a timeout to requests without one; the library waits forever for some of them."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:  # noqa: ANN401 - as there
        """Sends a request."""
        return super().send(request, *arguments, **{**options, "timeout": options.get("timeout") or self._seconds})


def wait_for_answers(seconds: float) -> None:
    """Sets the timeout for the library's requests that have none."""

    def session() -> Session:
        made = Session()
        for scheme in ("https://", "http://"):
            made.mount(scheme, _BoundedAdapter(seconds))
        return made

    configure_http_backend(backend_factory=session)


def fetch(model: WantedModel, hub: Hub) -> HubModel:
    """Downloads the missing files of a model and checks all of them.

    Raises StageError with a fix; Refused if the hub requires a token or an accepted licence.
    """
    return _Download(model, hub, Asked(model, hub.endpoint, bool(hub.token), hub.cache)).fetch()


@dataclass(frozen=True)
class _Download:
    """The work on one model."""

    model: WantedModel
    hub: Hub
    asked: Asked

    def fetch(self) -> HubModel:
        began = time.monotonic()
        try:
            listing = self._patiently(self._look_up, lambda: self._say("listing its files"))
            self._check_room(listing)
            self._bring(listing)
        except TimeIsUp as error:
            raise out_of_time(self.asked) from error
        except StageError:
            raise
        except Exception as error:  # the library raises what its own libraries raise
            raise explained(error, self.asked) from error
        total = sum(listing.sizes.values())
        self._say(f"{total / _MEGABYTE:.1f} MB complete after {time.monotonic() - began:.0f} s")
        return HubModel(
            revision=self.model.revision, commit=listing.commit, patterns=self.model.files, files=listing.sizes
        )

    def _look_up(self) -> _Listing:
        api = HfApi(endpoint=self.hub.endpoint, token=self.hub.token or False)
        info = api.model_info(self.model.repository, revision=self.model.revision, files_metadata=True)
        offered = {file.rfilename: file for file in info.siblings or ()}
        names = [name for name in offered if self._is_wanted(name)]
        if not names or not info.sha:
            raise no_such_files(self.asked)
        for name, expected in self.model.sha256.items():
            file = offered.get(name)
            if file is None or (file.lfs and file.lfs.sha256 != expected):
                raise damaged(self.asked, name)
        return _Listing(info.sha, {name: offered[name] for name in names})

    def _is_wanted(self, name: str) -> bool:
        return not self.model.files or any(fnmatch(name, pattern) for pattern in self.model.files)

    def _check_room(self, listing: _Listing) -> None:
        self.hub.cache.mkdir(parents=True, exist_ok=True)
        lacking = lacking_files(self._folder(listing), listing.sizes)
        needed = sum(listing.sizes[name] for name in lacking) - _bytes_in(self._blobs, _PARTIAL)
        free = shutil.disk_usage(self.hub.cache).free
        if needed > free:
            raise no_room(self.asked, needed, free)

    def _bring(self, listing: _Listing) -> None:
        """Downloads until every checksum is right; the library itself checks sizes only."""
        for _ in range(_DOWNLOADS):
            self._patiently(lambda: self._download(listing), lambda: self._report(listing))
            wrong = watched(lambda: self._wrong_files(listing), self.hub.patience, lambda: self._say("checking"))
            if not wrong:
                return
            for name in wrong:
                self._say(f"{name} has a wrong checksum; downloading it again")
                self._drop(self._folder(listing) / name)
        raise damaged(self.asked, wrong[0])

    def _download(self, listing: _Listing) -> None:
        """Downloads one file after the other, since only one of them is large.

        `snapshot_download` is no alternative: if the hub does not answer, it accepts an incomplete snapshot.
        """
        try:
            for name in listing.files:
                hf_hub_download(
                    self.model.repository,
                    name,
                    revision=listing.commit,
                    cache_dir=self.hub.cache,
                    endpoint=self.hub.endpoint,
                    token=self.hub.token or False,
                )
        finally:
            self._drop_overlong(listing)

    def _drop_overlong(self, listing: _Listing) -> None:
        """Removes partial files that are larger than any file of the model: they cannot be resumed."""
        longest = max(listing.sizes.values())
        for part in self._blobs.glob(_PARTIAL):
            if part.stat().st_size > longest:
                part.unlink()

    def _wrong_files(self, listing: _Listing) -> list[str]:
        folder = self._folder(listing)
        return [name for name, file in listing.files.items() if not self._is_whole(folder / name, file)]

    def _is_whole(self, path: Path, file: RepoSibling) -> bool:
        if not path.is_file():
            return False
        expected = self.model.sha256.get(file.rfilename) or (file.lfs.sha256 if file.lfs else None)
        return sha256_of(path) == expected if expected else git_hash(path) == file.blob_id

    @staticmethod
    def _drop(path: Path) -> None:
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def _patiently(self, work: Callable[[], T], report: Callable[[], None]) -> T:
        return tried_again(
            lambda: watched(work, self.hub.patience, report),
            self.hub.patience,
            may_pass,
            lambda: _bytes_in(self._blobs, "*"),
            self._say,
        )

    def _report(self, listing: _Listing) -> None:
        total, there = sum(listing.sizes.values()), _bytes_in(self._blobs, "*")
        self._say(f"{there / _MEGABYTE:.1f} of {total / _MEGABYTE:.1f} MB")

    def _say(self, text: str) -> None:
        self.hub.say(f"{self.model.repository}: {text}")

    @property
    def _blobs(self) -> Path:
        return repository_folder(self.hub.cache, self.model.repository) / "blobs"

    def _folder(self, listing: _Listing) -> Path:
        return snapshot_folder(self.hub.cache, self.model.repository, listing.commit)


def _bytes_in(folder: Path, pattern: str) -> int:
    """Bytes of the files in a folder. Skips files that are renamed in the meantime; they count next time."""
    total = 0
    for path in folder.glob(pattern):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def drop_other_commits(commits: Mapping[str, str], hub: Hub) -> None:
    """Removes all other commits of the given repositories, which map to their current commit.

    Models are large, and older commits are not used any more.
    """
    for known in scan_cache_dir(hub.cache).repos if hub.cache.is_dir() else ():
        commit = commits.get(known.repo_id)
        old = [revision.commit_hash for revision in known.revisions if revision.commit_hash != commit]
        if commit and old:
            strategy = scan_cache_dir(hub.cache).delete_revisions(*old)
            hub.say(f"{known.repo_id}: removing {strategy.expected_freed_size / _MEGABYTE:.1f} MB of earlier commits")
            strategy.execute()
