//! `/v1/event`: short messages to everybody who listens. In Consul they go from agent to agent; here they
//! are kept, so that a listener finds them at every server, and the last ones after a restart, too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use state::auth::acl::Resource;

use super::answer::{Answer, Outcome};
use super::asked::{Asked, shortened};
use super::home::uuid;
use super::kept::{self, Condition, Kept, Kind, field};
use super::problem::Problem;
use super::session::random;

const EVENTS: Kind = Kind("event", |it| Some(Resource::Event(field(it, "Name"))));
/// Counts them.
const CLOCK: Kind = Kind("event-clock", |_| None);
/// How many are kept: as many as an agent of Consul's has.
const EVENTS_KEPT: u64 = 256;
/// Bytes of a name and its payload together: Consul's bound.
const EVENT_BYTES: usize = 512;
/// How often to try, while others fire as well.
const TRIES: usize = 32;

/// `PUT /v1/event/fire/:name`
pub(super) async fn fire(asked: &Asked) -> Outcome {
    let name = asked.name("event name")?;
    if name.len() + asked.body.len() > EVENT_BYTES {
        return Err(Problem::too_large(format!(
            "user event exceeds sane limit of {EVENT_BYTES} bytes before encoding"
        )));
    }
    let parameter = |name| asked.parameters.get(name).unwrap_or_default();
    let mut event = json!({
        "ID": uuid(random(asked)),
        "Name": name,
        "Payload": (!asked.body.is_empty()).then(|| STANDARD.encode(&asked.body)),
        "NodeFilter": parameter("node"),
        "ServiceFilter": parameter("service"),
        "TagFilter": parameter("tag"),
        "Version": 1,
    });
    EVENTS.must_change(asked, &event).await?;
    for _ in 0..TRIES {
        let clock = CLOCK.known(asked, "").await?;
        let seen = clock.as_ref().map_or(0, |it| it.modified.get().unsigned_abs());
        let time = clock.and_then(|it| it.value["LTime"].as_u64()).unwrap_or(0).saturating_add(1);
        event["LTime"] = time.into();
        let mut ops = vec![
            kept::put(CLOCK.key(""), &json!({ "LTime": time })),
            kept::put(EVENTS.key(&by_time(time)), &event),
        ];
        if let Some(old) = time.checked_sub(EVENTS_KEPT) {
            ops.push(kept::delete(&EVENTS.key(&by_time(old))));
        }
        let compare = kept::compare(&CLOCK.key(""), Condition::Index(seen));
        if kept::change(asked, compare, ops).await? {
            return Ok(Answer::json(&event));
        }
    }
    Err(Problem::failed("too many events are fired at once: try again"))
}

/// So that names are in the order of time.
fn by_time(time: u64) -> String {
    format!("{time:016x}")
}

/// `GET /v1/event/list`
pub(super) async fn list(asked: &Asked) -> Outcome {
    let known = asked.parameters.index()?;
    let deadline = tokio::time::Instant::now() + shortened(asked.parameters.wait()?);
    loop {
        let (events, meta) = EVENTS.now(asked, "").await?;
        let name = asked.parameters.get("name").filter(|name| !name.is_empty());
        let is_meant = |event: &Value| name.is_none_or(|name| event["Name"] == *name);
        let events: Vec<Value> =
            events.into_iter().map(|it: Kept| it.value).filter(is_meant).collect();
        let index = events.last().map_or(1, index_of);
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        if known == 0 || known != index || left.is_zero() {
            let answer = Answer::json(&events).at(meta);
            return Ok(answer.header("x-consul-index", &index.to_string()));
        }
        kept::changed(asked, EVENTS.under(""), meta.index, left).await?;
    }
}

/// The index of a list is made of the id of its last event, as clients reckon it, too.
fn index_of(event: &Value) -> u64 {
    let hex: String = event["ID"].as_str().unwrap_or_default().replace('-', "");
    let half =
        |range| hex.get(range).and_then(|part| u64::from_str_radix(part, 16).ok()).unwrap_or(0);
    (half(0..16) ^ half(16..32)).max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{by_time, index_of};

    #[test]
    fn the_index_is_what_clients_reckon() {
        let event = json!({ "ID": "b54fe110-7af5-cafc-d1fb-afc8ba432b1c" });
        assert_eq!(index_of(&event), 0xb54f_e110_7af5_cafc ^ 0xd1fb_afc8_ba43_2b1c);
        assert_eq!(index_of(&json!({ "ID": 7 })), 1);
    }

    #[test]
    fn names_are_in_the_order_of_time() {
        assert!(by_time(9) < by_time(10) && by_time(255) < by_time(256));
    }
}
