//! `/v1/snapshot`: all that is registered, with the sessions and the keys, in a file of Consul's outer form.
//! What is within its `state.bin` is ours: a Consul cannot read it, nor we a Consul's.

mod bundle;
mod tar;

use std::time::{SystemTime, UNIX_EPOCH};

use node::Consistency;
use serde_json::{Value, json};
use state::directory::Part;
use state::registry::{Name, RegistryCommand, RestoreStep, check_archive};
use types::{Code, limits};

use super::answer::{Answer, Meta, Outcome};
use super::asked::Asked;
use super::home::uuid;
use super::parameters::Freshness;
use super::problem::Problem;

/// Bytes of a request's body: the largest archive, with what is around it.
pub(super) const BODY_BYTES: usize = limits::REGISTRY_ARCHIVE_BYTES + (1 << 20);

/// Runs what takes long on a thread for such things.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Problem::failed("making the snapshot panicked")))
}

/// `GET /v1/snapshot`
pub(super) async fn save(asked: &Asked) -> Outcome {
    let freshness = asked.parameters.freshness()?;
    let consistency = match freshness {
        Freshness::Stale => Consistency::Stale,
        Freshness::Default | Freshness::Consistent => Consistency::Linearizable,
    };
    let archive = asked.handle().registry_archive(asked.keyspace, consistency).await;
    let archive = archive.map_err(|fault| match fault.code {
        // Not that somebody asks for too much: more than this server can save.
        Code::LimitReached => Problem::failed(format!("failed to save snapshot: {fault}")),
        _ => fault.into(),
    })?;
    let (header, state) = (archive.header, archive.body);
    let describe = describe(asked, header.revision.get(), header.term.get(), state.len());
    let file = aside(move || bundle::pack(&describe, &state)).await?;
    let meta = Meta {
        index: header.revision,
        age: header.age,
        known_leader: asked.handle().has_leader(asked.keyspace),
        freshness,
        filtered: false,
    };
    Ok(Answer::bytes("application/x-gzip", file).at(meta))
}

/// `meta.json`, as Consul's tools read it.
fn describe(asked: &Asked, index: i64, term: u64, size: usize) -> Value {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_millis());
    let directory = asked.handle().directory();
    let servers = directory.nodes.values().map(|it| {
        json!({
            "Suffrage": if it.part == Part::Voter { 0 } else { 1 },
            "ID": uuid(it.identity),
            "Address": it.peer_address,
        })
    });
    json!({
        "Version": 1,
        "ID": format!("{term}-{index}-{millis}"),
        "Index": index,
        "Term": term,
        "Peers": null,
        "Configuration": { "Servers": servers.collect::<Vec<Value>>() },
        "ConfigurationIndex": 0,
        "Size": size,
    })
}

/// `PUT /v1/snapshot`
pub(super) async fn restore(asked: &Asked) -> Outcome {
    if asked.restoring.is_none() {
        return Err(Problem::busy("another snapshot is being restored through this server"));
    }
    let file = asked.body.clone();
    let state = aside(move || {
        let state = bundle::unpack(&file).map_err(Problem::bad)?;
        // Whatever is wrong with it is told before anything of it is anywhere.
        check_archive(state.clone())?;
        Ok(state)
    });
    let state = state.await?;
    let restore: Name = format!("{:032x}", asked.handle().random()).into();
    let mut parts = 0;
    for start in (0..state.len()).step_by(limits::REGISTRY_PART_BYTES) {
        let bytes = state.slice(start..state.len().min(start + limits::REGISTRY_PART_BYTES));
        let step = RestoreStep::Stage { restore: Name::clone(&restore), part: parts, bytes };
        if let Err(problem) = asked.change(RegistryCommand::Restore(step)).await {
            // It is forgotten with the next restore if this does not get there.
            let step = RestoreStep::Abandon { restore };
            drop(asked.change(RegistryCommand::Restore(step)).await);
            return Err(problem);
        }
        parts += 1;
    }
    asked.change(RegistryCommand::Restore(RestoreStep::CarryOut { restore, parts })).await?;
    tracing::info!(bytes = state.len(), "a snapshot of the registry was restored");
    // The servers of now need not be those of then.
    asked.home.make_known(asked.keyspace).await;
    Ok(Answer::done())
}
