"""A PostgreSQL server of one's own for a measurement, from the programs of Debian's package; durable, as in use."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

NOBODY = 65534


@contextlib.contextmanager
def server():
    """Yields the URL of an empty database; the server listens on a socket in its folder only."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        raise SystemExit("PostgreSQL is not installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="thermolang-pg-"))
    # PostgreSQL refuses to run as root.
    user = {"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}
    if user:
        os.chown(folder, NOBODY, NOBODY)

    def run(program, *arguments):
        command = [folders[-1] / program, "-D", folder / "data", *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **user)

    try:
        run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C")
        run("pg_ctl", "-w", "-l", folder / "log", "-o", f"-k {folder} -c listen_addresses=''", "start")
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-m", "fast", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
