//! What there is to be asked, read from the descriptors: a new method is fuzzed from its first day.

use std::collections::BTreeMap;

use anyhow::Context;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FileDescriptorSet};

/// A method of a service.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    /// `/package.Service/Method`.
    pub(crate) path: String,
    /// The full name of the message it takes.
    pub(crate) request: String,
    pub(crate) client_streams: bool,
}

/// A field of a message.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// As JSON has it.
    pub(crate) json: String,
    pub(crate) number: u32,
    pub(crate) kind: Type,
    pub(crate) repeated: bool,
    /// The full name of its message or enumeration.
    pub(crate) of: String,
}

/// Services and messages.
pub(crate) struct Schema {
    pub(crate) methods: Vec<Method>,
    messages: BTreeMap<String, Vec<Field>>,
    /// The names of an enumeration's values.
    enums: BTreeMap<String, Vec<(String, i32)>>,
}

/// What nodes say to each other is not served on the client port.
const NOT_SERVED: &str = "hiraeth.peer";

impl Schema {
    pub(crate) fn read() -> anyhow::Result<Self> {
        let set = FileDescriptorSet::decode(proto::DESCRIPTORS).context("the descriptors")?;
        let mut schema =
            Self { methods: Vec::new(), messages: BTreeMap::new(), enums: BTreeMap::new() };
        for file in &set.file {
            let package = file.package();
            for message in &file.message_type {
                schema.add_message(package, message);
            }
            for each in &file.enum_type {
                schema.add_enum(package, each);
            }
            if package.starts_with(NOT_SERVED) {
                continue;
            }
            for service in &file.service {
                for method in &service.method {
                    schema.methods.push(Method {
                        path: format!("/{package}.{}/{}", service.name(), method.name()),
                        request: method.input_type().trim_start_matches('.').to_owned(),
                        client_streams: method.client_streaming(),
                    });
                }
            }
        }
        Ok(schema)
    }

    fn add_message(&mut self, parent: &str, message: &DescriptorProto) {
        let name = format!("{parent}.{}", message.name());
        for nested in &message.nested_type {
            self.add_message(&name, nested);
        }
        for each in &message.enum_type {
            self.add_enum(&name, each);
        }
        let fields = message.field.iter().map(|field| Field {
            name: field.name().to_owned(),
            json: field.json_name().to_owned(),
            number: u32::try_from(field.number()).unwrap_or(1),
            kind: field.r#type(),
            repeated: field.label() == Label::Repeated,
            of: field.type_name().trim_start_matches('.').to_owned(),
        });
        self.messages.insert(name, fields.collect());
    }

    fn add_enum(&mut self, parent: &str, each: &prost_types::EnumDescriptorProto) {
        let name = format!("{parent}.{}", each.name());
        let values = each.value.iter().map(|value| (value.name().to_owned(), value.number()));
        self.enums.insert(name, values.collect());
    }

    pub(crate) fn fields(&self, message: &str) -> &[Field] {
        self.messages.get(message).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn values(&self, enumeration: &str) -> &[(String, i32)] {
        self.enums.get(enumeration).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::Schema;

    #[test]
    fn every_service_of_etcd_and_of_ours_is_found() {
        let schema = Schema::read().unwrap();
        let has = |path: &str| schema.methods.iter().any(|method| method.path == path);
        for path in [
            "/etcdserverpb.KV/Txn",
            "/etcdserverpb.Watch/Watch",
            "/etcdserverpb.Lease/LeaseKeepAlive",
            "/etcdserverpb.Cluster/MemberAdd",
            "/etcdserverpb.Maintenance/Snapshot",
            "/etcdserverpb.Auth/RoleGrantPermission",
            "/v3lockpb.Lock/Lock",
            "/v3electionpb.Election/Observe",
            "/hiraeth.v1.Keyspaces/Create",
            "/hiraeth.v1.Node/Stats",
        ] {
            assert!(has(path), "{path}");
        }
        assert!(!schema.methods.iter().any(|method| method.path.contains("peer")));
        assert_eq!(schema.fields("etcdserverpb.TxnRequest").len(), 3);
        assert_eq!(schema.values("etcdserverpb.Compare.CompareTarget").len(), 5);
    }
}
