//! What a run says, as a table or as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::ledger::{Fault, Kind, Ledger, Outcome};
use crate::servers::Lost;
use crate::verify::Verified;

/// Requests of one kind with one outcome.
#[derive(Debug, Serialize)]
pub(crate) struct Requests {
    kind: Kind,
    outcome: Outcome,
    count: u64,
}

/// Faults of one kind, and the longest time without an acknowledged write around each.
#[derive(Debug, Serialize)]
pub(crate) struct Faults {
    kind: String,
    count: usize,
    median_ms: u128,
    worst_ms: u128,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) scenario: &'static str,
    pub(crate) seed: u64,
    pub(crate) place: &'static str,
    pub(crate) seconds: f64,
    /// The machine's load over the last minute, when the faults ended.
    pub(crate) load: f64,
    pub(crate) acknowledged_per_second: f64,
    pub(crate) requests: Vec<Requests>,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) faults: Vec<Faults>,
    pub(crate) all_faults: Faults,
    /// What went with the power.
    pub(crate) lost: Lost,
    /// From the end of the last fault until every node serves.
    pub(crate) healthy_after_ms: u128,
    pub(crate) verified: Verified,
    /// Where data, logs and the history are, if they were kept.
    pub(crate) kept: Option<String>,
}

impl Report {
    pub(crate) fn requests(ledger: &Ledger) -> Vec<Requests> {
        let of = |(&(kind, outcome), &count): (&(Kind, Outcome), &u64)| Requests {
            kind,
            outcome,
            count,
        };
        ledger.counts.lock().iter().map(of).collect()
    }

    /// Faults by kind, and all together.
    pub(crate) fn faults(ledger: &Ledger) -> (Vec<Faults>, Faults) {
        let mut acknowledged = ledger.acknowledgements.lock().clone();
        acknowledged.sort_unstable();
        let faults = ledger.faults.lock();
        let gaps = gaps(&faults, &acknowledged, ledger.now());
        let mut by_kind: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
        for (fault, gap) in faults.iter().zip(&gaps) {
            by_kind.entry(&fault.kind).or_default().push(*gap);
        }
        let each = by_kind.into_iter().map(|(kind, gaps)| Faults::of(kind, gaps)).collect();
        (each, Faults::of("all", gaps))
    }

    pub(crate) fn is_good(&self) -> bool {
        self.verified.violations.is_empty()
    }
}

impl Faults {
    fn of(kind: &str, mut gaps: Vec<Duration>) -> Self {
        gaps.sort_unstable();
        let millis = |at: usize| gaps.get(at).map_or(0, Duration::as_millis);
        Self {
            kind: kind.to_owned(),
            count: gaps.len(),
            median_ms: millis(gaps.len() / 2),
            worst_ms: millis(gaps.len().saturating_sub(1)),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, count) = (&self.kind, self.count);
        let (median, worst) = (self.median_ms, self.worst_ms);
        write!(f, "{kind:<38} {count:>4} {median:>18} ms {worst:>6} ms")
    }
}

/// For each fault the longest time between two acknowledgements of which a part is after the fault and
/// before the next one.
fn gaps(faults: &[Fault], acknowledged: &[Duration], end: Duration) -> Vec<Duration> {
    let until = faults.iter().skip(1).map(|next| next.at).chain([end]);
    let longest = |(fault, until): (&Fault, Duration)| {
        let first = acknowledged.partition_point(|at| *at <= fault.at).saturating_sub(1);
        let pairs = acknowledged[first.min(acknowledged.len())..].windows(2);
        let inside = pairs.take_while(|pair| pair[0] < until);
        inside.map(|pair| pair[1] - pair[0]).max().unwrap_or(end.saturating_sub(fault.at))
    };
    faults.iter().zip(until).map(longest).collect()
}

/// The counts of a judge as people read them: what it counted, by the names they have in the JSON.
fn plain(counted: &impl Serialize) -> String {
    let fields = match serde_json::to_value(counted) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => return "?".to_owned(),
    };
    let words = fields.iter().map(|(name, count)| format!("{} {count}", name.replace('_', " ")));
    words.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scenario, seed, place) = (self.scenario, self.seed, self.place);
        writeln!(
            f,
            "{scenario}, seed {seed}, {place}, {:.0} s, load {:.1}",
            self.seconds, self.load
        )?;
        writeln!(f, "  acknowledged writes per second  {:.0}", self.acknowledged_per_second)?;
        for requests in &self.requests {
            let name = format!("{:?} {:?}", requests.kind, requests.outcome);
            writeln!(f, "  {name:<31} {:>8}", requests.count)?;
        }
        for (error, count) in &self.errors {
            writeln!(f, "  error {count:>8}  {error}")?;
        }
        writeln!(
            f,
            "  fault                                 count   no write for: median     worst"
        )?;
        for faults in self.faults.iter().chain([&self.all_faults]) {
            writeln!(f, "  {faults}")?;
        }
        if self.lost.power_cuts > 0 {
            let nothing = if self.lost.is_nothing() { ": NOTHING was ever lost" } else { "" };
            writeln!(f, "  in sectors   {}{nothing}", plain(&self.lost))?;
        }
        writeln!(f, "  every node served {} ms after the last fault", self.healthy_after_ms)?;
        let verified = &self.verified;
        writeln!(f, "  unique keys  {}", plain(&verified.unique))?;
        writeln!(f, "  counters     {}", plain(&verified.counters))?;
        writeln!(f, "  histories    {}", plain(&verified.histories))?;
        writeln!(f, "  lists        {}", plain(&verified.lists))?;
        writeln!(f, "  watches      {}", plain(&verified.events))?;
        writeln!(f, "  copies       {}", plain(&verified.copies))?;
        writeln!(f, "  leases left to end and gone: {}", verified.leases_left)?;
        writeln!(f, "  instances that came and went: {}", verified.guests)?;
        const SHOWN: usize = 20;
        for violation in verified.violations.iter().take(SHOWN) {
            writeln!(f, "  VIOLATION {violation}")?;
        }
        if verified.violations.len() > SHOWN {
            writeln!(f, "  and {} more", verified.violations.len() - SHOWN)?;
        }
        if let Some(kept) = &self.kept {
            writeln!(f, "  data, logs and history are in {kept}")?;
        }
        write!(f, "{scenario}: {}", if self.is_good() { "all promises kept" } else { "FAILED" })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::gaps;
    use crate::ledger::Fault;

    #[test]
    fn a_gap_belongs_to_the_faults_it_overlaps() {
        let fault =
            |at| Fault { at: Duration::from_millis(at), kind: String::new(), node: String::new() };
        let acknowledged = [10, 90, 100, 900, 910, 920, 1_000].map(Duration::from_millis);
        let found = gaps(&[fault(95), fault(915), fault(1_500)], &acknowledged, fault(2_000).at);
        assert_eq!(found.map_millis(), [800, 80, 500]);
    }

    trait Millis {
        fn map_millis(&self) -> Vec<u128>;
    }

    impl Millis for Vec<Duration> {
        fn map_millis(&self) -> Vec<u128> {
            self.iter().map(Duration::as_millis).collect()
        }
    }
}
