//! How rows are measured.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::rows::{Group, Row, Work};
use super::servers::Cluster;
use super::{Bench, interrupt};

/// Keys and connections of all rows that say nothing else.
const COMMON: &str = "--keys 100000 --connections 32";
/// How often a generator is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Seconds of the open loop around compaction, and when that begins.
const STALL_SECONDS: u32 = 20;
const COMPACT_AFTER: Duration = Duration::from_secs(4);
/// Bytes of a value of the large row: 5,000,000 make 5 GB.
const LARGE_VALUE: u32 = 1024;

impl Bench {
    /// Writes what a group's rows begin with.
    pub(super) fn prepare(&self, group: Group, cluster: &Cluster) -> anyhow::Result<()> {
        let fill = |keys: u64| {
            let words = format!("fill --keys {keys} --clients 16 --connections 16 --timeout 60s");
            self.load(cluster, &words).map(drop)
        };
        match group {
            Group::Floor => self.load(cluster, &format!("put {COMMON} --total 20000")).map(drop),
            Group::Small | Group::Large => fill(100_000),
            Group::Many | Group::One => fill(self.scale.many_keys),
        }
    }

    /// Measures a row.
    pub(super) fn work(&self, row: &Row, cluster: &Cluster) -> anyhow::Result<Value> {
        let seconds = self.scale.seconds;
        let report = match row.work {
            Work::Load(words) => {
                self.load(cluster, &format!("{words} {COMMON} --duration {seconds}s"))?
            }
            Work::Memory => self.memory(cluster)?,
            Work::Stall => self.stall(cluster)?,
            Work::Large => self.large(cluster)?,
        };
        let figures = row.metrics.iter().filter_map(|metric| {
            let value = metric.shown.of(report.pointer(metric.at)?.as_f64()?);
            Some(format!("{} {value:.2}", metric.what))
        });
        println!("{}: {}: {}", cluster.peer, row.name, figures.collect::<Vec<_>>().join(", "));
        Ok(report)
    }

    /// `hiraeth bench` with these words; an operation that failed is an error.
    fn load(&self, cluster: &Cluster, words: &str) -> anyhow::Result<Value> {
        let pids: Vec<String> = cluster.pids().iter().map(u32::to_string).collect();
        let mut command = Command::new(&self.generator);
        command.arg("bench").args(words.split_whitespace()).args(["--output", "json"]);
        command.args(["--endpoints", &cluster.endpoints(), "--pids", &pids.join(",")]);
        command.env_remove("HIRAETH_ENDPOINTS").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("the load generator cannot be started")?;
        // Its output is one line: the pipe has room for it.
        while child.try_wait()?.is_none() {
            if interrupt::came() {
                drop(child.kill());
            }
            std::thread::sleep(LOOK);
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let (out, words_of) = (String::from_utf8_lossy(&output.stdout), output.stderr);
            let report: Value = serde_json::from_str(&out).unwrap_or_default();
            let told = String::from_utf8_lossy(&words_of);
            bail!("bench {words}: {}: {} {}", output.status, told.trim(), report["errors"]);
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Memory and disk per node, once the servers rest.
    fn memory(&self, cluster: &Cluster) -> anyhow::Result<Value> {
        // A put a second: it costs nothing, and tells what the servers are.
        let report = self.load(cluster, "put --rate 1 --duration 5s --clients 1")?;
        let nodes = cluster.count() as u64;
        let resident = report["servers"]["resident_bytes"].as_u64().unwrap_or(0) / nodes;
        let disk = cluster.disk_bytes() / nodes;
        let (load, others) = (&report["load_average"], &report["other_cores"]);
        Ok(json!({
            "resident_bytes": resident,
            "disk_bytes": disk,
            "load_average": load,
            "other_cores": others,
        }))
    }

    fn stall(&self, cluster: &Cluster) -> anyhow::Result<Value> {
        let keys = self.scale.many_keys;
        let words = format!(
            "put --rate 500 --clients 256 --connections 32 --keys {keys} --duration {STALL_SECONDS}s \
             --timeout 60s"
        );
        std::thread::scope(|scope| {
            let cleaning = scope.spawn(|| {
                std::thread::sleep(COMPACT_AFTER);
                self.clean(cluster)
            });
            let report = self.load(cluster, &words);
            match cleaning.join() {
                Ok(cleaned) => cleaned?,
                Err(_) => bail!("compaction could not be asked for"),
            }
            report
        })
    }

    /// Compacts to the newest revision, and defragments all nodes.
    fn clean(&self, cluster: &Cluster) -> anyhow::Result<()> {
        let control = |words: &[&str]| {
            let output = Command::new(&self.etcdctl)
                .env("ETCDCTL_API", "3")
                .args(["--endpoints", &cluster.endpoints(), "--command-timeout", "300s"])
                .args(words)
                .output()
                .context("etcdctl cannot be started")?;
            if !output.status.success() {
                bail!("etcdctl {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
            }
            Ok(output.stdout)
        };
        let answer: Value = serde_json::from_slice(&control(&["get", "0", "-w", "json"])?)?;
        let revision =
            answer["header"]["revision"].as_i64().context("an answer without a revision")?;
        control(&["compact", &revision.to_string()])?;
        control(&["defrag"]).map(drop)
    }

    /// p99 with the 100,000 keys of every group, and with what is written then.
    fn large(&self, cluster: &Cluster) -> anyhow::Result<Value> {
        let keys = self.scale.large_keys;
        let p99 = |keys: u64| -> anyhow::Result<(Value, f64, f64)> {
            let words = |mode: &str| {
                format!(
                    "{mode} --rate 500 --clients 64 --connections 32 --keys {keys} \
                     --value-size {LARGE_VALUE} --duration 20s"
                )
            };
            let put = self.load(cluster, &words("put"))?;
            let get = self.load(cluster, &words("get"))?;
            let of = |report: &Value, at: &str| {
                report.pointer(at).and_then(Value::as_f64).unwrap_or(0.0)
            };
            let puts = of(&put, "/latency_ms/put/p99");
            let gets = of(&get, "/latency_ms/get/p99");
            Ok((get, puts, gets))
        };
        let (_, put, get) = p99(100_000)?;
        let words = format!(
            "fill --keys {keys} --value-size {LARGE_VALUE} --clients 16 --connections 16 --timeout 60s"
        );
        self.load(cluster, &words)?;
        // What the fill left to be done is not what is asked about.
        std::thread::sleep(Duration::from_secs(10));
        let (report, put_after, get_after) = p99(keys)?;
        let nodes = cluster.count() as u64;
        Ok(json!({
            "before": { "put": put, "get": get },
            "after": { "put": put_after, "get": get_after },
            "rise": { "put": put_after / put, "get": get_after / get },
            "resident_bytes": report["servers"]["resident_bytes"].as_u64().unwrap_or(0) / nodes,
            "disk_bytes": cluster.disk_bytes() / nodes,
            "load_average": report["load_average"],
            "other_cores": report["other_cores"],
        }))
    }
}
