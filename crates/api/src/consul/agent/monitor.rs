//! `/v1/agent/monitor`: this server's log as it goes on.

use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use bytes::Bytes;
use futures::stream::unfold;
use node::Handle;
use serde_json::json;
use state::auth::Demand;
use state::auth::acl::{Access, Resource};
use state::command::Command;
use state::registry::RegistryCommand;
use tokio::sync::broadcast::error::RecvError;
use tracing::level_filters::LevelFilter;
use types::{Fault, KeyspaceId};

use crate::audit::Bearer;
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::problem::Problem;
use crate::monitor::{Follower, Line, lines};

/// `GET /v1/agent/monitor`, until whoever asks goes or the node ends. With `?logjson` each line is JSON.
pub(in crate::consul) async fn monitor(asked: &Asked) -> Outcome {
    let text = asked.parameters.get("loglevel").unwrap_or("info");
    let level = match text.to_uppercase().as_str() {
        "ERR" => Ok(LevelFilter::ERROR),
        "OFF" => return Err(unknown(text)),
        other => LevelFilter::from_str(other),
    };
    let follower = lines().follow(level.map_err(|_| unknown(text))?)?;
    let as_json = asked.parameters.flag("logjson");
    let listener = Listener {
        handle: asked.handle().clone(),
        keyspace: asked.keyspace,
        sender: asked.sender.clone(),
        own: asked.home.record().name,
    };
    let changes = listener.handle.auth_changes();
    listener.may()?;
    let state = (follower, listener, changes);
    let lines = unfold(state, move |(mut follower, listener, mut changes)| async move {
        let line = loop {
            tokio::select! {
                biased;
                // Who may not listen any more hears no more.
                () = changes.next() => if listener.may().is_err() {
                    break None;
                },
                line = next(&mut follower, as_json) => break line,
                () = listener.handle.ended() => break None,
            }
        };
        line.map(|line| (Ok::<_, std::convert::Infallible>(line), (follower, listener, changes)))
    });
    let kind = if as_json { "application/json" } else { "text/plain; charset=utf-8" };
    Ok(Answer::streamed(kind, Body::from_stream(lines)))
}

/// Who listens.
struct Listener {
    handle: Handle,
    keyspace: KeyspaceId,
    sender: Bearer,
    own: String,
}

impl Listener {
    /// What its route asks for, still.
    fn may(&self) -> Result<(), Fault> {
        let write = Command::Registry(RegistryCommand::RenewSession { id: "".into() });
        let token = Demand::Resource(Resource::Agent(&self.own), Access::Read);
        let what = Demand::ByWhom { user: &Demand::Command(&write), token: &token };
        self.handle.caller(self.keyspace, &self.sender).permit_still(what)
    }
}

fn unknown(level: &str) -> Problem {
    Problem::bad(format!("Unknown log level: {level}"))
}

async fn next(follower: &mut Follower, as_json: bool) -> Option<Bytes> {
    loop {
        match follower.receiver.recv().await {
            Ok(line) if follower.wants(&line) => return Some(shown(&line, as_json).into()),
            Ok(_) => {}
            Err(RecvError::Lagged(count)) => {
                let text = format!("{count} lines are left out: they came faster than they went");
                let (at, level, target) = (SystemTime::now(), tracing::Level::WARN, "monitor");
                return Some(shown(&Line { at, level, target, text }, as_json).into());
            }
            Err(RecvError::Closed) => return None,
        }
    }
}

/// As Consul writes its lines.
fn shown(line: &Line, as_json: bool) -> String {
    let since = line.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = crate::calendar::wall(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let (level, target, text) = (line.level, line.target, &line.text);
    if as_json {
        let line = json!({
            "@timestamp": at,
            "@level": level.as_str().to_lowercase(),
            "@module": target,
            "@message": text,
        });
        return format!("{line}\n");
    }
    format!("{at} [{level}] {target}: {}\n", text.escape_debug())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{Line, shown};

    #[test]
    fn a_line_stays_one_whatever_it_says() {
        let at = UNIX_EPOCH + Duration::from_millis(1_764_331_200_120);
        let text = "a\nb \"c\"".to_owned();
        let line = Line { at, level: tracing::Level::WARN, target: "node::wal", text };
        assert_eq!(
            shown(&line, false),
            "2025-11-28T12:00:00.120Z [WARN] node::wal: a\\nb \\\"c\\\"\n"
        );
        let json: serde_json::Value = serde_json::from_str(&shown(&line, true)).unwrap();
        assert_eq!(json["@message"], "a\nb \"c\"");
        assert_eq!(json["@level"], "warn");
    }
}
