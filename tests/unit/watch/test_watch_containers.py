"""Work that a client hands to a daemon, on a folder of control groups made by hand."""

import pytest

from orchprof.watch.containers import EVERY_NS, Containers


class Notes:
    def __init__(self):
        self.all = []
        self.note = self.all.append


def group(folder, name, used_us):
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "cpu.stat").write_text(f"usage_usec {used_us}\nuser_usec 1\n")


@pytest.fixture
def log():
    return Notes()


def test_a_new_group_is_its_clients_and_its_last_word_counts(tmp_path, log):
    group(tmp_path, "system.slice/docker-old.scope", 9_000)
    containers = Containers(log, tmp_path)
    containers.meet(7, "docker")
    group(tmp_path, "system.slice/docker-new.scope", 1_000)
    containers.sample(EVERY_NS)
    group(tmp_path, "system.slice/docker-new.scope", 5_000)
    containers.sample(EVERY_NS + 1)  # too soon to look again
    containers.sample(2 * EVERY_NS)
    (tmp_path / "system.slice/docker-new.scope/cpu.stat").unlink()
    containers.part(7)
    assert log.all == [("container", [7, "docker"]), ("container_cpu", [7, "docker", 5_000])]


def test_several_clients_get_groups_in_their_order_and_one_without_is_only_named(tmp_path, log):
    containers = Containers(log, tmp_path)
    for pid, name in ((1, "podman"), (2, "docker"), (3, "kubectl")):
        containers.meet(pid, name)
    group(tmp_path, "machine.slice/libpod-conmon-a.scope", 77)  # podman's keeper, no container
    group(tmp_path, "machine.slice/libpod-a.scope", 10)
    containers.sample(EVERY_NS)
    group(tmp_path, "docker/b", 20)
    containers.close()
    used = [note for note in log.all if note[0] == "container_cpu"]
    assert used == [("container_cpu", [1, "podman", 10]), ("container_cpu", [2, "docker", 20])]


def test_v1_counts_nanoseconds(tmp_path, log):
    containers = Containers(log, tmp_path)
    containers.meet(1, "docker")
    containers.meet(1, "docker")
    (tmp_path / "cpuacct/docker/a").mkdir(parents=True)
    (tmp_path / "cpuacct/docker/a/cpuacct.usage").write_text("3000000\n")
    containers.part(1)
    assert log.all == [("container", [1, "docker"]), ("container_cpu", [1, "docker", 3_000])]


def test_other_programs_are_no_clients(tmp_path, log):
    containers = Containers(log, tmp_path)
    containers.meet(1, "dockerd")
    containers.part(1)
    containers.close()
    assert log.all == []
