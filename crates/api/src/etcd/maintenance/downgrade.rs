//! Downgrades: there is nothing to go down to, and etcd's words for that.

use proto::etcdserverpb as pb;
use proto::etcdserverpb::downgrade_request::DowngradeAction;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::error::DETAIL;

/// Why it is refused: gRPC metadata is plain text.
const WHY: &str = "hiraeth: the version is that of the etcd whose API is served, and no older format \
    of the data exists; to go on with an etcd, restore the file of `etcdctl snapshot save` there";

/// What is wrong with a request; something always is.
pub(super) fn refuse(request: &pb::DowngradeRequest) -> Status {
    let (code, text) = match DowngradeAction::try_from(request.action) {
        Ok(DowngradeAction::Validate | DowngradeAction::Enable) if is_version(&request.version) => {
            (Code::InvalidArgument, "etcdserver: invalid downgrade target version")
        }
        Ok(DowngradeAction::Validate | DowngradeAction::Enable) => {
            (Code::InvalidArgument, "etcdserver: wrong downgrade target version format")
        }
        Ok(DowngradeAction::Cancel) => {
            (Code::FailedPrecondition, "etcdserver: no inflight downgrade job")
        }
        Err(_) => (Code::InvalidArgument, "hiraeth: invalid request: an unknown action"),
    };
    let mut metadata = MetadataMap::new();
    metadata.insert(DETAIL, tonic::metadata::MetadataValue::from_static(WHY));
    Status::with_metadata(code, text, metadata)
}

/// `major.minor`, or with a patch and what may follow it.
fn is_version(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    let mut parts = text.splitn(3, '.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let patch = parts.next().map(|patch| patch.split(['-', '+']).next().unwrap_or_default());
    number(major) && number(minor) && patch.is_none_or(number)
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn versions_are_as_etcd_takes_them() {
        for good in ["3.5", "3.5.0", "3.6.0-rc.1", "3.5.1+git"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "3", "v3.5", "3.x", "3.5.", "3.5.0.1", "3..1"] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
