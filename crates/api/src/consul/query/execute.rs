//! Asking a prepared query.

use node::Topic;
use serde_json::{Value, json};
use state::registry::query::{InstanceFilter, Member};
use state::registry::{DEFAULT_NAMESPACE, Name, Pairs, ServiceName, Status};

use super::definition::Definition;
use super::named;
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::show;

/// `GET /v1/query/:name/execute`
pub(super) async fn execute(asked: &Asked, name: &str) -> Outcome {
    let query = named(asked, name).await?;
    let definition = Definition::of(&query.value)?;
    let service = ServiceName::new(DEFAULT_NAMESPACE, &definition.service);
    let near = match asked.parameters.get("near").unwrap_or(&definition.near) {
        "" => None,
        // What asks is where it asks.
        "_agent" | "_ip" => Some(Name::from(asked.home.record().name.as_str())),
        node => Some(Name::from(node)),
    };
    let filter = InstanceFilter {
        tags: definition.tags.iter().filter(|tag| !tag.starts_with('!')).cloned().collect(),
        node_meta: definition.node_meta.iter().cloned().collect(),
        near_node: near.clone(),
        ..InstanceFilter::default()
    };
    let topic = Topic::Service(service.clone());
    let (mut found, meta) = asked.registry(topic, |it| it.service(&service, &filter)).await?;
    found.retain(|member| is_meant(&definition, member));
    if near.is_none() {
        shuffle(&mut found, asked.handle().random());
    }
    let limit = asked.parameters.number("limit")?.and_then(|it| usize::try_from(it).ok());
    found.truncate(limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX));
    let datacenter = asked.home.datacenter();
    let nodes: Vec<Value> =
        found.iter().map(|member| json!(show::member(member, datacenter))).collect();
    Ok(Answer::json(&json!({
        "Service": definition.service,
        "Nodes": nodes,
        "DNS": { "TTL": definition.ttl },
        "Datacenter": datacenter,
        "Failovers": 0,
    }))
    .at(meta))
}

fn has(pairs: &Pairs, wanted: &Pairs) -> bool {
    wanted.iter().all(|pair| pairs.contains(pair))
}

/// Whether an instance has what the query asks for, and can be used.
fn is_meant(definition: &Definition, member: &Member) -> bool {
    let unwanted = definition.tags.iter().filter_map(|tag| tag.strip_prefix('!'));
    let is_unwanted = |tag: &str| member.instance.tags.iter().any(|it| &**it == tag);
    let mut counted =
        member.checks.iter().filter(|check| !definition.ignored_checks.contains(&check.id));
    !unwanted.clone().any(is_unwanted)
        && has(&member.instance.meta, &definition.service_meta)
        && counted.all(|check| match check.status {
            Status::Passing => true,
            Status::Warning => !definition.only_passing,
            Status::Critical => false,
        })
}

/// So that who takes the first one spreads over all.
fn shuffle<T>(list: &mut [T], seed: u128) {
    let mut seed = seed;
    for last in (1..list.len()).rev() {
        // A number for each place, from one: what is left of it is divided on.
        let places = (last + 1) as u128;
        let chosen = usize::try_from(seed % places).unwrap_or(0);
        seed = (seed / places).wrapping_add(seed.rotate_left(41));
        list.swap(last, chosen);
    }
}

#[cfg(test)]
mod tests {
    use super::shuffle;

    #[test]
    fn everybody_comes_first_sometimes_and_nobody_is_lost() {
        let mut firsts = [0_u32; 5];
        for seed in 0..1_000_u128 {
            let mut list = [0, 1, 2, 3, 4];
            shuffle(&mut list, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
            firsts[list[0]] += 1;
            list.sort_unstable();
            assert_eq!(list, [0, 1, 2, 3, 4]);
        }
        assert!(firsts.iter().all(|times| (120..280).contains(times)), "{firsts:?}");
    }
}
