"""A scheduled task of Windows that starts the loop at log-on, and looks every few minutes whether it died.

A task's own rule for failures starts it again only when it could not be started (MS-TSCH 2.5.4.2), not when it died,
so the trigger repeats: a look while the loop runs is ignored (``IgnoreNew``), and one after an end on purpose starts
nothing. It runs as the person who is logged on, without a window, with the priority of an ordinary program (tasks have
a lower one unless told). Facts: Task Scheduler schema 1.2 (learn.microsoft.com), MS-TSCH.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from xml.sax.saxutils import escape

from llm_loop.autostart.watched import Installed, Watched, this_python
from llm_loop.errors import CommandError, LoopError
from llm_loop.system import files
from llm_loop.system.short_run import Ended, run_short

LOOK_EVERY_MINUTES = 3
_DEADLINE_S = 60.0
_NOTE = "it begins when you log on: a machine that restarts by itself at night waits for that"
_TASK = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>{description}</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Repetition>
        <Interval>PT{minutes}M</Interval>
        <StopAtDurationEnd>false</StopAtDurationEnd>
      </Repetition>
      <Enabled>true</Enabled>
      <UserId>{user}</UserId>
      <Delay>PT30S</Delay>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>false</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <Enabled>true</Enabled>
    <Hidden>false</Hidden>
    <RunOnlyIfIdle>false</RunOnlyIfIdle>
    <WakeToRun>false</WakeToRun>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>5</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{program}</Command>
      <Arguments>{arguments}</Arguments>
      <WorkingDirectory>{workspace}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""


def task_text(watched: Watched, user: str) -> str:
    """Return the task's XML for ``user`` (``DOMAIN\\name``)."""
    program, *arguments = watched.words(_windowless(this_python()))
    return _TASK.format(
        description=escape(f"Starts llm_loop in {watched.workspace} at log-on, and again when it died."),
        minutes=LOOK_EVERY_MINUTES,
        user=escape(user),
        program=escape(program),
        arguments=escape(subprocess.list2cmdline(arguments)),
        workspace=escape(str(watched.workspace)),
    )


class ScheduledTask:
    """Handle the task of one workspace; ``schtasks`` is the program with its first words."""

    def __init__(self, watched: Watched, environ: Mapping[str, str], schtasks: Sequence[str] | None = None) -> None:
        self._watched, self._environ = watched, environ
        self._schtasks = tuple(schtasks) if schtasks else (_system_program(environ),)
        self.name = watched.name
        self._kept = watched.workspace / ".llm_loop" / "autostart_task.xml"

    def turn_on(self, *, watch_now: bool) -> None:
        """Make the task, or make it anew; ``watch_now``: let it wait beside the loop that runs already.

        Raises LoopError when the Task Scheduler refuses.
        """
        text = task_text(self._watched, _user(self._environ))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "task.xml"
            file.write_bytes(b"\xff\xfe" + text.encode("utf-16-le"))  # the one encoding that schtasks surely takes
            self._ask("/Create", "/TN", self.name, "/XML", str(file), "/F")
        files.replace_text(self._kept, text)
        if watch_now:
            self._ask("/Run", "/TN", self.name)

    def turn_off(self) -> None:
        """Remove the task; a loop that runs goes on. Raises LoopError when the Task Scheduler refuses."""
        if self._run("/Query", "/TN", self.name).exit_code == 0:
            self._ask("/Delete", "/TN", self.name, "/F")
        files.remove(self._kept)

    def show(self) -> Installed:
        """Return what is there. Raises LoopError when the Task Scheduler does not answer."""
        on = self._run("/Query", "/TN", self.name).exit_code == 0
        text = files.read_text(self._kept) if on and self._kept.exists() else None
        place = f"Task Scheduler: {self.name}" if on else None
        notes = (_NOTE,) if on else ()
        return Installed(on=on, kind="scheduled task", name=self.name, place=place, text=text, notes=notes)

    def _ask(self, *words: str) -> None:
        said = self._run(*words)
        if said.exit_code != 0:
            why = (said.stderr.strip() or said.stdout.strip() or f"exit code {said.exit_code}").splitlines()[-1]
            raise LoopError(f"`schtasks {words[0]} /TN {self.name}` failed: {why}")

    def _run(self, *words: str) -> Ended:
        try:
            return run_short([*self._schtasks, *words], deadline_s=_DEADLINE_S, env=self._environ)
        except CommandError as error:
            raise LoopError(f"the Task Scheduler cannot be asked: {error}") from error


def _user(environ: Mapping[str, str]) -> str:
    """Return who is logged on, as ``DOMAIN\\name``. Raises LoopError when Windows does not say."""
    name, domain = environ.get("USERNAME"), environ.get("USERDOMAIN")
    if not name:
        raise LoopError("USERNAME is not set: Windows does not say for whom the task would be")
    return f"{domain}\\{name}" if domain else name


def _system_program(environ: Mapping[str, str]) -> str:
    return str(Path(environ.get("SYSTEMROOT") or "C:\\Windows") / "System32" / "schtasks.exe")


def _windowless(python: str) -> str:
    """Return ``pythonw.exe`` beside ``python.exe``, where there is one: it opens no console window."""
    beside = Path(python).with_name("pythonw.exe")
    with suppress(OSError):
        if os.path.isfile(beside):  # noqa: PTH113
            return str(beside)
    return python
