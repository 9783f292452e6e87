//! Bytes that nobody wrote, for everything that reads bytes from outside. Each decoder has a test with random
//! and damaged input that `cargo test` plays a few hundred times; here it is played as often as one likes.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::run::root;

/// How often, and which.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Inputs for each decoder.
    #[arg(long, default_value_t = 100_000)]
    cases: u64,
    /// Only decoders whose name has this in it.
    #[arg(long)]
    only: Option<String>,
}

/// What reads bytes, the package and target of its tests, and what these are called.
const DECODERS: [(&str, &str, &str, &str); 32] = [
    ("peer: messages of Raft", "consensus", "it", "hostile::any_bytes"),
    ("peer: messages of Raft, damaged", "consensus", "it", "hostile::damaged_messages"),
    ("peer: messages no replica sends", "consensus", "it", "hostile::messages_that_no"),
    ("peer: heartbeats", "consensus", "lib", "message::compact::tests::garbage"),
    ("peer: frames", "node", "lib", "frame::tests::garbage"),
    ("peer: beats", "node", "lib", "liveness::beat::tests::garbage"),
    ("peer: words of a registry", "node", "lib", "registry::word::tests::any_bytes"),
    ("log: segments", "storage", "lib", "wal::tests::"),
    ("snapshots: streams of bytes", "storage", "it", "stream::no_bytes"),
    ("snapshots: streams of records", "storage", "it", "stream::no_records"),
    ("state: commands", "state", "lib", "codec::tests::"),
    ("state: records", "state", "lib", "record::tests::"),
    ("state: registry", "state", "lib", "registry::codec::tests::any"),
    ("state: a registry's snapshot", "state", "lib", "registry::archive::read::tests::"),
    ("backups: what was kept", "node", "lib", "backup::kept::tests::"),
    ("HTTP/2: connections", "http2", "lib", "connection::tests::no_bytes"),
    ("HTTP/2: headers", "http2", "lib", "hpack::"),
    ("HTTP/2: frames", "http2", "lib", "frame::"),
    ("JSON gateway", "api", "lib", "gateway::json::tests::garbage"),
    ("DNS: packets", "api", "lib", "dns::tests::random::random_packets"),
    ("DNS: damaged queries", "api", "lib", "dns::tests::random::damaged"),
    ("Consul: filters", "api", "lib", "consul::filter::tests::garbage"),
    ("Consul: durations", "api", "lib", "consul::duration::tests::no_text"),
    ("Consul: rules of the ACL", "state", "lib", "auth::acl::tests::no_text"),
    ("Consul: targets of checks", "probe", "lib", "target::tests::no_description"),
    ("logins: tokens and keys", "jwt", "lib", "tests::no_t"),
    ("logins: damaged keys", "jwt", "lib", "tests::damaged_keys"),
    ("traces: contexts", "spans", "lib", "context::tests::whatever"),
    ("configurations: contents", "configuration", "lib", "content::tests::nothing_panics"),
    ("configurations: schemas", "configuration", "lib", "schema::tests::nothing_panics"),
    ("configurations: records", "configuration", "lib", "record::tests::anything_else"),
    ("etcd's snapshots: written and read", "api", "lib", "snapshot::bolt::tests::"),
];

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let wanted = |name: &str| options.only.as_deref().is_none_or(|part| name.contains(part));
    let rows: Vec<_> = DECODERS.iter().filter(|(name, ..)| wanted(name)).collect();
    if rows.is_empty() {
        let all: Vec<_> = DECODERS.iter().map(|(name, ..)| *name).collect();
        bail!("no such decoder; there are: {}", all.join("; "));
    }
    println!("{} decoders, {} inputs each", rows.len(), options.cases);
    for (name, package, target, filter) in rows {
        let began = Instant::now();
        let played = play(package, target, filter, options.cases)
            .with_context(|| format!("{name}: {package} {filter}"))?;
        println!("{name:<38} {played:>2} tests {:>7.1} s", began.elapsed().as_secs_f64());
    }
    Ok(())
}

/// How many tests there were, all of which passed.
fn play(package: &str, target: &str, filter: &str, cases: u64) -> anyhow::Result<u64> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let target: &[&str] = if target == "lib" { &["--lib"] } else { &["--test", target] };
    let output = Command::new(cargo)
        .args(["test", "--quiet", "--profile", "ci", "--package", package])
        .args(target)
        .args(["--", filter])
        .env("PROPTEST_CASES", cases.to_string())
        .current_dir(root())
        .output()
        .context("cargo cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    let passed = text.lines().find_map(|line| line.strip_prefix("test result: ok. "));
    let passed = passed.and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0);
    if passed == 0 {
        bail!("there is no such test");
    }
    Ok(passed)
}
