"""Windows and macOS, as far as this machine can tell: names, encodings, paths, and fakes."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import psutil
import pytest

from celltransfer_core.outputs.images import type_folders
from celltransfer_core.runtime import system
from celltransfer_core.studies import Workspace, owners, stage_keys
from celltransfer_core.studies.owners import MARK, answer_for, end_all, is_alive, owner_of
from celltransfer_core.studies.stages import STAGES
from tests.studies.samples import png

ROOT = Path(__file__).parents[1]
SYSTEM = ROOT / "celltransfer_core" / "runtime" / "system.py"
SOURCES = [
    ROOT / "app.py",
    *sorted((ROOT / "celltransfer_core").rglob("*.py")),
    *sorted((ROOT / "pages").rglob("*.py")),
]
POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
POSIX_NAMES = {
    "os": {
        *("chown", "chroot", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid"),
        *("getgroups", "getloadavg", "getpgid", "getpgrp", "getppid", "getpriority", "getuid"),
        *("kill", "killpg", "lchown", "lockf", "mkfifo", "mknod", "nice", "openpty", "pidfd_open"),
        *("posix_spawn", "pread", "pwrite", "sched_getaffinity", "sched_setaffinity", "setegid"),
        *("seteuid", "setgid", "setpgid", "setpriority", "setsid", "setuid", "statvfs", "sync"),
        *("sysconf", "uname", "wait", "wait3", "wait4", "waitid"),
    },
    "signal": {
        *("SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP"),
        *("SIGUSR1", "SIGUSR2", "alarm", "pause", "pidfd_send_signal", "pthread_kill", "setitimer"),
    },
}
POSIX_ARGUMENTS = {"preexec_fn", "start_new_session", "process_group", "umask", "pass_fds"}
WINDOWS = 259  # characters of a path


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def posix_only(node):
    """Name what a node uses that one system has and another has not."""
    if isinstance(node, ast.Import):
        return [one.name for one in node.names if one.name in POSIX_MODULES]
    if isinstance(node, ast.ImportFrom):
        inside = POSIX_NAMES.get(node.module, set())
        names = [one.name for one in node.names if one.name in inside]
        return [node.module] if node.module in POSIX_MODULES else names
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return [node.attr] if node.attr in POSIX_NAMES.get(node.value.id, set()) else []
    if isinstance(node, ast.Call):
        return [named.arg for named in node.keywords if named.arg in POSIX_ARGUMENTS]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value] if node.value.startswith(("/proc", "/dev/", "/tmp/")) else []  # noqa: S108
    return []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_one_file_alone_knows_the_systems(path):
    found = [name for node in ast.walk(tree(path)) for name in posix_only(node)]
    assert path == SYSTEM or found == []


def test_what_is_forbidden_is_found():
    code = (
        "import fcntl\nfrom os import fork\nimport os\nos.kill(1, 0)\nf(preexec_fn=None)\n"
        "open('/proc/self/stat')\nimport signal\nsignal.SIGKILL"
    )
    found = [name for node in ast.walk(ast.parse(code)) for name in posix_only(node)]
    assert len(found) == 6


def text_without_encoding(node):
    """Tell of a call that opens text without saying in which encoding."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)):
        return False
    named = {one.arg: one.value for one in node.keywords}
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
    if name == "write_text":
        return "encoding" not in named or "newline" not in named
    if name == "read_text" and isinstance(node.func, ast.Attribute):
        return "encoding" not in named
    if name not in ("open", "fdopen") or "encoding" in named:
        return False
    of = node.func.value if isinstance(node.func, ast.Attribute) else None
    if (isinstance(of, ast.Name) and of.id in ("Image", "archive", "self")) or is_low(node):
        return False
    modes = [*node.args, *([named["mode"]] if "mode" in named else [])]
    words = [one.value for one in modes if isinstance(one, ast.Constant)]
    return not any(isinstance(word, str) and "b" in word for word in words)


def is_low(node):
    """Tell whether a call is ``os.open``, which knows no text."""
    of = getattr(node.func, "value", None)
    return node.func.attr == "open" and isinstance(of, ast.Name) and of.id == "os"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_is_read_and_written_in_one_encoding(path):
    lines = [node.lineno for node in ast.walk(tree(path)) if text_without_encoding(node)]
    assert lines == []


def test_a_file_that_is_being_read_is_waited_for_on_windows(monkeypatch, tmp_path):
    beside, path = tmp_path / "beside", tmp_path / "path"
    beside.write_bytes(b"new")
    tries, replace = [], Path.replace

    def busy_at_first(one, other):
        tries.append(one)
        if len(tries) < 3:
            raise PermissionError(13, "Access is denied")
        return replace(one, other)

    monkeypatch.setattr(Path, "replace", busy_at_first)
    with pytest.raises(PermissionError):
        system.take_place(beside, path)
    monkeypatch.setattr(system.sys, "platform", "win32")
    monkeypatch.setattr(system, "_PAUSE", 0.0)
    system.take_place(beside, path)
    assert (path.read_bytes(), len(tries)) == (b"new", 3)
    monkeypatch.setattr(system, "_PATIENCE", -1.0)
    tries.clear()
    beside.write_bytes(b"newer")
    with pytest.raises(PermissionError):
        system.take_place(beside, path)


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """A system without /proc, where psutil alone knows processes."""
    monkeypatch.setattr(system, "_PROC", tmp_path / "none")
    owners._machine.cache_clear()
    yield
    owners._machine.cache_clear()


def waiting(**more):
    return subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **more},
    )


def test_processes_are_known_without_proc(elsewhere, tmp_path):
    with waiting() as process:
        process.stdout.readline()
        owner = owner_of(process.pid)
        assert is_alive(owner, tmp_path)
        machine, pid, began = owner.rsplit(":", 2)
        assert not is_alive(f"{machine}:{pid}:{float(began) - 5:.3f}", tmp_path)
        process.kill()
        while is_alive(owner, tmp_path):  # dead, though nobody has waited for it yet
            pass
        process.communicate()
    assert not is_alive(owner, tmp_path)
    assert is_alive(answer_for(tmp_path), tmp_path)


def test_a_process_that_may_not_be_looked_at_lives(elsewhere, monkeypatch):
    def denied(pid):
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", denied)
    assert system.began(1) == ""


def test_work_for_a_job_is_ended_and_nothing_else(elsewhere):
    with waiting(**{MARK: "one"}) as ours, waiting(**{MARK: "other"}) as other:
        for process in (ours, other):
            process.stdout.readline()
        assert end_all("one") == 1
        assert ours.wait(10) != 0
        assert other.poll() is None
        other.kill()


def test_windows_interrupts_no_other_process(monkeypatch):
    monkeypatch.setattr(system.sys, "platform", "win32")
    assert not system.interrupt(os.getpid(), system.began(os.getpid()))
    assert not system.was_killed(1)


def test_windows_interrupts_itself_without_ending(monkeypatch):
    raised = []
    monkeypatch.setattr(system.sys, "platform", "win32")
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    system.interrupt_here()
    assert raised == [signal.SIGINT]


def test_a_file_that_was_kept_is_deleted_where_open_ones_cannot_be(monkeypatch, tmp_path):
    monkeypatch.setattr(system, "REMOVES_OPEN_FILES", False)
    unlink = Path.unlink

    def closed_alone(path, **more):
        assert path.name not in {Path(one.path).name for one in psutil.Process().open_files()}
        unlink(path, **more)

    monkeypatch.setattr(Path, "unlink", closed_alone)
    path = tmp_path / "owner"
    path.write_bytes(b"")
    assert owners._is_locked(path) is False
    assert not path.exists()


def test_names_of_types_are_names_on_every_system():
    folders = type_folders(["aux", "NUL.txt", "Blast", "blast", "a:b", "end. ", "console"])
    assert folders["aux"] == "aux_"
    assert folders["NUL.txt"] == "NUL_.txt"
    assert folders["console"] == "console"
    assert folders["a:b"] == "a_b"
    assert folders["end. "] == "end"
    assert len({name.casefold() for name in folders.values()}) == len(folders)


def test_a_workspace_stays_within_260_characters(home):
    """In a home of eighty characters, as deep as a user's folder in a firm."""
    space = Workspace(home)
    study = space.create("Drawn cells").id
    sent = [(f"{role}.png", png(3)) for role in "ab"]
    for role in ("reference", "query"):
        space.receive(space.add_set(study, role, role).id, sent)
    answer_for(home)
    stages = [*STAGES, "evaluate", "unaligned"]
    named = [space.result_path(study, stage, stage_keys(space, study)["embed"]) for stage in stages]
    named += [path for path in home.rglob("*") if path.is_file()]
    assert any("images" in path.parts for path in named)
    deep = PureWindowsPath("C:/Users") / ("x" * 71)
    longest = max(
        (deep / path.relative_to(home) for path in named), key=lambda path: len(str(path))
    )
    beside = len(".") + len(".12345678.part")  # while it is written
    assert len(str(longest)) + beside <= WINDOWS, longest
