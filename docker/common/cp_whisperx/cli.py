"""The command line: commands for jobs in every image, and in a stage's image also its worker and single runs."""

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import click

from cp_whisperx.environment import Environment, load_settings
from cp_whisperx.errors import StageError
from cp_whisperx.jobs import (
    StoredJob,
    create_job,
    find_job,
    identify,
    is_finished,
    locate_film,
    same_request,
    stored_jobs,
)
from cp_whisperx.manifest import ask_again, job_state, read_manifest, record_of
from cp_whisperx.runner import AnyStage
from cp_whisperx.stages import all_stages

P = ParamSpec("P")
_INTERRUPTED = 130
_QUEUE_PATIENCE = 5.0


def _clear_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Prints an error that the user can fix as one message, and exits with status 1."""

    @functools.wraps(command)
    def wrapped(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            command(*arguments, **options)
        except StageError as error:
            raise click.ClickException(f"{error.reason} {error.way_out}".rstrip()) from error
        except OSError as error:
            raise click.ClickException(f"{error.strerror}: {error.filename}") from error

    return wrapped


def _say(text: str) -> None:
    click.echo(text, nl=False)


@click.command()
@click.argument("film")
@click.option("--wait", is_flag=True, help="Show the progress until the job ends; fail if it fails.")
@click.option("--again", is_flag=True, help="Create a new job even if this film already has one.")
@click.option("--title", help="The film's title. Default: from its file name.")
@click.option("--year", type=click.IntRange(1870, 2200), help="The year of its release, such as 1957.")
@_clear_errors
def submit(film: str, *, wait: bool, again: bool, title: str | None, year: int | None) -> None:
    """Subtitle FILM, a path in the folder of incoming films.

    A film that already has a job keeps it: a finished or running job is shown, a failed one is resumed.
    """
    environment = load_settings(Environment)
    relative = locate_film(film, environment)
    jobs = stored_jobs(environment)
    identity = identify(environment.films_in / relative, relative.as_posix(), jobs)
    stored = None if again else same_request(jobs, identity, title, year)
    if stored is None:
        stored = create_job(environment, relative.as_posix(), identity, title, year)
        click.echo(f"job {stored.job.id} in {stored.folder}")
        _start(stored, environment)
    elif is_finished(stored):
        click.echo(f"job {stored.job.id} has already finished this film (--again: new job; resume: after a change)")
    elif job_state(read_manifest(stored.folder)) in ("waiting", "running"):
        click.echo(f"job {stored.job.id} is already working on this film")
        _start(stored, environment)
    else:
        click.echo(f"job {stored.job.id} of this film is resumed")
        _ask_for_all(stored, environment)
    if wait:
        _wait(stored)


@click.command()
@click.argument("job")
@click.option("--wait", is_flag=True, help="Show the progress until the job ends; fail if it fails.")
@_clear_errors
def resume(job: str, *, wait: bool) -> None:
    """Resume JOB: run only the stages that failed, were skipped, or have changed inputs or settings."""
    environment = load_settings(Environment)
    stored = find_job(job, environment)
    click.echo(f"job {stored.job.id} is resumed")
    _ask_for_all(stored, environment)
    if wait:
        _wait(stored)


@click.command()
@click.argument("job", required=False)
@click.option("--json", "as_json_text", is_flag=True, help="Print JSON for programs.")
@_clear_errors
def status(job: str | None, *, as_json_text: bool) -> None:
    """Show JOB stage by stage, or all jobs."""
    from cp_whisperx.progress import as_json, stage_lines, summary  # noqa: PLC0415 - the worker starts without it

    environment = load_settings(Environment)
    if job is None:
        _list_jobs(stored_jobs(environment), as_json_text=as_json_text)
        return
    stored = find_job(job, environment)
    if as_json_text:
        click.echo(json.dumps(as_json(stored), ensure_ascii=False, indent=2))
        return
    manifest = read_manifest(stored.folder)
    click.echo(f"{stored.job.id}: {job_state(manifest)}, from {stored.job.film!r}")
    for facts in all_stages():
        for line in stage_lines(facts.name, record_of(manifest, facts.name)):
            click.echo(line)
    for line in summary(stored, manifest):
        click.echo(line)


@click.command("list-stages")
@click.option("--json", "as_json_text", is_flag=True, help="Print JSON for programs.")
def list_stages(*, as_json_text: bool) -> None:
    """List the stages in their order."""
    if as_json_text:
        click.echo(json.dumps([facts.model_dump(by_alias=True) for facts in all_stages()], indent=2))
        return
    for facts in all_stages():
        kind = "stops the job when it fails" if facts.critical else "optional"
        click.echo(f"{facts.name:<24} {facts.time_limit_seconds:>6} s  {facts.tries} attempts  {kind}")


def _list_jobs(jobs: list[StoredJob], *, as_json_text: bool) -> None:
    rows = [(stored, _state_of(stored)) for stored in jobs]
    if as_json_text:
        listed = [
            {"id": stored.job.id, "folder": str(stored.folder), "source": stored.job.film, "state": state}
            for stored, state in rows
        ]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=2))
        return
    for stored, state in rows:
        click.echo(f"{stored.job.id:<40} {state:<8} {stored.job.film}")


def _state_of(stored: StoredJob) -> str:
    try:
        return job_state(read_manifest(stored.folder))
    except StageError:
        return "damaged"


def _ask_for_all(stored: StoredJob, environment: Environment) -> None:
    """Makes every stage check again whether its result is up to date."""
    for facts in all_stages():
        ask_again(stored.folder, facts.name)
    _start(stored, environment)


def _start(stored: StoredJob, environment: Environment) -> None:
    from cp_whisperx.message_queue import open_broker, send  # noqa: PLC0415 - brings Redis, which few commands need

    send(open_broker(environment.redis_url), all_stages()[0].name, stored.folder, patience_seconds=_QUEUE_PATIENCE)


def _wait(stored: StoredJob) -> None:
    from cp_whisperx.progress import follow, result_or_error  # noqa: PLC0415 - the worker starts without it

    try:
        follow(stored, _say)
    except KeyboardInterrupt:
        click.echo(f"\nThe job continues; `cp-whisperx status {stored.job.id}` shows its progress.", err=True)
        sys.exit(_INTERRUPTED)
    for line in result_or_error(stored):
        click.echo(line)


def _stage_commands(stage: AnyStage) -> list[click.Command]:
    @click.command()
    @_clear_errors
    def worker() -> None:
        """Process the jobs in this stage's queue until SIGTERM."""
        from cp_whisperx.worker import serve  # noqa: PLC0415 - brings Dramatiq, which few commands need

        serve(stage)

    @click.command()
    @click.argument("job_folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
    @click.option("--force", is_flag=True, help="Run it even if nothing changed.")
    @_clear_errors
    def run(job_folder: Path, *, force: bool) -> None:
        """Run only this stage of the job in JOB_FOLDER, without the queue."""
        _run_alone(stage, job_folder.resolve(), force=force)

    @click.command("settings-schema")
    def settings_schema() -> None:
        """Print the JSON schema of this stage's settings."""
        click.echo(schema_text(stage), nl=False)

    return [worker, run, settings_schema]


def schema_text(stage: AnyStage) -> str:
    """The content of settings.schema.json: the JSON schema of a stage's settings, by their environment variables."""
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema.update(stage.settings.model_json_schema(by_alias=True))
    schema["title"] = f"Settings of the stage {stage.name}"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _run_alone(stage: AnyStage, folder: Path, *, force: bool) -> None:
    from cp_whisperx.logs import start_log  # noqa: PLC0415
    from cp_whisperx.runner import run_stage  # noqa: PLC0415

    environment = load_settings(Environment)
    start_log(environment)
    ask_again(folder, stage.name)
    outcome = run_stage(stage, folder, force=force, environment=environment)
    if outcome == "busy":
        raise StageError(f"Another process is running {stage.name} of this job.", "Wait until it has ended.")
    record = record_of(read_manifest(folder), stage.name)
    click.echo(f"{stage.name}: {outcome}{f': {record.reason}' if record.reason else ''}")
    if outcome in ("failed", "again"):
        raise StageError(record.reason or "It failed.", record.way_out or "Run it again.")


def main(stage: AnyStage | None) -> NoReturn:
    """The command line of an image. With None for `stage` it has the commands for jobs only."""
    name = f"the stage {stage.name}" if stage else "jobs"
    group = click.Group(
        "cp-whisperx",
        commands=[submit, status, resume, list_stages, *(_stage_commands(stage) if stage else [])],
        help=f"CP-WhisperX subtitles films. These are the commands for {name}.",
    )
    group(prog_name="cp-whisperx" if stage is None else stage.name)
    sys.exit(0)
