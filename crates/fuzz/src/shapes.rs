//! Messages that are small to send and large to hold, or deep.

use crate::input::Piece;
use crate::message::bytes;
use crate::random::Random;

/// Bytes just below what is read at all.
const FULL: usize = 2_000_000;

/// The payload of a request to one of these methods that no ordinary client would send.
pub(crate) fn extreme(random: &mut Random, path: &str) -> Option<Vec<Piece>> {
    let pieces = match path {
        "/etcdserverpb.KV/Txn" => match random.below(4) {
            0 => vec![Piece::once(nested(random.one(&[15, 16, 17, 49, 50, 99, 100, 101, 1_000])))],
            1 => vec![Piece::once(bushy(random.one(&[3, 5, 7])))],
            // Every two bytes are an operation, or a comparison.
            2 => vec![Piece { unit: vec![random.one(&[0x0a, 0x12, 0x1a]), 0], times: FULL / 2 }],
            _ => vec![Piece { unit: vec![0x12, 2, 0x12, 0], times: FULL / 4 }],
        },
        "/etcdserverpb.Watch/Watch" => {
            // `filters`, one by one, in one message.
            let times = FULL / 2;
            let mut head = vec![0x0a];
            crate::message::varint(&mut head, (times * 2) as u64);
            vec![Piece::once(head), Piece { unit: vec![0x28, 1], times }]
        }
        "/etcdserverpb.Cluster/MemberAdd" | "/etcdserverpb.Cluster/MemberUpdate" => {
            let field = if path.ends_with("Add") { 0x0a } else { 0x12 };
            vec![Piece { unit: vec![field, 0], times: FULL / 2 }]
        }
        _ => return None,
    };
    Some(pieces)
}

/// A transaction in a transaction, so many times.
fn nested(depth: usize) -> Vec<u8> {
    let mut inner = Vec::new();
    for _ in 0..depth {
        let (mut operation, mut transaction) = (Vec::new(), Vec::new());
        bytes(&mut operation, 4, &inner);
        bytes(&mut transaction, 2, &operation);
        inner = transaction;
    }
    inner
}

/// Three transactions in each branch of every transaction.
fn bushy(depth: usize) -> Vec<u8> {
    let mut inner = Vec::new();
    for _ in 0..depth {
        let (mut operation, mut transaction) = (Vec::new(), Vec::new());
        bytes(&mut operation, 4, &inner);
        for branch in [2, 2, 2, 3, 3, 3] {
            bytes(&mut transaction, branch, &operation);
        }
        inner = transaction;
    }
    inner
}
