//! As Consul's clients are shown them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use state::auth::acl::{
    ANONYMOUS_TOKEN, Acl, AclId, AclPolicy, AclRole, AclToken, Identity, IdentityKind, Template,
};

use crate::calendar;

/// In place of a secret.
const HIDDEN: &str = "<hidden>";

/// A number for what it says, so that clients see whether it is another one.
fn hash(value: &Value) -> String {
    STANDARD.encode(Sha256::digest(value.to_string()))
}

fn list<T>(object: &mut Map<String, Value>, name: &str, all: impl Iterator<Item = T>)
where
    Value: From<T>,
{
    let all: Vec<Value> = all.map(Value::from).collect();
    if !all.is_empty() {
        object.insert(name.to_owned(), all.into());
    }
}

/// Those that are there: what was removed gives nothing any more.
fn policies(acl: &Acl, ids: &[AclId]) -> Vec<Value> {
    let known = ids.iter().filter_map(|id| Some((id, acl.policies.get(id)?)));
    known.map(|(id, it)| json!({ "ID": &**id, "Name": &*it.name })).collect()
}

fn links(
    acl: &Acl,
    object: &mut Map<String, Value>,
    of: (&[AclId], &[AclId]),
    identities: &[Identity],
) {
    list(object, "Policies", policies(acl, of.0).into_iter());
    let roles = of.1.iter().filter_map(|id| Some((id, acl.roles.get(id)?)));
    let roles = roles.map(|(id, it)| json!({ "ID": &**id, "Name": &*it.name }));
    list(object, "Roles", roles);
    let of = |kind| identities.iter().filter(move |it| it.kind == kind);
    let services = of(IdentityKind::Service).map(|it| {
        let mut shown = json!({ "ServiceName": &*it.name });
        if !it.datacenters.is_empty() {
            shown["Datacenters"] = it.datacenters.iter().map(|it| &**it).collect::<Vec<_>>().into();
        }
        shown
    });
    list(object, "ServiceIdentities", services);
    let nodes = of(IdentityKind::Node).map(|it| {
        let place = it.datacenters.first().map_or("", |it| &**it);
        json!({ "NodeName": &*it.name, "Datacenter": place })
    });
    list(object, "NodeIdentities", nodes);
    let templated = identities.iter().filter_map(|it| Some((it, Template::of(it.kind)?)));
    let templated = templated.map(|(it, template)| {
        let mut shown = json!({ "TemplateName": template.name });
        if !it.name.is_empty() {
            shown["TemplateVariables"] = json!({ "name": &*it.name });
        }
        if !it.datacenters.is_empty() {
            shown["Datacenters"] = it.datacenters.iter().map(|it| &**it).collect::<Vec<_>>().into();
        }
        shown
    });
    list(object, "TemplatedPolicies", templated);
}

/// A templated policy.
pub(super) fn template(template: &Template) -> Value {
    json!({
        "TemplateName": template.name,
        "Schema": template.schema(),
        "Template": template.text,
        "Description": template.description,
    })
}

/// The policy that a template makes; its id is made of what it says.
pub(super) fn preview(template: &Template, text: &str, datacenters: &[Box<str>]) -> Value {
    let digest = Sha256::digest(text);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
    let id = AclId::from(parts.join("-"));
    let policy = AclPolicy {
        name: format!("synthetic-policy-{}", &hex[..32]).into(),
        description: format!("synthetic policy generated from templated policy: {}", template.name)
            .into(),
        text: text.into(),
        datacenters: datacenters.to_vec(),
        ..AclPolicy::default()
    };
    self::policy(&id, &policy, true)
}

/// A token; with its secret, if that is known here.
pub(super) fn token(acl: &Acl, id: &AclId, token: &AclToken, secret: Option<&str>) -> Value {
    let mut object = Map::new();
    object.insert("AccessorID".to_owned(), (&**id).into());
    object.insert("Description".to_owned(), (&*token.description).into());
    links(acl, &mut object, (&token.policies, &token.roles), &token.identities);
    object.insert("Local".to_owned(), token.local.into());
    if !token.auth_method.is_empty() {
        object.insert("AuthMethod".to_owned(), (&*token.auth_method).into());
    }
    object.insert("CreateTime".to_owned(), calendar::wall(token.created_ms).into());
    if token.expires_ms > 0 {
        object.insert("ExpirationTime".to_owned(), calendar::wall(token.expires_ms).into());
    }
    let mut shown = Value::Object(object);
    shown["Hash"] = hash(&shown).into();
    shown["CreateIndex"] = token.create_index.into();
    shown["ModifyIndex"] = token.modify_index.into();
    let known = if &**id == ANONYMOUS_TOKEN { Some("anonymous") } else { secret };
    shown["SecretID"] = known.unwrap_or(HIDDEN).into();
    shown
}

/// A policy; lists come without rules.
pub(super) fn policy(id: &AclId, policy: &AclPolicy, with_rules: bool) -> Value {
    let mut object = Map::new();
    object.insert("ID".to_owned(), (&**id).into());
    object.insert("Name".to_owned(), (&*policy.name).into());
    object.insert("Description".to_owned(), (&*policy.description).into());
    object.insert("Rules".to_owned(), (&*policy.text).into());
    list(&mut object, "Datacenters", policy.datacenters.iter().map(|it| &**it));
    let mut shown = Value::Object(object);
    shown["Hash"] = hash(&shown).into();
    shown["CreateIndex"] = policy.create_index.into();
    shown["ModifyIndex"] = policy.modify_index.into();
    if !with_rules && let Some(object) = shown.as_object_mut() {
        object.remove("Rules");
    }
    shown
}

/// A role.
pub(super) fn role(acl: &Acl, id: &AclId, role: &AclRole) -> Value {
    let mut object = Map::new();
    object.insert("ID".to_owned(), (&**id).into());
    object.insert("Name".to_owned(), (&*role.name).into());
    object.insert("Description".to_owned(), (&*role.description).into());
    links(acl, &mut object, (&role.policies, &[]), &role.identities);
    let mut shown = Value::Object(object);
    shown["Hash"] = hash(&shown).into();
    shown["CreateIndex"] = role.create_index.into();
    shown["ModifyIndex"] = role.modify_index.into();
    shown
}
