//! Rules: what is written is what is read, nothing makes the reader panic, and what is decided is what a
//! simpler way of deciding says.

use proptest::prelude::*;
use types::{KeyRange, KeyspaceId};

use super::rules::{Rule, Rules};
use super::{Access, Acl, AclCommand, AclPolicy, AclToken, Authorizer, Resource};
use crate::auth::{Area, Auth, Demand, Principal, Secret};
use crate::request::{DeleteRequest, RangeRequest, TxnOp, TxnRequest};

const CONTRARY: &str = r#"
# HCL, with what Consul's own examples have
key_prefix "" { policy = "list" }
key "a/b" {
  policy = "deny" // a comment
}
service_prefix "web-" { policy = "write" intentions = "read" }
node "n\"1" { policy = "read" } /* and
another */
operator = "read"
"#;

#[test]
fn hcl_and_json_say_the_same() {
    let hcl = Rules::parse(CONTRARY).unwrap();
    let json = Rules::parse(
        r#"{ "key_prefix": { "": { "policy": "list" } }, "key": { "a/b": { "policy": "deny" } },
             "service_prefix": [ { "web-": { "policy": "write", "intentions": "read" } } ],
             "node": { "n\"1": { "policy": "read" } }, "operator": "read" }"#,
    );
    assert_eq!(hcl, json.unwrap());
    assert_eq!(Rules::parse(" \n ").unwrap(), Rules::default());
    assert_eq!(Rules::parse("{}").unwrap(), Rules::default());
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let told = |text: &str| Rules::parse(text).unwrap_err().to_string();
    for (text, wanted) in [
        (
            "key \"a\" { policy = \"list\" }\nservice \"a\" { policy = \"list\" }",
            "line 2: Invalid service policy: \"list\"",
        ),
        ("\n\nkeys \"a\" { policy = \"read\" }", "line 3: there are no rules about \"keys\""),
        ("key \"a\" {}", "line 1: \"key\" has no `policy`"),
        ("key \"a\" { policy = \"read\"", "line 1: a brace is not closed"),
        ("key { policy = \"read\" }", "line 1: \"key\" needs braces with `policy` in them"),
        ("key \"a\"", "line 1: nothing follows \"a\""),
        ("key \"a\" { rights = \"read\" }", "line 1: \"key\" has no \"rights\""),
        ("operator = \"list\"", "line 1: Invalid operator policy: \"list\""),
        (
            "operator \"a\" { policy = \"read\" }",
            "line 1: \"operator\" is \"read\", \"write\" or \"deny\"",
        ),
        ("key \"a\n\" {}", "line 2: a text whose quotes do not end"),
        ("/* x", "line 1: a comment that does not end"),
        ("key = 7", "line 1: \"key\" needs a name and braces behind it"),
        (
            "namespace \"a\" { key \"a\" { policy = \"read\" } }",
            "line 1: \"namespace\" is of Consul Enterprise",
        ),
        ("{} key", "line 1: something follows the last brace"),
        (
            "key \"a\" { policy = {a={a={a={a={a={a=\"b\"}}}}}} }",
            "line 1: too many braces within braces",
        ),
    ] {
        assert_eq!(told(text), wanted, "{text}");
    }
    let many = "key \"a\" { policy = \"read\" }\n".repeat(5_000);
    assert!(told(&many).contains("more than 4096 rules"));
}

fn acl(policies: &[&str]) -> Authorizer {
    let mut acl = Acl::default();
    let enable = AclCommand::Enable { allows_by_default: false };
    acl.apply(&enable, 1).unwrap();
    let mut ids = Vec::new();
    for (text, number) in policies.iter().zip(0..) {
        let id: super::AclId = format!("p{number}").into();
        let name = format!("p{number}").into();
        let policy = AclPolicy { name, text: (*text).into(), ..AclPolicy::default() };
        acl.apply(&AclCommand::SetPolicy { id: id.clone(), policy, new: true }, 2).unwrap();
        ids.push(id);
    }
    let token = AclToken { secret: Secret("s".into()), policies: ids, ..AclToken::default() };
    acl.apply(&AclCommand::SetToken { id: "t".into(), token, new: true, now_ms: 0 }, 3).unwrap();
    acl.authorizer("t", "dc1", 0).unwrap()
}

#[test]
fn who_only_reads_is_told_that_reading_is_what_it_lacks() {
    let token = acl(&["key \"a\" { policy = \"write\" }"]);
    let acl = Acl { enabled: true, ..Acl::default() };
    let auth = Auth { acl, ..Auth::default() };
    let told = |operation| {
        let txn = TxnRequest { success: vec![operation], ..TxnRequest::default() };
        let who = Some(Principal::Token(&token));
        let refused = auth.authorize(who, (KeyspaceId(9), Area::Registry), Demand::Txn(&txn));
        refused.unwrap_err().detail
    };
    let range = KeyRange::single(&b"b".to_vec().into());
    let read = TxnOp::Range(RangeRequest { range: range.clone(), ..RangeRequest::default() });
    assert!(told(read).ends_with("'key:read'"));
    let delete = TxnOp::Delete(DeleteRequest { range, prev_kv: false });
    assert!(told(delete).ends_with("'key:write'"));
}

fn key(byte: u8) -> &'static str {
    ["a", "b", "\u{10ffff}"][usize::from(byte % 3)]
}

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<u8>().prop_map(key), 0..4).prop_map(|parts| parts.concat())
}

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![Just(Access::Deny), Just(Access::Read), Just(Access::List), Just(Access::Write)]
}

fn rules() -> impl Strategy<Value = Rules> {
    let rule = (any::<bool>(), name(), access()).prop_map(|(exact, name, access)| Rule {
        about: super::rules::Named::Key,
        exact,
        name: name.into(),
        access,
    });
    proptest::collection::vec(rule, 0..6).prop_map(|named| Rules { named, plain: Vec::new() })
}

/// By the words of the documentation: the rule for the very name, or the one of the longest prefix; of those
/// alike deny, write, list, read in this order.
fn simply(all: &[Rules], name: &[u8], wanted: Access) -> bool {
    let rules = || all.iter().flat_map(|rules| &rules.named);
    let strictest = |rules: Vec<&Rule>| {
        let order = [Access::Deny, Access::Write, Access::List, Access::Read];
        order.into_iter().find(|access| rules.iter().any(|rule| rule.access == *access))
    };
    let exact = rules().filter(|rule| rule.exact && rule.name.as_bytes() == name).collect();
    let prefixes = || rules().filter(|it| !it.exact && name.starts_with(it.name.as_bytes()));
    let longest = prefixes().map(|rule| rule.name.len()).max();
    let longest = prefixes().filter(|rule| Some(rule.name.len()) == longest).collect();
    strictest(exact).or_else(|| strictest(longest)).is_some_and(|access| access >= wanted)
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_read(rules in rules()) {
        prop_assert_eq!(Rules::parse(&rules.to_string()).unwrap(), rules);
    }

    #[test]
    fn no_text_makes_the_reader_panic(
        text in r#"([\{\}\[\]=:, \n"\\#/*]|key|key_prefix|policy|operator|"read"|\\u[0-9a-f]{0,4}|.){0,60}"#,
    ) {
        drop(Rules::parse(&text));
    }

    #[test]
    fn rules_that_were_cut_or_mixed_up_are_told(at in 0..CONTRARY.len(), byte in any::<u8>()) {
        let mut bytes = CONTRARY.as_bytes().to_vec();
        bytes[at] = byte;
        drop(Rules::parse(&String::from_utf8_lossy(&bytes)));
        drop(Rules::parse(&String::from_utf8_lossy(&bytes[..at])));
    }

    #[test]
    fn decisions_are_those_of_the_documentation(
        all in proptest::collection::vec(rules(), 0..3), name in name(), wanted in access(),
    ) {
        prop_assume!(wanted != Access::Deny);
        let texts: Vec<String> = all.iter().map(Rules::to_string).collect();
        let rights = acl(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(
            rights.may(Resource::Key(name.as_bytes()), wanted),
            simply(&all, name.as_bytes(), wanted)
        );
    }

    /// No key of a range that may be read or written as a whole may not be.
    #[test]
    fn a_whole_range_is_given_only_if_every_key_is(
        all in proptest::collection::vec(rules(), 0..3), prefix in name(), below in name(),
        to in proptest::option::of(name()), wanted in access(),
    ) {
        prop_assume!(wanted != Access::Deny);
        let texts: Vec<String> = all.iter().map(Rules::to_string).collect();
        let rights = acl(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let range = match to {
            None => KeyRange::prefix(&prefix.clone().into()),
            Some(to) => KeyRange { start: prefix.clone().into(), end: Some(to.into()) },
        };
        let name = format!("{prefix}{below}");
        if rights.may(Resource::Keys(&range), wanted) && range.contains(name.as_bytes()) && !name.is_empty() {
            prop_assert!(simply(&all, name.as_bytes(), wanted), "{name:?} of {range:?}");
        }
        // And one that is given to the last key is not refused for nothing.
        let single = KeyRange::single(&name.clone().into());
        prop_assert_eq!(
            rights.may(Resource::Keys(&single), wanted) || name.is_empty(),
            simply(&all, name.as_bytes(), wanted) || name.is_empty()
        );
    }
}
