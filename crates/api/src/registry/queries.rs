//! Questions that are answered once.

use node::{Caller, Consistency, Scope, Seen};
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::registry_server::Registry;
use state::auth::Demand;
use state::auth::acl::{Access, Resource, View};
use state::registry::query::{Indexed, InstanceFilter, Member};
use state::registry::{
    Check, CheckKey, CheckRegistration, DEFAULT_NAMESPACE, Definition, Name, Node, Registration,
    RegistryCommand, ServiceName, Status as Stands, Target, TimerId,
};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};
use types::Revision;

use super::operations::Client;
use super::{RegistryService, convert};
use crate::{error, metadata};

fn consistency(stale: bool) -> Consistency {
    if stale { Consistency::Stale } else { Consistency::Linearizable }
}

impl RegistryService {
    async fn client(&self, metadata: &MetadataMap) -> Result<Client, Status> {
        let keyspace = self.keyspace().await?;
        let sender = metadata::bearer(metadata);
        Ok(Client { handle: self.handle().clone(), keyspace, sender })
    }

    async fn ask<T>(
        client: &Client,
        scope: &Scope,
        stale: bool,
        ask: impl FnOnce(&View<'_>) -> T + Send,
    ) -> Result<T, Status> {
        let caller: Caller<'_, _> = client.handle.caller(client.keyspace, &client.sender);
        let answer = caller.registry(scope, consistency(stale), ask).await;
        Ok(answer.map_err(|fault| error::status(&fault))?.body)
    }
}

#[tonic::async_trait]
impl Registry for RegistryService {
    type OpenStream = futures::stream::Empty<Result<pb::OpenResponse, Status>>;

    async fn open(
        &self,
        _: Request<Streaming<pb::OpenRequest>>,
    ) -> Result<Response<Self::OpenStream>, Status> {
        // The front door knows it by its path.
        Err(Status::internal("hiraeth: the stream is served elsewhere"))
    }

    async fn find(
        &self,
        request: Request<pb::FindRequest>,
    ) -> Result<Response<pb::FindResponse>, Status> {
        let client = self.client(request.metadata()).await?;
        let asked = request.into_inner();
        let service = ServiceName::new(convert::namespace(&asked.namespace), &asked.service);
        let filter = InstanceFilter {
            passing_only: asked.passing_only,
            tags: asked.tags.into_iter().map(Name::from).collect(),
            near_zone: (!asked.zone.is_empty()).then(|| asked.zone.into()),
            ..InstanceFilter::default()
        };
        let found = Self::ask(&client, &Scope::Service(service.clone()), asked.stale, |it| {
            it.service(&service, &filter)
        })
        .await?;
        let instances = found.value.into_iter().map(|it| convert::instance(&Seen::from(it)));
        let (version, instances) = (found.index.get(), instances.collect());
        Ok(Response::new(pb::FindResponse { version, instances }))
    }

    async fn services(
        &self,
        request: Request<pb::ServicesRequest>,
    ) -> Result<Response<pb::ServicesResponse>, Status> {
        let client = self.client(request.metadata()).await?;
        let asked = request.into_inner();
        let namespace = convert::namespace(&asked.namespace);
        let ask = |registry: &View<'_>| {
            let Indexed { index, value } = registry.services(namespace);
            let counted = value.into_iter().map(|(name, tags)| {
                let service = ServiceName { namespace: namespace.into(), name };
                let members = registry.service(&service, &InstanceFilter::default()).value;
                let passes = |member: &&Member| member.status() == Stands::Passing;
                let passing = members.iter().filter(passes).count();
                (service.name, tags, members.len(), passing)
            });
            Indexed { index, value: counted.collect::<Vec<_>>() }
        };
        let found = Self::ask(&client, &Scope::Whole, asked.stale, ask).await?;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let services = found.value.into_iter().map(|(name, tags, all, passing)| pb::ServiceTags {
            name: name.to_string(),
            tags: tags.iter().map(|tag| tag.to_string()).collect(),
            instances: count(all),
            passing: count(passing),
        });
        let (version, services) = (found.index.get(), services.collect());
        Ok(Response::new(pb::ServicesResponse { version, services }))
    }

    async fn drain(
        &self,
        request: Request<pb::DrainRequest>,
    ) -> Result<Response<pb::DrainResponse>, Status> {
        let client = self.client(request.metadata()).await?;
        let asked = request.into_inner();
        if asked.node.is_empty() {
            return Err(Status::invalid_argument("hiraeth: invalid request: `node` is missing"));
        }
        let namespace = match asked.id.as_str() {
            "" => DEFAULT_NAMESPACE,
            _ => convert::namespace(&asked.namespace),
        };
        let id = match asked.id.as_str() {
            "" => "_node_maintenance".to_owned(),
            id => format!("_service_maintenance:{id}"),
        };
        let key = CheckKey::new(&asked.node, namespace, &id);
        if asked.back {
            client.propose(RegistryCommand::Deregister(Target::Check(key))).await?;
            return Ok(Response::new(pb::DrainResponse {}));
        }
        let node: Name = asked.node.as_str().into();
        let known = Self::ask(&client, &Scope::Whole, false, |it| it.node(&node).value).await?;
        let Some(known) = known else {
            return Err(Status::not_found(format!("hiraeth: the registry has no node {node:?}")));
        };
        let is_there = |id: &str| {
            known.instances.iter().any(|it| *it.id == *id && *it.namespace == *namespace)
        };
        if !asked.id.is_empty() && !is_there(&asked.id) {
            let id = &asked.id;
            let text = format!("hiraeth: the registry has no instance {id:?} on {node:?}");
            return Err(Status::not_found(text));
        }
        let check = Check {
            node: Name::clone(&node),
            namespace: key.namespace,
            id: key.id,
            instance: asked.id.as_str().into(),
            name: "Maintenance".into(),
            status: Stands::Critical,
            notes: asked.reason.into(),
            output: "".into(),
            kind: "maintenance".into(),
            definition: Definition::default(),
            timer: TimerId(0),
            created: Revision(0),
            modified: Revision(0),
        };
        let registration = Registration {
            node: Node::clone(&known.node),
            skip_node_update: true,
            instance: None,
            checks: vec![CheckRegistration { check, keep_status: false }],
            replace_checks: false,
        };
        client.propose(RegistryCommand::Register(Box::new(registration))).await?;
        Ok(Response::new(pb::DrainResponse {}))
    }

    async fn audit(
        &self,
        request: Request<pb::AuditRequest>,
    ) -> Result<Response<pb::AuditResponse>, Status> {
        let client = self.client(request.metadata()).await?;
        let asked = request.into_inner();
        let service = ServiceName::new(convert::namespace(&asked.namespace), &asked.service);
        let what = Demand::Resource(Resource::Service(&service.name), Access::Read);
        let caller = client.handle.caller(client.keyspace, &client.sender);
        caller.permit_locally(what).map_err(|fault| error::status(&fault))?;
        // Whether there is a service at all, and whether the client may know.
        let scope = Scope::Service(service.clone());
        let known = Self::ask(&client, &scope, true, |registry| {
            registry.service(&service, &InstanceFilter::default())
        });
        let known = known.await?;
        let Some(audit) = client.handle.audit(client.keyspace, &service) else {
            return Ok(Response::new(pb::AuditResponse {
                version: known.index.get(),
                instances: known.value.len() as u64,
                ..pb::AuditResponse::default()
            }));
        };
        let micros =
            |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let readers = audit.readers.into_iter().map(|it| pb::Reader {
            label: it.label,
            sent: it.sent.get(),
            acknowledged: it.acknowledged.get(),
            took_us: it.took.map_or(0, micros),
        });
        let pushes = audit.pushes.into_iter().map(|it| pb::Push {
            version: it.version.get(),
            ago_ms: micros(it.ago) / 1_000,
            changed: it.changed as u64,
            gone: it.gone as u64,
            readers: it.readers as u64,
            acknowledged: it.acknowledged as u64,
            slowest_us: micros(it.slowest),
        });
        Ok(Response::new(pb::AuditResponse {
            version: audit.version.get(),
            instances: audit.instances as u64,
            readers: readers.collect(),
            pushes: pushes.collect(),
        }))
    }
}
