"""The ordered list of stages, read from stages.json, with their time limits and attempts."""

from functools import cache
from importlib import resources
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel


class StageFacts(BaseModel):
    """What the runner must know about a stage before it starts it."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    critical: bool
    time_limit_seconds: int = Field(gt=0)
    tries: int = Field(ge=1)


_LIST: Final = TypeAdapter(tuple[StageFacts, ...])


@cache
def all_stages() -> tuple[StageFacts, ...]:
    """All stages in the order in which a job runs them."""
    return _LIST.validate_json(resources.files(__package__).joinpath("stages.json").read_bytes())


def stage_facts(name: str) -> StageFacts:
    """The facts of the stage `name`; raises KeyError with the known stages if there is no such stage."""
    for facts in all_stages():
        if facts.name == name:
            return facts
    known = ", ".join(facts.name for facts in all_stages())
    raise KeyError(f"no stage is called {name!r}; the stages are {known}")


def next_stage(name: str) -> str | None:
    """The stage after `name`, or None after the last one."""
    names = [facts.name for facts in all_stages()]
    following = names[names.index(name) + 1 :]
    return following[0] if following else None
