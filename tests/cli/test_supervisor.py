import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.local import Part, StackError, Supervisor
from cli.local.processes import identity, wait_until

PATIENCE = 30.0


def server(folder: Path, name: str, *, code: str = "", needs: tuple[str, ...] = (), stop_limit: float = 5.0) -> Part:
    """A server that is ready once it has written its pid, and logs when it starts and when it is told to stop."""
    pid_file, log = folder / f"{name}.pid", folder / "events"
    program = f"""
        import os, pathlib, signal, sys, time
        def note(event):
            with open({str(log)!r}, "a") as log:
                log.write(f"{{event}} {name}\\n")
        def stop(number, frame):
            note("stopped")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        note("started")
        {code}
        pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))
        time.sleep(60)
    """
    return Part(
        name=name,
        command=[sys.executable, "-c", textwrap.dedent(program)],
        prepare=lambda: pid_file.unlink(missing_ok=True),
        ready=pid_file.exists,
        needs=needs,
        stop_limit=stop_limit,
    )


Supervise = Callable[..., Supervisor]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervise(data_dir: Path, said: list[str]) -> Iterator[Supervise]:
    supervisors: list[Supervisor] = []

    def build(*parts: Part) -> Supervisor:
        supervisors.append(Supervisor(data_dir, parts, say=said.append))
        return supervisors[-1]

    yield build
    for supervisor in supervisors:
        supervisor.ask_to_stop()
        supervisor.ask_to_stop()
        if supervisor._thread:
            supervisor._thread.join()


def events(data_dir: Path) -> list[str]:
    return (data_dir / "events").read_text().splitlines()


def test_parts_start_after_what_they_need_and_stop_in_reverse(supervise: Supervise, data_dir: Path) -> None:
    supervisor = supervise(server(data_dir, "first"), server(data_dir, "second", needs=("first",)))
    supervisor.start()
    supervisor.stop()
    assert events(data_dir) == ["started first", "started second", "stopped second", "stopped first"]


def test_a_killed_part_comes_back(supervise: Supervise, data_dir: Path, said: list[str]) -> None:
    supervisor = supervise(server(data_dir, "one"))
    supervisor.start()
    killed = supervisor.kill("one")
    assert wait_until(lambda: supervisor.pids.get("one", killed) != killed, PATIENCE)
    assert any("one was ended by SIGKILL; starting it again" in line for line in said)
    assert supervisor.is_running


def test_a_part_that_keeps_dying_ends_the_stack_with_its_last_log_lines(supervise: Supervise, data_dir: Path) -> None:
    dies = "print('the disk is made of cheese', flush=True)"
    part = server(data_dir, "one", code=dies)
    supervisor = supervise(part, server(data_dir, "two"))
    supervisor.start()

    def kill_until_given_up() -> bool:
        if "one" in supervisor.pids:
            supervisor.kill("one")
        return not supervisor.is_running

    assert wait_until(kill_until_given_up, 30.0)
    with pytest.raises(StackError, match=r"(?s)one was ended by SIGKILL, 6 times in a minute.*made of cheese"):
        supervisor.wait()
    assert supervisor.pids == {}


def test_a_part_that_dies_before_it_is_ready_fails_the_start_and_stops_the_others(
    supervise: Supervise, data_dir: Path
) -> None:
    part = server(data_dir, "bad", code="sys.exit('no such setting')", needs=("good",))
    supervisor = supervise(server(data_dir, "good"), part)
    with pytest.raises(StackError, match=r"(?s)bad ended with exit code 1 before it was ready.*no such setting"):
        supervisor.start()
    assert "stopped good" in events(data_dir)


def test_a_failed_step_fails_the_start(supervise: Supervise) -> None:
    step = Part(name="schema", command=[sys.executable, "-c", "raise SystemExit('relation is missing')"])
    with pytest.raises(StackError, match=r"(?s)schema failed with exit code 1.*relation is missing"):
        supervise(step).start()


def test_a_step_runs_once_and_what_needs_it_waits(supervise: Supervise, data_dir: Path) -> None:
    note = f"open({str(data_dir / 'events')!r}, 'a').write('step done\\n')"
    step = Part(name="step", command=[sys.executable, "-c", note])
    supervisor = supervise(step, server(data_dir, "after", needs=("step",)))
    supervisor.start()
    assert events(data_dir) == ["step done", "started after"]


def test_a_part_that_ignores_the_stop_signal_is_killed_at_its_limit(
    supervise: Supervise, data_dir: Path, said: list[str]
) -> None:
    deaf = server(data_dir, "deaf", code="signal.signal(signal.SIGTERM, signal.SIG_IGN)", stop_limit=0.3)
    supervisor = supervise(deaf)
    supervisor.start()
    supervisor.stop()
    assert any("deaf did not stop within its limit" in line for line in said)
    assert supervisor.pids == {}


def test_asking_twice_kills_at_once(supervise: Supervise, data_dir: Path) -> None:
    deaf = server(data_dir, "deaf", code="signal.signal(signal.SIGTERM, signal.SIG_IGN)", stop_limit=60.0)
    supervisor = supervise(deaf)
    supervisor.start()
    begun = time.monotonic()
    supervisor.ask_to_stop()
    supervisor.ask_to_stop()
    supervisor.wait()
    assert time.monotonic() - begun < 5.0


def test_a_second_supervisor_on_the_same_folder_is_refused_and_told_who_runs(
    supervise: Supervise, data_dir: Path
) -> None:
    supervise(server(data_dir, "one")).start()
    second = supervise(server(data_dir, "two"))
    with pytest.raises(StackError, match=rf"already runs on {data_dir} \(process {os.getpid()}\).*--data-dir"):
        second.start()
    assert events(data_dir) == ["started one"]


HOLDER = """
import sys
from pathlib import Path
from cli.local import Part, Supervisor
folder, tied = Path(sys.argv[1]), sys.argv[2] == "tied"
pid_file = folder / "child"
program = f"import os, time, pathlib; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(60)"
part = Part(name="one", command=[sys.executable, "-c", program], ready=pid_file.exists)
if not tied:
    from cli.local import processes
    processes.as_user = lambda command, user, death_signal: list(command)
supervisor = Supervisor(folder, [part])
supervisor.start()
supervisor.wait()
"""


def start_holder(data_dir: Path, how: str) -> tuple[subprocess.Popen[bytes], int]:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(data_dir), how], stdout=subprocess.DEVNULL)
    assert wait_until(lambda: (data_dir / "child").exists() and (data_dir / "child").read_text() != "", PATIENCE)
    assert wait_until((data_dir / "run" / "one.pid").exists, PATIENCE)
    return holder, int((data_dir / "child").read_text())


def kill(holder: subprocess.Popen[bytes]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()


def test_the_children_of_a_killed_supervisor_end_with_it(data_dir: Path) -> None:
    holder, child = start_holder(data_dir, "tied")
    kill(holder)
    assert wait_until(lambda: identity(child) is None, PATIENCE)


def test_a_child_left_over_from_a_killed_supervisor_is_ended_before_the_next_start(
    supervise: Supervise, data_dir: Path, said: list[str]
) -> None:
    holder, child = start_holder(data_dir, "untied")
    kill(holder)
    assert identity(child) is not None
    supervise(server(data_dir, "one")).start()
    assert identity(child) is None
    assert any(f"ended process {child}" in line for line in said)


def test_a_pid_that_now_belongs_to_another_process_is_left_alone(supervise: Supervise, data_dir: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        (data_dir / "run").mkdir()
        remembered = f'{{"pid": {stranger.pid}, "identity": "1 another-boot", "stop_signal": 15}}'
        (data_dir / "run" / "one.pid").write_text(remembered)
        supervise(server(data_dir, "one")).start()
        assert stranger.poll() is None
        stranger.kill()
