//! The instances of this server's node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use node::Topic;
use sha2::{Digest, Sha256};
use state::auth::acl::View;
use state::registry::query::Indexed;
use state::registry::{Instance, Name};
use tokio::time::Instant;
use types::Revision;

use super::place;
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::filter::shape;
use crate::consul::home::CONSUL;
use crate::consul::problem::Problem;
use crate::consul::show;

/// `GET /v1/agent/services`
pub(in crate::consul) async fn services(asked: &Asked) -> Outcome {
    let own: Name = asked.home.record().name.as_str().into();
    let filter = asked.filter(&shape::NODE_SERVICE)?;
    let question = asked.registry(Topic::Node(own.clone()), |view| view.instances_on(&own));
    let (found, meta) = question.await?;
    let mut map: BTreeMap<&str, serde_json::Value> = BTreeMap::new();
    for instance in &found {
        let shown = show::agent_instance(instance, asked.home.datacenter());
        let value = serde_json::to_value(shown).unwrap_or_default();
        if &*instance.id != CONSUL && filter.matches(&value) {
            map.insert(&instance.id, value);
        }
    }
    Ok(Answer::json(&map).at(meta))
}

/// `GET /v1/agent/service/:id`: waits, if asked to, until the instance is another one than that of a hash.
pub(in crate::consul) async fn service(asked: &Asked) -> Outcome {
    let id = asked.name("service ID")?;
    let key = place::instance(asked, &id).await?;
    let known = asked.parameters.get("hash").unwrap_or_default();
    let wait = match asked.parameters.get("wait") {
        None => Duration::from_secs(300),
        Some(_) => asked.parameters.wait()?,
    };
    let deadline = Instant::now() + wait;
    let mut after = Revision(0);
    loop {
        let ask = |registry: &View<'_>| {
            let instance = registry.instance(&key);
            let hid = registry.hid_something();
            Indexed { index: registry.instances_on(&key.node).index, value: (instance, hid) }
        };
        let topic = (Topic::Node(key.node.clone()), after);
        let left = deadline.saturating_duration_since(Instant::now());
        let found = asked.caller().registry_wait(topic, left, ask).await?.body;
        let (instance, hid) = found.value;
        let Some(instance) = instance else {
            if hid {
                return Err(place::hidden(&id));
            }
            return Err(Problem::not_found(format!("unknown service ID: {id}")));
        };
        let (body, hash) = hashed(asked, &instance);
        if hash != known || Instant::now() >= deadline {
            return Ok(Answer::json(&body).header("x-consul-contenthash", &hash));
        }
        after = found.index;
    }
}

fn hashed(asked: &Asked, instance: &Arc<Instance>) -> (serde_json::Value, String) {
    let shown = show::agent_instance(instance, asked.home.datacenter());
    let mut body = serde_json::to_value(shown).unwrap_or_default();
    let digest = Sha256::digest(body.to_string());
    let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    if let Some(object) = body.as_object_mut() {
        object.insert("ContentHash".to_owned(), hash.clone().into());
    }
    (body, hash)
}
