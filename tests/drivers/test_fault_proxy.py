"""The proxy does what it says to the streams that go through it, at the bytes that its seed names."""

import socket
import threading
from itertools import pairwise

import pytest

from .fault_proxy import DOWN, KINDS, UP, FaultProxy, Schedule

TEXT = bytes(range(256)) * 8


@pytest.fixture
def echo():
    """The port of a server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def converse(connection):
        with connection:
            try:
                while chunk := connection.recv(1 << 16):
                    connection.sendall(chunk)
            except OSError:
                pass

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def through(port, schedule, patience_s=0.4):
    """What comes back of TEXT: (bytes, how it ended: "whole", "closed", "reset" or "late")."""
    with (
        FaultProxy(port, schedule, stall_s=1.0) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), 5) as client,
    ):
        client.settimeout(patience_s)
        client.sendall(TEXT)
        back = b""
        try:
            while len(back) < len(TEXT):
                chunk = client.recv(1 << 16)
                if not chunk:
                    return back, "closed"
                back += chunk
        except ConnectionResetError:
            return back, "reset"
        except TimeoutError:
            return back, "late"
        return back, "whole"


def one(kind, at=1000):
    """A schedule with a single fault, on the way up."""
    schedule = Schedule(3, (at, at), (kind,), at_most=1)
    schedule._left[DOWN] = 1 << 60
    return schedule


def test_without_faults_nothing_happens(echo):
    schedule = Schedule(0, (1, 1))
    schedule.on = False
    assert through(echo, schedule) == (TEXT, "whole")
    assert schedule.carried == {UP: len(TEXT), DOWN: len(TEXT)}
    assert not schedule.injected


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("delay", "whole"), ("stall", "late"), ("drop", "closed"), ("truncate", "closed"), ("reset", "reset"),
        ("duplicate", "whole"), ("corrupt", "whole"), ("omit", "late"), ("silence", "late"),
    ],
)  # fmt: skip
def test_each_kind_is_what_it_says(echo, kind, end):
    schedule = one(kind)
    back, ended = through(echo, schedule)
    assert (ended, schedule.injected) == (end, {kind: 1})
    if kind == "delay":
        assert back == TEXT
    elif kind in ("duplicate", "corrupt", "omit"):
        assert back != TEXT
        assert back[:1000] == TEXT[:1000]
        assert len(back) < len(TEXT) if kind == "omit" else len(back) >= len(TEXT)
    else:
        assert TEXT.startswith(back)
        assert len(back) <= 1000


def test_every_kind_is_tested():
    assert set(KINDS) == {
        "delay", "stall", "drop", "truncate", "reset", "duplicate", "corrupt", "omit", "silence",
    }  # fmt: skip


def places(schedule, cuts):
    """(place in the stream, kind) of every fault, the stream handed over in pieces of these sizes."""
    found, before = [], 0
    for n in cuts:
        found += [(before + fault.at, fault.kind, fault.luck) for fault in schedule.faults(UP, n)]
        before += n
    return found


def test_a_seed_names_bytes_however_they_arrive():
    whole = places(Schedule(7, (50, 200)), [10_000])
    assert 50 < len(whole) < 200
    assert places(Schedule(7, (50, 200)), [1] * 10_000) == whole
    assert places(Schedule(7, (50, 200)), [997] * 10 + [30]) == whole
    assert places(Schedule(8, (50, 200)), [10_000]) != whole
    assert all(50 <= after[0] - before[0] <= 200 for before, after in pairwise(whole))


def test_there_are_at_most_as_many_as_asked_for():
    schedule = Schedule(7, (1, 3), at_most=5)
    assert len(places(schedule, [100] * 10)) == 5
    assert schedule.injected.total() == 5
