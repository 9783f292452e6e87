//! `hiraeth flight`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use node::{Damage, Entry, RealDisk, Timeline, read_flight};
use serde::Serialize;
use serde_json::{Map, Value};

use super::failure::{Done, EXIT_CODES};
use super::output::{Format, Out, line, out};
use super::remote::parse_time;
use super::size::bytes;
use super::text;

/// Show what a node did lately, from the flight recorder in its data directory.
///
/// Nothing is asked of the node: it may be dead, or running. There is a sample a second, and every
/// event: starts and stops with their reasons, leaders, elections, snapshots, slow syncs, panics.
///
/// JSON: one object per line: `{at, up, kind, ..}`, times in milliseconds, `at` since 1970, `up`
/// since its process started; `kind` is `sample`, an event's, or `damage`: `{kind, file, offset,
/// len}`, last.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The node's data directory.
    #[arg(long, env = "HIRAETH_DATA_DIR", value_name = "DIR", default_value = "hiraeth-data")]
    data_dir: PathBuf,
    /// Only the last part of what is there, such as 90s or 10m, counted back from its end.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Duration>,
    /// Events only, no samples.
    #[arg(long)]
    events: bool,
    /// How to show it.
    #[arg(long, value_enum, default_value = "table")]
    output: Format,
}

#[derive(Serialize)]
struct JsonEntry<'a> {
    at: u64,
    up: u64,
    kind: &'a str,
    #[serde(flatten)]
    fields: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct JsonDamage {
    kind: &'static str,
    file: String,
    offset: u64,
    len: u64,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Done> {
    let directory = arguments.data_dir.join("flight");
    let timeline = read_flight(&RealDisk, &arguments.data_dir)
        .with_context(|| format!("{} cannot be read", directory.display()))?;
    if timeline.entries.is_empty() && timeline.damage.is_empty() {
        eprintln!("there is no flight record in {}", directory.display());
        return Ok(Done::NotFound);
    }
    let mut out = out();
    show(&mut out, arguments, &timeline)?;
    out.flush()?;
    Ok(Done::Well)
}

fn show(out: &mut Out, arguments: &Arguments, timeline: &Timeline) -> anyhow::Result<()> {
    let from = cut(&timeline.entries, arguments.since);
    let entries = timeline.entries[from..].iter();
    let wanted = entries.filter(|entry| !arguments.events || entry.kind != "sample");
    match arguments.output {
        Format::Json => {
            for Entry { wall_ms: at, up_ms: up, kind, fields } in wanted {
                line(out, &JsonEntry { at: *at, up: *up, kind, fields })?;
            }
            for Damage { file, offset, len } in &timeline.damage {
                let file = file.display().to_string();
                line(out, &JsonDamage { kind: "damage", file, offset: *offset, len: *len })?;
            }
        }
        Format::Table => {
            for entry in wanted {
                writeln!(out, "{}  {}", api::calendar::wall(entry.wall_ms), told(entry))?;
            }
            for Damage { file, offset, len } in &timeline.damage {
                let file = file.display();
                writeln!(out, "damage: {len} bytes from byte {offset} of {file} are no record")?;
            }
        }
    }
    Ok(())
}

/// Where the last `since` begins. Time is counted on the clock that nobody sets; an earlier process
/// is taken to have ended when the next one started.
fn cut(entries: &[Entry], since: Option<Duration>) -> usize {
    let Some(since) = since else { return 0 };
    let mut left = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    for (at, pair) in entries.windows(2).enumerate().rev() {
        // Every process counts from 0.
        let passed = pair[1].up_ms.checked_sub(pair[0].up_ms).unwrap_or(pair[1].up_ms);
        match left.checked_sub(passed) {
            Some(rest) => left = rest,
            None => return at + 1,
        }
    }
    0
}

/// A record in words.
fn told(entry: &Entry) -> String {
    let number = |name: &str| entry.fields.get(name).and_then(Value::as_u64).unwrap_or(0);
    let words = |name: &str| {
        let value = entry.fields.get(name).and_then(Value::as_str).unwrap_or("?");
        text::shown(value.as_bytes())
    };
    let whom = |node: u64| if node == 0 { "nobody".to_owned() } else { format!("node {node}") };
    match entry.kind.as_str() {
        "sample" => sample(entry),
        "start" => format!(
            "START    version {}, {} (node {}), pid {}",
            words("version"),
            words("name"),
            number("node"),
            number("pid")
        ),
        "stop" => format!("STOP     {}", words("reason")),
        "failure" => format!("FAILURE  {}", words("reason")),
        "panic" => format!(
            "PANIC    thread {} at {}: {}",
            words("thread"),
            words("place"),
            words("message")
        ),
        "leader" => format!(
            "LEADER   region {}: {} leads in term {}",
            number("region"),
            whom(number("leader")),
            number("term")
        ),
        "replicas" => {
            let nodes = |name: &str| {
                let nodes = entry.fields.get(name).and_then(Value::as_array).into_iter().flatten();
                nodes.map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            let learners = match nodes("learners").as_str() {
                "" => String::new(),
                learners => format!(", learning on {learners}"),
            };
            format!("REPLICAS region {}: on {}{learners}", number("region"), nodes("nodes"))
        }
        "link" => {
            let up = entry.fields.get("there") == Some(&Value::Bool(true));
            format!("LINK     node {} {}", number("node"), if up { "up" } else { "down" })
        }
        "leaders" => {
            let leaders = entry.fields.get("by_leader").and_then(Value::as_object);
            let leader = |(node, count): (&String, &Value)| match node.as_str() {
                "0" => format!("nobody leads {count}"),
                node => format!("node {node} leads {count}"),
            };
            let leaders: Vec<String> = leaders.into_iter().flatten().map(leader).collect();
            format!("LEADERS  {} more changes: {}", number("regions"), leaders.join(", "))
        }
        "states" => {
            let states = entry.fields.get("by_state").and_then(Value::as_object);
            let states =
                states.into_iter().flatten().map(|(state, count)| format!("{count} {state}"));
            format!("REGIONS  {}", states.collect::<Vec<_>>().join(", "))
        }
        "slow_sync" => format!("SLOW     a sync of the log took {} ms", number("ms")),
        "paused" => format!("PAUSED   the process did not run for {} ms", number("ms")),
        "read_only" => format!(
            "DISK     read-only: {} free, {} are kept back",
            bytes(number("free_bytes")),
            bytes(number("reserve_bytes"))
        ),
        "writable" => format!("DISK     has room again: {} free", bytes(number("free_bytes"))),
        // What a newer version writes is shown as it is.
        kind => {
            let field = |(name, value): (&String, &Value)| format!(" {name}={value}");
            let fields: String = entry.fields.iter().map(field).collect();
            format!("{:8}{}", kind.to_uppercase(), text::shown(fields.as_bytes()))
        }
    }
}

fn sample(entry: &Entry) -> String {
    let number = |name: &str| entry.fields.get(name).and_then(Value::as_u64).unwrap_or(0);
    let mut line = format!(
        "cpu {:3}%  mem {:>9}  disk {:>9}  leads {}/{}  links {}/{}  commit {:5}/s  apply {:5}/s  \
         sync {:4}/s median {} max {}",
        number("cpu"),
        bytes(number("rss")),
        bytes(number("disk_free")),
        number("leading"),
        number("regions"),
        number("links"),
        number("nodes"),
        number("committed"),
        number("applied"),
        number("syncs"),
        micros(number("sync_median_us")),
        micros(number("sync_max_us")),
    );
    let queues = ["to_pollers", "to_writer", "to_appliers", "requests"].map(number);
    if queues.iter().any(|waiting| *waiting > 0) {
        let [pollers, writer, appliers, requests] = queues;
        line.push_str(&format!("  waiting {pollers}+{writer}+{appliers} requests {requests}"));
    }
    for (name, what) in
        [("leaderless", "without leader"), ("elections", "elections"), ("refused", "refused")]
    {
        if number(name) > 0 {
            line.push_str(&format!("  {what} {}", number(name)));
        }
    }
    if number("lag_max") > 0 {
        line.push_str(&format!("  lag {} (region {})", number("lag_max"), number("lag_region")));
    }
    line
}

fn micros(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        _ => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use node::Entry;

    use super::{cut, told};

    fn entry(json: &str) -> Entry {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_last_part_is_counted_over_restarts() {
        let at = |up: u64| entry(&format!(r#"{{"at":0,"up":{up},"kind":"sample"}}"#));
        let entries: Vec<Entry> = [1000, 2000, 9000, 0, 1000, 3000].map(at).into();
        let cut = |ms| cut(&entries, Some(Duration::from_millis(ms)));
        assert_eq!([cut(1999), cut(2000), cut(3000), cut(9999), cut(99_999)], [5, 4, 2, 2, 0]);
    }

    #[test]
    fn a_record_of_a_later_version_is_shown_as_it_is() {
        let told = told(&entry(r#"{"at":1,"up":2,"kind":"tide","height":3,"who":"moon"}"#));
        assert_eq!(told, r#"TIDE     height=3 who="moon""#);
    }
}
