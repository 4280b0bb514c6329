"""The list of models that a prefetch downloads into the model cache.

models.json next to this file is the only place that names and pins hub models. The deployment passes the entries that a
stack needs as PREFETCH_MODELS; default: the whole list. The fields of a model:

- `repository` and `revision`, a commit. With `toBePinned` the revision is a branch: it is resolved once, and that
  commit is kept (MODEL_CACHE/hub.json).
- `files`: patterns of the files to download. Default: the whole repository.
- `sha256`: the required checksums of files. Torch weights are pickles, which can run code, so a mirror must not be able
  to replace them.
- `gated`: the download needs a token of a user who has accepted the licence on `licencePage`.
- `fallback`: what the stages do without it. Such a model is left out if the token or the accepted licence is missing.
- `stages` that use it; `torch`: whether they need torch for it (cpu images have none); `megabytes`: its size.
"""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from cp_whisperx.errors import StageError, one_line

TOKEN_SETTING: Final = "pulumi config set --secret --path models.token"  # noqa: S105 - the command that sets a token, not a token
MODEL_LIST: Final = Path(__file__).with_name("models.json")


class WantedModel(BaseModel):
    """One repository of the hub at one revision; the fields are described above."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    repository: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")
    revision: str = Field(pattern=r"^\w[\w./-]*$")
    to_be_pinned: bool = False
    licence: str = ""
    licence_page: str = ""
    gated: bool = False
    stages: tuple[str, ...] = ()
    torch: bool = False
    megabytes: PositiveInt | None = None
    files: tuple[str, ...] = ()
    sha256: dict[str, str] = Field(default_factory=dict)
    fallback: str = ""


_LIST: Final = TypeAdapter(tuple[WantedModel, ...])


def wanted_models(given: str) -> tuple[WantedModel, ...]:
    """The models of PREFETCH_MODELS, or of models.json if `given` is empty; raises StageError for an invalid list."""
    try:
        return _LIST.validate_json(given or MODEL_LIST.read_bytes())
    except ValidationError as error:
        raise StageError(
            f"PREFETCH_MODELS is not a valid list of models: {one_line(error)}.",
            "Set it to entries of docker/prefetch/models.json, or leave it empty for all of them.",
        ) from error
