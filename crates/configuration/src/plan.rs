//! Which transaction makes a change. Each compares the head with what was read before, so of those who
//! change a configuration at once one is first, and the others read again.

use bytes::Bytes;
use state::request::{
    Compare, CompareResult, CompareTarget, DeleteRequest, PutRequest, TxnOp, TxnRequest,
};
use types::{Code, Fault, KeyRange, Revision};

use crate::limits::{COMMENT_BYTES, KEEP, KEEP_MOST};
use crate::record::{Gray, Head, Meta, Origin, Outcome, Report, SchemaRecord, digest, encode};
use crate::{ContentType, Name, content, gray, key};

/// A configuration as it was read.
#[derive(Clone, Debug)]
pub struct Base {
    /// Which.
    pub name: Name,
    /// Its head, if there is one.
    pub head: Option<Head>,
    /// The revision that wrote the head; 0 if there is none.
    pub revision: Revision,
}

/// A content that is to become a version.
#[derive(Clone, Debug)]
pub struct Draft {
    /// It.
    pub content: Bytes,
    /// What it is written in.
    pub content_type: ContentType,
    /// The user who brings it; empty for nobody.
    pub author: String,
    /// What is said about it.
    pub comment: String,
    /// When: milliseconds since 1970.
    pub at_ms: u64,
}

impl Draft {
    /// Whether it can be a version.
    ///
    /// # Errors
    /// `InvalidArgument`, `RequestTooLarge`.
    pub fn check(&self) -> Result<(), Fault> {
        check_comment(&self.comment)?;
        content::check(self.content_type, &self.content)
    }

    fn meta(&self, version: u64, origin: Origin, of: u64) -> Meta {
        Meta {
            version,
            content_type: self.content_type.into(),
            bytes: self.content.len() as u64,
            digest: digest(&self.content),
            author: self.author.clone(),
            comment: self.comment.clone(),
            at_ms: self.at_ms,
            origin: origin.into(),
            of,
            ..Meta::default()
        }
    }
}

/// Whether it can be said about a version or in a report.
///
/// # Errors
/// `InvalidArgument`.
pub fn check_comment(text: &str) -> Result<(), Fault> {
    if text.len() > COMMENT_BYTES {
        let told = format!("the comment has {} bytes; it may have {COMMENT_BYTES}", text.len());
        return Err(Fault::new(Code::InvalidArgument, told));
    }
    Ok(())
}

/// What has to be as it was: a key, and the revision that wrote it; 0 for none.
pub type Guard = (Bytes, Revision);

/// A change that can be made.
#[derive(Clone, Debug)]
pub struct Planned {
    /// How.
    pub txn: TxnRequest,
    /// What is current then.
    pub head: Head,
}

/// A new stable version; `of` is the version it goes back to, or 0.
///
/// # Errors
/// `GrayRunning`; `InvalidArgument` for a number of versions that cannot be kept.
pub fn release(
    base: &Base,
    draft: &Draft,
    of: u64,
    keep: Option<u32>,
    guards: &[Guard],
) -> Result<Planned, Fault> {
    if let Some(gray) = base.head.as_ref().and_then(|head| head.gray.as_ref()) {
        let (name, version) = (&base.name, gray.version());
        return Err(Fault::new(
            Code::GrayRunning,
            format!("version {version} of {name} is one; promote or abort it first"),
        ));
    }
    let mut head = base.head.clone().unwrap_or_default();
    head.keep = match keep {
        Some(keep) if !(1..=KEEP_MOST).contains(&keep) => {
            let told = format!("1 to {KEEP_MOST} versions can be kept, and not {keep}");
            return Err(Fault::new(Code::InvalidArgument, told));
        }
        Some(keep) => keep,
        None if head.keep == 0 => KEEP,
        None => head.keep,
    };
    let origin = if of == 0 { Origin::Release } else { Origin::Rollback };
    let meta = draft.meta(next(&mut head), origin, of);
    head.stable = Some(meta.clone());
    Ok(written(base, head, &meta, Some(&draft.content), guards))
}

/// A new version for some.
///
/// # Errors
/// `GrayRunning`, `ConfigUnknown` where there is none for the others; `InvalidArgument`.
pub fn start_gray(
    base: &Base,
    draft: &Draft,
    spec: Gray,
    guards: &[Guard],
) -> Result<Planned, Fault> {
    gray::check(&spec)?;
    if let Some(canary) = &spec.canary {
        gray::check_canary(canary, draft.at_ms)?;
    }
    let name = &base.name;
    let Some(mut head) = base.head.clone() else {
        let told = format!("{name}; what the others get has to be released first");
        return Err(Fault::new(Code::ConfigUnknown, told));
    };
    if let Some(gray) = &head.gray {
        let told =
            format!("version {} of {name} is one; promote or abort it first", gray.version());
        return Err(Fault::new(Code::GrayRunning, told));
    }
    let meta = draft.meta(next(&mut head), Origin::Gray, 0);
    head.gray = Some(Gray { meta: Some(meta.clone()), ..spec });
    Ok(written(base, head, &meta, Some(&draft.content), guards))
}

/// The gray release under way.
///
/// # Errors
/// `GrayMissing`, `ConfigUnknown`.
pub fn running(base: &Base) -> Result<(&Head, &Gray), Fault> {
    let name = || base.name.to_string();
    let head = base.head.as_ref().ok_or_else(|| Fault::new(Code::ConfigUnknown, name()))?;
    let gray = head.gray.as_ref().ok_or_else(|| Fault::new(Code::GrayMissing, name()))?;
    Ok((head, gray))
}

/// The gray release is for more.
///
/// # Errors
/// `GrayMissing`, `ConfigUnknown`; `InvalidArgument` where it would be taken from somebody.
pub fn widen(base: &Base, change: impl FnOnce(&mut Gray)) -> Result<Planned, Fault> {
    let (head, before) = running(base)?;
    let mut after = before.clone();
    change(&mut after);
    (after.meta, after.canary) = (before.meta.clone(), before.canary.clone());
    gray::check(&after)?;
    gray::only_wider(before, &after)?;
    let head = Head { gray: Some(after), ..head.clone() };
    let put = TxnOp::Put(put(key::head(&base.name), encode(&head)));
    Ok(Planned { txn: guarded(base, &[], vec![put]), head })
}

/// The gray release ends so, at this time, for this reason.
///
/// # Errors
/// `GrayMissing`, `ConfigUnknown`.
pub fn end_gray(base: &Base, outcome: Outcome, at_ms: u64, why: &str) -> Result<Planned, Fault> {
    let (head, gray) = running(base)?;
    let mut head = head.clone();
    head.gray = None;
    let meta = Meta {
        outcome: outcome.into(),
        outcome_at_ms: at_ms,
        outcome_why: why.to_owned(),
        ..gray.meta.clone().unwrap_or_default()
    };
    if outcome == Outcome::Promoted {
        head.stable = Some(meta.clone());
    }
    let mut planned = written(base, head, &meta, None, &[]);
    planned.txn.success.push(delete(key::all_reports(&base.name)));
    Ok(planned)
}

/// The gray release is given to everybody, if no client has reported failure by then: what is counted
/// before is of before.
///
/// # Errors
/// As [`end_gray`].
pub fn promote_if_none_failed(base: &Base, at_ms: u64, why: &str) -> Result<Planned, Fault> {
    let failures = key::reports(&base.name, running(base)?.1.version(), true);
    let mut planned = end_gray(base, Outcome::Promoted, at_ms, why)?;
    planned.txn.compare.push(Compare {
        range: failures,
        single: false,
        result: CompareResult::Equal,
        // A key that there is was made at some revision; of none that is 0.
        target: CompareTarget::CreateRevision(Revision(0)),
    });
    Ok(planned)
}

/// A configuration goes, with all its versions and its schema.
///
/// # Errors
/// `ConfigUnknown`.
pub fn delete_all(base: &Base) -> Result<TxnRequest, Fault> {
    let name = &base.name;
    if base.head.is_none() {
        return Err(Fault::new(Code::ConfigUnknown, name.to_string()));
    }
    let [metas, contents] = key::versions(name);
    let single = |key| KeyRange::single(&key);
    let ranges = [
        single(key::head(name)),
        single(key::schema(name)),
        metas,
        contents,
        key::all_reports(name),
    ];
    Ok(guarded(base, &[], ranges.map(delete).into()))
}

/// A client says how it fares with the gray release under way.
///
/// # Errors
/// `GrayMissing`, `ConfigUnknown`; `InvalidArgument`.
pub fn report(
    base: &Base,
    client: &str,
    failed: bool,
    report: &Report,
) -> Result<TxnRequest, Fault> {
    gray::client_id(client)?;
    check_comment(&report.message)?;
    if client.is_empty() {
        return Err(Fault::new(Code::InvalidArgument, "a client that reports needs an id"));
    }
    let version = running(base)?.1.version();
    let at = key::report(&base.name, version, failed, client);
    let mut txn = take_back(base, client, failed)?;
    txn.success.push(TxnOp::Put(put(at, encode(report))));
    Ok(txn)
}

/// What a client said before it says this counts no more: its last word does, also where there are too many
/// who said that to count it, too.
///
/// # Errors
/// `GrayMissing`, `ConfigUnknown`.
pub fn take_back(base: &Base, client: &str, failed: bool) -> Result<TxnRequest, Fault> {
    let version = running(base)?.1.version();
    let other = key::report(&base.name, version, !failed, client);
    Ok(guarded(base, &[], vec![delete(KeyRange::single(&other))]))
}

/// A schema is set, or removed without one; `unchanged` are heads that were held against it, as of a
/// revision.
#[must_use]
pub fn set_schema(
    (at, before): Guard,
    schema: Option<&SchemaRecord>,
    (unchanged, since): (KeyRange, Revision),
) -> TxnRequest {
    let change = match schema {
        Some(record) => TxnOp::Put(put(at.clone(), encode(record))),
        None => delete(KeyRange::single(&at)),
    };
    let no_newer = Compare {
        range: unchanged,
        single: false,
        result: CompareResult::Less,
        target: CompareTarget::ModRevision(Revision(since.get() + 1)),
    };
    let compare = vec![is_as_it_was(&(at, before)), no_newer];
    TxnRequest { compare, success: vec![change], failure: Vec::new() }
}

/// The number of a new version, which the head then knows.
fn next(head: &mut Head) -> u64 {
    head.last = head.last.saturating_add(1);
    let kept = head.last.saturating_add(1).saturating_sub(u64::from(head.keep));
    head.oldest = head.oldest.max(1).max(kept);
    head.last
}

/// Head and version are written, and what need not be kept any more goes.
fn written(
    base: &Base,
    head: Head,
    meta: &Meta,
    content: Option<&Bytes>,
    guards: &[Guard],
) -> Planned {
    let name = &base.name;
    let mut ops = vec![
        TxnOp::Put(put(key::head(name), encode(&head))),
        TxnOp::Put(put(key::meta(name, meta.version), encode(meta))),
    ];
    if let Some(content) = content {
        ops.push(TxnOp::Put(put(key::content(name, meta.version), content.clone())));
    }
    let (stable, oldest) = (head.stable_version(), head.oldest);
    let parts = match stable < oldest {
        true => [(1, stable), (stable + 1, oldest)],
        false => [(1, oldest), (oldest, oldest)],
    };
    for (first, end) in parts.into_iter().filter(|(first, end)| first < end) {
        ops.push(delete(key::metas(name, first, end)));
        ops.push(delete(key::contents(name, first, end)));
    }
    Planned { txn: guarded(base, guards, ops), head }
}

fn guarded(base: &Base, guards: &[Guard], success: Vec<TxnOp>) -> TxnRequest {
    let head = (key::head(&base.name), base.revision);
    let compare = std::iter::once(&head).chain(guards).map(is_as_it_was).collect();
    TxnRequest { compare, success, failure: Vec::new() }
}

fn is_as_it_was((key, revision): &Guard) -> Compare {
    Compare {
        range: KeyRange::single(key),
        single: true,
        result: CompareResult::Equal,
        target: CompareTarget::ModRevision(*revision),
    }
}

fn put(key: Bytes, value: Bytes) -> PutRequest {
    PutRequest { key, value, ..PutRequest::default() }
}

fn delete(range: KeyRange) -> TxnOp {
    TxnOp::Delete(DeleteRequest { range, prev_kv: false })
}

#[cfg(test)]
mod tests;
