"""The machine's fingerprint, its control group and the calibration spin."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from orchprof.contract.env import Git
from orchprof.run import cgroup, machine

V2_MOUNT = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
GB = 1 << 30


@pytest.fixture
def fake(tmp_path):
    """A root folder with a process in it: files by path."""

    def build(files):
        for path, text in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return build


def test_v2_takes_the_tightest_limit_up_to_the_mount(fake):
    root = fake(
        {
            "proc/self/mountinfo": V2_MOUNT,
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
            "sys/fs/cgroup/a/memory.max": f"{4 * GB}\n",
            "sys/fs/cgroup/a/b/memory.max": f"{2 * GB}\n",
            "sys/fs/cgroup/a/b/cpu.stat": "usage_usec 5\nnr_throttled 2\nthrottled_usec 1234\n",
        }
    )
    assert cgroup.limits(root) == cgroup.Limits(1.5, 2 * GB)
    assert cgroup.throttled_us(root) == 1234


def test_v1_reads_its_own_files_below_the_mounted_group(fake):
    # A container: the mount shows the group that the process's path starts with.
    root = fake(
        {
            "proc/self/mountinfo": (
                "32 31 0:29 /docker/x /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
                "33 31 0:30 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
            ),
            "proc/self/cgroup": "4:memory:/docker/x\n1:cpu,cpuacct:/docker/x\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu/cpu.stat": "nr_periods 3\nthrottled_time 7000000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GB}\n",
        }
    )
    assert cgroup.limits(root) == cgroup.Limits(0.5, GB)
    assert cgroup.throttled_us(root) == 7000


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/mountinfo": V2_MOUNT, "proc/self/cgroup": "0::/\n"},
        {
            "proc/self/mountinfo": "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
            "proc/self/cgroup": "1:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        },
        {
            "proc/self/mountinfo": "33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            "proc/self/cgroup": "4:memory:/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    ],
    ids=["nothing readable", "v2 without limits", "v1 no quota", "v1 no memory limit"],
)
def test_no_limit_is_none_not_zero(fake, files):
    assert cgroup.limits(fake(files)) == cgroup.Limits(None, None)
    assert cgroup.throttled_us(fake(files)) is None


def test_quota_below_the_affinity_is_the_core_count(monkeypatch):
    monkeypatch.setattr(cgroup, "limits", lambda: cgroup.Limits(0.5, 1 << 20))
    found = machine.fingerprint()
    assert found.cores == 0.5
    assert found.memory_bytes == 1 << 20
    assert found.memory_host_bytes > 1 << 20


def test_affinity_is_the_core_count_without_a_quota(monkeypatch):
    monkeypatch.setattr(cgroup, "limits", lambda: cgroup.Limits(None, None))
    found = machine.fingerprint()
    assert found.cores == len(os.sched_getaffinity(0))
    assert found.memory_bytes == found.memory_host_bytes


def test_fingerprint_identifies_nobody(monkeypatch):
    monkeypatch.setenv("SOME_SECRET", "hunter2-in-the-environment")
    text = json.dumps(machine.document())
    assert "hunter2" not in text
    assert f'"{socket.gethostname()}"' not in text
    assert str(Path.home()) not in text


def test_only_installed_packages_are_listed():
    found = machine.fingerprint().packages
    assert "numpy" in found
    assert "no-such-package" not in found
    assert all(found.values())


def test_fingerprint_imports_none_of_the_packages_it_lists():
    code = textwrap.dedent("""
        import sys
        from orchprof.run import machine
        machine.fingerprint()
        print(sorted({"numpy", "pandas", "openai", "torch", "httpx"} & set(sys.modules)))
    """)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"


def test_git_says_revision_and_dirt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert machine.fingerprint().git is None

    def git(*arguments):
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *who, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init")
    (tmp_path / "file").write_text("a")
    git("add", "file")
    git("commit", "-m", "first")
    git("tag", "v1")  # a tag must not hide the revision
    revision = git("rev-parse", "HEAD")
    assert machine.fingerprint().git == Git(revision=revision, dirty=False)
    (tmp_path / "file").write_text("b")
    assert machine.fingerprint().git == Git(revision=revision, dirty=True)


def test_no_git_program_is_no_error(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert machine.fingerprint().git is None


def test_spin_counts_steps_per_cpu_second(monkeypatch):
    ticks = iter(range(0, 10**12, 30_000_000))  # every reading 30 ms after the last
    monkeypatch.setattr(machine.time, "thread_time_ns", lambda: next(ticks))
    assert machine.spin() == pytest.approx(machine._SPIN_STEPS / 1e6 / 0.030)


def test_capabilities_say_what_follows():
    able = machine.can_measure()
    assert [each.name for each in able] == list(machine._CONSEQUENCES)
    for each in able:
        assert each.consequence == machine._CONSEQUENCES[each.name][0 if each.available else 1]


def test_kernel_without_schedstat_cannot_tell_run_delay(monkeypatch, tmp_path):
    for text, available in (("0 0 0\n", False), ("123 45 6\n", True), ("", False)):
        file = tmp_path / "schedstat"
        file.write_text(text)
        monkeypatch.setattr(machine, "_SCHEDSTAT", file)
        assert {each.name: each.available for each in machine.can_measure()}["run delay"] is available
    monkeypatch.setattr(machine, "_SCHEDSTAT", tmp_path / "absent")
    assert machine.fingerprint().clocks.schedstat is False
