"""The worker: one thread, one job at a time, progress and cancel, whatever the job does."""

from __future__ import annotations

import gc
import threading
import time

import pytest

from TumorGenCore.errors import CancelledError
from TumorGenSlicerLib.run.worker import BusyError, Worker, sharedWorker


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.stop()


def test_work_is_done_on_one_thread_that_is_not_the_main_one(worker):
    threads = [worker.start(lambda job: threading.current_thread(), 1).result() for _ in range(3)]
    assert len(set(threads)) == 1
    assert threads[0] is not threading.main_thread()


def test_progress_is_what_the_work_reports(worker):
    reached, goOn = threading.Event(), threading.Event()

    def work(job):
        job.report(2, "sampling")
        reached.set()
        goOn.wait(10)
        return "made"

    job = worker.start(work, 5)
    assert reached.wait(10)
    progress = job.progress
    assert (progress.stepsDone, progress.stepsInAll, progress.text) == (2, 5, "sampling")
    assert not job.isFinished
    assert not job.wait(0.01)
    goOn.set()
    assert job.result() == "made"
    assert job.isFinished
    assert job.progress.secondsElapsed >= progress.secondsElapsed


def test_elapsed_time_stands_still_once_finished(worker):
    job = worker.start(lambda job: None, 1)
    job.wait(10)
    seconds = job.progress.secondsElapsed
    time.sleep(0.02)
    assert job.progress.secondsElapsed == seconds


def test_cancel_reaches_the_work(worker):
    def work(job):
        for _ in range(1000):
            if job.isCancelled:
                raise CancelledError("stopped")
            time.sleep(0.01)

    job = worker.start(work, 1)
    job.cancel()
    with pytest.raises(CancelledError, match="stopped"):
        job.result()


@pytest.mark.parametrize("error", [ValueError("odd"), KeyboardInterrupt(), SystemExit(3)])
def test_the_thread_survives_what_the_work_raises(worker, error):
    def fail(job):
        raise error

    with pytest.raises(type(error)):
        worker.start(fail, 1).result()
    assert worker.start(lambda job: "still there", 1).result() == "still there"


def test_a_second_job_is_refused_while_one_is_under_way(worker):
    goOn = threading.Event()
    first = worker.start(lambda job: goOn.wait(10), 1)
    assert worker.isBusy
    with pytest.raises(BusyError, match="under way"):
        worker.start(lambda job: None, 1)
    goOn.set()
    assert first.result() is True
    assert not worker.isBusy
    assert worker.start(lambda job: 2, 1).result() == 2


def test_stop_ends_the_thread_and_the_next_job_gets_a_new_one(worker):
    thread = worker.start(lambda job: threading.current_thread(), 1).result()
    worker.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert worker.start(lambda job: threading.current_thread(), 1).result() is not thread


def test_a_forgotten_worker_takes_its_thread_along():
    worker = Worker()
    thread = worker.start(lambda job: threading.current_thread(), 1).result()
    del worker
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_the_process_has_one_worker_and_its_thread_never_holds_up_the_exit():
    assert sharedWorker() is sharedWorker()
    thread = sharedWorker().start(lambda job: threading.current_thread(), 1).result()
    assert thread.daemon
    sharedWorker().stop()
