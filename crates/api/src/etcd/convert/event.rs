use node::WatchEvent;
use proto::mvccpb;
use proto::mvccpb::event::EventType;
use state::response::EventKind;

use super::response::key_value;

/// One change.
#[must_use]
pub fn event(event: WatchEvent) -> mvccpb::Event {
    let kind = match event.kind {
        EventKind::Put => EventType::Put,
        EventKind::Delete => EventType::Delete,
    };
    mvccpb::Event {
        r#type: kind.into(),
        kv: Some(key_value(event.kv)),
        prev_kv: event.prev_kv.map(key_value),
    }
}
