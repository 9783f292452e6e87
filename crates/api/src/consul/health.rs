//! `/v1/health`: what is registered, with how it stands.

use node::Topic;
use state::auth::acl::View;
use state::registry::{DEFAULT_NAMESPACE, Name, ServiceName};

use super::answer::Outcome;
use super::asked::Asked;
use super::catalog;
use super::definition::parse_status;
use super::filter::shape;
use super::show;

/// `GET /v1/health/service/:name`
pub(super) async fn service(asked: &Asked) -> Outcome {
    let name = asked.name("service name")?;
    let service = ServiceName::new(DEFAULT_NAMESPACE, &name);
    let filter = catalog::wanted(asked, asked.parameters.flag("passing"));
    let topic = Topic::Service(service.clone());
    let (mut found, told) = asked.registry(topic, |it| it.service(&service, &filter)).await?;
    if asked.is_of_a_peer() {
        found.clear();
    }
    let datacenter = asked.home.datacenter();
    asked.filtered(&shape::SERVICE_ENTRY, found.iter().map(|it| show::member(it, datacenter)), told)
}

/// `GET /v1/health/node/:node`
pub(super) async fn node(asked: &Asked) -> Outcome {
    let name: Name = asked.name("node name")?.into();
    let question = asked.registry(Topic::Node(name.clone()), |it| it.node_checks(&name));
    let (found, told) = question.await?;
    asked.filtered(&shape::HEALTH_CHECK, found.iter().map(show::named_check), told)
}

/// `GET /v1/health/checks/:service`
pub(super) async fn checks(asked: &Asked) -> Outcome {
    let name = asked.name("service name")?;
    let service = ServiceName::new(DEFAULT_NAMESPACE, &name);
    let topic = Topic::Service(service.clone());
    let (found, told) = asked.registry(topic, |it| it.service_checks(&service)).await?;
    asked.filtered(&shape::HEALTH_CHECK, found.iter().map(show::named_check), told)
}

/// `GET /v1/health/state/:state`
pub(super) async fn state(asked: &Asked) -> Outcome {
    let status = match &*asked.name("check state")? {
        "any" => None,
        name => Some(parse_status(name)?),
    };
    let ask = |registry: &View<'_>| registry.checks(DEFAULT_NAMESPACE, status);
    let (found, told) = asked.registry(Topic::Checks, ask).await?;
    asked.filtered(&shape::HEALTH_CHECK, found.iter().map(show::named_check), told)
}
