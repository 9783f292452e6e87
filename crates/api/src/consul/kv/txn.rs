use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use serde_json::json;
use state::registry::{KvCondition, KvOp, KvWrite, RegistryAnswer, RegistryCommand};

use super::show;
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::input::Input;
use crate::consul::problem::Problem;

/// Operations of one transaction.
const OPERATIONS: usize = 128;

/// `PUT /v1/txn`
pub(in crate::consul) async fn txn(asked: &Asked) -> Outcome {
    let body = asked.json()?;
    let Some(list) = body.as_array() else {
        return Err(Problem::bad("Failed to parse body: a list of operations was expected"));
    };
    if list.len() > OPERATIONS {
        let length = list.len();
        return Err(Problem::too_large(format!(
            "Transaction contains too many operations ({length} > {OPERATIONS})"
        )));
    }
    let mut ops = Vec::with_capacity(list.len());
    for value in list {
        let input = Input::of(value)?;
        match input.object(&["kv"])? {
            Some(kv) => ops.push(operation(&kv)?),
            None => {
                return Err(Problem::bad(
                    "Failed to parse body: only KV operations are carried out in transactions here",
                ));
            }
        }
    }
    for (op, index) in ops.iter().zip(0_u32..) {
        // Nobody gets a key the moment its holder was lost, this way neither.
        if let KvOp::Put(KvWrite { key, condition: KvCondition::Acquire(_), .. }) = op
            && asked.caller().lock_is_delayed(key.clone()).await?
        {
            let key = String::from_utf8_lossy(key);
            let what = format!("failed to lock key {key:?} due to lock delay");
            return Ok(refused(&json!([{ "OpIndex": index, "What": what }])));
        }
    }
    match asked.change(RegistryCommand::Txn(ops)).await? {
        RegistryAnswer::TxnDone(results) => {
            let results: Vec<_> =
                results.iter().map(|kv| json!({ "KV": show::record(kv) })).collect();
            Ok(Answer::json(&json!({ "Results": results, "Errors": null })))
        }
        RegistryAnswer::TxnRefused(errors) => {
            let errors: Vec<_> = errors
                .iter()
                .map(|error| json!({ "OpIndex": error.op, "What": error.what }))
                .collect();
            Ok(refused(&json!(errors)))
        }
        other => Err(Problem::failed(format!("the registry answered {other:?}"))),
    }
}

fn refused(errors: &serde_json::Value) -> Answer {
    let body = json!({ "Results": null, "Errors": errors });
    Answer::json(&body).status(StatusCode::CONFLICT)
}

fn operation(kv: &Input<'_>) -> Result<KvOp, Problem> {
    let key: Bytes = kv.text(&["key"])?.to_owned().into();
    let index = kv.number(&["index"], u64::MAX)?;
    let session = kv.name(&["session"])?;
    let put = |condition| -> Result<KvOp, Problem> {
        let value = STANDARD.decode(kv.text(&["value"])?);
        let value = value.map_err(|error| {
            Problem::bad(format!("Failed to parse body: Value is no base64: {error}"))
        })?;
        let flags = kv.number(&["flags"], u64::MAX)?;
        Ok(KvOp::Put(KvWrite { key: key.clone(), value: value.into(), flags, condition }))
    };
    Ok(match kv.text(&["verb"])? {
        "set" => put(KvCondition::Always)?,
        "cas" => put(KvCondition::Index(index))?,
        "lock" => put(KvCondition::Acquire(session))?,
        "unlock" => put(KvCondition::Release(session))?,
        "get" => KvOp::Get { key },
        "get-or-empty" => KvOp::GetOrEmpty { key },
        "get-tree" => KvOp::GetTree { prefix: key },
        "check-index" => KvOp::CheckIndex { key, index },
        "check-session" => KvOp::CheckSession { key, session },
        "check-not-exists" => KvOp::CheckNotExists { key },
        "delete" => KvOp::Delete { key },
        "delete-tree" => KvOp::DeleteTree { prefix: key },
        "delete-cas" => KvOp::DeleteIndex { key, index },
        other => {
            return Err(Problem::bad(format!("Failed to parse body: unknown KV verb {other:?}")));
        }
    })
}
