"""One controller at a time."""

import pytest
from opu.drivers.lease import Lease, Link
from opu.drivers.scpi_errors import NO_LEASE, TAKEN, ScpiError


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def lease(clock):
    lease = Lease(1.5, lambda: clock[0])
    lease.give("first", Link("here"))
    return lease


def code(action, *arguments):
    with pytest.raises(ScpiError) as caught:
        action(*arguments)
    return caught.value.code


def test_another_waits_until_the_holder_has_been_silent(lease, clock):
    assert code(lease.check_free, "second") == TAKEN
    clock[0] = 1.4
    lease.heard(lease.link)
    clock[0] = 2.8
    assert code(lease.check_free, "second") == TAKEN
    clock[0] = 3.0
    lease.check_free("second")
    assert lease.silent


def test_only_the_holders_own_link_renews_it(lease, clock):
    clock[0] = 2.0
    lease.heard(Link("elsewhere"))
    assert lease.silent


def test_the_holder_may_always_come_back_until_another_has_taken_it(lease, clock):
    clock[0] = 100.0
    lease.check_session("first")
    lease.give("second", Link("there"))
    assert code(lease.check_session, "first") == NO_LEASE


def test_control_goes_by_link(lease):
    lease.check_link(lease.link)
    assert code(lease.check_link, Link("elsewhere")) == NO_LEASE
    lease.free()
    assert not lease.held
    assert code(lease.check_session, "") == NO_LEASE
