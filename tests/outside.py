"""How tests see whom a program asks outside this machine: none is what all of them want to see."""

import os
import re
import shutil
import subprocess
from pathlib import Path

WATCH = Path(__file__).parent / "watch"

_HERE = re.compile(r'inet_addr\("127\.|"::1"|"::ffff:127\.|sa_family=AF_(UNIX|NETLINK|UNSPEC)')


def watched(log):
    """Give the environment in which all that is Python tells whom it asks; see `asked`."""
    path = os.pathsep.join(filter(None, [str(WATCH), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OUTSIDE": str(log)}


def asked(log):
    """List whom watched processes asked."""
    return log.read_text().splitlines() if log.exists() else []


def traced(log):
    """Give the words before a command that have the system tell whom it asks; see `asked_system`.

    None where the system does not let it be traced.
    """
    strace = shutil.which("strace")
    calls = "trace=connect,sendto,sendmsg,sendmmsg"
    words = [strace, "-f", "-qq", "--seccomp-bpf", "-e", calls, "-e", "signal=none"]
    tried = strace and subprocess.run([*words, "true"], capture_output=True, check=False)
    return [*words, "-o", str(log)] if tried and tried.returncode == 0 else None


def asked_system(log):
    """List whom traced processes asked, name servers on this machine too."""
    return [
        line
        for line in log.read_text(errors="replace").splitlines()
        if "sa_family=" in line and (not _HERE.search(line) or "htons(53)" in line)
    ]
