//! Backups that were damaged, at each of their parts, and those of another version: none is taken for whole.

use std::path::Path;

use client::{Put, Write};
use node::backup::{BackupWriter, Begin, Contents, Scope};

use crate::program::tool;
use crate::server::Single;

/// A chunk's front and the checksum behind it, as docs/format.md draws them.
const FRONT: usize = 16;
const CHECKSUM: usize = 4;
pub(crate) const HEADER: u8 = 1;
const RECORDS: u8 = 2;
const TRAILER: u8 = 3;

/// Where each chunk begins and ends, and its kind.
pub(crate) fn chunks(file: &[u8]) -> Vec<(std::ops::Range<usize>, u8)> {
    let (mut chunks, mut at) = (Vec::new(), 0);
    while at < file.len() {
        assert_eq!(&file[at..at + 4], b"HSNP");
        let length = u32::from_le_bytes(file[at + 12..at + 16].try_into().unwrap());
        let end = at + FRONT + usize::try_from(length).unwrap() + CHECKSUM;
        chunks.push((at..end, file[at + 5]));
        at = end;
    }
    chunks
}

/// What a chunk carries.
pub(crate) fn payload<'a>(file: &'a [u8], chunk: &std::ops::Range<usize>) -> &'a [u8] {
    &file[chunk.start + FRONT..chunk.end - CHECKSUM]
}

fn told(file: &[u8]) -> Result<Contents, String> {
    Contents::read(file, &mut |_, _, _| Ok(())).map_err(|error| error.to_string())
}

/// One of everything that a backup can have.
async fn backup(directory: &Path) -> Vec<u8> {
    let single = Single::start().await;
    let client = single.client().await;
    for number in 0..3 {
        client.put(Put::new("key", number.to_string())).await.unwrap();
    }
    client.create_sharded_keyspace("wide", vec!["m".into()], None).await.unwrap();
    let wide = client.in_keyspace("wide").unwrap();
    for part in wide.write_batch(["a", "z"].map(|key| Write::Put(Put::new(key, "1")))).await {
        part.outcome.unwrap();
    }
    let out = directory.join("whole");
    let arguments = ["admin", "backup", "--out", out.to_str().unwrap()];
    tool(&single.server.client, &arguments).well();
    std::fs::read(out).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_part_of_a_backup_may_be_changed_cut_off_left_out_or_there_twice() {
    let directory = tempfile::tempdir().unwrap();
    let whole = backup(directory.path()).await;
    let contents = told(&whole).unwrap();
    assert_eq!(contents.keyspaces.len(), 2);
    let chunks = chunks(&whole);
    for kind in [HEADER, RECORDS, TRAILER] {
        assert!(chunks.iter().filter(|(_, it)| *it == kind).count() >= 3, "{chunks:?}");
    }
    // Each byte of each part but of long payloads, where the first and the last will do.
    for (part, _) in &chunks {
        let payload = part.start + FRONT..part.end - CHECKSUM;
        let near =
            |at: &usize| !payload.contains(at) || *at < payload.start + 8 || *at + 8 >= payload.end;
        for at in part.clone().filter(near) {
            for bit in [0x01, 0x80] {
                let mut damaged = whole.clone();
                damaged[at] ^= bit;
                assert!(told(&damaged).is_err(), "byte {at} of {part:?}");
            }
            assert!(told(&whole[..at]).is_err(), "cut off at {at}");
        }
        let without = [&whole[..part.start], &whole[part.end..]].concat();
        assert!(told(&without).is_err(), "without {part:?}");
        let twice = [&whole[..part.end], &whole[part.start..]].concat();
        assert!(told(&twice).is_err(), "{part:?} twice");
    }
    // Streams as a whole, each of which has nothing wrong with it.
    let begins: Vec<usize> =
        chunks.iter().filter(|(_, kind)| *kind == HEADER).map(|(part, _)| part.start).collect();
    assert!(begins.len() >= 5, "begin, directory, keyspaces, end: {begins:?}");
    for (at, begin) in begins.iter().enumerate() {
        let end = begins.get(at + 1).copied().unwrap_or(whole.len());
        let without = [&whole[..*begin], &whole[end..]].concat();
        assert!(told(&without).is_err(), "without stream {at}");
        let twice = [&whole[..end], &whole[*begin..]].concat();
        assert!(told(&twice).is_err(), "stream {at} twice");
        if at > 0 {
            let before = begins[at - 1];
            let (one, other) = (&whole[before..*begin], &whole[*begin..end]);
            let exchanged = [&whole[..before], other, one, &whole[end..]].concat();
            assert!(told(&exchanged).is_err(), "streams {} and {at} exchanged", at - 1);
        }
    }
}

/// Written without any fault, by a version that may mean other things by it.
#[test]
fn a_backup_of_another_version_is_refused_with_the_version() {
    let directory = tempfile::tempdir().unwrap();
    let (file, data) = (directory.path().join("newer"), directory.path().join("data"));
    for version in [0, 3, u64::MAX] {
        let begin = Begin { version, ..Begin::new(Scope::Cluster, 0, "hiraeth 9.0") };
        let (bytes, _) = BackupWriter::begin(Vec::new(), begin).unwrap().end().unwrap();
        std::fs::write(&file, bytes).unwrap();
        let (from, to) = (file.to_str().unwrap(), data.to_str().unwrap());
        for arguments in [
            &["restore", "--from", from, "--data-dir", to][..],
            &["admin", "backup", "verify", from],
            &["admin", "restore", "--from", from, "--into", "default"],
        ] {
            let told = tool("127.0.0.1:1", arguments).failed(1);
            assert!(told.contains(&format!("the backup has version {version}")), "{told}");
        }
        assert!(!data.exists(), "nothing was made");
    }
}
