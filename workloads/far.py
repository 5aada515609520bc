"""A far web site, near at hand: a folder's files over HTTP after a set delay, from a process of its own."""

import functools
import subprocess
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

_FOR_EVER_S = 1e6


class Site:
    """A running site, from the side of whoever asks; its process ends with this one."""

    def __init__(self, root: Path, delay_ms: int, hang_percent: int = 0) -> None:
        """Start it.

        Args:
            root: the folder whose files it sends.
            delay_ms: what it waits for before each reply.
            hang_percent: the share of its files, chosen by their names, that it never sends.
        """
        command = [sys.executable, "-m", __name__, str(root), str(delay_ms), str(hang_percent)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port:
            self.close()
            raise RuntimeError(f"the page server did not start @ {root}")
        self.base_url = f"http://127.0.0.1:{port}"

    def url(self, name: str) -> str:
        """Return the address of a file, given its path below the root."""
        return f"{self.base_url}/{quote(name)}"

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


class Handler(BaseHTTPRequestHandler):
    """Sends files below the root and nothing else."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, root: Path, delay_s: float, hang_percent: int, *connection: object) -> None:
        self.root, self.delay_s, self.hang_percent = root, delay_s, hang_percent
        super().__init__(*connection)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer one request."""
        name = unquote(self.path).lstrip("/")
        time.sleep(_FOR_EVER_S if hangs(name, self.hang_percent) else self.delay_s)
        path = (self.root / name).resolve()
        found = path.is_file() and path.is_relative_to(self.root.resolve())
        body = path.read_bytes() if found else b"not found"
        self.send_response(200 if found else 404)
        self.send_header("content-type", "text/html; charset=utf-8" if found else "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def hangs(name: str, percent: int) -> bool:
    """Return whether a file is one that is never sent; always the same ones."""
    return zlib.crc32(name.encode()) % 100 < percent


def main() -> None:
    """Serve until the standard input ends, which it does with the process that started this one."""
    root, delay_ms, hang_percent = sys.argv[1:]
    handler = functools.partial(Handler, Path(root), int(delay_ms) / 1000, int(hang_percent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
