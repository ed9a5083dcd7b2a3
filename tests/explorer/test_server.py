"""The server: what it refuses, many requests at once, and its end."""

import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from neurondeath.explorer.server import ADDRESS, Explorer
from neurondeath_theory.foundation.errors import InvalidArgumentError

REFUSED = {
    "width": [{"width": "0"}, {"width": "1025"}, {"width": "x"}, {"width": ""}, {"width": "1e3"}, {"width": "9" * 400}],
    "depth": [{"depth": "0"}, {"depth": "1001"}, {"depth": "-1"}],
    "effective_depth": [
        {"architecture": "residual", "effective_depth": "0"},
        {"architecture": "residual", "depth": "3", "effective_depth": "4"},
        {"effective_depth": "1"},
        {"architecture": "residual", "effective_depth": "nan"},
    ],
    "inputs": [
        {"inputs": name}
        for name in (
            "/etc/passwd",
            "points.npy",
            "gaussian:0",
            "gaussian:9999",
            "digits:5000",
            "mnist",
            "orthant",
            "digits:-1",
        )
    ],
    "input_dim": [{"input_dim": "0"}, {"input_dim": "1025"}],
    "activation": [{"activation": "tanh"}, {"activation": ""}],
    "architecture": [{"architecture": "skip"}],
    "sparsity": [{"activation": "shifted-relu"}, {"activation": "shifted-relu", "sparsity": "1"}, {"sparsity": "0.9"}],
    "v_prime": [
        {"activation": "clipped-shifted-relu", "sparsity": "0.9"},
        {"activation": "clipped-shifted-relu", "sparsity": "0.9", "v_prime": "1"},
        {"activation": "shifted-relu", "sparsity": "0.9", "v_prime": "0.5"},
    ],
    "widths[0]": [{"architecture": "residual", "width": "8", "inputs": "digits:8"}],
    "controls": [{"colour": "red"}],
}


@pytest.mark.parametrize(
    ("named", "query"), [(named, query) for named, queries in REFUSED.items() for query in queries]
)
def test_a_refused_design_has_one_line(client, named, query):
    for path in ("/api/design", "/api/work"):
        more = {"kind": "simulation", "place": "a"} if path == "/api/work" else {}
        found = (
            client.json(path, **query, **more)
            if path == "/api/design"
            else client.finished(place="a", kind="simulation", **query)[-1]
        )
        assert found["error"].startswith(f"`{named}`"), found
        assert "\n" not in found["error"]
        assert len(found["error"]) < 400
        assert "got " in found["error"]


def test_work_that_is_too_large_is_refused(client):
    large = {"width": "1024", "depth": "1000", "inputs": "gaussian:1024"}
    for kind, words in (
        ("simulation", "neurondeath simulate"),
        ("forecast", "neurondeath forecast"),
        ("needed", "`depth`"),
    ):
        found = client.finished(kind, **large)[-1]
        assert found["state"] == "refused"
        assert words in found["error"]
    assert client.json("/api/work", kind="other", place="a")["error"].startswith("`kind`")
    for place in ("", "a b", "x" * 41, "\u00e9"):
        assert client.json("/api/work", kind="simulation", place=place)["error"].startswith("`place`")


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/", "/api/design/", "/../../etc/passwd", "/page.html", "/favicon.ico"]
)
def test_unknown_paths(client, path):
    status, _, body = client.request(path)
    assert status == 404
    assert json.loads(body) == {"error": "there is no such page"}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "127.0.0.1.evil.example:{port}"]
)
def test_other_hosts_are_refused(client, host):
    for path in ("/", "/api/design", "/api/about"):
        status, _, body = client.request(path, Host=host.format(port=client.explorer.server_port))
        assert status == 421
        assert b"width" not in body
    assert client.request("/", Host=f"localhost:{client.explorer.server_port}")[0] == 200


def test_two_hosts_are_refused(client):
    port = client.explorer.server_port
    with socket.create_connection((ADDRESS, port), timeout=10) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n".encode())
        assert b" 421 " in connection.makefile("rb").readline()


def test_other_sites_are_refused(client):
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
        assert client.request("/api/about", **{"Sec-Fetch-Site": site})[0] == status
    assert client.request("/", **{"Sec-Fetch-Site": "cross-site"})[0] == 200  # a link leads here


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "NONSENSE"])
def test_get_only(client, method):
    status, headers, _ = client.request("/api/design", method=method)
    assert (status, headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "query",
    ["width", "width=1&width=2", "width=%ff", "&".join(f"a{i}=1" for i in range(40)), "&&", "a" * 3000],
)
def test_malformed_queries(client, query):
    status, _, body = client.request(f"/api/design?{query}")
    assert status in (400, 414)
    assert list(json.loads(body)) == ["error"]


def test_the_policy_of_the_page(client):
    status, headers, body = client.request("/")
    policy = headers["Content-Security-Policy"]
    assert status == 200
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    for name in ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cache-Control"):
        assert headers[name]
    text = body.decode()
    assert 'style="' not in text  # the policy would drop it
    assert " on" + 'click="' not in text
    assert "Python" not in headers["Server"]
    assert "Access-Control-Allow-Origin" not in headers


def test_garbage_and_silence_do_no_harm(client):
    port = client.explorer.server_port
    silent = [socket.create_connection((ADDRESS, port), timeout=10) for _ in range(3)]
    for garbage in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 10,
        b"A" * 70000 + b"\r\n\r\n",
    ):
        with socket.create_connection((ADDRESS, port), timeout=10) as connection:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
    assert client.json("/api/about")["program"] == "neurondeath explore"
    for connection in silent:
        connection.close()


def test_many_requests_at_once(client):
    alone = {width: client.json("/api/design", width=width) for width in range(1, 9)}

    def ask(number):
        width = number % 8 + 1
        return client.json("/api/design", width=width) == alone[width]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(64)))


def test_more_connections_than_there_is_room_for_are_closed(client):
    port = client.explorer.server_port
    silent = [socket.create_connection((ADDRESS, port), timeout=10) for _ in range(40)]
    refused = 0
    threading.Event().wait(0.5)
    for connection in silent:
        connection.settimeout(0.02)
        try:
            refused += connection.recv(1) == b""
        except TimeoutError:
            pass
        except ConnectionResetError:
            refused += 1
    assert 0 < refused < 40
    for connection in silent:
        connection.close()
    for _ in range(50):  # there is room again
        try:
            assert client.json("/api/about")["program"]
            return
        except (http.client.HTTPException, ConnectionError):
            threading.Event().wait(0.05)
    raise AssertionError("no room any more")


def test_a_port_in_use(client):
    port = client.explorer.server_port
    with pytest.raises(InvalidArgumentError, match=f"an explorer runs at http://127.0.0.1:{port}/ already"):
        Explorer(port)
    with socket.socket() as other:
        other.bind((ADDRESS, 0))
        other.listen()
        with pytest.raises(InvalidArgumentError, match="another program uses it"):
            Explorer(other.getsockname()[1])
    for wrong in (-1, 65536, 1.5, "80", True):
        with pytest.raises(InvalidArgumentError, match="`port`"):
            Explorer(wrong)


def test_it_listens_on_this_machine_only(client):
    assert client.explorer.socket.getsockname()[0] == "127.0.0.1"


def test_every_control_of_the_page_is_known_to_the_server(client):
    from neurondeath.explorer.choices import ARCHITECTURES, NAMES
    from neurondeath_theory.gaussian_limit.edge_of_chaos import KINDS

    text = client.request("/")[2].decode()
    for name in NAMES:
        assert f' name="{name}"' in text
        assert f'data-for="{name}"' in text
    for option in (*ARCHITECTURES, *KINDS):
        assert f"<option>{option}</option>" in text


def test_no_file_is_read(client, tmp_path):
    points = tmp_path / "points.npy"
    np.save(points, np.ones((4, 8)))
    for name in (str(points), f"gaussian:{points}", f"digits:{points}", points.as_uri(), "sphere:8"):
        error = client.json("/api/design", inputs=name)["error"]
        assert error.startswith("`inputs` must be gaussian:M with M from 1 to 1024, digits or digits:M; got ")
