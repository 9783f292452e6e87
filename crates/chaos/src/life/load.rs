//! Clients at work: registers whose histories are recorded, counters, keys that show how long writes
//! pause, and keys that make the keyspace grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use client::{Client, Options, Put};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::KEYSPACE;
use crate::ledger::Ledger;
use crate::random::Random;
use crate::work::counters;
use crate::work::registers::{Register, Registers};

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(3);
/// Keys that are written again and again, to see how long that cannot be done.
const WATCHED: u64 = 24;
const EVERY: Duration = Duration::from_millis(40);
/// Refusals that are told of a pause.
const REFUSALS: usize = 3;
/// Clients that fill, and bytes of what they write.
const FILLERS: u64 = 8;
const FILLING: usize = 8 << 10;
/// Everything a client began ends within this.
const ENDING: Duration = Duration::from_secs(60);
/// Where filling keys are: between those of registers and counters, so that regions split among them.
const FILL: &str = "/fill/";

pub(super) fn is_filling(key: &[u8]) -> bool {
    key.windows(FILL.len()).any(|part| part == FILL.as_bytes())
}

pub(super) struct Load {
    endpoints: Vec<String>,
    tasks: Vec<JoinHandle<()>>,
    pauses: Arc<Pauses>,
}

#[derive(Default)]
struct Pauses {
    longest: Mutex<(Duration, String)>,
    written: AtomicU64,
}

impl Pauses {
    fn note(&self, gap: Duration, key: &str, refusals: &[String]) {
        let mut longest = self.longest.lock();
        if gap > longest.0 {
            let told: String = refusals.iter().map(|it| format!("; {it}")).collect();
            *longest = (gap, format!("{key}, until {}{told}", time_of_day()));
        }
    }
}

/// As the servers' logs have it.
fn time_of_day() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (now.as_secs() % 86_400, now.subsec_millis());
    format!("{:02}:{:02}:{:02}.{millis:03}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn client_of(endpoints: &[String], first: usize) -> anyhow::Result<Client> {
    let turned = endpoints.iter().cycle().skip(first % endpoints.len()).take(endpoints.len());
    let options =
        Options { timeout: REQUEST, keyspace: Some(KEYSPACE.to_owned()), ..Options::default() };
    Ok(Client::lazy(turned.cloned(), options)?)
}

impl Load {
    pub(super) fn begin(
        endpoints: &[String],
        ledger: &Arc<Ledger>,
        (clients, seed): (u64, u64),
    ) -> anyhow::Result<Self> {
        let mut tasks = Vec::new();
        let registers = Arc::new(Registers::new(clients));
        for number in 0..clients {
            let mut random = Random::new(seed ^ (number + 1).wrapping_mul(0x00C0_FFEE));
            let client = client_of(endpoints, usize::try_from(number)?)?;
            let (ledger, registers) = (Arc::clone(ledger), Arc::clone(&registers));
            tasks.push(tokio::spawn(async move {
                let mut register = Register::new(number, registers);
                while !ledger.is_stopped() {
                    match random.below(10) {
                        0..3 => counters::add(&client, &ledger, &mut random).await,
                        _ => register.step(&client, &ledger, &mut random).await,
                    }
                    sleep(Duration::from_millis(random.below(60))).await;
                }
            }));
        }
        let pauses = Arc::new(Pauses::default());
        for number in 0..WATCHED {
            let client = client_of(endpoints, usize::try_from(number)?)?;
            let (ledger, pauses) = (Arc::clone(ledger), Arc::clone(&pauses));
            tasks.push(tokio::spawn(watch(client, ledger, pauses, number)));
        }
        Ok(Self { endpoints: endpoints.to_vec(), tasks, pauses })
    }

    /// Writes about so many bytes; answers how many keys were acknowledged.
    pub(super) async fn fill(&self, bytes: u64) -> anyhow::Result<u64> {
        let each = bytes / FILLERS / FILLING as u64;
        let mut tasks = Vec::new();
        for filler in 0..FILLERS {
            let client = client_of(&self.endpoints, usize::try_from(filler)?)?;
            tasks.push(tokio::spawn(async move {
                let mut random = Random::new(filler + 1);
                for number in 0..each {
                    let at = random.below(40);
                    let place = match at % 5 {
                        0 => format!("chaos/counter/{}", at / 5),
                        _ => format!("chaos/register/{:03}", at % 16),
                    };
                    let key =
                        format!("{place}{FILL}{:04x}-{filler}-{number}", random.below(1 << 16));
                    let value = vec![b'x'; FILLING];
                    let began = Instant::now();
                    while let Err(error) = client.put(Put::new(key.clone(), value.clone())).await {
                        if began.elapsed() > ENDING {
                            bail!("a key could not be written for {ENDING:?}: {error}");
                        }
                        sleep(Duration::from_millis(100)).await;
                    }
                }
                anyhow::Ok(())
            }));
        }
        for task in tasks {
            task.await??;
        }
        Ok(each * FILLERS)
    }

    pub(super) fn longest_gap(&self) -> (f64, String) {
        // Of this phase only.
        let (gap, key) = std::mem::take(&mut *self.pauses.longest.lock());
        (gap.as_secs_f64(), key)
    }

    pub(super) fn written(&self) -> u64 {
        self.pauses.written.load(Ordering::Relaxed)
    }

    /// Waits for all; answers what was wrong.
    pub(super) async fn end(&mut self) -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        for task in self.tasks.drain(..) {
            match timeout(ENDING, task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => wrong.push(format!("a client ended: {error}")),
                Err(_) => wrong.push(format!("a client has no answer after {ENDING:?}")),
            }
        }
        Ok(wrong)
    }
}

/// Writes a key all the while, and notes the longest time without an acknowledgement.
async fn watch(client: Client, ledger: Arc<Ledger>, pauses: Arc<Pauses>, number: u64) {
    let key = format!("chaos/register/{:03}/watched-{number}", number % 16);
    let mut last = Instant::now();
    let mut refusals = Vec::new();
    for round in 0_u64.. {
        if ledger.is_stopped() {
            return;
        }
        let began = Instant::now();
        match client.put(Put::new(key.clone(), round.to_string())).await {
            Ok(_) => {
                pauses.written.fetch_add(1, Ordering::Relaxed);
                let gap = last.elapsed();
                last = Instant::now();
                let refused = std::mem::take(&mut refusals);
                pauses.note(gap, &key, &refused);
            }
            // The first and the last ones say what there is to know.
            Err(error) => {
                refusals.truncate(REFUSALS - 1);
                refusals.push(format!("after {:.2} s: {error}", began.elapsed().as_secs_f64()));
            }
        }
        sleep(EVERY).await;
    }
}
