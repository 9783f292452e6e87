//! `/v1/txn`: operations on keys, nodes, services and checks, all at one index or none.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};
use state::registry::{
    CatalogOp, CheckKey, DEFAULT_NAMESPACE, InstanceKey, KvCondition, KvOp, KvWrite, Name,
    RegistryAnswer, RegistryCommand, TxnOp, TxnResult,
};
use types::limits;

use super::answer::{Answer, Outcome};
use super::asked::Asked;
use super::definition;
use super::input::Input;
use super::kv;
use super::problem::Problem;
use super::show;

/// `PUT /v1/txn`
pub(super) async fn txn(asked: &Asked) -> Outcome {
    let body = asked.json()?;
    let Some(list) = body.as_array() else {
        return Err(Problem::bad("Failed to parse body: a list of operations was expected"));
    };
    let (length, most) = (list.len(), limits::REGISTRY_TXN_OPERATIONS);
    if length > most {
        return Err(Problem::too_large(format!(
            "Transaction contains too many operations ({length} > {most})"
        )));
    }
    let ops = list.iter().map(|value| operation(&Input::of(value)?));
    let ops: Vec<TxnOp> = ops.collect::<Result<_, Problem>>()?;
    let denied = asked.caller().refused_operations(&ops).await?;
    if !denied.is_empty() {
        let shown = denied.iter().map(|(index, what)| {
            json!({ "OpIndex": index, "What": format!("Permission denied: {what}") })
        });
        return Ok(refused(&json!(shown.collect::<Vec<_>>())));
    }
    for (op, index) in ops.iter().zip(0_u32..) {
        // Nobody gets a key the moment its holder was lost, this way neither.
        if let TxnOp::Kv(KvOp::Put(KvWrite { key, condition: KvCondition::Acquire(_), .. })) = op
            && asked.caller().lock_is_delayed(key.clone()).await?
        {
            let key = String::from_utf8_lossy(key);
            let what = format!("failed to lock key {key:?} due to lock delay");
            return Ok(refused(&json!([{ "OpIndex": index, "What": what }])));
        }
    }
    match asked.change(RegistryCommand::Txn(ops)).await? {
        RegistryAnswer::TxnDone(results) => {
            let datacenter = asked.home.datacenter();
            let results: Vec<_> = results.iter().map(|it| shown(it, datacenter)).collect();
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

fn refused(errors: &Value) -> Answer {
    let body = json!({ "Results": null, "Errors": errors });
    Answer::json(&body).status(StatusCode::CONFLICT)
}

fn shown(result: &TxnResult, datacenter: &str) -> Value {
    match result {
        TxnResult::Kv(kv) => json!({ "KV": kv::record(kv) }),
        TxnResult::Node(node) => json!({ "Node": show::node(node, datacenter) }),
        TxnResult::Instance(instance) => json!({ "Service": show::instance(instance) }),
        TxnResult::Check(named) => {
            let mut check = json!(show::named_check(named));
            if named.check.is_of_node() {
                // Here Consul does not make an empty list of none.
                check["ServiceTags"] = Value::Null;
            }
            json!({ "Check": check })
        }
    }
}

fn operation(input: &Input<'_>) -> Result<TxnOp, Problem> {
    if let Some(kv) = input.object(&["kv"])? {
        return Ok(TxnOp::Kv(on_key(&kv)?));
    }
    let op = if let Some(op) = input.object(&["node"])? {
        on_node(&op)?
    } else if let Some(op) = input.object(&["service"])? {
        on_service(&op)?
    } else if let Some(op) = input.object(&["check"])? {
        on_check(&op)?
    } else {
        return Err(Problem::bad("Failed to parse body: an operation on nothing that is known"));
    };
    Ok(TxnOp::Catalog(op))
}

/// The record an operation is on; one that is left out is as good as an empty one.
fn record<'a>(op: &Input<'a>, name: &str) -> Result<Input<'a>, Problem> {
    Ok(match op.object(&[name])? {
        Some(record) => record,
        None => Input::of(&Value::Null)?,
    })
}

fn named(record: &Input<'_>, names: &[&str], what: &str) -> Result<Name, Problem> {
    let name = record.name(names)?;
    if name.is_empty() {
        return Err(Problem::bad(format!("Failed to parse body: Must provide {what}")));
    }
    Ok(name)
}

fn unknown(what: &str, verb: &str) -> Problem {
    Problem::bad(format!("Failed to parse body: unknown {what} verb {verb:?}"))
}

fn on_node(op: &Input<'_>) -> Result<CatalogOp, Problem> {
    let (verb, record) = (op.text(&["verb"])?, record(op, "node")?);
    let name = named(&record, &["node"], "node")?;
    let index = Some(record.number(&["modifyindex"], u64::MAX)?);
    let node = || definition::node(&record, &name).map(Box::new);
    Ok(match verb {
        "get" => CatalogOp::GetNode { name, id: record.name(&["id"])? },
        "set" => CatalogOp::SetNode { node: node()?, index: None },
        "cas" => CatalogOp::SetNode { node: node()?, index },
        "delete" => CatalogOp::DeleteNode { name, index: None },
        "delete-cas" => CatalogOp::DeleteNode { name, index },
        other => return Err(unknown("Node", other)),
    })
}

fn on_service(op: &Input<'_>) -> Result<CatalogOp, Problem> {
    let (verb, record) = (op.text(&["verb"])?, record(op, "service")?);
    let node = named(op, &["node"], "node")?;
    let index = Some(record.number(&["modifyindex"], u64::MAX)?);
    let key = || -> Result<InstanceKey, Problem> {
        let id = match record.name(&["id"])? {
            id if id.is_empty() => named(&record, &["service"], "service ID")?,
            id => id,
        };
        Ok(InstanceKey { node: node.clone(), namespace: DEFAULT_NAMESPACE.into(), id })
    };
    let instance = || definition::instance(&record, &node).map(Box::new);
    Ok(match verb {
        "get" => CatalogOp::GetInstance(key()?),
        "set" => CatalogOp::SetInstance { instance: instance()?, index: None },
        "cas" => CatalogOp::SetInstance { instance: instance()?, index },
        "delete" => CatalogOp::DeleteInstance { key: key()?, index: None },
        "delete-cas" => CatalogOp::DeleteInstance { key: key()?, index },
        other => return Err(unknown("Service", other)),
    })
}

fn on_check(op: &Input<'_>) -> Result<CatalogOp, Problem> {
    let (verb, record) = (op.text(&["verb"])?, record(op, "check")?);
    let node = named(&record, &["node"], "node")?;
    let index = Some(record.number(&["modifyindex"], u64::MAX)?);
    let key = || -> Result<CheckKey, Problem> {
        let id = match record.name(&["checkid", "id"])? {
            id if id.is_empty() => named(&record, &["name"], "check ID")?,
            id => id,
        };
        Ok(CheckKey { node: node.clone(), namespace: DEFAULT_NAMESPACE.into(), id })
    };
    let check = || definition::catalog_check(&record, &node).map(Box::new);
    Ok(match verb {
        "get" => CatalogOp::GetCheck(key()?),
        "set" => CatalogOp::SetCheck { check: check()?, index: None },
        "cas" => CatalogOp::SetCheck { check: check()?, index },
        "delete" => CatalogOp::DeleteCheck { key: key()?, index: None },
        "delete-cas" => CatalogOp::DeleteCheck { key: key()?, index },
        other => return Err(unknown("Check", other)),
    })
}

fn on_key(kv: &Input<'_>) -> Result<KvOp, Problem> {
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
