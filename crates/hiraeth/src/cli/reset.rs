//! `hiraeth admin reset-peers`: a node goes on alone after the others are lost for good.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use node::env::{Disk, OsRandom};
use node::reset::{RegionLeft, Reset, Survey};
use serde::Serialize;

use super::failure::{Done, EXIT_CODES};
use super::output::{Format, line, out};
use super::table::Table;

/// Make the node of a data directory the only one of its cluster, when so many of the others are lost for
/// good that no quorum comes back. Works on the directory of a node that is stopped. Writes that were
/// acknowledged and did not reach this node are lost, and so is what only others had: without --yes-lose-data
/// nothing is changed, and what there is and what is not is told. Choose the node whose regions reach
/// furthest. The others are refused from then on: empty their directories and add them as new members.
///
/// JSON: `{node, cluster, new_cluster, lost_nodes, changed, regions: [{region, keyspace, applied, committed,
/// last, unconfirmed, replicas, state}]}`.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Arguments {
    /// The data directory of the node that stays.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Do it. There is no way back.
    #[arg(long)]
    yes_lose_data: bool,
}

#[derive(Serialize)]
struct Json {
    node: u64,
    cluster: String,
    new_cluster: Option<String>,
    lost_nodes: Vec<String>,
    changed: bool,
    regions: Vec<JsonRegion>,
}

#[derive(Serialize)]
struct JsonRegion {
    region: u64,
    keyspace: String,
    applied: u64,
    committed: u64,
    last: u64,
    unconfirmed: u64,
    replicas: usize,
    state: &'static str,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> anyhow::Result<Done> {
    let disk: Arc<dyn Disk> = Arc::new(node::RealDisk);
    let directory = std::path::absolute(&arguments.data_dir)?;
    let reset = Reset::open(&disk, &OsRandom, &directory)?;
    let survey = reset.survey().clone();
    let new = match arguments.yes_lose_data {
        true => Some(reset.carry_out(&OsRandom)?),
        false => None,
    };
    let new = new.map(|cluster| cluster.to_string());
    let mut out = out();
    match format {
        Format::Json => line(&mut out, &json(&survey, new.clone()))?,
        Format::Table => show(&mut out, &survey, new.as_deref())?,
    }
    out.flush()?;
    if new.is_none() {
        eprintln!("hint: nothing was changed; with --yes-lose-data it is done");
        return Ok(Done::Code(4));
    }
    Ok(Done::Well)
}

fn state(region: &RegionLeft) -> &'static str {
    match (region.is_here, region.unconfirmed()) {
        (false, _) => "lost",
        (true, 0) => "whole",
        (true, _) => "unconfirmed",
    }
}

fn json(survey: &Survey, new_cluster: Option<String>) -> Json {
    let regions = survey.regions.iter().map(|it| JsonRegion {
        region: it.region.get(),
        keyspace: it.keyspace.clone(),
        applied: it.applied.get(),
        committed: it.committed.get(),
        last: it.last.get(),
        unconfirmed: it.unconfirmed(),
        replicas: it.replicas,
        state: state(it),
    });
    Json {
        node: survey.node.get(),
        cluster: survey.cluster.to_string(),
        changed: new_cluster.is_some(),
        new_cluster,
        lost_nodes: survey.others.clone(),
        regions: regions.collect(),
    }
}

fn show(out: &mut impl Write, survey: &Survey, new: Option<&str>) -> anyhow::Result<()> {
    let Survey { node, name, cluster, others, .. } = survey;
    writeln!(out, "node {node} ({name}) of cluster {cluster}; the others: {}", others.join(", "))?;
    let mut table = Table::new(&[
        "REGION",
        "KEYSPACE",
        "STATE",
        "APPLIED",
        "COMMITTED",
        "LAST",
        "UNCONFIRMED",
        "REPLICAS",
    ]);
    for it in &survey.regions {
        table.row([
            it.region.to_string(),
            it.keyspace.clone(),
            state(it).to_owned(),
            it.applied.to_string(),
            it.committed.to_string(),
            it.last.to_string(),
            it.unconfirmed().to_string(),
            it.replicas.to_string(),
        ]);
    }
    table.print(out)?;
    let lost = survey.regions.iter().filter(|it| !it.is_here).count();
    let unconfirmed: u64 = survey.regions.iter().map(RegionLeft::unconfirmed).sum();
    writeln!(
        out,
        "lost: what others acknowledged and this node never received, which nothing here can count; {lost} \
         regions that have no replica here begin empty. Kept: {unconfirmed} entries at the ends of logs, of \
         which this node does not know whether they were acknowledged"
    )?;
    if let Some(new) = new {
        writeln!(
            out,
            "done: it is the only node of the cluster {new} now. Start it; then add others with `hiraeth \
             admin node add`, with empty data directories. The old ones are refused"
        )?;
    }
    Ok(())
}
