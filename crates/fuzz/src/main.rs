//! Sends a node what no client should, from seeds: requests of every type the descriptors know, with
//! values at their edges, broken on the way; JSON; raw bytes. It has to answer each as etcd would, in
//! bounded memory, without a panic, and others must not notice.

mod auth;
mod calls;
mod consul;
mod gateway;
mod input;
mod message;
mod names;
mod oracle;
mod probe;
mod random;
mod rig;
mod round;
mod schema;
mod send;
mod shapes;
mod wires;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;

use crate::input::Input;
use crate::rig::{Memory, Panics};
use crate::round::{Failure, Plan, Tally};
use crate::schema::Schema;

#[derive(Parser)]
#[command(name = "cargo xtask fuzz", about = "Sends a node what no client should")]
struct Arguments {
    /// For how long; at least one round of each kind is played.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The first round's seed; those of the others follow it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Play so many rounds, however long they take.
    #[arg(long)]
    rounds: Option<u64>,
    /// Inputs of each of four clients in a round.
    #[arg(long, default_value_t = 400)]
    inputs: usize,
    /// Send these inputs, and nothing else.
    #[arg(long)]
    replay: Vec<PathBuf>,
    /// Inputs that once did harm, which are sent first; all files in it.
    #[arg(long, default_value = "crates/fuzz/corpus")]
    corpus: PathBuf,
    /// Where inputs that do harm are written.
    #[arg(long, default_value = "target/fuzz")]
    found: PathBuf,
    /// MiB this process may have resident.
    #[arg(long, default_value_t = 1_500)]
    memory: u64,
    /// Say what was answered, and how often.
    #[arg(long)]
    tally: bool,
    /// Count answers that are wrong, too, and go on.
    #[arg(long)]
    go_on: bool,
}

/// Every so many rounds, users are known.
const GUARDED_EVERY: u64 = 2;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(&arguments))
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let schema = Arc::new(Schema::read()?);
    let panics = Panics::watch();
    let memory = Arc::new(Memory::watch(arguments.memory << 20));
    let began = Instant::now();
    let (mut total, mut played) = (Tally::new(), 0);
    let kept = match arguments.replay.is_empty() {
        true => files(&arguments.corpus)?,
        false => arguments.replay.clone(),
    };
    for file in &kept {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let replay = Input::parse(&text).with_context(|| file.display().to_string())?;
        let plan = Plan { seed: arguments.seed, inputs: 0, guarded: false, go_on: false, replay };
        let done = round::play(plan, &schema, &panics, &memory).await;
        done.map_err(|Failure { what, .. }| what.context(file.display().to_string()))?;
    }
    if !arguments.replay.is_empty() {
        println!("{} files replayed, nothing wrong", kept.len());
        return Ok(());
    }
    let until = Duration::from_secs(arguments.seconds);
    while match arguments.rounds {
        Some(rounds) => played < rounds,
        None => played < GUARDED_EVERY || began.elapsed() < until,
    } {
        let seed = arguments.seed + played;
        let guarded = seed.is_multiple_of(GUARDED_EVERY);
        let (inputs, go_on) = (arguments.inputs, arguments.go_on);
        let plan = Plan { seed, inputs, guarded, go_on, replay: Vec::new() };
        match round::play(plan, &schema, &panics, &memory).await {
            Ok(tally) => tally.into_iter().for_each(|(kind, times)| {
                *total.entry(kind).or_default() += times;
            }),
            Err(failure) => {
                let file = round::keep(&failure, &arguments.found, seed)?;
                bail!(
                    "{:#}\n  again: cargo xtask fuzz --seed {seed} --rounds 1\n  what was sent last \
                     is in {file}: cargo xtask fuzz --replay {file}",
                    failure.what
                );
            }
        }
        played += 1;
    }
    for (kind, times) in &total {
        if arguments.tally || kind.starts_with(round::WRONG) {
            println!("{times:>8}  {kind}");
        }
    }
    println!(
        "fuzz: {} inputs in {played} rounds from seed {}, {} files of the corpus, {} MiB at most, {:.0} s",
        total.values().sum::<u64>(),
        arguments.seed,
        kept.len(),
        memory.peak() >> 20,
        began.elapsed().as_secs_f64(),
    );
    Ok(())
}

/// The files of a folder, in order; of one that is not there, none.
fn files(folder: &std::path::Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder)?;
    let mut files: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    files.sort();
    Ok(files)
}
