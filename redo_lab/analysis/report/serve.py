"""One file over HTTP, for this machine alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

ADDRESS = "127.0.0.1"


@contextmanager
def served(page: Path, port: int) -> Iterator[str]:
    """The address of `page` while the block lasts; port 0: any that is free. OSError if the port is taken.

    Nothing but this file is served, and only to requests that name this machine by its own name: a page of the web that
    has a name pointed here gets nothing.
    """
    handler = type("PageHandler", (_Handler,), {"page": page})
    try:
        server = ThreadingHTTPServer((ADDRESS, port), handler)
    except OSError as error:
        raise OSError(f"port {port} can't be had: {error.strerror}") from error
    thread = threading.Thread(target=server.serve_forever, name="report", daemon=True)
    thread.start()
    try:
        yield f"http://{ADDRESS}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    page: ClassVar[Path]

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        if (self.headers.get("Host") or "").partition(":")[0] not in (ADDRESS, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        if self.path.partition("?")[0] != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            # A new version replaces the file, so what is open stays whole.
            file = self.page.open("rb")
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND, "the report is not written yet")
            return
        with file:
            content, facts = file.read(), os.fstat(file.fileno())
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{facts.st_mtime_ns}-{len(content)}"')
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if body:
            self.wfile.write(content)
