"""A web server on the loopback that answers for every mirror: what apt's proxy is set to."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = int | bytes
"""A status without a body, or the body of a 200."""


@contextmanager
def answering(answer: Callable[[str], Answer]) -> Iterator[str]:
    """Answer each URL that is asked for as `answer` says; yields the proxy's own address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = answer(self.path)
            body = given if isinstance(given, bytes) else b""
            self.send_response(200 if isinstance(given, bytes) else given)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what was asked for is told by apt."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
