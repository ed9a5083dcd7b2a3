"""A server of the explorer in this process, and requests to it."""

import http.client
import json
import threading
import time
from urllib.parse import urlencode

import pytest

from neurondeath.explorer.server import ADDRESS, Explorer

PATIENCE = 60.0  # seconds for an answer of the workbench


class Client:
    """Sends requests to an explorer."""

    def __init__(self, explorer):
        self.explorer = explorer

    def request(self, path, *, method="GET", **headers):
        """Return status, headers and body of an answer."""
        connection = http.client.HTTPConnection(ADDRESS, self.explorer.server_port, timeout=30)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def json(self, path, **query):
        """Return the answer to a query, of status 200."""
        status, headers, body = self.request(f"{path}?{urlencode(query)}")
        assert (status, headers["Content-Type"]) == (200, "application/json")
        return json.loads(body)

    def finished(self, kind, place="test", **query):
        """Ask until a piece of work is finished; return all that was reported."""
        reports, end = [], time.monotonic() + PATIENCE
        while time.monotonic() < end:
            reports.append(self.json("/api/work", kind=kind, place=place, **query))
            if reports[-1].get("state") not in ("waiting", "running"):
                return reports
            time.sleep(0.02)
        raise AssertionError(f"no answer in {PATIENCE} s: {reports[-1]}")


@pytest.fixture(scope="module")
def client():
    """Serve an explorer; afterwards none of its threads is left."""
    before = set(threading.enumerate())
    with Explorer(0) as explorer:
        serving = threading.Thread(target=explorer.serve, args=(600.0,))
        serving.start()
        yield Client(explorer)
        explorer.end()
        serving.join(5.0)
    end = time.monotonic() + 5.0
    while set(threading.enumerate()) - before and time.monotonic() < end:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before
