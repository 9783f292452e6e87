//! What servers take of the machine.

use std::collections::BTreeMap;

/// Ticks of the kernel's clock in a second, in `/proc`.
const TICKS: f64 = 100.0;

#[derive(Clone, Default)]
pub(super) struct Costs {
    /// Of each process, by its id: seconds of processors, as last seen.
    processes: BTreeMap<u32, f64>,
    /// Those of processes that ended since.
    ended: f64,
    /// MiB that the largest process has had at once, and its server's number.
    pub(super) most_memory: (u64, usize),
}

impl Costs {
    /// Looks at the processes of the servers that run; answers how many MiB each has now.
    pub(super) fn look(&mut self, servers: &[Option<u32>]) -> Vec<u64> {
        let gone: Vec<u32> =
            self.processes.keys().copied().filter(|pid| !servers.contains(&Some(*pid))).collect();
        for pid in gone {
            self.ended += self.processes.remove(&pid).unwrap_or_default();
        }
        let mut memory = Vec::new();
        for (at, pid) in servers.iter().enumerate() {
            let Some(pid) = *pid else {
                memory.push(0);
                continue;
            };
            if let Some(seconds) = seconds(pid) {
                self.processes.insert(pid, seconds);
            }
            let mib = resident_mib(pid).unwrap_or_default();
            self.most_memory = self.most_memory.max((mib, at + 1));
            memory.push(mib);
        }
        memory
    }

    /// Seconds of processors that all have taken by the last look.
    pub(super) fn seconds(&self) -> f64 {
        self.ended + self.processes.values().sum::<f64>()
    }
}

fn seconds(pid: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in brackets, and may have spaces.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

fn resident_mib(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib >> 10)
}
