use proto::etcdserverpb as pb;
use state::request::{DeleteRequest, PutRequest, RangeRequest, SortOrder, SortTarget};
use types::{Code, KeyRange, LeaseId, Revision};

/// A read, as etcd 3.6 understands it.
///
/// # Errors
/// `EmptyKey`; `InvalidSortOption` for numbers that name no order or target.
pub fn range(request: pb::RangeRequest) -> Result<RangeRequest, Code> {
    if request.key.is_empty() {
        return Err(Code::EmptyKey);
    }
    let sort_order = sort_order(request.sort_order)?;
    let sort_target = sort_target(request.sort_target)?;
    Ok(RangeRequest {
        range: KeyRange::from_etcd(&request.key, &request.range_end),
        limit: u64::try_from(request.limit).unwrap_or(0),
        revision: Revision(request.revision),
        // etcd sorts upwards when a target other than the key is named without an order.
        sort_order: match (sort_order, sort_target) {
            (SortOrder::None, SortTarget::Key) => SortOrder::None,
            (SortOrder::None, _) => SortOrder::Ascend,
            (order, _) => order,
        },
        sort_target,
        keys_only: request.keys_only,
        count_only: request.count_only,
        min_mod_revision: Revision(request.min_mod_revision),
        max_mod_revision: Revision(request.max_mod_revision),
        min_create_revision: Revision(request.min_create_revision),
        max_create_revision: Revision(request.max_create_revision),
    })
}

fn sort_order(number: i32) -> Result<SortOrder, Code> {
    use pb::range_request::SortOrder as Wire;
    match Wire::try_from(number) {
        Ok(Wire::None) => Ok(SortOrder::None),
        Ok(Wire::Ascend) => Ok(SortOrder::Ascend),
        Ok(Wire::Descend) => Ok(SortOrder::Descend),
        Err(_) => Err(Code::InvalidSortOption),
    }
}

fn sort_target(number: i32) -> Result<SortTarget, Code> {
    use pb::range_request::SortTarget as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Key) => Ok(SortTarget::Key),
        Ok(Wire::Version) => Ok(SortTarget::Version),
        Ok(Wire::Create) => Ok(SortTarget::Create),
        Ok(Wire::Mod) => Ok(SortTarget::Mod),
        Ok(Wire::Value) => Ok(SortTarget::Value),
        Err(_) => Err(Code::InvalidSortOption),
    }
}

/// A put.
///
/// # Errors
/// `EmptyKey`, `ValueProvided`, `LeaseProvided`.
pub fn put(request: pb::PutRequest) -> Result<PutRequest, Code> {
    if request.key.is_empty() {
        return Err(Code::EmptyKey);
    }
    if request.ignore_value && !request.value.is_empty() {
        return Err(Code::ValueProvided);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(Code::LeaseProvided);
    }
    Ok(PutRequest {
        key: request.key,
        value: request.value,
        lease: LeaseId(request.lease),
        prev_kv: request.prev_kv,
        ignore_value: request.ignore_value,
        ignore_lease: request.ignore_lease,
    })
}

/// A delete of a range.
///
/// # Errors
/// `EmptyKey`.
pub fn delete(request: &pb::DeleteRangeRequest) -> Result<DeleteRequest, Code> {
    if request.key.is_empty() {
        return Err(Code::EmptyKey);
    }
    Ok(DeleteRequest {
        range: KeyRange::from_etcd(&request.key, &request.range_end),
        prev_kv: request.prev_kv,
    })
}
