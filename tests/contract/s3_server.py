"""As much of S3 as keeping, reading, listing and deleting objects needs, over HTTP, in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

PAGE = 2
"""Objects in an answer to a listing, so that a few fill several."""


class S3Server(ThreadingHTTPServer):
    """The server; `objects` are by `/bucket/key`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.objects: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server, while it is needed."""
    server = S3Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Requests(BaseHTTPRequestHandler):
    server: S3Server
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """Keep an object."""
        self.server.objects[self._path()] = self._body()
        self._answer(200)

    def do_GET(self) -> None:
        """An object, or a page of the names of many."""
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            self._list(query["prefix"][0], query.get("continuation-token", [""])[0])
        elif self._path() in self.server.objects:
            self._answer(200, self.server.objects[self._path()])
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>")

    def do_POST(self) -> None:
        """Delete the objects that are named."""
        for element in ET.fromstring(self._body()).iter():
            if element.tag.endswith("Key"):
                self.server.objects.pop(f"{self._path()}/{element.text}", None)
        self._answer(200, b"<DeleteResult/>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Nothing."""

    def _list(self, prefix: str, after: str) -> None:
        bucket = f"{self._path()}/"
        names = [path.removeprefix(bucket) for path in sorted(self.server.objects) if path.startswith(bucket + prefix)]
        later = [name for name in names if name > after]
        page = "".join(f"<Contents><Key>{escape(name)}</Key></Contents>" for name in later[:PAGE])
        more = later[PAGE:] and f"<NextContinuationToken>{escape(later[PAGE - 1])}</NextContinuationToken>"
        text = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{more or ''}{page}"
        self._answer(200, f"<ListBucketResult>{text}</ListBucketResult>".encode())

    def _path(self) -> str:
        return unquote(urlsplit(self.path).path).rstrip("/")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
