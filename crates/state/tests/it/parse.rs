//! The transcripts' small language.

use bytes::Bytes;
use state::request::{
    Compare, CompareResult, CompareTarget, DeleteRequest, PutRequest, RangeRequest, SortOrder,
    SortTarget, TxnOp, TxnRequest,
};
use types::{KeyRange, LeaseId, Revision};

/// `a` is one key, `a..c` a range, `a..` all from `a` on, `..` all.
pub(crate) fn range(text: &str) -> (KeyRange, bool) {
    let key = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    match text.split_once("..") {
        None => (KeyRange::single(&key(text)), true),
        Some((start, "")) => (KeyRange { start: key(start), end: None }, false),
        Some((start, end)) => (KeyRange { start: key(start), end: Some(key(end)) }, false),
    }
}

/// What stands after `name=` in one of the words.
pub(crate) fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn number(words: &[&str], name: &str) -> i64 {
    option(words, name).map_or(0, |text| text.parse().unwrap())
}

pub(crate) fn put(words: &[&str]) -> PutRequest {
    let plain: Vec<_> = words.iter().filter(|word| !is_option(word)).collect();
    PutRequest {
        key: Bytes::copy_from_slice(plain[0].as_bytes()),
        value: plain.get(1).map_or_else(Bytes::new, |v| Bytes::copy_from_slice(v.as_bytes())),
        lease: LeaseId(number(words, "lease")),
        prev_kv: words.contains(&"prev"),
        ignore_value: words.contains(&"ignore_value"),
        ignore_lease: words.contains(&"ignore_lease"),
    }
}

fn is_option(word: &str) -> bool {
    word.contains('=') || ["prev", "ignore_value", "ignore_lease"].contains(&word)
}

pub(crate) fn delete(words: &[&str]) -> DeleteRequest {
    DeleteRequest { range: range(words[0]).0, prev_kv: words.contains(&"prev") }
}

pub(crate) fn get(words: &[&str]) -> RangeRequest {
    let sort = option(words, "sort").unwrap_or("key");
    let (target, order) = sort.split_once(':').unwrap_or((sort, "none"));
    RangeRequest {
        range: range(words[0]).0,
        limit: number(words, "limit").unsigned_abs(),
        revision: Revision(number(words, "rev")),
        sort_order: match order {
            "asc" => SortOrder::Ascend,
            "desc" => SortOrder::Descend,
            _ => SortOrder::None,
        },
        sort_target: match target {
            "version" => SortTarget::Version,
            "create" => SortTarget::Create,
            "mod" => SortTarget::Mod,
            "value" => SortTarget::Value,
            _ => SortTarget::Key,
        },
        keys_only: words.contains(&"keys"),
        count_only: words.contains(&"count"),
        min_mod_revision: Revision(number(words, "minmod")),
        max_mod_revision: Revision(number(words, "maxmod")),
        min_create_revision: Revision(number(words, "mincreate")),
        max_create_revision: Revision(number(words, "maxcreate")),
    }
}

/// `{version(a)=0 value(b)>x} {put a 1; get b} {txn {} {} {}}`
pub(crate) fn txn(text: &str) -> TxnRequest {
    let parts = braces(text);
    TxnRequest {
        compare: parts[0].split_whitespace().map(compare).collect(),
        success: operations(parts[1]),
        failure: operations(parts[2]),
    }
}

fn braces(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => {
                depth += 1;
                if depth == 1 {
                    start = at + 1;
                }
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    parts.push(&text[start..at]);
                }
            }
            _ => {}
        }
    }
    assert!(depth == 0 && parts.len() == 3, "three braces in {text:?}");
    parts
}

fn operations(text: &str) -> Vec<TxnOp> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ';' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).map(operation).collect()
}

fn operation(text: &str) -> TxnOp {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[0] {
        "put" => TxnOp::Put(put(&words[1..])),
        "del" => TxnOp::Delete(delete(&words[1..])),
        "get" => TxnOp::Range(get(&words[1..])),
        "txn" => TxnOp::Txn(txn(&text[3..])),
        other => panic!("operation {other:?}"),
    }
}

fn compare(text: &str) -> Compare {
    let (target, rest) = text.split_once('(').unwrap();
    let (key, rest) = rest.split_once(')').unwrap();
    let (range, single) = range(key);
    let (result, operand) = match rest.split_at(1) {
        ("=", operand) => (CompareResult::Equal, operand),
        (">", operand) => (CompareResult::Greater, operand),
        ("<", operand) => (CompareResult::Less, operand),
        (_, operand) => (CompareResult::NotEqual, operand.strip_prefix('=').unwrap()),
    };
    let number = operand.parse::<i64>();
    let target = match target {
        "version" => CompareTarget::Version(number.unwrap()),
        "create" => CompareTarget::CreateRevision(Revision(number.unwrap())),
        "mod" => CompareTarget::ModRevision(Revision(number.unwrap())),
        "lease" => CompareTarget::Lease(LeaseId(number.unwrap())),
        "value" => CompareTarget::Value(Bytes::copy_from_slice(operand.as_bytes())),
        other => panic!("compare {other:?}"),
    };
    Compare { range, single, result, target }
}
