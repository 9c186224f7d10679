"""CPU quotas of cgroups, read from folders that look like those of the system."""

import pytest

from cloudio._utils.threads import cpu_quota

V2 = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "32 31 0:29 {shown} /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
OTHERS = (
    "30 23 0:4 / /proc rw - proc proc rw\n33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup "
    "rw,cpuset\n"
)


def write(root, groups, mounts, files):
    """Write what Linux shows of the groups of a process."""
    for name, text in {
        "proc/self/cgroup": groups,
        "proc/self/mountinfo": OTHERS + mounts,
        **files,
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def v1(folder, quota, period=100000):
    folder = f"sys/fs/cgroup/cpu,cpuacct{folder}"
    return {
        f"{folder}/cpu.cfs_quota_us": f"{quota}\n",
        f"{folder}/cpu.cfs_period_us": f"{period}\n",
    }


def v2(folder, text):
    return {f"sys/fs/cgroup{folder}/cpu.max": f"{text}\n"}


def test_there_is_none_without_cgroups(tmp_path):
    assert cpu_quota(tmp_path) is None


@pytest.mark.parametrize(
    ("path", "files", "quota"),
    [
        ("/", v2("", "150000 100000"), 1.5),  # a container with a namespace of its own
        ("/", v2("", "max 100000"), None),
        ("/", v2("", "200000"), 2.0),
        ("/", v2("", "nonsense"), None),
        ("/", v2("", ""), None),
        ("/", {}, None),
        ("/a/b", v2("/a/b", "50000 100000"), 0.5),
        ("/a/b", v2("/a/b", "max 100000") | v2("/a", "400000 200000"), 2.0),
        ("/a/b", v2("/a/b", "800000 100000") | v2("/a", "300000 100000"), 3.0),
        ("/a/b", v2("/a/b", "100000 100000") | v2("/a", "300000 100000"), 1.0),
        ("/a/b", v2("", "100000 100000"), 1.0),  # the mount point's own
        ("/a:b", v2("/a:b", "100000 100000"), 1.0),
        ("/../other", v2("", "200000 100000") | v2("/../other", "100000 100000"), 2.0),
    ],
)
def test_version_2(tmp_path, path, files, quota):
    write(tmp_path, f"0::{path}\n", V2, files)
    assert cpu_quota(tmp_path) == quota


@pytest.mark.parametrize(
    ("path", "shown", "files", "quota"),
    [
        ("/", "/", v1("", -1), None),
        ("/", "/", v1("", 250000), 2.5),
        ("/", "/", v1("", 50000, 25000), 2.0),
        ("/", "/", v1("", 50000, 0), None),
        ("/docker/3f", "/docker/3f", v1("", 400000), 4.0),  # the mount shows the group alone
        ("/docker/3f/job", "/docker/3f", v1("", 400000) | v1("/job", 100000), 1.0),
        ("/docker/3f", "/", v1("/docker/3f", -1) | v1("/docker", 200000), 2.0),
        ("/docker/3f", "/docker/other", v1("", 300000), 3.0),
        ("/docker/3f", "/docker/3", v1("", 300000) | v1("f", 100000), 3.0),
    ],
)
def test_version_1(tmp_path, path, shown, files, quota):
    groups = f"12:cpuset:/wrong\n4:cpu,cpuacct:{path}\n1:name=systemd:/wrong\n"
    write(tmp_path, groups, V1.format(shown=shown), files)
    assert cpu_quota(tmp_path) == quota


def test_both_versions_at_once(tmp_path):
    """As systemd mounts them in its hybrid mode: version 2 has no CPU controller there."""
    mounts = V1.format(shown="/") + V2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
    write(tmp_path, "4:cpu,cpuacct:/a\n0::/b\n", mounts, v1("/a", 300000))
    assert cpu_quota(tmp_path) == 3.0


def test_a_mount_point_with_a_space(tmp_path):
    mounts = V2.replace("/sys/fs/cgroup", r"/my\040groups")
    write(tmp_path, "0::/\n", mounts, {"my groups/cpu.max": "100000 100000\n"})
    assert cpu_quota(tmp_path) == 1.0
