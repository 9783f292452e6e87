//! What the system says of processes and of the machine (`/proc`).

use std::time::Duration;

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};

/// Ticks in a second of what `/proc` counts; Linux shows 100 on all machines.
const TICKS: u64 = 100;

/// A process at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Usage {
    /// Processor time it used, user and system.
    pub(super) cpu: Duration,
    /// Bytes it caused to be sent to the disk since it began.
    pub(super) written: u64,
    /// Bytes it has in RAM.
    pub(super) resident: u64,
}

/// Process `pid` as it is now.
pub(super) fn usage(pid: u32) -> anyhow::Result<Usage> {
    let read = |name: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/{name}"))
            .with_context(|| format!("/proc/{pid}/{name} of --pids cannot be read"))
    };
    let strange = || format!("/proc/{pid} is not as expected");
    Ok(Usage {
        cpu: cpu(&read("stat")?).with_context(strange)?,
        written: number(&read("io")?, "write_bytes:").with_context(strange)?,
        resident: number(&read("status")?, "VmRSS:").with_context(strange)? << 10,
    })
}

/// Fields 14 and 15; the second is a name that may hold blanks and brackets.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, after) = stat.rsplit_once(") ")?;
    let mut fields = after.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks()? + ticks()?) * 1000 / TICKS))
}

fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time all processes of the machine used; zero where that cannot be told.
pub(super) fn machine() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    Duration::from_millis(busy(&stat).unwrap_or(0) * 1000 / TICKS)
}

/// All but idle and waiting for a disk; time of guests is in that of users.
fn busy(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields = line.split_whitespace().take(8).map(|field| field.parse::<u64>().ok());
    let all: Vec<u64> = fields.collect::<Option<_>>()?;
    Some(all.iter().sum::<u64>() - all.get(3)? - all.get(4)?)
}

/// The load averages of one, five and fifteen minutes; none where that cannot be told.
pub(super) fn load() -> Vec<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).filter_map(|average| average.parse().ok()).collect()
}

/// Processor time of this process.
pub(super) fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{busy, cpu, own_cpu, usage};

    #[test]
    fn what_the_system_says_is_read() {
        let stat = "17 (a ) b) S 1 17 17 0 -1 4194560 9 0 0 0 250 50 7 7 20 0 9 0 100 200 300";
        assert_eq!(cpu(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu("17 (a"), None);
        assert_eq!(busy("cpu  1 2 3 1000 500 4 5 6 7 7\ncpu0 ..."), Some(21));
        assert_eq!(busy("cpu 1 x"), None);
    }

    #[test]
    fn this_process_is_found_and_others_are_not() {
        let (before, own) = (usage(std::process::id()).unwrap(), own_cpu());
        assert!(before.resident > 1 << 20);
        assert!(before.cpu <= own + Duration::from_millis(20), "{before:?} {own:?}");
        let error = usage(u32::MAX).unwrap_err();
        assert!(format!("{error:#}").contains("--pids"), "{error:#}");
    }
}
