"""What an object costs through the S3 port: requests a second, and the server's CPU for each.

    python benchmarks/objects.py

Eight connections of a plain HTTP client, so that it is the server that is measured. moto's server, which
keeps objects in memory, is asked the same in the same run where its program is installed. Ours has each
object on the disk when it answers; `disk alone` is what that costs without a server.
"""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from customlabels.app import served
from customlabels.storage import write_whole

CONNECTIONS = 8
SIZES = {"50 kB": (50_000, 400), "1 MB": (1_000_000, 100), "16 MB": (16_000_000, 16)}
HEADERS = {
    "x-amz-date": "20260101T000000Z",
    "Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, "
    f"SignedHeaders=host, Signature={'0' * 64}",
}
TITLES = ("", "put/s", "CPU ms", "get/s", "CPU ms", "head/s", "CPU ms", "memory MB")
WIDTHS = (24, 9, 9, 9, 9, 9, 9, 11)


@contextmanager
def ours(home: Path) -> Iterator[tuple[int, int]]:
    """Our server: process id and port."""
    command = Path(sys.executable).with_name("customlabels")
    environment = os.environ | {"CUSTOMLABELS_HOME": str(home), "CUSTOMLABELS_PORT": "0"}
    process = subprocess.Popen([command, "serve"], env=environment, stderr=subprocess.DEVNULL)
    try:
        while (server := served(home)) is None or not server.url:
            time.sleep(0.05)
        yield process.pid, int(server.url.rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()


@contextmanager
def moto(program: str) -> Iterator[tuple[int, int]]:
    """moto's server: process id and port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_megabytes(pid: int) -> float:
    """The most that a process has held."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measured(pid: int, port: int, method: str, count: int, body: bytes | None) -> tuple[float, float]:
    """Requests a second, and the server's CPU in milliseconds for each."""

    def ask(start: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for number in range(start, count, CONNECTIONS):
            connection.request(method, f"/bench/{number % 50}/{number}.bin", body, HEADERS)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{method}: {answer.status}")
        connection.close()

    before, began = cpu_seconds(pid), time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(ask, range(CONNECTIONS)))
    seconds = time.perf_counter() - began
    return count / seconds, (cpu_seconds(pid) - before) / count * 1000


def row(name: str, figures: list[float]) -> None:
    """One line of the table."""
    cells = zip(figures, WIDTHS[1:], (0, 2, 0, 2, 0, 2, 0), strict=False)
    print(f"{name:<{WIDTHS[0]}}" + "".join(f"{figure:{width}.{digits}f}" for figure, width, digits in cells))


def table_of(name: str, pid: int, port: int) -> None:
    """All sizes against one server."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("PUT", "/bench", headers=HEADERS)
    connection.getresponse().read()
    connection.close()
    for size, (length, count) in SIZES.items():
        figures = [
            figure
            for method, body in (("PUT", bytes(length)), ("GET", None), ("HEAD", None))
            for figure in measured(pid, port, method, count, body)
        ]
        row(f"{name}, {size}", [*figures, memory_megabytes(pid)])


def disk_alone(folder: Path) -> None:
    """Files written whole and synced by as many threads, and nothing else."""
    for size, (length, count) in SIZES.items():
        files = [folder / f"{number}.bin" for number in range(count)]
        began = time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            list(threads.map(write_whole, files, [[bytes(length)]] * count))
        row(f"disk alone, {size}", [count / (time.perf_counter() - began)])


def main() -> None:
    """Print the table."""
    print("".join(f"{title:>{width}}" for title, width in zip(TITLES, WIDTHS, strict=True)))
    with tempfile.TemporaryDirectory() as folder:
        with ours(Path(folder) / "home") as (pid, port):
            table_of("customlabels", pid, port)
        disk_alone(Path(folder))
    program = shutil.which("moto_server")
    if program is None:
        print("no moto_server on PATH: there is nothing beside it")
        return
    with moto(program) as (pid, port):
        table_of("moto", pid, port)


if __name__ == "__main__":
    main()
