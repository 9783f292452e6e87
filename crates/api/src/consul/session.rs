//! `/v1/session`: what locks are held by.

use std::time::Duration;

use node::Topic;
use serde_json::{Value, json};
use state::registry::{Behavior, Name, Pairs, RegistryCommand, Session, TimerId};
use types::Revision;

use super::answer::{Answer, Outcome};
use super::asked::Asked;
use super::home::{SERF, uuid};
use super::input::Input;
use super::problem::Problem;
use super::show;

/// How long nobody gets the locks of a session that was lost, if it did not say.
const LOCK_DELAY: Duration = Duration::from_secs(15);

/// `PUT /v1/session/create`
pub(super) async fn create(asked: &Asked) -> Outcome {
    let body = asked.json()?;
    let input = Input::of(&body)?;
    let node = match input.text(&["node"])? {
        "" => asked.home.record().name,
        name => name.to_owned(),
    };
    let behavior = match input.text(&["behavior"])? {
        "" | "release" => Behavior::Release,
        "delete" => Behavior::Delete,
        other => return Err(Problem::bad(format!("Invalid Behavior setting '{other}'"))),
    };
    let ttl = input.duration(&["ttl"])?.unwrap_or_default();
    let id = uuid(random(asked));
    let session = Session {
        id: id.as_str().into(),
        name: input.name(&["name"])?,
        node: node.into(),
        lock_delay_ms: millis(lock_delay(&input)?),
        behavior,
        ttl_ms: millis(ttl),
        node_checks: node_checks(&input)?.into(),
        service_checks: service_checks(&input)?,
        timer: TimerId(0),
        created: Revision(0),
        modified: Revision(0),
    };
    asked.change(RegistryCommand::CreateSession(Box::new(session))).await?;
    Ok(Answer::json(&json!({ "ID": id })))
}

/// A random number with the marks of a random UUID.
pub(super) fn random(asked: &Asked) -> u128 {
    let number = asked.handle().random();
    number & !(0xf << 76) & !(0xc << 60) | (0x4 << 76) | (0x8 << 60)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Small numbers are seconds, as old clients send them.
fn lock_delay(input: &Input<'_>) -> Result<Duration, Problem> {
    if let Some(Value::Number(number)) = input.get(&["lockdelay"])
        && let Some(seconds) = number.as_u64().filter(|number| *number < 1_000)
    {
        return Ok(Duration::from_secs(seconds));
    }
    Ok(input.duration(&["lockdelay"])?.unwrap_or(LOCK_DELAY))
}

/// An empty list is none; who says nothing hangs on its node's.
fn node_checks(input: &Input<'_>) -> Result<Vec<Name>, Problem> {
    let names = &["nodechecks", "checks"];
    if input.get(names).is_some() { input.texts(names) } else { Ok(vec![SERF.into()]) }
}

fn service_checks(input: &Input<'_>) -> Result<Pairs, Problem> {
    let mut pairs: Vec<(Name, Name)> = Vec::new();
    for value in input.list(&["servicechecks"])? {
        let check = Input::of(value)?;
        let namespace = match check.text(&["namespace"])? {
            "" => state::registry::DEFAULT_NAMESPACE,
            named => named,
        };
        pairs.push((namespace.into(), check.name(&["id"])?));
    }
    pairs.sort();
    pairs.dedup();
    Ok(pairs.into())
}

/// `PUT /v1/session/destroy/:id`
pub(super) async fn destroy(asked: &Asked) -> Outcome {
    let id = asked.name("session ID")?.as_str().into();
    asked.change(RegistryCommand::DestroySession { id }).await?;
    Ok(Answer::json(&true))
}

/// `PUT /v1/session/renew/:id`
pub(super) async fn renew(asked: &Asked) -> Outcome {
    let id = asked.name("session ID")?;
    match asked.caller().renew_session(&id).await? {
        Some(session) => Ok(Answer::json(&[show::session(&session)])),
        None => Err(Problem::not_found(format!("Session id '{id}' not found"))),
    }
}

/// `GET /v1/session/info/:id`
pub(super) async fn info(asked: &Asked) -> Outcome {
    let id: Name = asked.name("session ID")?.into();
    let question = asked.registry(Topic::Session(id.clone()), |registry| registry.session(&id));
    let (found, told) = question.await?;
    let shown: Vec<_> = found.iter().map(|it| show::session(it)).collect();
    Ok(Answer::json(&shown).at(told))
}

/// `GET /v1/session/node/:node`
pub(super) async fn of_node(asked: &Asked) -> Outcome {
    let node: Name = asked.name("node name")?.into();
    sessions(asked, Some(&node)).await
}

/// `GET /v1/session/list`
pub(super) async fn list(asked: &Asked) -> Outcome {
    sessions(asked, None).await
}

async fn sessions(asked: &Asked, node: Option<&Name>) -> Outcome {
    let question =
        asked.registry(Topic::Sessions, |registry| registry.sessions(node.map(|node| &**node)));
    let (found, told) = question.await?;
    let shown: Vec<_> = found.iter().map(|it| show::session(it)).collect();
    Ok(Answer::json(&shown).at(told))
}
