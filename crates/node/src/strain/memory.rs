//! How much memory this process may have, by whoever allows the least.

use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

use crate::meters::status_bytes;

/// Memory that counts against the bound that is nearest.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Memory {
    /// Bytes that count.
    pub used: u64,
    /// Bytes there may be; 0 where that cannot be told.
    pub most: u64,
    /// Who says so: `cgroup`, `machine`, or the name of a limit of the process.
    pub by: &'static str,
}

impl Memory {
    /// As it is now.
    #[must_use]
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let own = |name: &str| status_bytes(&status, name);
        // What is mapped from files the kernel takes back, and some of it counts in other groups.
        let (anonymous, space, data) = (own("RssAnon:"), own("VmSize:"), own("VmData:"));
        let machine = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = status_bytes(&machine, "MemTotal:");
        let available = status_bytes(&machine, "MemAvailable:");
        let cgroup = cgroup_limit().unwrap_or(0);
        let limit = |of| getrlimit(of).current.unwrap_or(0);
        let bounds = [
            Self { used: anonymous, most: cgroup, by: "cgroup" },
            Self { used: space, most: limit(Resource::As), by: "address space" },
            Self { used: data, most: limit(Resource::Data), by: "data" },
            Self { used: total.saturating_sub(available), most: total, by: "machine" },
        ];
        Self::nearest(bounds)
    }

    /// The bound of which most is used.
    fn nearest(bounds: impl IntoIterator<Item = Self>) -> Self {
        let there = bounds.into_iter().filter(|bound| bound.most > 0);
        there.max_by_key(Self::permille).unwrap_or_default()
    }

    fn permille(&self) -> u64 {
        let share = u128::from(self.used) * 1_000 / u128::from(self.most.max(1));
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

/// The least limit of the cgroup this process is in and those around it.
fn cgroup_limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let (directory, top, file) = place(&groups, &mounts)?;
    let around = directory.ancestors().take_while(|at| at.starts_with(&top));
    // A number without bound is said with a word, or with one that no machine has.
    let limits =
        around.filter_map(|at| std::fs::read_to_string(at.join(file)).ok()?.trim().parse().ok());
    limits.min()
}

/// Where the limits of this process' cgroup are: its directory, the highest one, and the file's name.
fn place(groups: &str, mounts: &str) -> Option<(PathBuf, PathBuf, &'static str)> {
    let mut unified = None;
    for line in groups.lines() {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        if controllers.split(',').any(|it| it == "memory") {
            let is_old = |kind: &str, options: &str| {
                kind == "cgroup" && options.split(',').any(|it| it == "memory")
            };
            if let Some((directory, top)) = mounted(mounts, path, is_old) {
                return Some((directory, top, "memory.limit_in_bytes"));
            }
        } else if controllers.is_empty() {
            unified = mounted(mounts, path, |kind, _| kind == "cgroup2");
        }
    }
    unified.map(|(directory, top)| (directory, top, "memory.max"))
}

/// Where `path` of a file system of cgroups is to be seen.
fn mounted(
    mounts: &str,
    path: &str,
    fits: impl Fn(&str, &str) -> bool,
) -> Option<(PathBuf, PathBuf)> {
    mounts.lines().find_map(|line| {
        let (before, behind) = line.split_once(" - ")?;
        let mut behind = behind.split(' ');
        let (kind, _, options) = (behind.next()?, behind.next()?, behind.next()?);
        if !fits(kind, options) {
            return None;
        }
        let mut before = before.split(' ').skip(3);
        let (root, top) = (before.next()?, Path::new(before.next()?));
        let below = Path::new(path).strip_prefix(root).ok()?;
        Some((top.join(below), top.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Memory, place};

    #[test]
    fn the_bound_that_is_nearest_counts() {
        let bound = |used, most, by| Memory { used, most, by };
        let bounds = [bound(90, 0, "none"), bound(10, 100, "machine"), bound(50, 100, "cgroup")];
        assert_eq!(Memory::nearest(bounds).by, "cgroup");
        assert_eq!(Memory::nearest([]), Memory::default());
        let now = Memory::now();
        assert!(now.used > 1 << 20 && now.used < now.most && !now.by.is_empty(), "{now:?}");
    }

    #[test]
    fn cgroups_are_found_where_they_are_mounted() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs rw\n\
            34 30 0:30 / /sys/fs/cgroup/cpu rw shared:13 - cgroup cgroup rw,cpu,cpuacct\n\
            35 30 0:31 /box /sys/fs/cgroup/memory rw shared:14 - cgroup cgroup rw,memory\n";
        let groups = "8:pids:/\n4:memory:/box/one\n1:cpu,cpuacct:/\n0::/\n";
        let (directory, top, file) = place(groups, mounts).unwrap();
        assert_eq!(directory, Path::new("/sys/fs/cgroup/memory/one"));
        assert_eq!(
            (top.as_path(), file),
            (Path::new("/sys/fs/cgroup/memory"), "memory.limit_in_bytes")
        );
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let (directory, _, file) = place("0::/system.slice/hiraeth.service\n", mounts).unwrap();
        assert_eq!(directory, Path::new("/sys/fs/cgroup/system.slice/hiraeth.service"));
        assert_eq!(file, "memory.max");
        assert_eq!(place("4:memory:/elsewhere\n", "garbage\n - \n"), None);
        assert_eq!(place("garbage", mounts), None);
    }
}
