//! Bounds of auth methods, rules and logins, and the level they came with.

use types::{Code, limits};

use super::{Acl, AclBinding, AclCommand, AclMethod, AclToken};
use crate::auth::{AuthCommand, Secret};
use crate::command::Command;

/// One with the ACL on and a method `m`, made by change 1.
fn with_a_method() -> Acl {
    let mut acl = Acl::default();
    acl.apply(&AclCommand::Enable { allows_by_default: false }, 0).unwrap();
    let method = AclMethod { kind: "jwt".into(), ..AclMethod::default() };
    acl.apply(&AclCommand::SetMethod { id: "m".into(), method }, 1).unwrap();
    acl
}

/// Of the methods `m`, `m1` and so on, each a third of all there may be.
fn login(number: usize, expires_ms: u64, now_ms: u64) -> AclCommand {
    let secret = Secret(number.to_string().into());
    let auth_method = match number / limits::ACL_METHOD_TOKENS {
        0 => "m".into(),
        other => format!("m{other}").into(),
    };
    let token = AclToken { secret, auth_method, expires_ms, ..AclToken::default() };
    AclCommand::LogIn { id: format!("t{number}").into(), token, made: 1, now_ms }
}

#[test]
fn who_logs_in_leaves_room_for_tokens_that_are_made() {
    let mut acl = with_a_method();
    let most = limits::ACL_LOGIN_TOKENS;
    for number in 0..most {
        let AclCommand::LogIn { id, token, .. } = login(number, 1_000, 0) else { continue };
        acl.put_token(id, token);
    }
    let method = AclMethod { kind: "jwt".into(), ..AclMethod::default() };
    acl.apply(&AclCommand::SetMethod { id: "m3".into(), method }, 1).unwrap();
    let full = acl.apply(&login(most, 0, 999), 2).unwrap_err();
    assert_eq!(full.code, Code::LimitReached);
    assert!(full.detail.contains("12288"), "{full:?}");
    assert_eq!(acl.may_log_in("m3", 1, 999).unwrap_err().code, Code::LimitReached);
    let token = AclToken { secret: Secret("made".into()), ..AclToken::default() };
    let made = AclCommand::SetToken { id: "made".into(), token, new: true, now_ms: 999 };
    acl.apply(&made, 2).unwrap();
    // Whose time is over counts no more, and goes with the next one.
    acl.apply(&login(most, 0, 1_000), 2).unwrap();
    assert_eq!(acl.tokens.len(), 3);
}

/// Who is let in by one method leaves room for those of others.
#[test]
fn who_logs_in_by_one_method_locks_out_no_other() {
    let mut acl = with_a_method();
    let method = AclMethod { kind: "jwt".into(), ..AclMethod::default() };
    acl.apply(&AclCommand::SetMethod { id: "m1".into(), method }, 1).unwrap();
    let most = limits::ACL_METHOD_TOKENS;
    for number in 0..most - 1 {
        let AclCommand::LogIn { id, token, .. } = login(number, 1_000, 0) else { continue };
        acl.put_token(id, token);
    }
    acl.apply(&login(most - 1, 1_000, 999), 2).unwrap();
    let full = acl.may_log_in("m", 1, 999).unwrap_err();
    assert_eq!(full.code, Code::LimitReached);
    assert!(full.detail.contains("at most 4096 ACL tokens of one auth method"), "{full:?}");
    acl.apply(&login(most, 0, 999), 2).unwrap();
    // Whose time is over counts no more.
    assert_eq!(acl.may_log_in("m", 1, 1_000), Ok(()));
}

#[test]
fn methods_and_rules_have_bounds() {
    let mut acl = with_a_method();
    let made = |number: usize, bytes: usize| {
        let config = "x".repeat(bytes).into();
        let method = AclMethod { kind: "jwt".into(), config, ..AclMethod::default() };
        AclCommand::SetMethod { id: format!("m{number}").into(), method }
    };
    for number in 1..limits::ACL_AUTH_METHODS {
        acl.apply(&made(number, 1), 2).unwrap();
    }
    let full = acl.apply(&made(0, 1), 2).unwrap_err();
    assert!(full.detail.contains("at most 256 ACL auth methods"), "{full:?}");
    for number in 1..64 {
        acl.apply(&made(number, limits::ACL_CONFIG_BYTES), 2).unwrap();
    }
    let full = acl.apply(&made(64, limits::ACL_CONFIG_BYTES), 2).unwrap_err();
    assert!(full.detail.contains("bytes of all ACL auth methods"), "{full:?}");
    let rule = |number: usize| {
        let binding = AclBinding { method: "m".into(), ..AclBinding::default() };
        AclCommand::SetBinding { id: number.to_string().into(), binding, new: true }
    };
    for number in 0..limits::ACL_BINDING_RULES {
        acl.apply(&rule(number), 2).unwrap();
    }
    let full = acl.apply(&rule(limits::ACL_BINDING_RULES), 2).unwrap_err();
    assert!(full.detail.contains("at most 2048 ACL binding rules"), "{full:?}");
    let gone = acl.apply(&AclCommand::DeleteMethod { id: "m".into() }, 3).unwrap();
    assert_eq!(gone.bindings.len(), limits::ACL_BINDING_RULES);
    assert!(acl.bindings.is_empty());
}

/// A node that knows less takes none of it for something else.
#[test]
fn what_came_with_methods_waits_for_all_nodes() {
    let level = |command: AclCommand| Command::Auth(AuthCommand::Acl(Box::new(command))).level();
    let id = || super::AclId::from("a");
    for command in [
        AclCommand::SetMethod { id: id(), method: AclMethod::default() },
        AclCommand::DeleteMethod { id: id() },
        AclCommand::SetBinding { id: id(), binding: AclBinding::default(), new: true },
        AclCommand::DeleteBinding { id: id() },
        login(0, 0, 0),
    ] {
        assert_eq!(level(command), crate::command::level::ACL_METHODS);
    }
    assert_eq!(level(AclCommand::DeleteToken { id: id() }), crate::command::level::FIRST);
}
