# SPDX-License-Identifier: Apache-2.0
"""Private directories for each test, and a check that it leaves nothing."""
import faulthandler
import gc
import os
import threading

import pytest


def descriptors():
    return {fd: os.readlink("/proc/self/fd/" + fd)
            for fd in os.listdir("/proc/self/fd")
            if os.path.exists("/proc/self/fd/" + fd)}


@pytest.fixture(autouse=True)
def private(tmp_path, monkeypatch):
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv("WINDPIPE_DIR", str(directory))
    monkeypatch.setenv("WINDPIPE_SHARED_DIR", str(tmp_path / "shared"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = descriptors()
    faulthandler.dump_traceback_later(60, exit=True)
    yield tmp_path
    faulthandler.cancel_dump_traceback_later()
    gc.collect()
    left = {fd: what for fd, what in descriptors().items()
            if fd not in before and ("socket" in what or "memfd" in what or
                                     str(tmp_path) in what)}
    assert not left
    assert threading.active_count() == 1


@pytest.fixture
def run():
    """Runs functions on threads; their exceptions fail the test."""
    threads = []
    errors = []

    def start(function, *arguments):
        def guarded():
            try:
                function(*arguments)
            except BaseException as e:  # told below
                errors.append(e)
        thread = threading.Thread(target=guarded)
        thread.start()
        threads.append(thread)
        return thread

    yield start
    for thread in threads:
        thread.join(30)
    if errors:
        raise errors[0]
