"""Ctrl+C as a request: it is remembered or deferred, and stays ignored if the process ignores it."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from TumorGenCore.interrupts import deferred_stops, remembered_interrupts


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


def test_a_process_that_ignores_interrupts_goes_on_ignoring_them(interrupts_raise):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with remembered_interrupts() as request:
        signal.raise_signal(signal.SIGINT)
        assert not request()


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
