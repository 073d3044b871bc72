"""Checks that several tests of the local Hub share."""

import subprocess
from pathlib import Path


def fsck(repo: Path) -> list[str]:
    """What `git fsck` complains about; objects that nothing points at are no fault."""
    done = subprocess.run(["git", f"--git-dir={repo}", "fsck", "--full", "--strict"], capture_output=True, text=True)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith(("dangling", "notice:", "Checking"))]
    return lines + ([f"exit code {done.returncode}"] if done.returncode else [])
