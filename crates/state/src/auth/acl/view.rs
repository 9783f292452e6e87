//! The registry as somebody may see it: what is asked for people outside is asked through this, so that
//! nothing is shown that nobody thought about.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::authorizer::Authorizer;
use super::resource::{Access, Resource};
use crate::registry::query::{Indexed, InstanceFilter, Member, NamedCheck, NodeServices};
use crate::registry::{
    Check, CheckKey, Instance, InstanceKey, Name, Node, Registries, ServiceName, Session, Status,
    TimerId,
};

/// A registry, and who looks.
pub struct View<'a> {
    registry: Registries<'a>,
    /// `None` for who may see everything.
    rights: Option<&'a Authorizer>,
    hid: Cell<bool>,
}

/// The same questions as the registry's; an index is that of all there is.
impl<'a> View<'a> {
    /// Of who may see everything.
    #[must_use]
    pub fn whole(registry: impl Into<Registries<'a>>) -> Self {
        Self { registry: registry.into(), rights: None, hid: Cell::new(false) }
    }

    /// Of who may see what the rules of a token say.
    #[must_use]
    pub fn of(registry: impl Into<Registries<'a>>, rights: &'a Authorizer) -> Self {
        Self { registry: registry.into(), rights: Some(rights), hid: Cell::new(false) }
    }

    /// Whether anything was left out of an answer.
    #[must_use]
    pub fn hid_something(&self) -> bool {
        self.hid.get()
    }

    fn sees(&self, resource: Resource<'_>) -> bool {
        let sees = self.rights.is_none_or(|rights| rights.may(resource, Access::Read));
        if !sees {
            self.hid.set(true);
        }
        sees
    }

    fn sees_node(&self, node: &str) -> bool {
        self.sees(Resource::Node(node))
    }

    fn sees_instance(&self, instance: &Instance) -> bool {
        self.sees(Resource::Service(&instance.service))
    }

    fn sees_check(&self, named: &NamedCheck) -> bool {
        self.sees_node(&named.check.node)
            && named.instance.as_ref().is_none_or(|instance| self.sees_instance(instance))
    }

    fn sees_member(&self, member: &Member) -> bool {
        self.sees_node(&member.node.name) && self.sees_instance(&member.instance)
    }

    fn only<T>(mut found: Indexed<Vec<T>>, sees: impl FnMut(&T) -> bool) -> Indexed<Vec<T>> {
        found.value.retain(sees);
        found
    }

    /// [`Registries::service`].
    #[must_use]
    pub fn service(&self, service: &ServiceName, filter: &InstanceFilter) -> Indexed<Vec<Member>> {
        Self::only(self.registry.service(service, filter), |it| self.sees_member(it))
    }

    /// [`Registries::services`].
    #[must_use]
    pub fn services(&self, namespace: &str) -> Indexed<BTreeMap<Name, Vec<Name>>> {
        let mut found = self.registry.services(namespace);
        found.value.retain(|name, _| self.sees(Resource::Service(name)));
        found
    }

    /// [`Registries::nodes`].
    #[must_use]
    pub fn nodes(&self, meta: &[(Name, Name)]) -> Indexed<Vec<Arc<Node>>> {
        Self::only(self.registry.nodes(meta), |it| self.sees_node(&it.name))
    }

    /// [`Registries::node`].
    #[must_use]
    pub fn node(&self, name: &Name) -> Indexed<Option<NodeServices>> {
        let mut found = self.registry.node(name);
        found.value = found.value.filter(|_| self.sees_node(name));
        if let Some(node) = &mut found.value {
            node.instances.retain(|it| self.sees_instance(it));
        }
        found
    }

    /// [`Registries::node_record`].
    #[must_use]
    pub fn node_record(&self, name: &str) -> Option<Arc<Node>> {
        self.registry.node_record(name).filter(|_| self.sees_node(name))
    }

    /// [`Registries::node_checks`].
    #[must_use]
    pub fn node_checks(&self, name: &Name) -> Indexed<Vec<NamedCheck>> {
        Self::only(self.registry.node_checks(name), |it| self.sees_check(it))
    }

    /// The instances on a node, by id and namespace, whoever may see the node.
    #[must_use]
    pub fn instances_on(&self, name: &Name) -> Indexed<Vec<Arc<Instance>>> {
        let Indexed { index, value } = self.registry.node(name);
        let value = value.map(|it| it.instances).unwrap_or_default();
        Self::only(Indexed { index, value }, |it| self.sees_instance(it))
    }

    /// The checks on a node, as its agent tells of them: who may see a service may see its checks.
    #[must_use]
    pub fn checks_on(&self, name: &Name) -> Indexed<Vec<NamedCheck>> {
        Self::only(self.registry.node_checks(name), |it| self.sees_own_check(it))
    }

    fn sees_own_check(&self, named: &NamedCheck) -> bool {
        match &named.instance {
            Some(instance) => self.sees_instance(instance),
            None => self.sees_node(&named.check.node),
        }
    }

    /// [`Registries::service_checks`].
    #[must_use]
    pub fn service_checks(&self, service: &ServiceName) -> Indexed<Vec<NamedCheck>> {
        Self::only(self.registry.service_checks(service), |it| self.sees_check(it))
    }

    /// [`Registries::checks`].
    #[must_use]
    pub fn checks(&self, namespace: &str, status: Option<Status>) -> Indexed<Vec<NamedCheck>> {
        Self::only(self.registry.checks(namespace, status), |it| self.sees_check(it))
    }

    /// [`Registries::check`]. Who may see a service may see its checks.
    #[must_use]
    pub fn check(&self, key: &CheckKey) -> Option<NamedCheck> {
        self.registry.check(key).filter(|it| self.sees_own_check(it))
    }

    /// [`Registries::instance`].
    #[must_use]
    pub fn instance(&self, key: &InstanceKey) -> Option<Arc<Instance>> {
        self.registry.instance(key).filter(|it| self.sees_instance(it))
    }

    /// An instance with its checks, whoever may see its node.
    #[must_use]
    pub fn member(&self, key: &InstanceKey) -> Option<Member> {
        let instance = self.instance(key)?;
        let node = self.registry.node_record(&key.node)?;
        let checks = self.registry.checks_about(&key.node, &key.namespace, &key.id)?;
        Some(Member { node, instance, checks })
    }

    /// The check that a deadline belongs to.
    #[must_use]
    pub fn check_of(&self, timer: TimerId) -> Option<Arc<Check>> {
        let check = self.registry.check_of(timer)?;
        self.check(&check.key()).map(|it| it.check)
    }

    /// [`Registries::session`].
    #[must_use]
    pub fn session(&self, id: &str) -> Indexed<Option<Arc<Session>>> {
        let mut found = self.registry.session(id);
        found.value = found.value.filter(|it| self.sees(Resource::Session(&it.node)));
        found
    }

    /// [`Registries::sessions`].
    #[must_use]
    pub fn sessions(&self, node: Option<&str>) -> Indexed<Vec<Arc<Session>>> {
        let found = self.registry.sessions(node);
        Self::only(found, |it| self.sees(Resource::Session(&it.node)))
    }

    /// [`Registries::sample`].
    #[must_use]
    pub fn sample(
        &self,
        service: &ServiceName,
        from: u64,
        most: usize,
        mut takes: impl FnMut(&Node, &Instance, Status) -> bool,
    ) -> Vec<Member> {
        if !self.sees(Resource::Service(&service.name)) {
            return Vec::new();
        }
        let takes = |node: &Node, instance: &Instance, status| {
            self.sees_node(&node.name) && takes(node, instance, status)
        };
        self.registry.sample(service, from, most, takes)
    }

    /// [`Registries::counts`]: for who may operate the cluster.
    #[must_use]
    pub fn counts(&self) -> Option<[usize; 4]> {
        self.sees(Resource::Operator).then(|| self.registry.counts())
    }
}
