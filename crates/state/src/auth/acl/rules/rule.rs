//! What rules say.

use core::fmt;

use types::limits;

use super::super::resource::Access;
use super::parser::{Item, Value, parse};

/// What is wrong with rules, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct RulesError {
    /// From 1.
    pub line: u32,
    /// In words.
    pub what: String,
}

/// Kinds of things that have names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::auth::acl) enum Named {
    Key,
    Service,
    Node,
    Session,
    Agent,
    Event,
    Query,
}

impl Named {
    pub(in crate::auth::acl) const COUNT: usize = 7;

    fn parse(word: &str) -> Option<(Self, bool)> {
        let (word, exact) = word.strip_suffix("_prefix").map_or((word, true), |it| (it, false));
        let named = match word {
            "key" => Self::Key,
            "service" => Self::Service,
            "node" => Self::Node,
            "session" => Self::Session,
            "agent" => Self::Agent,
            "event" => Self::Event,
            "query" => Self::Query,
            _ => return None,
        };
        Some((named, exact))
    }
}

/// Kinds of things of which there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::auth::acl) enum Plain {
    Operator,
    Keyring,
    Acl,
    Mesh,
    Peering,
}

impl Plain {
    pub(in crate::auth::acl) const COUNT: usize = 5;

    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "operator" => Self::Operator,
            "keyring" => Self::Keyring,
            "acl" => Self::Acl,
            "mesh" => Self::Mesh,
            "peering" => Self::Peering,
            _ => return None,
        })
    }
}

/// One rule about something with a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::auth::acl) struct Rule {
    pub(in crate::auth::acl) about: Named,
    /// For this very name, or for all that begin so.
    pub(in crate::auth::acl) exact: bool,
    pub(in crate::auth::acl) name: Box<str>,
    pub(in crate::auth::acl) access: Access,
}

/// The rules of one policy.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    pub(in crate::auth::acl) named: Vec<Rule>,
    pub(in crate::auth::acl) plain: Vec<(Plain, Access)>,
}

impl Rules {
    /// Reads rules in HCL or in JSON.
    ///
    /// # Errors
    /// What is wrong, and in which line: an unknown word, a level that the kind does not have, too many
    /// rules ([`limits::ACL_POLICY_RULES`]).
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let mut rules = Self::default();
        for item in parse(text)? {
            rules.take(item)?;
            if rules.named.len() + rules.plain.len() > limits::ACL_POLICY_RULES {
                let most = limits::ACL_POLICY_RULES;
                return Err(error(1, format!("more than {most} rules in one policy")));
            }
        }
        Ok(rules)
    }

    fn take(&mut self, item: Item) -> Result<(), RulesError> {
        let Item { mut names, value, line } = item;
        let word = names.remove(0);
        if let Some(plain) = Plain::parse(&word) {
            let access = plain_access(&word, names.is_empty(), &value, line)?;
            self.plain.push((plain, access));
            return Ok(());
        }
        let Some((about, exact)) = Named::parse(&word) else {
            return Err(error(line, unknown(&word)));
        };
        let mut add = |name: String, value: &Value, line| {
            let access = named_access(&word, about, value, line)?;
            self.named.push(Rule { about, exact, name: name.into(), access });
            Ok(())
        };
        match names.len() {
            1 => add(names.remove(0), &value, line),
            // JSON: `"key": { "a": { "policy": "read" } }`, or a list of such.
            0 => {
                let objects = match value {
                    Value::Object(items) => vec![items],
                    Value::List(list) => list.into_iter().map(object).collect::<Result<_, _>>()?,
                    Value::Text(_) | Value::Bare(_) => {
                        let text = format!("{word:?} needs a name and braces behind it");
                        return Err(error(line, text));
                    }
                };
                for mut item in objects.into_iter().flatten() {
                    if item.names.len() != 1 {
                        return Err(error(item.line, format!("{word:?} has one name")));
                    }
                    add(item.names.remove(0), &item.value, item.line)?;
                }
                Ok(())
            }
            _ => Err(error(line, format!("{word:?} has one name"))),
        }
    }
}

fn object((value, line): (Value, u32)) -> Result<Vec<Item>, RulesError> {
    match value {
        Value::Object(items) => Ok(items),
        _ => Err(error(line, "braces are due here")),
    }
}

fn error(line: u32, what: impl Into<String>) -> RulesError {
    RulesError { line, what: what.into() }
}

fn unknown(word: &str) -> String {
    match word {
        "namespace" | "namespace_prefix" | "partition" | "partition_prefix" => {
            format!("{word:?} is of Consul Enterprise")
        }
        _ => format!("there are no rules about {word:?}"),
    }
}

fn plain_access(word: &str, alone: bool, value: &Value, line: u32) -> Result<Access, RulesError> {
    let (true, Value::Text(text)) = (alone, value) else {
        return Err(error(line, format!("{word:?} is \"read\", \"write\" or \"deny\"")));
    };
    access(word, text, false, line)
}

fn named_access(word: &str, about: Named, value: &Value, line: u32) -> Result<Access, RulesError> {
    let Value::Object(items) = value else {
        return Err(error(line, format!("{word:?} needs braces with `policy` in them")));
    };
    let mut found = None;
    for item in items {
        let text = match &item.value {
            Value::Text(text) => text,
            _ => return Err(error(item.line, "a text in quotes is due here")),
        };
        match (item.names.as_slice(), about) {
            ([name], _) if name == "policy" => {
                found = Some(access(word, text, about == Named::Key, item.line)?);
            }
            // Of a mesh, which there is none of.
            ([name], Named::Service) if name == "intentions" => {
                access(word, text, false, item.line)?;
            }
            (names, _) => {
                let name = names.join(" ");
                return Err(error(item.line, format!("{word:?} has no {name:?}")));
            }
        }
    }
    found.ok_or_else(|| error(line, format!("{word:?} has no `policy`")))
}

fn access(word: &str, text: &str, lists: bool, line: u32) -> Result<Access, RulesError> {
    Ok(match text {
        "deny" => Access::Deny,
        "read" => Access::Read,
        "write" => Access::Write,
        "list" if lists => Access::List,
        _ => return Err(error(line, format!("Invalid {word} policy: {text:?}"))),
    })
}

impl fmt::Display for Rules {
    /// As they would be written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (plain, access) in &self.plain {
            let word = format!("{plain:?}").to_lowercase();
            writeln!(f, "{word} = {:?}", access.name())?;
        }
        for rule in &self.named {
            let word = format!("{:?}", rule.about).to_lowercase();
            let prefix = if rule.exact { "" } else { "_prefix" };
            let name = rule.name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            writeln!(f, "{word}{prefix} \"{name}\" {{ policy = {:?} }}", rule.access.name())?;
        }
        Ok(())
    }
}
