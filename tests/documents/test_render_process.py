"""Rendering in a process of its own: what a template does wrong ends there, and costs nobody else anything."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from documents.certificate import render_certificate
from documents.jobs import CertificateJob, RenderFailedError, TemplateSource
from documents.models import CertificateData, SessionLine
from documents.render_process import ProcessRenderer


@pytest.fixture(scope="module")
def renderer() -> Iterator[ProcessRenderer]:
    renderer = ProcessRenderer(memory_mb=256, seconds=5)
    renderer.start()
    yield renderer
    renderer.close()


@pytest.fixture
def job(certificate: CertificateData) -> CertificateJob:
    return CertificateJob(data=certificate, credential=b'{"type": ["VerifiableCredential"]}')


def child_of(renderer: ProcessRenderer) -> psutil.Process:
    renderer.start()
    assert renderer._child is not None
    return psutil.Process(renderer._child._process.pid)


def template(html: str) -> TemplateSource:
    return TemplateSource(reference="bad@1", html=html, css="")


def failure(renderer: ProcessRenderer, job: CertificateJob) -> RenderFailedError:
    with pytest.raises(RenderFailedError) as raised:
        renderer.render(job)
    return raised.value


def test_the_process_makes_the_same_bytes_as_the_function(renderer: ProcessRenderer, job: CertificateJob) -> None:
    assert renderer.render(job) == render_certificate(job)


def test_a_process_that_was_killed_is_replaced_without_a_word(renderer: ProcessRenderer, job: CertificateJob) -> None:
    child = child_of(renderer)
    child.kill()
    assert renderer.render(job).startswith(b"%PDF")
    assert child_of(renderer).pid != child.pid


def test_a_render_that_never_ends_is_stopped_and_the_next_one_works(
    job: CertificateJob,
) -> None:
    impatient = ProcessRenderer(seconds=10)
    slow = child_of(impatient)
    slow.suspend()
    error = failure(impatient, job)
    assert (error.code, error.is_final) == ("RenderTimeout", False)
    assert not slow.is_running()
    assert impatient.render(job).startswith(b"%PDF")
    impatient.close()


def test_it_has_no_secret_of_its_parent_and_no_network(
    renderer: ProcessRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAUREL_DATABASE_URL", "postgresql://laurel:secret@localhost/laurel")
    own = ProcessRenderer()
    own.start()
    try:
        child = child_of(own)
        assert set(child.environ()) <= {"PATH", "LC_ALL", "PYTHONPATH", "TMPDIR", "HOME"}
        if own.is_offline:
            assert Path(f"/proc/{child.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    finally:
        own.close()


@pytest.mark.parametrize(
    "act",
    [
        "open('/etc/passwd')",
        "__import__('pathlib').Path('/etc/passwd').read_text()",
        "__import__('os').open('/etc/passwd', 0)",
        "__import__('socket').socket()",
        "__import__('subprocess').run(['true'])",
        "__import__('os').system('true')",
        "__import__('os').fork()",
    ],
)
def test_code_that_a_template_might_reach_can_do_nothing(act: str) -> None:
    program = f"""
import sys
from documents.render_child import _own_folders, _refusal_outside
sys.addaudithook(_refusal_outside(*_own_folders()))
try:
    {act}
except PermissionError:
    print("refused")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stdout == "refused\n", ended.stderr


def test_what_takes_too_much_memory_ends_and_the_next_one_works(certificate: CertificateData) -> None:
    small = ProcessRenderer(memory_mb=48, seconds=20)
    job = CertificateJob(data=certificate)
    try:
        assert small.render(job).startswith(b"%PDF")
        error = failure(small, replace(job, credential=bytes(80 * 1024 * 1024)))
        assert (error.code, error.is_final) in {("RenderMemoryExhausted", False), ("RenderProcessDied", False)}
        assert small.render(job).startswith(b"%PDF")
    finally:
        small.close()


@pytest.mark.parametrize("is_busy", [False, True])
def test_it_ends_with_a_parent_that_was_killed_and_leaves_no_files(
    is_busy: bool, certificate: CertificateData, forty_sessions: tuple[SessionLine, ...], tmp_path: Path
) -> None:
    long_job = CertificateJob(data=replace(certificate, sessions=forty_sessions * 100))
    program = f"""
import os, psutil, sys, threading, time
from documents.jobs import CertificateJob
from documents.render_process import ProcessRenderer
renderer = ProcessRenderer(seconds=60)
renderer.start()
child = psutil.Process().children()[0]
print(child.pid, len(list(os.scandir({str(tmp_path)!r}))), flush=True)
if {is_busy}:
    job = CertificateJob.from_bytes(sys.stdin.buffer.read())
    render = threading.Thread(target=renderer.render, args=(job,), daemon=True)
    used = sum(child.cpu_times()[:2])
    render.start()
    while sum(child.cpu_times()[:2]) < used + 0.3:
        assert render.is_alive()
        time.sleep(0.01)
os.kill(os.getpid(), 9)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        input=long_job.to_bytes(),
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    pid, folders = map(int, ended.stdout.split())
    assert folders == 1, ended.stderr
    _, left = psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20)
    assert left == []
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_was_killed_or_closed_leaves_no_files(
    job: CertificateJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    renderer = ProcessRenderer()
    child_of(renderer).kill()
    [first] = tmp_path.iterdir()
    assert renderer.render(job).startswith(b"%PDF")
    [second] = tmp_path.iterdir()
    assert first != second
    renderer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_failure_says_its_kind_and_nothing_of_the_certificate(renderer: ProcessRenderer, job: CertificateJob) -> None:
    broken = replace(job, template=template("<html>{{ certificate.no_such_field }}</html>"))
    error = failure(renderer, broken)
    assert error.is_final
    assert error.code.isalnum()
    assert "Moreau" not in str(error)
    assert renderer.render(job).startswith(b"%PDF")
