//! The transcripts' words for users and roles, and how they are shown.

use bytes::Bytes;
use state::auth::{Area, AuthCommand, Demand, Permission, PermissionKind, Principal, Secret};
use state::command::Command;
use state::directory::Directory;
use types::KeyspaceId;

use crate::parse;

fn permission(words: &[&str]) -> Permission {
    let kind = match words[0] {
        "read" => PermissionKind::Read,
        "write" => PermissionKind::Write,
        "readwrite" => PermissionKind::ReadWrite,
        other => panic!("permission {other:?}"),
    };
    let (keyspace, range) = place(words[1]);
    Permission { keyspace, range, kind }
}

/// `a..c` of keyspace 1, `2:a..c` of another.
fn place(text: &str) -> (KeyspaceId, types::KeyRange) {
    let (keyspace, range) = text.split_once(':').unwrap_or(("1", text));
    (KeyspaceId(keyspace.parse().unwrap()), parse::range(range).0)
}

/// `add-user NAME [PASSWORD]` and so on.
pub(crate) fn command(words: &[&str]) -> AuthCommand {
    let secret = |text: &str| Secret(Bytes::copy_from_slice(text.as_bytes()));
    let name = words.get(1).map_or(String::new(), |name| (*name).trim_matches('"').to_owned());
    let role = words.get(2).map_or(String::new(), |role| (*role).to_owned());
    match words[0] {
        "enable" => AuthCommand::Enable { key: secret(words[1]) },
        "disable" => AuthCommand::Disable,
        "add-user" => AuthCommand::AddUser { name, password: words.get(2).map(|it| secret(it)) },
        "delete-user" => AuthCommand::DeleteUser { name },
        "password" => AuthCommand::SetPassword { name, password: secret(words[2]) },
        "grant-role" => AuthCommand::GrantRole { user: name, role },
        "revoke-role" => AuthCommand::RevokeRole { user: name, role },
        "add-role" => AuthCommand::AddRole { name },
        "delete-role" => AuthCommand::DeleteRole { name },
        "allow" => AuthCommand::GrantPermission { role: name, permission: permission(&words[2..]) },
        "forbid" => {
            let (keyspace, range) = place(words[2]);
            AuthCommand::RevokePermission { role: name, keyspace, range }
        }
        other => panic!("auth command {other:?}"),
    }
}

/// Every user and role.
pub(crate) fn show(directory: &Directory) -> Vec<String> {
    let auth = &directory.auth;
    let state = if auth.enabled { "on" } else { "off" };
    let mut lines = vec![format!("auth {state}, revision {}, key {:?}", auth.revision, auth.key.0)];
    for (name, user) in &auth.users {
        let password = user.password.as_ref().map_or("none".to_owned(), |it| format!("{:?}", it.0));
        let (since, roles) = (user.since, &user.roles);
        lines.push(format!("user {name}: password {password} since {since}, roles {roles:?}"));
    }
    for (name, role) in &auth.roles {
        lines.push(format!("role {name}"));
        for Permission { keyspace, range, kind } in &role.permissions {
            lines.push(format!("  {kind:?} {keyspace}: {:?}..{:?}", range.start, range.end));
        }
    }
    lines
}

/// `may NAME COMMAND`, as asked of a keyspace: `may bob 2 put a 1`.
pub(crate) fn may(directory: &Directory, name: &str, keyspace: u32, command: &Command) -> String {
    let who = (name != "nobody").then_some(Principal::User(name));
    let auth = &directory.auth;
    let place = (KeyspaceId(keyspace), Area::Keys);
    match auth.authorize(who, place, Demand::Command(command)) {
        Err(fault) => format!("{:?}", fault.code),
        Ok(()) => match auth.limit(who, KeyspaceId(keyspace), command.clone()) {
            Command::Limited { ranges, .. } => {
                let ranges = ranges.iter().map(|it| format!("{:?}..{:?}", it.start, it.end));
                format!("yes, with leases of keys in {}", ranges.collect::<Vec<_>>().join(" "))
            }
            _ => "yes".to_owned(),
        },
    }
}
