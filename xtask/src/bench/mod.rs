//! `cargo xtask bench --peer etcd`: etcd and ours in turn, under one load generator (`hiraeth bench`).
//!
//! `rows` says what is measured, `work` how, `servers` runs the processes, `document` writes what came of
//! it.

mod document;
mod figures;
mod interrupt;
mod rows;
mod servers;
mod tools;
mod work;

use std::path::PathBuf;

use anyhow::bail;

use crate::run::{cargo, release, root, step};
use figures::Figures;
use rows::{Group, Row};
use servers::{Cluster, Peer, Place};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Whom to measure against.
    #[arg(long, value_parser = ["etcd"], default_value = "etcd")]
    peer: String,
    /// How often everything is measured, in turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// One round of short measurements over fewer keys; shown, not written into the document.
    #[arg(long)]
    quick: bool,
    /// Only these rows; may be repeated. `large` is measured only if named.
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// Only ours, to see what a change brought; shown, not written into the document.
    #[arg(long)]
    ours_only: bool,
    /// Servers take ports from this one on.
    #[arg(long, default_value_t = 26_000)]
    base_port: u16,
    /// The program to measure, and to measure with [default: built for release].
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Write what was measured here, as JSON.
    #[arg(long)]
    json_file: Option<PathBuf>,
    /// Show the section, and write no document.
    #[arg(long)]
    dry: bool,
}

/// How thorough the measurements are.
#[derive(Clone, Copy)]
struct Scale {
    /// Seconds of a measurement.
    seconds: u32,
    /// Keys of the rows about size, and of the large one.
    many_keys: u64,
    large_keys: u64,
}

const THOROUGH: Scale = Scale { seconds: 5, many_keys: 1_000_000, large_keys: 5_000_000 };
const QUICK: Scale = Scale { seconds: 2, many_keys: 100_000, large_keys: 200_000 };

/// What all measurements share.
struct Bench {
    scale: Scale,
    base_port: u16,
    generator: PathBuf,
    etcdctl: PathBuf,
    place: Place,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let rows = rows::chosen(&options.only)?;
    if options.binary.is_none() {
        cargo(&["build", "--quiet", "--release", "--package", "hiraeth"])?;
    }
    let ours = options.binary.clone().unwrap_or_else(|| release("hiraeth").into());
    let etcd = tools::etcd()?;
    interrupt::watch()?;
    let bench = Bench {
        scale: if options.quick { QUICK } else { THOROUGH },
        base_port: options.base_port,
        generator: ours.clone(),
        etcdctl: etcd.control,
        place: Place::new(root().join(format!("target/bench-{}", std::process::id())))?,
    };
    let peers = [Peer::Etcd(etcd.server), Peer::Hiraeth(ours.clone()), Peer::Floor(ours)];
    let rounds = if options.quick { 1 } else { options.rounds };
    let mut figures = Figures::default();
    let measured = bench.rounds(options, &rows, &peers, rounds, &mut figures);
    if let Some(path) = &options.json_file {
        std::fs::write(path, serde_json::to_vec_pretty(&figures)?)?;
    }
    let section = document::section(&figures, bench.scale)?;
    let whole = measured.is_ok() && options.only.is_empty();
    if !whole || options.quick || options.ours_only || options.dry {
        println!("\n{section}");
        return measured;
    }
    document::write(&section)
}

impl Bench {
    /// Measures everything in turn; what was measured before something failed is in `figures`.
    fn rounds(
        &self,
        options: &Options,
        rows: &[&'static Row],
        peers: &[Peer],
        rounds: u32,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        for round in 1..=rounds {
            for group in Group::ALL {
                let rows: Vec<&Row> =
                    rows.iter().copied().filter(|row| row.group == group).collect();
                let wanted = |peer: &&Peer| {
                    group.is_for(peer) && (matches!(peer, Peer::Hiraeth(_)) || !options.ours_only)
                };
                for peer in peers.iter().filter(wanted).filter(|_| !rows.is_empty()) {
                    let name =
                        format!("round {round} of {rounds}: {}: {}", group.words(), peer.name());
                    step(&name, || self.measure(group, &rows, peer, round, figures))?;
                }
            }
        }
        Ok(())
    }

    fn measure(
        &self,
        group: Group,
        rows: &[&Row],
        peer: &Peer,
        round: u32,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let cluster = Cluster::start(peer, group.nodes(), self.base_port, &self.place)?;
        self.prepare(group, &cluster)?;
        for row in rows {
            if interrupt::came() {
                bail!("interrupted");
            }
            match self.work(row, &cluster) {
                Ok(report) => figures.add(row, peer.name(), round, report),
                Err(error) if interrupt::came() => return Err(error),
                Err(error) => {
                    println!("{}: {}: {error:#}", peer.name(), row.name);
                    figures.failed(row, peer.name(), round, &error);
                }
            }
        }
        cluster.stop()
    }
}
