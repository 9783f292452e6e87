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
        Self {
            cpu,
            resident_bytes: status_bytes(&status, "VmRSS:"),
            threads: status_number(&status, "Threads:"),
        }
    }
}

/// What a line of one of the system's tables says; 0 without it.
fn status_number(table: &str, name: &str) -> u64 {
    let line = table.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// The same of sizes, which they have in KiB.
pub(crate) fn status_bytes(table: &str, name: &str) -> u64 {
    status_number(table, name).saturating_mul(1_024)
}

const OWN_FILES: &str = "/proc/self/fd";

/// File descriptors this process has open; 0 where that cannot be told. Before Linux 6.2 it looks at each.
#[must_use]
pub fn file_descriptors() -> u64 {
    // Also told when there is none left for a look.
    match std::fs::metadata(OWN_FILES).map(|all| all.len()) {
        Ok(count) if count > 0 => count,
        _ => match std::fs::read_dir(OWN_FILES) {
            // The look itself has one open.
            Ok(all) => (all.count() as u64).saturating_sub(1),
            // All of them, or there would have been one for the look.
            Err(_) => most_file_descriptors().unwrap_or(0),
        },
    }
}

/// File descriptors that are kept for links to other nodes, for the log and for the engine, of so many that
/// there may be: clients get none of them.
fn reserved_file_descriptors(most: u64) -> u64 {
    const LEAST: u64 = 48;
    const MOST: u64 = 1_024;
    (most / 5).clamp(LEAST, MOST)
}

/// File descriptors this process may have open; `None` for any number.
#[must_use]
pub fn most_file_descriptors() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// File descriptors that clients may open yet, if of those that are open so many are not counted.
#[must_use]
pub fn client_descriptors_left(uncounted: u64) -> u64 {
    let open = || file_descriptors().saturating_sub(uncounted);
    most_file_descriptors().map_or(u64::MAX, |most| left(open(), most))
}

fn left(open: u64, most: u64) -> u64 {
    most.saturating_sub(reserved_file_descriptors(most)).saturating_sub(open)
}

#[cfg(test)]
mod tests {
    use super::{
        Process, file_descriptors, left, most_file_descriptors, reserved_file_descriptors,
    };

    #[test]
    fn a_process_knows_itself() {
        let now = Process::now();
        assert!(now.resident_bytes > 1 << 20 && now.threads > 0, "{now:?}");
        let before = file_descriptors();
        let _file = std::fs::File::open("/proc/self/status").unwrap();
        assert!(before > 0 && most_file_descriptors().is_none_or(|most| most > before));
        let many: Vec<_> =
            (0..50).map(|_| std::fs::File::open("/proc/self/status").unwrap()).collect();
        // Other tests of this process open some, too, and close them.
        assert!(file_descriptors() > before + 25, "{before} and {} more", many.len());
        assert_eq!(
            [(204, 256), (205, 256), (9, 20)].map(|(open, most)| left(open, most)),
            [1, 0, 0]
        );
        assert_eq!([256, 1_024, 1 << 20].map(reserved_file_descriptors), [51, 204, 1_024]);
    }
}
