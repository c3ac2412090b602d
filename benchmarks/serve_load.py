"""How `skinlesion serve` bears many clients at once: answers, waiting times, memory.

    python benchmarks/serve_load.py mine.skinlesion pictures --clients 50 --requests 600

Starts a server of its own on this machine, on a free port, and stops it. Each client sends one
picture after the other and, if it is told to come again, does so at once, which is worse than a
client that waits. The number of requests is bounded, and every one of them must be answered.
"""

from __future__ import annotations

import argparse
import collections
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import requests

ROUNDS = 4
PATIENCE = 600  # seconds for one answer


def main() -> None:
    """Parse, serve, send, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--queue", type=int, default=16)
    given = parser.parse_args()
    files = [path.read_bytes() for path in sorted(given.pictures.glob("*.jpg"))[:100]]
    words = [sys.executable, "-m", "skinlesion", "serve", "--model", str(given.model)]
    words += ["--port", "0", "--rate", "0", "--queue", str(given.queue)]
    begin = time.monotonic()
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"http://[^;]+", process.stderr.readline())
            assert found, "the server did not start"
            print(f"ready after {time.monotonic() - begin:.1f} s")
            alone(found[0], files)
            for number in range(ROUNDS):
                crowd(found[0], files, given.clients, given.requests // ROUNDS, number)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
    print(f"exit code {process.returncode}")


def alone(url: str, files: list[bytes]) -> None:
    """One client, one picture at a time."""
    for path in ("predict", "explain"):
        seconds = [send(url, path, file)[1] for file in files[:20]]
        print(f"alone, {path}: median {np.median(seconds):.3f} s, {memory(url):.0f} MiB")


def crowd(url: str, files: list[bytes], clients: int, total: int, number: int) -> None:
    """A bounded number of requests from so many clients that begin together."""
    start = threading.Barrier(clients)
    shares = [total // clients + (one < total % clients) for one in range(clients)]

    def client(one: int) -> list[tuple[int, float]]:
        start.wait()
        return [
            send(url, "predict", files[(one + turn) % len(files)]) for turn in range(shares[one])
        ]

    begin = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        answers = [answer for part in pool.map(client, range(clients)) for answer in part]
    took = time.monotonic() - begin
    codes = collections.Counter(code for code, _ in answers)
    waited = [seconds for code, seconds in answers if code == 200]
    print(
        f"round {number}: {total} requests, {len(answers)} answers {dict(codes)},"
        f" {codes[200] / took:.1f} predicted a second, median {np.median(waited):.2f} s,"
        f" longest {max(waited):.2f} s, {memory(url):.0f} MiB"
    )
    assert len(answers) == total
    assert set(codes) <= {200, 429, 503}


def send(url: str, path: str, file: bytes) -> tuple[int, float]:
    """Status and seconds."""
    begin = time.monotonic()
    answer = requests.post(f"{url}/api/{path}", files={"files": ("a.jpg", file)}, timeout=PATIENCE)
    return answer.status_code, time.monotonic() - begin


def memory(url: str) -> float:
    """What the server uses, in MiB, by its own metrics."""
    text = requests.get(f"{url}/metrics", timeout=PATIENCE).text
    found = re.search(r"^process_resident_memory_bytes (\S+)", text, re.M)
    assert found
    return float(found[1]) / 2**20


if __name__ == "__main__":
    main()
