"""Ctrl+C and termination as requests: remembered, deferred or held, and ignored if the process ignores them."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from TumorGenCore.interrupts import deferred_stops, held_stops, remembered_interrupts

STOPS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.mark.usefixtures("interrupts_raise")
def test_an_interrupt_is_raised_at_once_and_remembered():
    with remembered_interrupts() as request:
        request.stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert request()
        with pytest.raises(KeyboardInterrupt):
            request.stop()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_that_python_loses_is_remembered(lose_interrupt):
    with remembered_interrupts() as request:
        lose_interrupt()
        assert request()


@pytest.mark.parametrize("kind", [remembered_interrupts, deferred_stops, held_stops])
@pytest.mark.parametrize("number", STOPS)
def test_a_process_that_ignores_a_stop_goes_on_ignoring_it(kind, number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with kind() as request:
            signal.raise_signal(number)
            assert not request()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


@pytest.mark.usefixtures("interrupts_raise")
@pytest.mark.parametrize("number", STOPS)
def test_every_stop_is_raised_and_remembered_with_its_number(number):
    before = signal.getsignal(number)
    with remembered_interrupts() as request:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert request() and request.number == number
    assert signal.getsignal(number) == before


def test_the_outer_block_knows_what_stopped_an_inner_one():
    with remembered_interrupts() as outer, deferred_stops() as inner:
        signal.raise_signal(signal.SIGTERM)
        assert inner() and outer() and outer.number == signal.SIGTERM


@pytest.mark.usefixtures("interrupts_raise")
@pytest.mark.parametrize("fails", [False, True])
def test_a_held_stop_acts_after_the_block(fails):
    done = []
    with remembered_interrupts(), pytest.raises(KeyboardInterrupt), held_stops() as stop:
        signal.raise_signal(signal.SIGINT)
        done.append(stop())
        if fails:
            raise OSError("full")
    assert done == [True]


@pytest.mark.usefixtures("interrupts_raise")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_deferred_stop_does_nothing_but_ask(number):
    before = signal.getsignal(number)
    with deferred_stops() as request:
        assert not request()
        signal.raise_signal(number)
        assert request()
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("kind", [remembered_interrupts, deferred_stops])
def test_off_the_main_thread_interrupts_stay_what_they_were(kind, interrupts_raise):
    def on_a_thread():
        with kind() as request:
            assert not request()
            return signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(on_a_thread).result() is signal.default_int_handler
