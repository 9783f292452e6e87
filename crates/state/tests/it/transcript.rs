//! Runs `testdata/*.txt`: lines that begin with `> ` are commands, what is below is what they must
//! print. `UPDATE=1` writes what they do print.

use std::fmt::Write;
use std::path::Path;

use bytes::Bytes;
use state::alarms::{Alarm, AlarmKind};
use state::auth::AuthCommand;
use state::command::{Command, Envelope, SessionTag};
use state::registry::{RegistryAnswer, TxnResult};
use state::response::{Event, KeyValue, Outcome, Position, Response};
use state::{Effects, FetchError, LeaseChange};
use types::{Epoch, Fault, KeyRange, LeaseId, NodeId, RegionId, Revision};

use crate::parse;
use crate::registry;
use crate::replica::Replica;
use crate::tokens;
use crate::users;

#[test]
fn transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in files {
        let wanted = std::fs::read_to_string(&file).unwrap();
        let printed = run(&wanted);
        if printed == wanted {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, printed).unwrap();
            continue;
        }
        for (number, (wanted, printed)) in wanted.lines().zip(printed.lines()).enumerate() {
            if wanted != printed {
                let line = number + 1;
                wrong.push(format!("{}:{line}\n  - {wanted}\n  + {printed}", file.display()));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn run(text: &str) -> String {
    let mut script =
        Script { replica: Replica::new(RegionId::DEFAULT), held: false, out: String::new() };
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            writeln!(script.out, "{line}").unwrap();
            script.command(command);
        } else if line.is_empty() || line.starts_with('#') {
            writeln!(script.out, "{line}").unwrap();
        }
    }
    script.out
}

struct Script {
    replica: Replica,
    /// Whether the commands' batch is kept open.
    held: bool,
    out: String,
}

impl Script {
    fn say(&mut self, line: impl AsRef<str>) {
        writeln!(self.out, "{}", line.as_ref()).unwrap();
    }

    fn command(&mut self, text: &str) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let rest = &words[1..];
        match words[0] {
            "get" => self.get(rest),
            "read" => self.read_txn(text.strip_prefix("read").unwrap()),
            "history" => self.history(rest),
            "record" => self.record(rest),
            "engine" => self.engine(),
            "bytes" => self.bytes(),
            "leases" => self.leases(),
            "state" => self.state(),
            "hold" => self.held = true,
            "write" => {
                self.held = false;
                self.replica.write();
            }
            "restart" => self.replica.restart(),
            "scavenge" => {
                let records = rest.first().map_or(usize::MAX, |n| n.parse().unwrap());
                let more = self.replica.scavenge(records);
                self.say(if more { "more to do" } else { "done" });
            }
            "raw" => {
                let effects = self.replica.apply_data(Bytes::from(rest[0].to_owned()));
                self.effects(&effects);
            }
            "meta" => self.replica = Replica::new(RegionId::META),
            "registry" => self.replica = Replica::of_registry(),
            "ask" => {
                let registry = self.replica.machine.registry().unwrap();
                for line in registry::show::ask(registry, rest) {
                    self.say(line.trim_end());
                }
            }
            "users" => {
                let directory = self.replica.machine.directory().unwrap();
                for line in users::show(directory) {
                    self.say(line);
                }
            }
            "tokens" => {
                let directory = self.replica.machine.directory().unwrap();
                for line in tokens::show(directory) {
                    self.say(line);
                }
            }
            "token" => {
                let directory = self.replica.machine.directory().unwrap();
                let answer = tokens::may(directory, rest);
                self.say(answer);
            }
            "may" => {
                let command = change(text.splitn(4, ' ').nth(3).unwrap());
                let directory = self.replica.machine.directory().unwrap();
                let answer = users::may(directory, rest[0], rest[1].parse().unwrap(), &command);
                self.say(answer);
            }
            "noop" => {
                let effects = self.replica.apply_data(Bytes::new());
                self.effects(&effects);
            }
            "as" => {
                let numbers: Vec<u64> = rest[0].split('/').map(|n| n.parse().unwrap()).collect();
                let [client, sequence, acknowledged] = numbers[..] else { panic!("{text}") };
                let tag = SessionTag { client, sequence, acknowledged, again: false };
                let text = text.splitn(3, ' ').nth(2).unwrap();
                let effects = self.replica.apply(Some(tag), change(text));
                self.effects(&effects);
            }
            "epoch" => {
                let epoch = Epoch { version: rest[0].parse().unwrap(), conf_ver: 7 };
                let command = change(text.splitn(3, ' ').nth(2).unwrap());
                let data = Envelope { epoch, session: None, command }.encode();
                let effects = self.replica.apply_data(data);
                self.effects(&effects);
            }
            _ => {
                let effects = self.replica.apply(None, change(text));
                self.effects(&effects);
            }
        }
    }

    fn effects(&mut self, effects: &Effects) {
        let Outcome { revision, result } = &effects.outcome;
        match result {
            Ok(response) => {
                self.say(format!("revision {revision}: {}", head(response)));
                self.body(response, "  ");
            }
            Err(fault) => self.say(format!("revision {revision}: {}", refused(fault))),
        }
        for event in &effects.events {
            self.say(event_line(event));
        }
        for lease in &effects.leases {
            self.say(match lease {
                LeaseChange::Granted { id, ttl_seconds } => {
                    format!("  lease {id} granted for {ttl_seconds} s")
                }
                LeaseChange::Revoked { id } => format!("  lease {id} gone"),
            });
        }
        for line in registry::show::changes(&effects.registry) {
            self.say(line);
        }
        if !self.held {
            self.replica.write();
        }
    }

    /// What a response holds besides its first line.
    fn body(&mut self, response: &Response, indent: &str) {
        let mut kvs: Vec<&KeyValue> = Vec::new();
        match response {
            Response::Put { prev } => kvs.extend(prev),
            Response::Delete { prev, .. } => kvs.extend(prev),
            Response::Range(range) => kvs.extend(&range.kvs),
            Response::Registry(RegistryAnswer::TxnDone(results)) => {
                for result in results {
                    let line = match result {
                        TxnResult::Kv(kv) => show(kv),
                        TxnResult::Node(it) => format!("node {}", registry::show::node(it)),
                        TxnResult::Instance(it) => registry::show::instance(it),
                        TxnResult::Check(it) => registry::show::named_check(it),
                    };
                    self.say(format!("{indent}{line}"));
                }
            }
            Response::Registry(RegistryAnswer::TxnRefused(errors)) => {
                errors.iter().for_each(|it| self.say(format!("{indent}{}: {}", it.op, it.what)));
            }
            Response::Txn { responses, .. } => {
                for response in responses {
                    self.say(format!("{indent}{}", head(response)));
                    self.body(response, &format!("{indent}  "));
                }
            }
            _ => {}
        }
        for kv in kvs {
            self.say(format!("{indent}{}", show(kv)));
        }
    }

    fn get(&mut self, words: &[&str]) {
        let selection = self.replica.machine.select(&parse::get(words));
        let response = selection
            .map_err(FetchError::from)
            .and_then(|selection| selection.fetch(&self.replica.engine));
        self.answer(response.map(Response::Range));
    }

    fn read_txn(&mut self, text: &str) {
        let response = self.replica.machine.read_txn(&parse::txn(text), &self.replica.engine);
        self.answer(response);
    }

    fn answer(&mut self, response: Result<Response, FetchError>) {
        match response {
            Ok(response) => {
                self.say(head(&response));
                self.body(&response, "  ");
            }
            Err(FetchError::Fault(fault)) => self.say(refused(&fault)),
            Err(FetchError::Read(failure)) => self.say(failure.to_string()),
        }
    }

    fn history(&mut self, words: &[&str]) {
        let [from, to] = [0, 1].map(|at| Revision(words[at].parse().unwrap()));
        let range = words.get(2).filter(|word| !word.contains('='));
        let range = range.map_or(KeyRange::all(), |text| parse::range(text).0);
        let bounds = |name| parse::option(words, name).map_or(usize::MAX, |n| n.parse().unwrap());
        let Replica { engine, region, .. } = &self.replica;
        let page = state::history::page(
            engine,
            *region,
            from,
            to,
            &range,
            bounds("bytes"),
            bounds("records"),
        )
        .unwrap();
        for event in &page.events {
            self.say(event_line(event));
        }
        self.say(format!("next {}", page.next));
    }

    fn record(&mut self, words: &[&str]) {
        let (revision, sub) = words[0].split_once('.').unwrap();
        let position =
            Position { revision: Revision(revision.parse().unwrap()), sub: sub.parse().unwrap() };
        let Replica { engine, region, .. } = &self.replica;
        let record = state::history::record_at(engine, *region, position).unwrap();
        self.say(record.map_or("nothing".to_owned(), |kv| show(&kv)));
    }

    /// Which versions the engine holds, and how many records of other kinds.
    fn engine(&mut self) {
        let (mut positions, mut others) = (Vec::new(), String::new());
        for key in self.replica.engine.0.keys() {
            if key[8] == b'R' {
                let revision = i64::from_be_bytes(key[9..17].try_into().unwrap());
                let sub = u32::from_be_bytes(key[17..].try_into().unwrap());
                positions.push(format!("{revision}.{sub}"));
            } else {
                others.push(char::from(key[8]));
            }
        }
        self.say(format!("{}; {others}", positions.join(" ")));
    }

    /// The engine's records as they are, what is text as text.
    fn bytes(&mut self) {
        let lines: Vec<String> = self
            .replica
            .engine
            .0
            .iter()
            .map(|(key, value)| format!("{}: {}", key.escape_ascii(), value.escape_ascii()))
            .collect();
        for line in lines {
            self.say(line);
        }
    }

    fn leases(&mut self) {
        let machine = &self.replica.machine;
        let lines: Vec<String> = machine
            .leases()
            .map(|(id, ttl)| {
                assert_eq!(machine.lease(id), Some(ttl));
                let keys = machine.lease_keys(id);
                let keys: Vec<_> = keys.iter().map(|key| String::from_utf8_lossy(key)).collect();
                format!("lease {id} of {ttl} s: {}", keys.join(" "))
            })
            .collect();
        for line in lines {
            self.say(line.trim_end());
        }
    }

    fn state(&mut self) {
        let machine = &self.replica.machine;
        let line = format!(
            "applied {}, revision {}, compacted {}, {}",
            machine.applied().index,
            machine.revision(),
            machine.compacted(),
            if machine.wants_scavenging() { "to be scavenged" } else { "scavenged" }
        );
        self.say(line);
    }
}

fn change(text: &str) -> Command {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |at: usize| words[at].parse::<i64>().unwrap();
    match words[0] {
        "put" => Command::Put(parse::put(&words[1..])),
        "del" => Command::Delete(parse::delete(&words[1..])),
        "txn" => Command::Txn(parse::txn(text)),
        "compact" => Command::Compact { revision: Revision(number(1)) },
        "grant" => Command::LeaseGrant { id: LeaseId(number(1)), ttl_seconds: number(2) },
        "revoke" => Command::LeaseRevoke { id: LeaseId(number(1)) },
        "expire" => {
            Command::LeaseExpire { ids: (1..words.len()).map(|at| LeaseId(number(at))).collect() }
        }
        "alarm" | "disarm" => {
            let kind = if words[1] == "space" { AlarmKind::NoSpace } else { AlarmKind::Corrupt };
            let node = NodeId(number(2).unsigned_abs());
            Command::Alarm { alarm: Alarm { kind, node }, raise: words[0] == "alarm" }
        }
        "within" => {
            let (range, command) = text.strip_prefix("within ").unwrap().split_once(' ').unwrap();
            let command = Box::new(change(command));
            Command::Limited { ranges: vec![parse::range(range).0], command }
        }
        "reg" => Command::Registry(registry::words::command(text.strip_prefix("reg ").unwrap())),
        "auth" => Command::Auth(users::command(&words[1..])),
        "acl" => Command::Auth(AuthCommand::Acl(Box::new(tokens::command(&words[1..])))),
        "keyspace" => Command::CreateKeyspace { name: words[1].to_owned() },
        other => panic!("command {other:?}"),
    }
}

fn head(response: &Response) -> String {
    match response {
        Response::Put { prev } => format!("put{}", if prev.is_some() { ", before" } else { "" }),
        Response::Delete { deleted, .. } => format!("deleted {deleted}"),
        Response::Range(range) => {
            format!(
                "{} of {}{}",
                range.kvs.len(),
                range.count,
                if range.more { ", more" } else { "" }
            )
        }
        Response::Txn { succeeded, .. } => {
            format!("txn {}", if *succeeded { "succeeded" } else { "failed" })
        }
        Response::Registry(RegistryAnswer::TxnDone(_)) => "done".to_owned(),
        Response::Registry(RegistryAnswer::TxnRefused(_)) => "refused".to_owned(),
        Response::Compacted => "compacted".to_owned(),
        Response::LeaseRevoked => "revoked".to_owned(),
        Response::LeaseGranted { id, ttl_seconds } => format!("granted {id} for {ttl_seconds} s"),
        other => format!("{other:?}"),
    }
}

fn refused(fault: &Fault) -> String {
    let Fault { code, detail } = fault;
    if detail.is_empty() { format!("{code:?}") } else { format!("{code:?} ({detail})") }
}

fn show(kv: &KeyValue) -> String {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let lease = if kv.lease.get() == 0 { String::new() } else { format!(" lease {}", kv.lease) };
    let (flags, lock_index) = (kv.flags, kv.lock_index);
    let mut consul = if flags == 0 { String::new() } else { format!(" flags {flags}") };
    if lock_index > 0 {
        consul.push_str(&format!(" lock {lock_index} of {:?}", text(&kv.session)));
    }
    format!(
        "{}={} created {} modified {} version {}{lease}{consul}",
        text(&kv.key),
        text(&kv.value),
        kv.create_revision,
        kv.mod_revision,
        kv.version
    )
}

fn event_line(event: &Event) -> String {
    let at = |position: Position| format!("{}.{}", position.revision, position.sub);
    let previous = event.previous.map_or("nothing".to_owned(), at);
    format!("  {:?} at {} after {previous}: {}", event.kind, at(event.position), show(&event.kv))
}
