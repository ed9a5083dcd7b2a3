"""A web server on this machine whose files are wrong in the way that the address says."""

import http.server
import threading
import time

__all__ = ["start_mirror"]


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind = self.path.split("/")[1]
        if kind == "wrong":
            self._answer(200, b"not what was published")
        elif kind == "empty":
            self._answer(200, b"")
        elif kind == "endless":
            self._endless(bytes(65536), 0.0)
        elif kind == "slow":
            self._endless(b".", 0.5)
        elif kind == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"begun")
        elif kind == "elsewhere":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        elif kind == "round":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
        elif kind == "garbage":
            self.wfile.write(b"\x1b[31m\x00\xff\r\n\r\n")
        elif kind == "silent":
            time.sleep(60)
        else:
            self._answer(404, b"no such file \x1b[31m")

    def _answer(self, code, body):
        self.send_response(code, "\x1b[31mOK")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _endless(self, piece, pause):
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(piece)
            time.sleep(pause)

    def log_message(self, *arguments):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):  # clients that leave are expected
        pass


def start_mirror():
    """Start the server in a thread; return it with its address."""
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}/"
