import http.server
import socket
import threading
import time

import pytest

from kmlic import require_reachable as module
from kmlic.require_reachable import require_reachable


@pytest.fixture
def server():
    class Refuse(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_error(403)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


def test_any_answer_will_do(server):
    require_reachable(server, "unused")


def test_says_what_to_do_where_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectionError, match=rf"{url} .*refused.*Pass --weights\."):
        require_reachable(url, "Pass --weights.")


def test_does_not_wait_for_a_name_server_that_is_silent(monkeypatch):
    def wait(*_, **__):
        time.sleep(2)
        raise OSError

    monkeypatch.setattr(module, "_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", wait)
    with pytest.raises(ConnectionError, match="no answer"):
        require_reachable("http://example.org", "")
