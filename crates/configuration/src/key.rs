//! Where things are among the keys of the keyspace.
//!
//! Everything of a namespace lies below `NAMESPACE/`, and of a group below `NAMESPACE/GROUP/`: leave for one
//! range of keys is leave for all of it. In a group the kinds come first, so that the configurations can be
//! listed without passing their versions:
//!
//! ```text
//! NAMESPACE/GROUP/h/NAME                      the head: what is current
//! NAMESPACE/GROUP/m/NAME/00000000000000000012 what is to be known of a version
//! NAMESPACE/GROUP/r/NAME/00000000000000000012/f/CLIENT   a report on a gray release: f failed, o ok
//! NAMESPACE/GROUP/s/NAME                      the schema; of the whole group without a name
//! NAMESPACE/GROUP/v/NAME/00000000000000000012 the content of a version
//! ```

use bytes::Bytes;
use types::{Fault, KeyRange};

use crate::Name;
use crate::name::{group as checked_group, namespace as checked_namespace};

fn key(name: &Name, kind: char) -> String {
    format!("{}/{}/{kind}/{}", name.namespace(), name.group(), name.name())
}

/// The head.
#[must_use]
pub fn head(name: &Name) -> Bytes {
    key(name, 'h').into()
}

/// What is known of a version.
#[must_use]
pub fn meta(name: &Name, version: u64) -> Bytes {
    format!("{}/{version:020}", key(name, 'm')).into()
}

/// What is known of the versions from `first` on, up to and without `end`.
#[must_use]
pub fn metas(name: &Name, first: u64, end: u64) -> KeyRange {
    KeyRange { start: meta(name, first), end: Some(meta(name, end)) }
}

/// The content of a version.
#[must_use]
pub fn content(name: &Name, version: u64) -> Bytes {
    format!("{}/{version:020}", key(name, 'v')).into()
}

/// The contents of the versions from `first` on, up to and without `end`.
#[must_use]
pub fn contents(name: &Name, first: u64, end: u64) -> KeyRange {
    KeyRange { start: content(name, first), end: Some(content(name, end)) }
}

/// All versions: what is known of them, or their contents.
#[must_use]
pub fn versions(name: &Name) -> [KeyRange; 2] {
    ['m', 'v'].map(|kind| KeyRange::prefix(&format!("{}/", key(name, kind)).into()))
}

/// What a client reported on a gray release.
#[must_use]
pub fn report(name: &Name, version: u64, failed: bool, client: &str) -> Bytes {
    format!("{}{client}", reported(name, version, failed)).into()
}

/// All reports of one kind on a gray release.
#[must_use]
pub fn reports(name: &Name, version: u64, failed: bool) -> KeyRange {
    KeyRange::prefix(&reported(name, version, failed).into())
}

fn reported(name: &Name, version: u64, failed: bool) -> String {
    format!("{}/{version:020}/{}/", key(name, 'r'), if failed { 'f' } else { 'o' })
}

/// All reports there are about a configuration.
#[must_use]
pub fn all_reports(name: &Name) -> KeyRange {
    KeyRange::prefix(&format!("{}/", key(name, 'r')).into())
}

/// The schema of a configuration.
#[must_use]
pub fn schema(name: &Name) -> Bytes {
    key(name, 's').into()
}

/// The schema of a group.
///
/// # Errors
/// `InvalidArgument` for what cannot be names.
pub fn group_schema(namespace: &str, group: &str) -> Result<Bytes, Fault> {
    let (namespace, group) = (checked_namespace(namespace)?, checked_group(group)?);
    Ok(format!("{namespace}/{group}/s/").into())
}

/// The heads of a group whose names begin so, behind `after` if there is one.
///
/// # Errors
/// `InvalidArgument` for what cannot be names.
pub fn heads(
    namespace: &str,
    group: &str,
    prefix: &str,
    after: Option<&str>,
) -> Result<KeyRange, Fault> {
    let (namespace, group) = (checked_namespace(namespace)?, checked_group(group)?);
    let range = KeyRange::prefix(&format!("{namespace}/{group}/h/{prefix}").into());
    let Some(after) = after else { return Ok(range) };
    // The first key that can follow.
    let after = Bytes::from(format!("{namespace}/{group}/h/{after}\0"));
    Ok(KeyRange { start: after.max(range.start), end: range.end })
}

/// All keys of a namespace, or of all of them.
///
/// # Errors
/// `InvalidArgument` for what cannot be a name.
pub fn all_of(namespace: Option<&str>) -> Result<KeyRange, Fault> {
    let Some(namespace) = namespace else { return Ok(KeyRange::prefix(&Bytes::new())) };
    Ok(KeyRange::prefix(&format!("{}/", checked_namespace(namespace)?).into()))
}

/// Everything behind a group, in the order of keys.
#[must_use]
pub fn behind_group(namespace: &str, group: &str) -> Bytes {
    // A slash's successor: no key of the group is behind it, and every other group's is before or behind.
    format!("{namespace}/{group}0").into()
}

/// What lies at a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// A head.
    Head(Name),
    /// A report on a gray release.
    Report(Name),
    /// Anything else of a configuration or a group.
    Other,
}

/// The namespace and the group that a key is in; `None` for a key that is in none, since somebody put it
/// there.
#[must_use]
pub fn group_of(key: &[u8]) -> Option<(&str, &str)> {
    let mut parts = std::str::from_utf8(key).ok()?.splitn(3, '/');
    let (namespace, group, _) = (parts.next()?, parts.next()?, parts.next()?);
    // What is not said is called `default`, and never written as nothing.
    let is_name = |part: &str, checked: Result<String, Fault>| checked.is_ok_and(|it| it == part);
    let (is_namespace, is_group) = (checked_namespace(namespace), checked_group(group));
    (is_name(namespace, is_namespace) && is_name(group, is_group)).then_some((namespace, group))
}

/// The first key that can be in a group, behind one that is in none.
#[must_use]
pub fn behind_foreign(key: &[u8]) -> Bytes {
    let slashes: Vec<usize> =
        key.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).collect();
    let (Some(first), next) = (slashes.first(), slashes.get(1)) else {
        return [key, b"\0"].concat().into();
    };
    let is_namespace = key.get(..*first).and_then(|it| std::str::from_utf8(it).ok());
    let is_namespace =
        is_namespace.is_some_and(|it| checked_namespace(it).is_ok_and(|is| is == it));
    // No key below a part that is no name is in a group.
    let part = match (is_namespace, next) {
        (false, _) => key.get(..*first),
        (true, Some(next)) => key.get(..*next),
        (true, None) => return [key, b"\0"].concat().into(),
    };
    [part.unwrap_or_default(), b"0"].concat().into()
}

/// What lies at `key`, and the namespace and group it belongs to; `None` for a key that is none of ours.
#[must_use]
pub fn place(key: &[u8]) -> Option<(&str, &str, Place)> {
    let (namespace, group) = group_of(key)?;
    let text = std::str::from_utf8(key).ok()?;
    let (kind, rest) = text.splitn(3, '/').nth(2)?.split_once('/')?;
    let name = |text: &str| Name::new(namespace, group, text).ok();
    let versioned = || {
        let (of, version) = rest.split_once('/')?;
        let is_number = version.len() == 20 && version.bytes().all(|it| it.is_ascii_digit());
        name(of).filter(|_| is_number)
    };
    let place = match kind {
        "h" => Place::Head(name(rest)?),
        "r" => Place::Report(name(rest.split('/').next()?)?),
        "m" | "v" => versioned().map(|_| Place::Other)?,
        // That of the group has no name.
        "s" if rest.is_empty() => Place::Other,
        "s" => name(rest).map(|_| Place::Other)?,
        _ => return None,
    };
    Some((namespace, group, place))
}

#[cfg(test)]
mod tests {
    use super::{
        Place, all_of, behind_foreign, behind_group, contents, group_of, head, heads, place,
        report, reports,
    };
    use crate::Name;

    #[test]
    fn everything_of_a_group_lies_together_and_apart_from_others() {
        let name = Name::new("n", "g", "a").unwrap();
        let longer = Name::new("n", "g", "a-b").unwrap();
        for key in [head(&name), report(&name, 7, true, "c/d"), super::meta(&name, 9)] {
            assert!(all_of(Some("n")).unwrap().contains(&key));
            assert!(key < behind_group("n", "g"), "{key:?}");
            assert_eq!(place(&key).unwrap().0, "n");
        }
        assert_eq!(place(&head(&longer)).unwrap().2, Place::Head(longer.clone()));
        assert_eq!(place(&report(&name, 7, false, "x/y")).unwrap().2, Place::Report(name.clone()));
        assert!(reports(&name, 7, true).contains(&report(&name, 7, true, "c")));
        assert!(!reports(&name, 7, true).contains(&report(&name, 7, false, "c")));
        assert!(!contents(&name, 1, u64::MAX).contains(&super::content(&longer, 3)));
        let behind = heads("n", "g", "a", Some("a")).unwrap();
        assert!(!behind.contains(&head(&name)) && behind.contains(&head(&longer)));
        let group = super::group_schema("n", "g").unwrap();
        let (meta, content) = (super::meta(&name, 9), super::content(&longer, 3));
        for other in [group, super::schema(&name), meta, content] {
            assert_eq!(place(&other), Some(("n", "g", Place::Other)));
        }
    }

    /// Whatever somebody put there is taken for nothing else, whichever kind it looks like.
    #[test]
    fn keys_of_others_are_none_of_ours() {
        for kind in ["h", "m", "r", "s", "v"] {
            for (namespace, group) in [("a b", "g"), ("n", "ä"), ("", "g"), ("n", ""), ("..", "g")]
            {
                let key = format!("{namespace}/{group}/{kind}/a/00000000000000000001");
                assert!(place(key.as_bytes()).is_none(), "{key}");
                let key = format!("{namespace}/{group}/{kind}/a");
                assert!(place(key.as_bytes()).is_none(), "{key}");
                assert!(group_of(key.as_bytes()).is_none(), "{key}");
            }
            let key = format!("n/g/{kind}/a b/00000000000000000001");
            assert!(place(key.as_bytes()).is_none(), "{key}");
            assert_eq!(group_of(key.as_bytes()), Some(("n", "g")));
        }
        for foreign in [
            &b"a"[..],
            b"a/b",
            b"a/b/h",
            b"a/b/x/c",
            b"a/b/h/",
            b"\xff/a/h/b",
            b"a/b/h/c/d",
            b"a/b/m/c",
            b"a/b/v/c/1",
            b"a/b/m/c/0000000000000000000x",
            b"a/b/s/c/d",
        ] {
            assert!(place(foreign).is_none(), "{foreign:?}");
        }
        // Of what is in no group as much is passed over at once as can be.
        for (foreign, next) in [
            (&b"a"[..], &b"a\0"[..]),
            (b"a/b", b"a/b\0"),
            (b"a b/g/m/x", b"a b0"),
            (b"a b/c", b"a b0"),
            (b"/g/h/a", b"0"),
            (b"n/a b/h/c", b"n/a b0"),
            (b"n//h", b"n/0"),
            (b"\xff/n/h/x", b"\xff0"),
        ] {
            assert_eq!(behind_foreign(foreign), next, "{foreign:?}");
        }
    }
}
