//! What Consul keeps beside the registry and its keys: events, prepared queries, config entries,
//! coordinates. They lie as JSON in a keyspace of their own, which is made with the first of them. Who may
//! see or change one is said by its kind.

use std::time::Duration;

use bytes::Bytes;
use node::Consistency;
use serde_json::Value;
use state::auth::Demand;
use state::auth::acl::{Access, Resource};
use state::command::Command;
use state::registry::RegistryCommand;
use state::request::{
    Compare, CompareResult, CompareTarget, DeleteRequest, PutRequest, RangeRequest, TxnOp,
    TxnRequest,
};
use state::response::{KeyValue, Response};
use tokio::time::sleep;
use types::{Code, KeyRange, KeyspaceId, Revision};

use super::answer::Meta;
use super::asked::{Asked, shortened};
use super::parameters::Freshness;
use super::problem::Problem;
use super::serve::every_key;

/// The keyspace all of it is in.
const KEYSPACE: &str = node::KEPT;
/// Bytes of a name, and of what is kept by it.
const NAME_BYTES: usize = 512;
const VALUE_BYTES: usize = 64 << 10;
/// How often, and how long after each other, to look whether it appeared on this node.
const LOOKS: u32 = 250;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One of them.
pub(super) struct Kept {
    pub(super) value: Value,
    pub(super) created: Revision,
    pub(super) modified: Revision,
}

/// What has to be true of the one that is there.
#[derive(Clone, Copy)]
pub(super) enum Condition {
    Always,
    /// It was last changed at this index; 0: there is none.
    Index(u64),
}

/// A kind of them: the first part of their keys, and what rights are about that see or change one. Those
/// without are never shown.
#[derive(Clone, Copy)]
pub(super) struct Kind(pub(super) &'static str, pub(super) fn(&Value) -> Option<Resource<'_>>);

/// The text of a field; empty for none.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl Kind {
    pub(super) fn key(self, name: &str) -> Bytes {
        format!("{}/{name}", self.0).into()
    }

    pub(super) fn under(self, prefix: &str) -> KeyRange {
        KeyRange::prefix(&self.key(prefix))
    }

    fn kept(kv: &KeyValue) -> Option<Kept> {
        // The keyspace is one like others: what somebody else put there is passed over.
        let value: Value = serde_json::from_slice(&kv.value).ok().filter(Value::is_object)?;
        let (created, modified) = (kv.create_revision, kv.mod_revision);
        Some(Kept { value, created, modified })
    }

    /// The one of that name.
    pub(super) async fn one(
        self,
        asked: &Asked,
        name: &str,
    ) -> Result<(Option<Kept>, Meta), Problem> {
        let (found, meta) = self.read(asked, KeyRange::single(&self.key(name))).await?;
        Ok((found.into_iter().next(), meta))
    }

    /// The same as it is, whatever index the request names; seen or not, for what is not shown.
    pub(super) async fn known(self, asked: &Asked, name: &str) -> Result<Option<Kept>, Problem> {
        let (found, _) = self.find(asked, &KeyRange::single(&self.key(name))).await?;
        Ok(found.into_iter().next())
    }

    /// How many there are whose names begin so.
    pub(super) async fn count(self, asked: &Asked, prefix: &str) -> Result<usize, Problem> {
        Ok(self.find(asked, &self.under(prefix)).await?.0.len())
    }

    /// All whose names begin so, by name. Waits, if the request says so, until they are other ones than at
    /// its index.
    pub(super) async fn all(
        self,
        asked: &Asked,
        prefix: &str,
    ) -> Result<(Vec<Kept>, Meta), Problem> {
        self.read(asked, self.under(prefix)).await
    }

    /// As they are, whatever index the request names.
    pub(super) async fn now(
        self,
        asked: &Asked,
        prefix: &str,
    ) -> Result<(Vec<Kept>, Meta), Problem> {
        self.read_now(asked, &self.under(prefix)).await
    }

    async fn read(self, asked: &Asked, range: KeyRange) -> Result<(Vec<Kept>, Meta), Problem> {
        let (index, wait) = (asked.parameters.index()?, asked.parameters.wait()?);
        let (found, meta) = self.read_now(asked, &range).await?;
        if index == 0 || found.iter().any(|it| it.modified.get().unsigned_abs() > index) {
            return Ok((found, meta));
        }
        let after = Revision(i64::try_from(index).unwrap_or(i64::MAX));
        if asked.parameters.freshness()? != Freshness::Stale && after > meta.index {
            // From another life of the cluster: who waits with it would miss what happens.
            return Ok((found, meta));
        }
        if !changed(asked, range.clone(), after, shortened(wait)).await? {
            return Ok((found, Meta { index: after, ..meta }));
        }
        let (found, meta) = self.read_now(asked, &range).await?;
        Ok((found, Meta { index: meta.index.max(after), ..meta }))
    }

    /// What may be seen of a range.
    async fn read_now(self, asked: &Asked, range: &KeyRange) -> Result<(Vec<Kept>, Meta), Problem> {
        let (mut found, mut meta) = self.find(asked, range).await?;
        let judge = asked.caller().judge(meta.freshness == Freshness::Stale).await?;
        let count = found.len();
        found.retain(|it| (self.1)(&it.value).is_some_and(|resource| judge.sees(resource)));
        meta.filtered = found.len() < count;
        Ok((found, meta))
    }

    async fn find(self, asked: &Asked, range: &KeyRange) -> Result<(Vec<Kept>, Meta), Problem> {
        let freshness = asked.parameters.freshness()?;
        let mut meta =
            Meta { index: Revision(1), age: None, known_leader: true, freshness, filtered: false };
        let Some(keyspace) = there(asked) else { return Ok((Vec::new(), meta)) };
        let consistency = match freshness {
            Freshness::Stale => Consistency::Stale,
            Freshness::Default | Freshness::Consistent => Consistency::Linearizable,
        };
        // The route's word may be this node's alone, and of before a wait.
        let (everything, anyone) = (every_key(), Demand::Anyone);
        let what = Demand::ByWhom { user: &Demand::Range(&everything), token: &anyone };
        match freshness {
            Freshness::Stale => asked.caller().permit_locally(what)?,
            Freshness::Default | Freshness::Consistent => asked.caller().permit(what).await?,
        }
        let request = RangeRequest { range: range.clone(), ..RangeRequest::default() };
        let answer = asked.handle().range(keyspace, request, consistency).await?;
        meta.known_leader = asked.handle().has_leader(keyspace);
        (meta.index, meta.age) = (answer.header.revision, answer.header.age);
        Ok((answer.body.kvs.iter().filter_map(Self::kept).collect(), meta))
    }

    /// Keeps it; whether the condition held.
    pub(super) async fn keep(
        self,
        asked: &Asked,
        name: &str,
        value: &Value,
        condition: Condition,
    ) -> Result<bool, Problem> {
        if name.len() > NAME_BYTES {
            let length = name.len();
            return Err(Problem::bad(format!("a name of {length} bytes: at most {NAME_BYTES}")));
        }
        let length = value.to_string().len();
        if length > VALUE_BYTES {
            return Err(Problem::too_large(format!(
                "{length} bytes to keep: at most {VALUE_BYTES}"
            )));
        }
        let key = self.key(name);
        let put = put(key.clone(), value);
        self.must_change(asked, value).await?;
        change(asked, compare(&key, condition), vec![put]).await
    }

    /// Keeps it no longer; whether the condition held.
    pub(super) async fn drop(
        self,
        asked: &Asked,
        name: &str,
        condition: Condition,
    ) -> Result<bool, Problem> {
        if there(asked).is_none() {
            return Ok(matches!(condition, Condition::Always | Condition::Index(0)));
        }
        if let Some(known) = self.known(asked, name).await? {
            self.must_change(asked, &known.value).await?;
        }
        let key = self.key(name);
        let delete = delete(&key);
        change(asked, compare(&key, condition), vec![delete]).await
    }

    /// Refuses who may not change this one.
    pub(super) async fn must_change(self, asked: &Asked, value: &Value) -> Result<(), Problem> {
        let resource = (self.1)(value).unwrap_or(Resource::Everything);
        Ok(asked.caller().permit(Demand::Resource(resource, Access::Write)).await?)
    }
}

pub(super) fn put(key: Bytes, value: &Value) -> TxnOp {
    TxnOp::Put(PutRequest { key, value: value.to_string().into(), ..PutRequest::default() })
}

pub(super) fn delete(key: &Bytes) -> TxnOp {
    TxnOp::Delete(DeleteRequest { range: KeyRange::single(key), prev_kv: false })
}

pub(super) fn compare(key: &Bytes, condition: Condition) -> Vec<Compare> {
    match condition {
        Condition::Always => Vec::new(),
        Condition::Index(index) => {
            let revision = Revision(i64::try_from(index).unwrap_or(i64::MAX));
            vec![Compare {
                range: KeyRange::single(key),
                single: true,
                result: CompareResult::Equal,
                target: CompareTarget::ModRevision(revision),
            }]
        }
    }
}

/// Does all of it, if what is compared is so; whether it was. Whether a token may change what it is about is
/// for the caller to find out.
pub(super) async fn change(
    asked: &Asked,
    compare: Vec<Compare>,
    success: Vec<TxnOp>,
) -> Result<bool, Problem> {
    let write = Command::Registry(RegistryCommand::RenewSession { id: "".into() });
    let what = Demand::ByWhom { user: &Demand::Command(&write), token: &Demand::Anyone };
    asked.caller().permit(what).await?;
    let keyspace = made(asked).await?;
    let request = TxnRequest { compare, success, failure: Vec::new() };
    let answer = asked.handle().txn(keyspace, request, Consistency::Linearizable).await?;
    match answer.body {
        Response::Txn { succeeded, .. } => Ok(succeeded),
        other => Err(Problem::failed(format!("a transaction was answered with {other:?}"))),
    }
}

/// The keyspace, if it was made.
fn there(asked: &Asked) -> Option<KeyspaceId> {
    asked.handle().keyspace(Some(KEYSPACE)).ok()
}

async fn made(asked: &Asked) -> Result<KeyspaceId, Problem> {
    if let Some(keyspace) = there(asked) {
        return Ok(keyspace);
    }
    match asked.handle().create_keyspace(KEYSPACE).await {
        Ok(record) => Ok(record.id),
        // Somebody else was first; this node is told in a moment.
        Err(fault) if fault.code == Code::KeyspaceExists => {
            for _ in 0..LOOKS {
                if let Some(keyspace) = there(asked) {
                    asked.handle().ready(keyspace).await;
                    return Ok(keyspace);
                }
                sleep(LOOK_AGAIN).await;
            }
            Err(fault.into())
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Whether anything happened in a range after a revision, or does so in time. Who waits makes the
/// keyspace: there has to be something to wait for.
pub(super) async fn changed(
    asked: &Asked,
    range: KeyRange,
    after: Revision,
    wait: Duration,
) -> Result<bool, Problem> {
    let everything = every_key();
    let what = Demand::ByWhom { user: &Demand::Range(&everything), token: &Demand::Anyone };
    let may = || asked.caller().permit_still(what);
    asked.happens(made(asked).await?, range, (after, wait), may).await
}
