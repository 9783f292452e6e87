use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use state::response::KeyValue;

/// A key as Consul's clients are shown it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::consul) struct Shown<'a> {
    lock_index: u64,
    key: Cow<'a, str>,
    flags: u64,
    value: Option<String>,
    create_index: i64,
    modify_index: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Cow<'a, str>>,
}

/// With its value, in base64; none is `null`.
pub(in crate::consul) fn record(kv: &KeyValue) -> Shown<'_> {
    let value = (!kv.value.is_empty()).then(|| STANDARD.encode(&kv.value));
    let session = (!kv.session.is_empty()).then(|| String::from_utf8_lossy(&kv.session));
    Shown {
        lock_index: kv.lock_index,
        key: String::from_utf8_lossy(&kv.key),
        flags: kv.flags,
        value,
        create_index: kv.create_revision.get(),
        modify_index: kv.mod_revision.get(),
        session,
    }
}
