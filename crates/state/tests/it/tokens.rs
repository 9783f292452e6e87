//! The transcripts' words for Consul's tokens, policies and roles, and how they are shown.

use bytes::Bytes;
use state::auth::acl::{
    Access, AclBinding, AclCommand, AclId, AclMethod, AclPolicy, AclRole, AclToken, BindKind,
    Identity, IdentityKind, Resource, Template,
};
use state::auth::{Area, Demand, KeptSecret, Principal, Secret};
use state::directory::Directory;
use types::KeyspaceId;

fn secret(text: &str) -> Secret {
    Secret(Bytes::copy_from_slice(text.as_bytes()))
}

/// `policy=ID`, `role=ID`, `service=NAME`, `node=NAME`, `template=TEMPLATE[:NAME]`, `until=MILLIS`,
/// `now=MILLIS`, `local`.
struct Words {
    token: AclToken,
    now_ms: u64,
}

fn words(words: &[&str]) -> Words {
    let mut token = AclToken::default();
    let mut now_ms = 0;
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let identity = |kind| Identity { kind, name: value.into(), datacenters: Vec::new() };
        match name {
            "policy" => token.policies.push(value.into()),
            "role" => token.roles.push(value.into()),
            "service" => token.identities.push(identity(IdentityKind::Service)),
            "node" => token.identities.push(identity(IdentityKind::Node)),
            "template" => {
                let (template, name) = value.split_once(':').unwrap_or((value, ""));
                let kind = Template::named(template).unwrap().kind;
                token.identities.push(Identity { name: name.into(), ..identity(kind) });
            }
            "until" => token.expires_ms = value.parse().unwrap(),
            "now" => now_ms = value.parse().unwrap(),
            "local" => token.local = true,
            other => panic!("word {other:?}"),
        }
    }
    Words { token, now_ms }
}

/// `enable deny`, `bootstrap ID SECRET [RESET]`, `token ID SECRET …`, `change ID …`,
/// `policy ID NAME RULES`, `method NAME TYPE CONFIG`, `rule ID METHOD TYPE NAME [SELECTOR]`,
/// `login ID SECRET METHOD MADE …`.
pub(crate) fn command(all: &[&str]) -> AclCommand {
    let id = || AclId::from(all[1]);
    match all[0] {
        "enable" => AclCommand::Enable { allows_by_default: all[1] == "allow" },
        "disable" => AclCommand::Disable,
        "bootstrap" => AclCommand::Bootstrap {
            id: id(),
            secret: secret(all[2]),
            kept: KeptSecret::default(),
            reset: all.get(3).map_or(0, |reset| reset.parse().unwrap()),
            now_ms: 0,
        },
        "ensure" => {
            let (secret, kept) = (secret(all[2]), KeptSecret::default());
            AclCommand::EnsureManagement { id: id(), secret, kept, now_ms: 0 }
        }
        "token" => {
            let Words { token, now_ms } = words(&all[3..]);
            let token = AclToken { secret: secret(all[2]), ..token };
            AclCommand::SetToken { id: id(), token, new: true, now_ms }
        }
        "change" => {
            let Words { token, now_ms } = words(&all[2..]);
            AclCommand::SetToken { id: id(), token, new: false, now_ms }
        }
        "delete-token" => AclCommand::DeleteToken { id: id() },
        "policy" | "change-policy" => {
            let (name, text) = (all[2].into(), all[3..].join(" ").into());
            let policy = AclPolicy { name, text, ..AclPolicy::default() };
            AclCommand::SetPolicy { id: id(), policy, new: all[0] == "policy" }
        }
        "delete-policy" => AclCommand::DeletePolicy { id: id() },
        "role" | "change-role" => {
            let Words { token, .. } = words(&all[3..]);
            let AclToken { policies, identities, .. } = token;
            let role = AclRole { name: all[2].into(), policies, identities, ..AclRole::default() };
            AclCommand::SetRole { id: id(), role, new: all[0] == "role" }
        }
        "delete-role" => AclCommand::DeleteRole { id: id() },
        "method" => {
            let (kind, config) = (all[2].into(), all[3..].join(" ").into());
            let method = AclMethod { kind, config, local: true, ..AclMethod::default() };
            AclCommand::SetMethod { id: id(), method }
        }
        "delete-method" => AclCommand::DeleteMethod { id: id() },
        "rule" | "change-rule" => {
            let binding = AclBinding {
                method: all[2].into(),
                kind: BindKind::named(all[3]).unwrap(),
                name: all[4].into(),
                selector: all[5..].join(" ").into(),
                ..AclBinding::default()
            };
            AclCommand::SetBinding { id: id(), binding, new: all[0] == "rule" }
        }
        "delete-rule" => AclCommand::DeleteBinding { id: id() },
        "login" => {
            let Words { token, now_ms } = words(&all[5..]);
            let (secret, auth_method) = (secret(all[2]), all[3].into());
            let token = AclToken { secret, auth_method, ..token };
            AclCommand::LogIn { id: id(), token, made: all[4].parse().unwrap(), now_ms }
        }
        other => panic!("acl command {other:?}"),
    }
}

/// All of it, but the policies that are always there.
pub(crate) fn show(directory: &Directory) -> Vec<String> {
    let acl = &directory.auth.acl;
    let (state, by_default) = (
        if acl.enabled { "on" } else { "off" },
        if acl.allows_by_default { "allow" } else { "deny" },
    );
    let changes = directory.auth.changes;
    let mut lines = vec![format!(
        "acl {state}, {by_default} by default, bootstrapped {}, changes {changes}",
        acl.bootstrapped
    )];
    for (id, it) in &acl.tokens {
        let names = it.identities.iter().map(|it| format!("{:?} {}", it.kind, it.name));
        let names: Vec<String> = names.collect();
        let by = match &*it.auth_method {
            "" => String::new(),
            method => format!(", by {method}"),
        };
        let AclToken { secret, policies, roles, create_index, modify_index, expires_ms, .. } =
            &**it;
        lines.push(format!(
            "token {id}: {:?}, policies {policies:?}, roles {roles:?}, {names:?}, until {expires_ms}, \
             {create_index}/{modify_index}{by}",
            secret.0
        ));
    }
    for (id, it) in acl.policies.iter().skip(2) {
        lines.push(format!("policy {id} {}: {}", it.name, it.text));
    }
    for (id, it) in &acl.roles {
        lines.push(format!(
            "role {id} {}: policies {:?}, {:?}",
            it.name, it.policies, it.identities
        ));
    }
    for (id, it) in &acl.methods {
        let (made, changed) = (it.create_index, it.modify_index);
        lines.push(format!("method {id}: {} {}, {made}/{changed}", it.kind, it.config));
    }
    for (id, it) in &acl.bindings {
        let (made, changed) = (it.create_index, it.modify_index);
        let (method, kind, name) = (&it.method, it.kind.word(), &it.name);
        let selector = &it.selector;
        lines.push(format!(
            "rule {id} of {method}: {kind} {name} if {selector:?}, {made}/{changed}"
        ));
    }
    lines
}

/// `ID AT-MILLIS read|list|write KIND [NAME]`
pub(crate) fn may(directory: &Directory, all: &[&str]) -> String {
    let auth = &directory.auth;
    let Some(rights) = auth.acl.authorizer(all[0], "dc1", all[1].parse().unwrap()) else {
        return "no such token".to_owned();
    };
    let wanted = match all[2] {
        "read" => Access::Read,
        "list" => Access::List,
        _ => Access::Write,
    };
    let name = all.get(4).copied().unwrap_or_default();
    let range = types::KeyRange::prefix(&Bytes::copy_from_slice(name.as_bytes()));
    let resource = match all[3] {
        "key" => Resource::Key(name.as_bytes()),
        "keys" => Resource::Keys(&range),
        "service" => Resource::Service(name),
        "node" => Resource::Node(name),
        "nodes" => Resource::AllNodes,
        "session" => Resource::Session(name),
        "agent" => Resource::Agent(name),
        "event" => Resource::Event(name),
        "query" => Resource::Query(name),
        "operator" => Resource::Operator,
        "acl" => Resource::Acl,
        "mesh" => Resource::Mesh,
        "everything" => Resource::Everything,
        other => panic!("resource {other:?}"),
    };
    let who = Some(Principal::Token(&rights));
    let what = Demand::Resource(resource, wanted);
    match auth.authorize(who, (KeyspaceId(9), Area::Registry), what) {
        Ok(()) => "yes".to_owned(),
        Err(fault) => format!("{:?}: {}", fault.code, fault.detail),
    }
}
