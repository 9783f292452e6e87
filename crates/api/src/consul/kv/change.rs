use state::command::Command;
use state::registry::{KvCondition, KvWrite, RegistryAnswer, RegistryCommand};
use state::request::DeleteRequest;
use types::{KeyRange, limits};

use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::problem::Problem;

/// `PUT /v1/kv/:key`
pub(in crate::consul) async fn put(asked: &Asked) -> Outcome {
    let key = asked.key();
    if key.is_empty() {
        return Err(Problem::bad("Missing key name"));
    }
    if asked.body.len() > limits::REGISTRY_KV_BYTES {
        let (length, most) = (asked.body.len(), limits::REGISTRY_KV_BYTES);
        return Err(Problem::too_large(format!(
            "Request body({length} bytes) too large, max size: {most} bytes"
        )));
    }
    let flags = asked.parameters.number("flags")?.unwrap_or(0);
    let cas = asked.parameters.number("cas")?.map(KvCondition::Index);
    let session = |name: &str| asked.parameters.get(name);
    let acquire = session("acquire").map(|it| KvCondition::Acquire(it.into()));
    let release = session("release").map(|it| KvCondition::Release(it.into()));
    let mut conditions = [cas, acquire, release].into_iter().flatten();
    let condition = conditions.next().unwrap_or(KvCondition::Always);
    if conditions.next().is_some() {
        return Err(Problem::bad(
            "Conflicting flags: only one of cas, acquire and release can be used",
        ));
    }
    if let KvCondition::Acquire(session) | KvCondition::Release(session) = &condition
        && session.is_empty()
    {
        return Err(Problem::bad("Missing session"));
    }
    if matches!(condition, KvCondition::Acquire(_))
        && asked.caller().lock_is_delayed(key.clone()).await?
    {
        return Ok(Answer::json(&false));
    }
    let write = KvWrite { key, value: asked.body.clone(), flags, condition };
    granted(asked, RegistryCommand::Kv(write)).await
}

async fn granted(asked: &Asked, command: RegistryCommand) -> Outcome {
    match asked.change(command).await? {
        RegistryAnswer::Granted(granted) => Ok(Answer::json(&granted)),
        other => Err(Problem::failed(format!("the registry answered {other:?}"))),
    }
}

/// `DELETE /v1/kv/:key`
pub(in crate::consul) async fn delete(asked: &Asked) -> Outcome {
    let key = asked.key();
    let recurse = asked.parameters.flag("recurse");
    let cas = asked.parameters.number("cas")?;
    if recurse && cas.is_some() {
        return Err(Problem::bad("Conflicting flags: cas and recurse"));
    }
    if key.is_empty() && !recurse {
        return Err(Problem::bad("Missing key name"));
    }
    if let Some(index) = cas {
        return granted(asked, RegistryCommand::KvDelete { key, index }).await;
    }
    let range = if recurse { KeyRange::prefix(&key) } else { KeyRange::single(&key) };
    let delete = DeleteRequest { range, prev_kv: false };
    asked.caller().propose(Command::Delete(delete)).await?;
    Ok(Answer::json(&true))
}
