use bytes::Bytes;
use proto::authpb;
use proto::authpb::permission::Type;
use state::auth::{Permission, PermissionKind};
use types::{Code, KeyRange, KeyspaceId};

/// The range a permission of etcd's is for.
pub(super) fn range(key: &Bytes, range_end: &Bytes) -> KeyRange {
    KeyRange::from_etcd(key, range_end)
}

/// A permission in the keyspace the request is for.
///
/// # Errors
/// `PermissionNotGiven`; `InvalidAuthManagement` for a kind that is none.
pub(super) fn permission(
    keyspace: KeyspaceId,
    given: Option<authpb::Permission>,
) -> Result<Permission, Code> {
    let given = given.ok_or(Code::PermissionNotGiven)?;
    let kind = match Type::try_from(given.perm_type) {
        Ok(Type::Read) => PermissionKind::Read,
        Ok(Type::Write) => PermissionKind::Write,
        Ok(Type::Readwrite) => PermissionKind::ReadWrite,
        Err(_) => return Err(Code::InvalidAuthManagement),
    };
    // The single key that is empty is no key.
    let range = range(&given.key, &given.range_end);
    Ok(Permission { keyspace, range, kind })
}

/// A permission as etcd shows it.
pub(super) fn shown(permission: &Permission) -> authpb::Permission {
    let kind = match permission.kind {
        PermissionKind::Read => Type::Read,
        PermissionKind::Write => Type::Write,
        PermissionKind::ReadWrite => Type::Readwrite,
    };
    let range = &permission.range;
    let range_end = match &range.end {
        None => Bytes::from_static(&[0]),
        Some(end) if end.strip_suffix(&[0]) == Some(&range.start) => Bytes::new(),
        Some(end) => end.clone(),
    };
    authpb::Permission { perm_type: kind.into(), key: range.start.clone(), range_end }
}

/// What etcd shows of the role that may do everything.
pub(super) fn everything() -> authpb::Permission {
    authpb::Permission {
        perm_type: Type::Readwrite.into(),
        key: Bytes::new(),
        range_end: Bytes::from_static(&[0]),
    }
}

#[cfg(test)]
mod tests {
    use super::{Type, authpb, permission, shown};
    use types::{Code, KeyspaceId};

    #[test]
    fn a_permission_is_shown_as_it_was_given() {
        for range_end in ["", "\0", "b"] {
            let given = authpb::Permission {
                perm_type: Type::Write.into(),
                key: "a".into(),
                range_end: range_end.into(),
            };
            let made = permission(KeyspaceId(7), Some(given.clone())).unwrap();
            assert_eq!((made.keyspace, shown(&made)), (KeyspaceId(7), given));
        }
        assert_eq!(permission(KeyspaceId(1), None), Err(Code::PermissionNotGiven));
        let strange = authpb::Permission { perm_type: 3, ..Default::default() };
        assert_eq!(permission(KeyspaceId(1), Some(strange)), Err(Code::InvalidAuthManagement));
    }
}
