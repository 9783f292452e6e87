//! What is told at the end.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use super::histogram::Histogram;
use super::measure::Measured;
use crate::cli::{Out, Table, bytes_text};

/// What `--output json` prints, and promises to go on printing.
#[derive(Serialize)]
pub(super) struct Report {
    mode: String,
    endpoints: Vec<String>,
    connections: usize,
    clients: usize,
    /// Of an open loop, else null.
    rate: Option<f64>,
    keys: u64,
    key_bytes: usize,
    value_bytes: usize,
    /// The measured time.
    seconds: f64,
    /// Operations of the measured time, and a second's.
    operations: u64,
    operations_per_second: f64,
    /// Operations that were done in the whole run, warm-up and end included.
    acknowledged: u64,
    latency_ms: BTreeMap<&'static str, Latency>,
    /// Of the whole run, by kind.
    errors: BTreeMap<String, u64>,
    /// What else was counted in the measured time.
    notes: BTreeMap<&'static str, u64>,
    /// Null without --pids.
    servers: Option<Servers>,
    generator: Generator,
    /// Processors that neither the servers nor the generator kept busy, but others.
    other_cores: f64,
    load_average: Vec<f64>,
}

#[derive(Serialize)]
struct Latency {
    count: u64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

#[derive(Serialize)]
struct Servers {
    cpu_seconds: f64,
    cpu_seconds_per_100k: Option<f64>,
    written_bytes: u64,
    written_bytes_per_operation: Option<f64>,
    resident_bytes: u64,
    each: Vec<Server>,
}

#[derive(Serialize)]
struct Server {
    pid: u32,
    cpu_seconds: f64,
    written_bytes: u64,
    resident_bytes: u64,
}

#[derive(Serialize)]
struct Generator {
    cpu_seconds: f64,
    cpu_seconds_per_100k: Option<f64>,
}

/// What was asked for.
pub(super) struct Asked<'a> {
    pub(super) mode: &'a str,
    pub(super) endpoints: &'a [String],
    pub(super) connections: usize,
    pub(super) clients: usize,
    pub(super) rate: Option<f64>,
    pub(super) shape: super::data::Shape,
    pub(super) pids: &'a [u32],
}

fn latency(histogram: &Histogram) -> Latency {
    let ms = |nanoseconds: u64| nanoseconds as f64 / 1e6;
    let quantile = |part| ms(histogram.quantile(part));
    Latency {
        count: histogram.count(),
        mean: ms(histogram.mean()),
        p50: quantile(0.5),
        p90: quantile(0.9),
        p99: quantile(0.99),
        p999: quantile(0.999),
        max: ms(histogram.max()),
    }
}

impl Report {
    pub(super) fn new(asked: &Asked<'_>, measured: &Measured) -> Self {
        let stats = &measured.stats;
        let operations = stats.answered;
        let each =
            |value: f64, times: f64| (operations > 0).then(|| value / operations as f64 * times);
        let servers = (!asked.pids.is_empty()).then(|| {
            let all = &measured.servers;
            let cpu: f64 = all.iter().map(|server| server.cpu.as_secs_f64()).sum();
            let written: u64 = all.iter().map(|server| server.written).sum();
            let one = |(pid, server): (&u32, &super::process::Usage)| Server {
                pid: *pid,
                cpu_seconds: server.cpu.as_secs_f64(),
                written_bytes: server.written,
                resident_bytes: server.resident,
            };
            Servers {
                cpu_seconds: cpu,
                cpu_seconds_per_100k: each(cpu, 1e5),
                written_bytes: written,
                written_bytes_per_operation: each(written as f64, 1.0),
                resident_bytes: all.iter().map(|server| server.resident).sum(),
                each: asked.pids.iter().zip(all).map(one).collect(),
            }
        });
        let own = measured.own.as_secs_f64();
        let seconds = measured.seconds.max(1e-9);
        Self {
            mode: asked.mode.to_owned(),
            endpoints: asked.endpoints.to_vec(),
            connections: asked.connections,
            clients: asked.clients,
            rate: asked.rate,
            keys: asked.shape.keys,
            key_bytes: asked.shape.key_bytes,
            value_bytes: asked.shape.value_bytes,
            seconds: measured.seconds,
            operations,
            operations_per_second: operations as f64 / seconds,
            acknowledged: stats.acknowledged,
            latency_ms: stats.latencies.iter().map(|(kind, it)| (*kind, latency(it))).collect(),
            errors: stats.errors.iter().map(|(kind, (count, _))| (kind.clone(), *count)).collect(),
            notes: stats.notes.clone(),
            servers,
            generator: Generator { cpu_seconds: own, cpu_seconds_per_100k: each(own, 1e5) },
            other_cores: measured.others.as_secs_f64() / seconds,
            load_average: measured.load.clone(),
        }
    }

    /// For people.
    pub(super) fn print(&self, out: &mut Out) -> std::io::Result<()> {
        let Self { mode, clients, connections, operations, seconds, .. } = self;
        let loop_ = self.rate.map_or_else(String::new, |rate| format!(", {rate} due a second"));
        writeln!(out, "{mode}: {clients} clients over {connections} connections{loop_}")?;
        let per_second = self.operations_per_second;
        writeln!(out, "{operations} operations in {seconds:.2} s: {per_second:.0}/s\n")?;
        let mut table = Table::new(&["MS", "MEAN", "P50", "P90", "P99", "P99.9", "MAX", "COUNT"]);
        for (kind, it) in &self.latency_ms {
            let times =
                [it.mean, it.p50, it.p90, it.p99, it.p999, it.max].map(|ms| format!("{ms:.2}"));
            let kind = std::iter::once((*kind).to_owned());
            table.row(kind.chain(times).chain([it.count.to_string()]));
        }
        table.print(out)?;
        writeln!(out)?;
        let per_100k = |cpu: Option<f64>| cpu.map_or("-".to_owned(), |cpu| format!("{cpu:.2}"));
        if let Some(servers) = &self.servers {
            let cpu = per_100k(servers.cpu_seconds_per_100k);
            let written = servers.written_bytes_per_operation.unwrap_or(0.0);
            let resident = bytes_text(servers.resident_bytes);
            writeln!(
                out,
                "servers: {cpu} CPU s per 100,000 operations, {written:.0} bytes written per \
                 operation, {resident} in memory"
            )?;
        }
        let (cpu, others) = (per_100k(self.generator.cpu_seconds_per_100k), self.other_cores);
        let load: Vec<String> = self.load_average.iter().map(|load| format!("{load:.1}")).collect();
        writeln!(
            out,
            "generator: {cpu} CPU s per 100,000; others kept {others:.2} processors busy; load {}",
            load.join(" ")
        )?;
        for (what, count) in &self.notes {
            writeln!(out, "{count} {what}")?;
        }
        for (kind, count) in &self.errors {
            writeln!(out, "{count} failed: {kind}")?;
        }
        Ok(())
    }
}
