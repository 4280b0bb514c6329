"""The list of models that a prefetch brings into the model cache.

models.json beside this file is the one place where a hub model is named and pinned. Whoever deploys gives the part of
it that a stack needs as PREFETCH_MODELS; without that variable the whole list is fetched. Of each model it says

- `repository` and `revision`: the revision is a commit. `toBePinned` marks one whose commit is not known for certain:
  its branch is looked up once, and from then on the commit that was found stays (MODEL_CACHE/hub.json).
- `files`: patterns of the files to fetch; without them the whole repository.
- `sha256`: the content that is expected of a file whatever the hub says. Weights of torch are pickles, which can run
  code: a mirror must not be able to exchange them.
- `gated`: the hub gives it to a known user who has accepted the licence on `licencePage`, and wants a token for it.
- `fallback`: what the stages do without it. Such a model may be missing for want of a token or a licence.
- `stages` that use it, `torch`: whether they need torch for it (a cpu image has none), `megabytes`: what it takes.
"""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from cp_whisperx.errors import StageError, one_line

TOKEN_SETTING: Final = "pulumi config set --secret --path models.token"  # noqa: S105 - how one is set, not one
MODEL_LIST: Final = Path(__file__).with_name("models.json")


class WantedModel(BaseModel):
    """One repository of the hub, at one revision; the fields are told above."""

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
    """The models of PREFETCH_MODELS, or of models.json where `given` is empty; StageError for a list that is wrong."""
    try:
        return _LIST.validate_json(given or MODEL_LIST.read_bytes())
    except ValidationError as error:
        raise StageError(
            f"PREFETCH_MODELS is no list of models: {one_line(error)}.",
            "Give it entries of docker/prefetch/models.json, or nothing for all of them.",
        ) from error
