use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// What the system says of this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Process {
    /// Processor time it used, of all threads.
    pub cpu: Duration,
    /// Memory it has in RAM, in bytes; 0 where that cannot be told.
    pub resident_bytes: u64,
    /// Threads; 0 where that cannot be told.
    pub threads: u64,
}

impl Process {
    /// As it is now.
    #[must_use]
    pub fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = Duration::new(
            u64::try_from(cpu.tv_sec).unwrap_or(0),
            u32::try_from(cpu.tv_nsec).unwrap_or(0),
        );
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Self {
            cpu,
            resident_bytes: number("VmRSS:").unwrap_or(0) << 10,
            threads: number("Threads:").unwrap_or(0),
        }
    }
}

/// File descriptors this process has open; 0 where that cannot be told. Looks at each, so not for
/// every second.
#[must_use]
pub fn file_descriptors() -> u64 {
    // The look itself has one open.
    std::fs::read_dir("/proc/self/fd").map_or(0, |all| (all.count() as u64).saturating_sub(1))
}

/// File descriptors this process may have open; `None` for any number.
#[must_use]
pub fn most_file_descriptors() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::{Process, file_descriptors, most_file_descriptors};

    #[test]
    fn a_process_knows_itself() {
        let now = Process::now();
        assert!(now.resident_bytes > 1 << 20 && now.threads > 0, "{now:?}");
        let before = file_descriptors();
        let _file = std::fs::File::open("/proc/self/status").unwrap();
        assert!(before > 0 && most_file_descriptors().is_none_or(|most| most > before));
    }
}
