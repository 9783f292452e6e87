//! The first token, what a token may do, and what is not here.

use hyper::Method;
use serde_json::{Value, json};
use state::auth::Demand;
use state::auth::acl::{Access, Resource};
use types::KeyRange;

use super::{ask, show, write};
use crate::audit::Bearer;
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::input::Input;
use crate::consul::problem::Problem;

/// Questions of one request.
const QUESTIONS: usize = 64;

/// `PUT /v1/acl/bootstrap`
pub(in crate::consul) async fn bootstrap(asked: &Asked) -> Outcome {
    let body = write::body(asked)?;
    let secret = write::secret(asked, Input::of(&body)?.text(&["bootstrapsecret"])?)?;
    let id = asked.caller().bootstrap_acl(&secret).await?;
    // By what it made, and not by who asked.
    let token = Some(secret.as_str().into());
    let made = Bearer { token, origin: asked.sender.origin.clone() };
    let caller = asked.handle().caller(asked.keyspace, &made);
    let granted = caller.acl(Demand::Anyone).await?;
    let acl = &granted.auth.acl;
    let made = acl.tokens.get(&id).ok_or_else(|| Problem::failed("the token is gone again"))?;
    Ok(Answer::json(&show::token(acl, &id, made, Some(&secret))))
}

/// `POST /v1/internal/acl/authorize`: what may be done, without doing it.
pub(in crate::consul) async fn authorize(asked: &Asked) -> Outcome {
    asked.caller().acl(Demand::Anyone).await?;
    let body = asked.json()?;
    let list = body
        .as_array()
        .ok_or_else(|| Problem::bad("Failed to decode request body: a list was expected"))?;
    if list.len() > QUESTIONS {
        let length = list.len();
        return Err(Problem::bad(format!(
            "Refusing to process more than {QUESTIONS} authorizations at once: {length}"
        )));
    }
    let judge = asked.caller().judge(false).await?;
    let mut answers: Vec<Value> = Vec::new();
    for value in list {
        let question = Input::of(value)?;
        let (kind, segment) = (question.text(&["resource"])?, question.text(&["segment"])?);
        let wanted = match question.text(&["access"])? {
            "read" => Access::Read,
            "list" => Access::List,
            "write" => Access::Write,
            other => return Err(Problem::bad(format!("Invalid access level: {other:?}"))),
        };
        let keys = KeyRange::prefix(&segment.to_owned().into());
        let resource = match kind {
            "key" if wanted == Access::List => Resource::Keys(&keys),
            "key" => Resource::Key(segment.as_bytes()),
            "service" => Resource::Service(segment),
            "node" => Resource::Node(segment),
            "session" => Resource::Session(segment),
            "agent" => Resource::Agent(segment),
            "event" => Resource::Event(segment),
            "query" => Resource::Query(segment),
            "operator" => Resource::Operator,
            "keyring" => Resource::Keyring,
            "acl" => Resource::Acl,
            "mesh" | "intention" => Resource::Mesh,
            "peering" => Resource::Peering,
            other => return Err(Problem::bad(format!("Invalid ACL resource: {other:?}"))),
        };
        let allow = judge.may(Demand::Resource(resource, wanted));
        let access = question.text(&["access"])?;
        answers.push(
            json!({ "Resource": kind, "Segment": segment, "Access": access, "Allow": allow }),
        );
    }
    Ok(Answer::json(&answers))
}

/// `PUT /v1/agent/token/:kind`: in whose name this server asks, until it is started anew. There is one such
/// name here, for who brings none; a server does its own work in nobody's.
pub(in crate::consul) async fn agent_token(asked: &Asked) -> Outcome {
    asked.caller().acl(Demand::Anyone).await?;
    let kind = asked.name("kind of token")?;
    let body = asked.json()?;
    let secret = Input::of(&body)?.text(&["token"])?.to_owned();
    match &*kind {
        "default" | "dns" | "acl_token" => {
            if !secret.is_empty() {
                write::secret(asked, &secret)?;
            }
            asked.handle().set_default_token((!secret.is_empty()).then(|| secret.into()));
        }
        "agent"
        | "agent_recovery"
        | "agent_master"
        | "replication"
        | "config_file_service_registration"
        | "acl_agent_token"
        | "acl_agent_master_token"
        | "acl_replication_token" => {}
        other => return Err(Problem::not_found(format!("Token {other:?} is unknown"))),
    }
    Ok(Answer::done())
}

/// All else below `/v1/acl/`.
pub(in crate::consul) async fn not_here(asked: &Asked) -> Outcome {
    let granted = asked.caller().acl(Demand::Anyone).await?;
    match &*asked.tail {
        // Every server has all of it: there is nothing that could lag behind.
        "replication" if asked.method == Method::GET => {
            let never = "0001-01-01T00:00:00Z";
            Ok(ask::at(
                &granted.auth,
                Answer::json(&json!({
                    "Enabled": false,
                    "Running": false,
                    "SourceDatacenter": "",
                    "ReplicationType": "",
                    "ReplicatedIndex": 0,
                    "ReplicatedRoleIndex": 0,
                    "ReplicatedTokenIndex": 0,
                    "LastSuccess": never,
                    "LastError": never,
                    "LastErrorMessage": "",
                })),
            ))
        }
        tail => Err(Problem::not_found(format!("there is no /v1/acl/{tail} here"))),
    }
}
