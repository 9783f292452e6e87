use std::fmt;

use types::{Code, Fault};

use crate::limits::NAME_BYTES;

/// What stands for a namespace or a group that is not named.
const DEFAULT: &str = "default";

/// Which configuration: a name in a group of a namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name {
    namespace: String,
    group: String,
    name: String,
}

impl Name {
    /// The configuration called so; an empty namespace or group is `default`.
    ///
    /// # Errors
    /// `InvalidArgument` for a part that cannot be a name: it has 1 to 128 bytes, of letters, digits and
    /// `._-:@+`, and is not `.` or `..`.
    pub fn new(namespace: &str, group: &str, name: &str) -> Result<Self, Fault> {
        let namespace = part("namespace", or_default(namespace))?;
        let group = part("group", or_default(group))?;
        Ok(Self { namespace, group, name: part("configuration's name", name)? })
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The name in the group.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.group, self.name)
    }
}

fn or_default(part: &str) -> &str {
    if part.is_empty() { DEFAULT } else { part }
}

/// A namespace, by the rules for names; `default` if empty.
///
/// # Errors
/// As [`Name::new`].
pub(crate) fn namespace(text: &str) -> Result<String, Fault> {
    part("namespace", or_default(text))
}

/// A group, by the rules for names; `default` if empty.
///
/// # Errors
/// As [`Name::new`].
pub(crate) fn group(text: &str) -> Result<String, Fault> {
    part("group", or_default(text))
}

fn part(what: &str, text: &str) -> Result<String, Fault> {
    let refuse = |why: &str| Err(Fault::new(Code::InvalidArgument, format!("the {what} {why}")));
    if text.is_empty() {
        return refuse("is missing");
    }
    if text.len() > NAME_BYTES {
        return refuse(&format!("has {} bytes; it may have {NAME_BYTES}", text.len()));
    }
    if matches!(text, "." | "..") {
        return refuse("cannot be a dot or two");
    }
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "._-:@+".contains(*c);
    match text.chars().find(|c| !is_plain(c)) {
        None => Ok(text.to_owned()),
        Some(wrong) => refuse(&format!(
            "has a {wrong:?} in it; it is made of letters, digits and any of . _ - : @ +"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn names_are_plain() {
        let name = Name::new("", "", "app.yaml").unwrap();
        assert_eq!(name.to_string(), "default/default/app.yaml");
        for (good, is_good) in [("a:b@c+d-e_f.9", true), ("..a", true), ("a b", false)] {
            assert_eq!(Name::new("n", "g", good).is_ok(), is_good, "{good}");
        }
        for bad in ["", ".", "..", "a/b", "ä", "a\0", &"x".repeat(129)] {
            let told = Name::new("n", "g", bad).unwrap_err().detail;
            assert!(told.starts_with("the configuration's name "), "{told}");
        }
        assert!(Name::new("n", "a/b", "c").unwrap_err().detail.contains("the group has a '/'"));
    }
}
