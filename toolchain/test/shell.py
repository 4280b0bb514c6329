"""Runs functions of the toolchain in a temporary home, with doubles of the programs they call."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

TOOLCHAIN = Path(__file__).resolve().parent.parent
_PROGRAMS_OF_THE_SYSTEM = "/usr/bin:/bin"


@dataclass
class Shell:
    """A machine with nothing on it but the system's own programs and the doubles."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Where the toolchain keeps what it makes."""
        return self.folder / "home"

    @property
    def calls(self) -> list[str]:
        """The calls of the doubles, in order: the program's name and its arguments."""
        log = self.folder / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def double(self, name: str, script: str = "exit 0") -> None:
        """Puts a program of that name first on the PATH; it records its call and runs the script."""
        program = self.folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.folder}/calls"\n{script}\n')
        program.chmod(0o755)

    def start(self, script: str, **environment: str) -> subprocess.Popen[str]:
        """Starts a script with all functions of the toolchain loaded."""
        (self.folder / "bin").mkdir(exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if name in ("USER", "LANG")}
        return subprocess.Popen(
            ["bash", "-c", f'source "{TOOLCHAIN}/load.sh"\n{script}'],
            env={
                **inherited,
                "HOME": str(self.folder),
                "PATH": f"{self.folder}/bin:{_PROGRAMS_OF_THE_SYSTEM}",
                "CP_WHISPERX_HOME": str(self.home),
                **self.environment,
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs such a script to its end."""
        with self.start(script, **environment) as process:
            try:
                stdout, stderr = process.communicate(timeout=600)
            finally:
                process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
