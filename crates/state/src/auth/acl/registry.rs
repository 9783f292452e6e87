//! What commands of the registry need. Who may change an instance is told by its service, and who may change
//! a check by what it is of: so what is there has to be looked at.

use super::authorizer::Authorizer;
use super::model::ANONYMOUS_TOKEN;
use super::resource::{Access, Resource};
use crate::registry::{
    CatalogOp, Check, CheckKey, Instance, InstanceKey, KvOp, Registration, Registries,
    RegistryCommand, Target, TxnOp,
};
use types::KeyRange;

type Decided = Result<(), String>;

/// Whether who may give a command can only be told by what is registered.
#[must_use]
pub fn needs_registry(command: &RegistryCommand) -> bool {
    match command {
        RegistryCommand::Register(_)
        | RegistryCommand::Deregister(_)
        | RegistryCommand::UpdateCheck { .. }
        | RegistryCommand::DestroySession { .. }
        | RegistryCommand::RenewSession { .. } => true,
        RegistryCommand::Txn(ops) => ops.iter().any(|op| matches!(op, TxnOp::Catalog(_))),
        RegistryCommand::CreateSession(_)
        | RegistryCommand::Expire(_)
        | RegistryCommand::Mirror(_)
        | RegistryCommand::RegisterOn(_)
        | RegistryCommand::Kv(_)
        | RegistryCommand::KvDelete { .. }
        | RegistryCommand::Restore(_) => false,
    }
}

impl Authorizer {
    /// Whether it may.
    ///
    /// # Errors
    /// In Consul's words, what it lacks.
    pub fn need(&self, resource: Resource<'_>, wanted: Access) -> Decided {
        if self.may(resource, wanted) {
            return Ok(());
        }
        let lacking = resource.lacking(wanted);
        if &*self.token == ANONYMOUS_TOKEN {
            return Err(format!(
                "anonymous token {lacking}. The anonymous token is used implicitly when a request does not \
                 specify a token."
            ));
        }
        Err(format!("token with AccessorID '{}' {lacking}", self.token))
    }

    fn write(&self, resource: Resource<'_>) -> Decided {
        self.need(resource, Access::Write)
    }

    /// Whether it may have a command carried out, by what is registered. Without that, where it is needed
    /// ([`needs_registry`]), it may not.
    ///
    /// # Errors
    /// As for [`Self::need`].
    pub fn may_change(
        &self,
        command: &RegistryCommand,
        registry: Option<Registries<'_>>,
    ) -> Decided {
        match command {
            RegistryCommand::Kv(write) => return self.write(Resource::Key(&write.key)),
            RegistryCommand::KvDelete { key, .. } => return self.write(Resource::Key(key)),
            RegistryCommand::CreateSession(session) => {
                return self.write(Resource::Session(&session.node));
            }
            // Only a leader's clock does; and who may make everything another way.
            RegistryCommand::Expire(_)
            | RegistryCommand::Mirror(_)
            | RegistryCommand::RegisterOn(_)
            | RegistryCommand::Restore(_) => {
                return self.write(Resource::Everything);
            }
            RegistryCommand::Txn(ops) => {
                return ops.iter().try_for_each(|op| self.may_operation(op, registry));
            }
            _ => {}
        }
        let Some(registry) = registry else { return self.write(Resource::Everything) };
        match command {
            RegistryCommand::Register(registration) => self.may_register(registration, registry),
            RegistryCommand::Deregister(Target::Node(node)) => self.write(Resource::Node(node)),
            RegistryCommand::Deregister(Target::Instance(key)) => {
                self.may_remove_instance(key, registry)
            }
            RegistryCommand::Deregister(Target::Check(key)) => self.may_remove_check(key, registry),
            RegistryCommand::UpdateCheck { check, .. } => self.may_touch_check(check, registry),
            RegistryCommand::DestroySession { id } | RegistryCommand::RenewSession { id } => {
                match registry.session(id).value {
                    Some(session) => self.write(Resource::Session(&session.node)),
                    // Nothing is there to be ended, or to be renewed.
                    None => Ok(()),
                }
            }
            _ => self.write(Resource::Everything),
        }
    }

    /// Whether it may do one operation of a transaction.
    ///
    /// # Errors
    /// As for [`Self::need`].
    pub fn may_operation(&self, op: &TxnOp, registry: Option<Registries<'_>>) -> Decided {
        let op = match op {
            // What it may not read is left out of the answer.
            TxnOp::Kv(KvOp::GetTree { .. }) => return Ok(()),
            TxnOp::Kv(op) => {
                let (keys, wanted) =
                    (op.range(), if op.writes() { Access::Write } else { Access::Read });
                if matches!(op, KvOp::DeleteTree { .. }) {
                    return self.need(Resource::Keys(&keys), wanted);
                }
                return self.need(Resource::Key(&keys.start), wanted);
            }
            TxnOp::Catalog(op) => op,
        };
        let Some(registry) = registry else { return self.write(Resource::Everything) };
        match op {
            CatalogOp::GetNode { name, .. } => self.need(Resource::Node(name), Access::Read),
            CatalogOp::SetNode { node, .. } => self.write(Resource::Node(&node.name)),
            CatalogOp::DeleteNode { name, .. } => self.write(Resource::Node(name)),
            CatalogOp::GetInstance(key) => match registry.instance(key) {
                Some(known) => self.need(Resource::Service(&known.service), Access::Read),
                None => Ok(()),
            },
            CatalogOp::SetInstance { instance, .. } => self.may_set_instance(instance, registry),
            CatalogOp::DeleteInstance { key, .. } => self.may_remove_instance(key, registry),
            CatalogOp::GetCheck(key) => match registry.check(key) {
                Some(known) if known.instance.is_none() => {
                    self.need(Resource::Node(&key.node), Access::Read)
                }
                Some(known) => {
                    let service = known.instance.map(|it| it.service.clone()).unwrap_or_default();
                    self.need(Resource::Service(&service), Access::Read)
                }
                None => Ok(()),
            },
            CatalogOp::SetCheck { check, .. } => self.may_set_check(check, None, registry),
            CatalogOp::DeleteCheck { key, .. } => self.may_remove_check(key, registry),
        }
    }

    fn may_register(&self, registration: &Registration, registry: Registries<'_>) -> Decided {
        let node = &registration.node;
        let changes_node = match registry.node_record(&node.name) {
            None => true,
            Some(known) => {
                let same = known.id == node.id
                    && known.address == node.address
                    && known.tagged_addresses == node.tagged_addresses
                    && known.meta == node.meta;
                !registration.skip_node_update && !same
            }
        };
        if changes_node {
            self.write(Resource::Node(&node.name))?;
        }
        if let Some(instance) = &registration.instance {
            self.may_set_instance(instance, registry)?;
        }
        let instance = registration.instance.as_ref();
        registration
            .checks
            .iter()
            .try_for_each(|it| self.may_set_check(&it.check, instance, registry))
    }

    /// Also over the service that it is of until now.
    fn may_set_instance(&self, instance: &Instance, registry: Registries<'_>) -> Decided {
        let key = InstanceKey {
            node: instance.node.clone(),
            namespace: instance.namespace.clone(),
            id: instance.id.clone(),
        };
        self.write(Resource::Service(&instance.service))?;
        match registry.instance(&key) {
            Some(known) => self.write(Resource::Service(&known.service)),
            None => Ok(()),
        }
    }

    /// Over what it is to be of, and what it is of until now.
    fn may_set_check(
        &self,
        check: &Check,
        with: Option<&Instance>,
        registry: Registries<'_>,
    ) -> Decided {
        if check.is_of_node() {
            self.write(Resource::Node(&check.node))?;
        } else {
            let key = InstanceKey {
                node: check.node.clone(),
                namespace: check.namespace.clone(),
                id: check.instance.clone(),
            };
            let own = with.filter(|it| it.id == key.id && it.namespace == key.namespace);
            let known = registry.instance(&key);
            match own.map(|it| &it.service).or(known.as_ref().map(|it| &it.service)) {
                Some(service) => self.write(Resource::Service(service))?,
                // It will be refused; until then nobody may but who may do all there.
                None => self.write(Resource::Node(&check.node))?,
            }
        }
        self.may_touch_check(&check.key(), registry)
    }

    fn may_touch_check(&self, key: &CheckKey, registry: Registries<'_>) -> Decided {
        match registry.check(key) {
            None => Ok(()),
            Some(known) => match &known.instance {
                Some(instance) => self.write(Resource::Service(&instance.service)),
                None => self.write(Resource::Node(&key.node)),
            },
        }
    }

    /// Who may change a node may remove what is on it.
    fn may_remove_instance(&self, key: &InstanceKey, registry: Registries<'_>) -> Decided {
        match registry.instance(key) {
            Some(_) if self.may(Resource::Node(&key.node), Access::Write) => Ok(()),
            Some(known) => self.write(Resource::Service(&known.service)),
            None => Ok(()),
        }
    }

    fn may_remove_check(&self, key: &CheckKey, registry: Registries<'_>) -> Decided {
        if self.may(Resource::Node(&key.node), Access::Write) {
            return Ok(());
        }
        self.may_touch_check(key, registry)
    }

    /// Whether it may read, or write, these keys.
    pub(crate) fn may_keys(&self, range: &KeyRange, wanted: Access) -> bool {
        self.may(Resource::Keys(range), wanted)
    }
}
