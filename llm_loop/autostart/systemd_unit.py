"""A systemd user unit that starts the loop at log-in and again when it died; written, switched on and off.

``KillMode=process``: a stop of the unit asks the daemon alone, which ends its trainings itself; what it leaves for
the next start lives on. Exit codes after which a restart could not help end the restarts: 2 (configuration), 3 (held
by another), 4 (a person is needed). Facts: systemd.service(5), systemd.unit(5), systemd.kill(5).
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from llm_loop.autostart.watched import Installed, Watched, this_python
from llm_loop.errors import CommandError, LoopError
from llm_loop.system import files
from llm_loop.system.short_run import Ended, run_short

_DEADLINE_S = 30.0
_LINGER = Path("/var/lib/systemd/linger")
_UNIT = """\
# Written by `llm-loop autostart on`; `llm-loop autostart off` removes it.
[Unit]
Description=llm_loop in {workspace}
StartLimitIntervalSec=600
StartLimitBurst=10

[Service]
Type=simple
ExecStart={command}
Environment={path}
KillMode=process
Restart=on-failure
RestartSec=20
RestartPreventExitStatus=2 3 4
TimeoutStopSec=90

[Install]
WantedBy=default.target
"""


def unit_text(watched: Watched, search_path: str) -> str:
    """Return the unit; ``search_path`` becomes the PATH in which the loop looks for Codex and shells."""
    return _UNIT.format(
        workspace=_plain(str(watched.workspace)),
        command=" ".join(_quoted(word) for word in watched.words(this_python())),
        path=_quoted(f"PATH={search_path}", expands_variables=False),
    )


class SystemdUnit:
    """Handle the unit of one workspace; ``systemctl`` is the program with its first words."""

    def __init__(
        self, watched: Watched, environ: Mapping[str, str], systemctl: Sequence[str] = ("systemctl", "--user")
    ) -> None:
        self._watched, self._environ, self._systemctl = watched, environ, tuple(systemctl)
        config_home = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        self.name = f"{watched.name}.service"
        self.place = Path(config_home) / "systemd" / "user" / self.name

    def turn_on(self, *, watch_now: bool) -> None:
        """Write the unit and switch it on; ``watch_now``: let it wait beside the loop that runs already.

        Raises LoopError when no systemd answers here; then nothing is left of it.
        """
        files.replace_text(self.place, unit_text(self._watched, self._environ.get("PATH", os.defpath)))
        try:
            self._ask("daemon-reload")
            self._ask("enable", *(["--now"] if watch_now else []), self.name)
        except LoopError:
            files.remove(self.place)
            raise

    def turn_off(self) -> None:
        """Switch the unit off and remove it; a loop that runs goes on. Raises LoopError when systemd refuses."""
        if self.place.exists():
            self._ask("disable", self.name)
            files.remove(self.place)
            self._ask("daemon-reload")

    def show(self) -> Installed:
        """Return what is there. Raises nothing for a machine without systemd."""
        text = files.read_text(self.place) if self.place.exists() else None
        notes = [] if text is None else [self._linger_note()]
        enabled = text is not None
        if text is not None:
            try:
                said = self._run("is-enabled", self.name)
                enabled = said.exit_code == 0
                notes += [] if enabled else [f"the unit is written, but systemd says: {_words(said)}"]
            except CommandError as error:
                enabled = False
                notes.append(f"the unit is written, but no systemd answers here: {error}")
        place = None if text is None else str(self.place)
        return Installed(
            on=enabled, kind="systemd user unit", name=self.name, place=place, text=text, notes=tuple(notes)
        )

    def _linger_note(self) -> str:
        """Say when user units of this person begin and end."""
        user = "your user"
        with suppress(OSError, KeyError):  # a user without a name
            user = getpass.getuser()
        if (_LINGER / user).exists():
            return "lingering is on: it begins when the machine starts, and goes on when you log out"
        return (
            "it begins when you log in and ends when you log out, as all user units do; "
            f"`loginctl enable-linger {user}` lets it begin with the machine and go on without you"
        )

    def _ask(self, *words: str) -> None:
        try:
            said = self._run(*words)
        except CommandError as error:
            raise LoopError(f"there is no systemd here ({error}); {_INSTEAD}") from error
        if said.exit_code != 0:
            raise LoopError(f"`{' '.join([*self._systemctl, *words])}` failed: {_words(said)}; {_INSTEAD}")

    def _run(self, *words: str) -> Ended:
        return run_short([*self._systemctl, *words], deadline_s=_DEADLINE_S, env=self._environ)


_INSTEAD = (
    "autostart on Linux needs a systemd that serves users. Without one, let your own service manager, or a @reboot "
    "line of cron, run `llm-loop --workspace DIR start --quiet --autostarted`"
)


def _quoted(word: str, *, expands_variables: bool = True) -> str:
    """Quote one word as a unit file wants it: systemd expands ``%``, and ``$`` in commands."""
    escaped = _plain(word).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped.replace("$", "$$") if expands_variables else escaped}"'


def _plain(text: str) -> str:
    return text.replace("%", "%%")


def _words(said: Ended) -> str:
    if said.exit_code is None:
        return f"no answer in {_DEADLINE_S:g} s"
    return (said.stderr.strip() or said.stdout.strip() or f"exit code {said.exit_code}").splitlines()[-1]
