use std::collections::BTreeMap;
use std::sync::Arc;

use node::Topic;
use serde_json::{Map, Value};
use state::auth::acl::View;
use state::registry::query::{Indexed, InstanceFilter, Member};
use state::registry::{DEFAULT_NAMESPACE, Name, ServiceName};

use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::filter::shape;
use crate::consul::show;

/// `GET /v1/catalog/datacenters`
pub(in crate::consul) async fn datacenters(asked: &Asked) -> Outcome {
    Ok(Answer::json(&[asked.home.datacenter()]))
}

/// `GET /v1/catalog/nodes`
pub(in crate::consul) async fn nodes(asked: &Asked) -> Outcome {
    let meta = asked.parameters.node_meta();
    let question = asked.registry(Topic::Nodes, |registry| registry.nodes(&meta));
    let (mut found, told) = question.await?;
    if let Some(near) = near(asked) {
        found.sort_by_key(|node| node.name != near);
    }
    let datacenter = asked.home.datacenter();
    asked.filtered(&shape::NODE, found.iter().map(|it| show::node(it, datacenter)), told)
}

/// The node an answer is to begin with; `_agent` is this server's.
pub(in crate::consul) fn near(asked: &Asked) -> Option<Name> {
    match asked.parameters.get("near")? {
        "" => None,
        "_agent" | "_ip" => Some(asked.home.record().name.as_str().into()),
        name => Some(name.into()),
    }
}

/// `GET /v1/catalog/services`
pub(in crate::consul) async fn services(asked: &Asked) -> Outcome {
    let meta = asked.parameters.node_meta();
    let filter = asked.parameters.get("filter").filter(|text| !text.is_empty());
    let topic = Topic::Services(DEFAULT_NAMESPACE.into());
    if meta.is_empty() && filter.is_none() {
        let (found, told) = asked.registry(topic, |it| it.services(DEFAULT_NAMESPACE)).await?;
        let texts = |tags: &[Name]| tags.iter().map(|tag| tag.to_string()).collect();
        let map: BTreeMap<&str, Vec<String>> =
            found.iter().map(|(name, tags)| (&**name, texts(tags))).collect();
        return Ok(Answer::json(&map).at(told));
    }
    // Which of them are left is decided instance by instance.
    let filter = asked.filter(&shape::SERVICE_NODE)?;
    let wanted = InstanceFilter { node_meta: meta, ..InstanceFilter::default() };
    let all = |registry: &View<'_>| {
        let names = registry.services(DEFAULT_NAMESPACE);
        let members = names.value.into_keys().flat_map(|name| {
            let service = ServiceName { namespace: DEFAULT_NAMESPACE.into(), name };
            registry.service(&service, &wanted).value
        });
        Indexed { index: names.index, value: members.collect::<Vec<Member>>() }
    };
    let (found, told) = asked.registry(topic, all).await?;
    let mut map: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for member in &found {
        let shown = show::place(member, asked.home.datacenter());
        if filter.matches(&serde_json::to_value(shown).unwrap_or_default()) {
            let tags = map.entry(&member.instance.service).or_default();
            tags.extend(member.instance.tags.iter().map(|tag| &**tag));
        }
    }
    for tags in map.values_mut() {
        tags.sort_unstable();
        tags.dedup();
    }
    Ok(Answer::json(&map).at(told))
}

/// Which instances of a service the request wants.
pub(in crate::consul) fn wanted(asked: &Asked, passing_only: bool) -> InstanceFilter {
    let parameters = &asked.parameters;
    InstanceFilter {
        passing_only,
        tags: parameters.all("tag").filter(|tag| !tag.is_empty()).map(Into::into).collect(),
        node_meta: parameters.node_meta(),
        near_node: near(asked),
        near_zone: None,
    }
}

/// `GET /v1/catalog/service/:name`
pub(in crate::consul) async fn service(asked: &Asked) -> Outcome {
    let name = asked.name("service name")?;
    let service = ServiceName::new(DEFAULT_NAMESPACE, &name);
    let filter = wanted(asked, false);
    let topic = Topic::Service(service.clone());
    let (mut found, told) = asked.registry(topic, |it| it.service(&service, &filter)).await?;
    if asked.is_of_a_peer() {
        found.clear();
    }
    let datacenter = asked.home.datacenter();
    asked.filtered(&shape::SERVICE_NODE, found.iter().map(|it| show::place(it, datacenter)), told)
}

/// `GET /v1/catalog/node/:node`
pub(in crate::consul) async fn node(asked: &Asked) -> Outcome {
    let filter = asked.filter(&shape::NODE_SERVICE)?;
    let name: Name = asked.name("node name")?.into();
    let question = asked.registry(Topic::Node(name.clone()), |registry| registry.node(&name));
    let (found, told) = question.await?;
    let Some(found) = found else { return Ok(Answer::json(&Value::Null).at(told)) };
    let mut services: Map<String, Value> = Map::new();
    for instance in &found.instances {
        let value = serde_json::to_value(show::instance(instance)).unwrap_or_default();
        if filter.matches(&value) {
            services.insert(instance.id.to_string(), value);
        }
    }
    let node = show::node(&found.node, asked.home.datacenter());
    Ok(Answer::json(&serde_json::json!({ "Node": node, "Services": services })).at(told))
}

/// `GET /v1/catalog/node-services/:node`
pub(in crate::consul) async fn node_services(asked: &Asked) -> Outcome {
    let filter = asked.filter(&shape::NODE_SERVICE)?;
    let name: Name = asked.name("node name")?.into();
    let question = asked.registry(Topic::Node(name.clone()), |registry| registry.node(&name));
    let (found, told) = question.await?;
    let Some(found) = found else { return Ok(Answer::json(&Value::Null).at(told)) };
    let shown = |it: &Arc<state::registry::Instance>| {
        serde_json::to_value(show::instance(it)).unwrap_or_default()
    };
    let services = found.instances.iter().map(shown).filter(|value| filter.matches(value));
    let services: Vec<Value> = services.collect();
    let node = show::node(&found.node, asked.home.datacenter());
    Ok(Answer::json(&serde_json::json!({ "Node": node, "Services": services })).at(told))
}

/// What only Consul's service mesh has: nothing is registered there.
pub(in crate::consul) async fn nothing(asked: &Asked) -> Outcome {
    let name = asked.name("service name")?;
    let service = ServiceName::new("", &name);
    let topic = Topic::Service(service.clone());
    let ask = |registry: &View<'_>| registry.service(&service, &InstanceFilter::default());
    let (_, told) = asked.registry(topic, ask).await?;
    Ok(Answer::json(&Vec::<Value>::new()).at(told))
}
