use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Part;
use crate::bad_input::{Case, Measured};

/// How long writes are counted before a fault, while it lasts, and after it.
const COUNTED: Duration = Duration::from_secs(5);
/// How long the cluster may take to settle with a fault: to notice it, and to find another leader.
const SETTLES: Duration = Duration::from_secs(15);
/// How long status may take to name what is wrong, and to leave it out again: it speaks of ten seconds.
const NOTICE: Duration = Duration::from_secs(25);
/// The longest time without a write, whatever happens to one of three servers.
const GAP: Duration = Duration::from_secs(8);
/// What a fault may leave of the writes when the cluster has settled: a third of the clients have the bad
/// server as theirs.
const LEFT: f64 = 0.25;

/// One fault that is being watched from outside.
pub(super) struct Watched {
    what: String,
    at: usize,
    part: Part,
    before: f64,
    /// When the fault began, by the ledger's clock.
    from: Duration,
}

impl Watched {
    /// Counts writes, then lets the fault begin, which the caller brings right after.
    pub(super) async fn begin(case: &mut Case, what: &str, part: Part) -> anyhow::Result<Self> {
        let before = rate(case, COUNTED).await;
        let at = part.find(case).await?;
        let what = format!("{what} of the {}", part.name());
        case.fault(&what, at);
        Ok(Self { what, at, part, before, from: case.trial.ledger.now() })
    }

    /// Whose fault it is.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Status says all of these words of the server, in one sentence.
    pub(super) async fn named(&self, case: &mut Case, words: &[&str]) -> anyhow::Result<()> {
        let name = format!("({})", case.trial.servers.name(self.at));
        let began = Instant::now();
        loop {
            let warnings = case.trial.servers.warnings().await?;
            let fits =
                |it: &&String| it.contains(&name) && words.iter().all(|word| it.contains(word));
            if let Some(warning) = warnings.iter().find(fits) {
                let after = began.elapsed().as_secs_f64();
                case.said(format!("status after {after:.1} s, {}: {warning}", self.what));
                return Ok(());
            }
            if began.elapsed() > NOTICE {
                case.wrong(format!(
                    "{}: status does not say {words:?}, but {warnings:#?}",
                    self.what
                ));
                return Ok(());
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Counts writes once the cluster has settled; then another server leads, if this one should not.
    pub(super) async fn during(&self, case: &mut Case, moves: bool) -> (f64, Option<u128>) {
        let mut moved = None;
        let mut seen = Vec::new();
        let began = Instant::now();
        while began.elapsed() < SETTLES && moved.is_none() && moves && self.part == Part::Leader {
            let now = case.trial.servers.leader().await;
            if seen.last() != Some(&now) {
                seen.push(now);
            }
            if now.is_some_and(|now| now.at != self.at) {
                moved = Some((case.trial.ledger.now() - self.from).as_millis());
            }
            sleep(Duration::from_millis(50)).await;
        }
        if moves && self.part == Part::Leader && moved.is_none() {
            case.wrong(format!("{}: it still leads after {SETTLES:?}: {seen:?}", self.what));
        }
        (rate(case, COUNTED).await, moved)
    }

    /// The fault is over, which the caller has seen to: status says so, and writes are counted again.
    pub(super) async fn end(
        self,
        case: &mut Case,
        (during, moved_ms): (f64, Option<u128>),
        words: &[&str],
    ) -> anyhow::Result<()> {
        let over = format!("{} is over", self.what);
        case.fault(&over, self.at);
        let began = Instant::now();
        loop {
            let warnings = case.trial.servers.warnings().await?;
            let fits = |it: &String| words.iter().all(|word| it.contains(word));
            if !warnings.iter().any(fits) {
                break;
            }
            if began.elapsed() > NOTICE {
                case.wrong(format!("{over}, and status still says {warnings:#?}"));
                break;
            }
            sleep(Duration::from_millis(200)).await;
        }
        let after = rate(case, COUNTED).await;
        let gap = gap(case, self.from);
        if gap > GAP {
            case.wrong(format!("{}: {gap:?} without a write", self.what));
        }
        if during < self.before * LEFT {
            let before = self.before;
            case.wrong(format!("{}: {during:.0} writes/s of {before:.0} are left", self.what));
        }
        let (what, before, gap_ms) = (self.what, self.before, gap.as_millis());
        case.measured.push(Measured { what, before, during, after, gap_ms, moved_ms });
        Ok(())
    }
}

/// Acknowledged writes a second, counted for so long.
async fn rate(case: &Case, time: Duration) -> f64 {
    let (before, began) = (case.acknowledged(), Instant::now());
    sleep(time).await;
    (case.acknowledged() - before) as f64 / began.elapsed().as_secs_f64()
}

/// The longest time without a write since `from`.
fn gap(case: &Case, from: Duration) -> Duration {
    let now = case.trial.ledger.now();
    let all = case.trial.ledger.acknowledgements.lock();
    let since = all.iter().copied().filter(|at| *at >= from);
    let mut moments: Vec<Duration> = since.chain([from, now]).collect();
    moments.sort_unstable();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}
