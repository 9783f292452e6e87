//! What contents have to be.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use configuration::plan::{self, Draft, Guard};
use configuration::record::{Head, Meta, SchemaRecord, decode};
use configuration::schema::Schema;
use configuration::{ContentType, Name, content, key, limits};
use node::Consistency;
use parking_lot::Mutex;
use proto::hiraeth::v1 as pb;
use types::{Code, Fault, KeyRange};

use super::convert;
use super::door::{Door, aside, page, refuse};

/// How often a schema is set anew when contents change meanwhile.
const TRIES: usize = 8;
/// Schemas that are kept as they were read: contents of a group come one after the other.
const KNOWN: usize = 8;

/// What was read last, the newest first, with the text that says it.
type Known = Mutex<VecDeque<(String, Arc<Schema>)>>;
static LAST: LazyLock<Known> = LazyLock::new(Known::default);

/// The schema that a text says: of one text there is one. To be called aside.
fn read(known: &Known, text: &str) -> Result<Arc<Schema>, Fault> {
    let find = || {
        let mut known = known.lock();
        let at = known.iter().position(|(said, _)| said == text)?;
        let found = known.remove(at)?;
        let schema = Arc::clone(&found.1);
        known.push_front(found);
        Some(schema)
    };
    if let Some(schema) = find() {
        return Ok(schema);
    }
    let schema = Arc::new(Schema::parse(text)?);
    // Somebody else may have read it meanwhile.
    if let Some(schema) = find() {
        return Ok(schema);
    }
    let mut known = known.lock();
    known.push_front((text.to_owned(), Arc::clone(&schema)));
    known.truncate(KNOWN);
    Ok(schema)
}

/// Whether a draft can be a version of a configuration; and the schemas it was held against.
pub(super) async fn check(door: &Door, name: &Name, draft: &Draft) -> Result<Vec<Guard>, Fault> {
    let group = key::group_schema(name.namespace(), name.group())?;
    let mut guards = Vec::new();
    let mut schemas = Vec::new();
    for (of, key) in [("group", group), ("configuration", key::schema(name))] {
        let (kv, _) = door.one(&key, Consistency::Linearizable).await?;
        guards.push((key, kv.as_ref().map_or(types::Revision(0), |kv| kv.mod_revision)));
        if let Some(kv) = kv {
            schemas.push((of, decode::<SchemaRecord>(&kv.key, &kv.value)?.text));
        }
    }
    let (draft, name) = (draft.clone(), name.to_string());
    aside(move || {
        draft.check()?;
        for (of, text) in schemas {
            let schema = read(&LAST, &text)?;
            allows(&schema, of, draft.content_type, &draft.content)
                .map_err(|fault| named(fault, &format!("the content of {name}")))?;
        }
        Ok(())
    })
    .await?;
    Ok(guards)
}

fn named(fault: Fault, what: &str) -> Fault {
    Fault::new(fault.code, format!("{what}: {}", fault.detail))
}

fn allows(schema: &Schema, of: &str, kind: ContentType, text: &[u8]) -> Result<(), Fault> {
    let found = schema.violations(&content::value(kind, text)?)?;
    if found.is_empty() {
        return Ok(());
    }
    let all: Vec<String> = found.iter().map(ToString::to_string).collect();
    let more = if all.len() >= limits::VIOLATIONS { "; and perhaps more" } else { "" };
    Err(Fault::new(
        Code::SchemaViolated,
        format!("by the schema of the {of}: {}{more}", all.join("; ")),
    ))
}

/// Which schema is meant: of a configuration, or of a group.
enum Of {
    One(Name),
    Group { namespace: String, group: String },
}

impl Of {
    fn read(name: Option<&pb::ConfigName>) -> Result<(Self, Bytes), Fault> {
        let Some(said) = name else {
            return refuse("which configuration or group is meant is missing");
        };
        if said.name.is_empty() {
            let (namespace, group) = (said.namespace.clone(), said.group.clone());
            let key = key::group_schema(&namespace, &group)?;
            return Ok((Self::Group { namespace, group }, key));
        }
        let name = convert::name(name)?;
        let key = key::schema(&name);
        Ok((Self::One(name), key))
    }

    /// The heads of what it is for.
    fn heads(&self) -> Result<KeyRange, Fault> {
        match self {
            Self::One(name) => Ok(KeyRange::single(&key::head(name))),
            Self::Group { namespace, group } => key::heads(namespace, group, "", None),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::One(_) => "configuration",
            Self::Group { .. } => "group",
        }
    }
}

pub(super) async fn get(
    door: &Door,
    request: &pb::GetSchemaRequest,
) -> Result<pb::GetSchemaResponse, Fault> {
    let (_, key) = Of::read(request.name.as_ref())?;
    let (kv, _) = door.one(&key, Consistency::Linearizable).await?;
    let record = kv.map(|kv| decode::<SchemaRecord>(&kv.key, &kv.value)).transpose()?;
    let SchemaRecord { text, author, at_ms } = record.unwrap_or_default();
    Ok(pb::GetSchemaResponse { schema: text, author, at_ms })
}

pub(super) async fn set(
    door: &Door,
    request: pb::SetSchemaRequest,
) -> Result<pb::SetSchemaResponse, Fault> {
    let (of, key) = Of::read(request.name.as_ref())?;
    door.may_write(&key).await?;
    let new = match request.schema {
        text if text.is_empty() => None,
        text => {
            let (author, at_ms) = (door.user().await?, door.now());
            let record = SchemaRecord { text: text.clone(), author, at_ms };
            Some((record, aside(move || read(&LAST, &text)).await?))
        }
    };
    for _ in 0..TRIES {
        let (before, _) = door.one(&key, Consistency::Linearizable).await?;
        let before = before.map_or(types::Revision(0), |kv| kv.mod_revision);
        let heads = of.heads()?;
        let most = page(heads.clone(), limits::SCHEMA_GROUP);
        let (kvs, more, as_of) = door.range(most, Consistency::Linearizable).await?;
        let mut checked = 0;
        if let Some((_, schema)) = &new {
            if more {
                let most = limits::SCHEMA_GROUP;
                let told = format!(
                    "a group with a schema has {most} configurations when it is set; set it for each"
                );
                return Err(Fault::new(Code::LimitReached, told));
            }
            for kv in &kvs {
                let Some((name, head)) = door.head_of(kv) else { continue };
                checked += hold(door, &name, head, &of, schema).await?;
            }
        }
        let record = new.as_ref().map(|(record, _)| record);
        let txn = plan::set_schema((key.clone(), before), record, (heads, as_of));
        if let Some(revision) = door.make(txn).await? {
            return Ok(pb::SetSchemaResponse { revision: revision.get(), checked });
        }
    }
    Err(Fault::new(Code::ConfigChanged, "it changes all the time; try again"))
}

/// Holds what is current of a configuration against a schema; answers how many contents that were.
async fn hold(
    door: &Door,
    name: &Name,
    head: Head,
    of: &Of,
    schema: &Arc<Schema>,
) -> Result<u32, Fault> {
    let gray = head.gray.and_then(|gray| gray.meta);
    let current: Vec<Meta> = head.stable.into_iter().chain(gray).collect();
    let mut checked = 0;
    for meta in current {
        let Some(text) = door.content(name, meta.version).await? else { continue };
        let (kind, schema, of) = (meta.content_type(), Arc::clone(schema), of.word());
        let what = format!("version {} of {name}, which is current", meta.version);
        aside(move || allows(&schema, of, kind, &text).map_err(|fault| named(fault, &what)))
            .await?;
        checked += 1;
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{KNOWN, Known, read};

    #[test]
    fn of_one_text_there_is_one_schema() {
        let known = Known::default();
        let text = |at: usize| format!("{{\"minimum\": {at}}}");
        let first = read(&known, &text(0)).unwrap();
        for at in 1..3 * KNOWN {
            read(&known, &text(at)).unwrap();
            assert!(Arc::ptr_eq(&first, &read(&known, &text(0)).unwrap()), "it is used: {at}");
        }
        assert_eq!(known.lock().len(), KNOWN);
        assert!(read(&known, "{").is_err());
    }
}
