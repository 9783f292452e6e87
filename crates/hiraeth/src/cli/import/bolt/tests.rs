use std::fs;
use std::path::Path;

use super::{Bolt, Error};

const PAGE: usize = 4096;

/// A leaf with these entries, as a page of this number.
fn leaf(id: u64, entries: &[(u32, &[u8], &[u8])]) -> Vec<u8> {
    let mut page = id.to_le_bytes().to_vec();
    page.extend(2_u16.to_le_bytes());
    page.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    page.extend([0; 4]);
    let mut at = entries.len() * 16;
    for (flags, key, value) in entries {
        for number in [*flags, at as u32, key.len() as u32, value.len() as u32] {
            page.extend(number.to_le_bytes());
        }
        at = at + key.len() + value.len() - 16;
    }
    for (_, key, value) in entries {
        page.extend_from_slice(key);
        page.extend_from_slice(value);
    }
    page
}

fn meta(id: u64, pages: u64) -> Vec<u8> {
    let mut content = Vec::new();
    for number in [0xED0C_DAED_u32, 2, 4096, 0] {
        content.extend(number.to_le_bytes());
    }
    for number in [3_u64, 0, 2, pages, id] {
        content.extend(number.to_le_bytes());
    }
    let sum = content.iter().fold(14_695_981_039_346_656_037_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211)
    });
    content.extend(sum.to_le_bytes());
    let mut page = id.to_le_bytes().to_vec();
    page.extend(4_u16.to_le_bytes());
    page.extend([0; 6]);
    page.extend(content);
    page
}

/// Page 3 is the root with two buckets: `big` on page 4, which is a branch over 5 and 6, and `small` in its
/// own value.
fn file() -> Vec<u8> {
    let inline = [&[0; 16][..], &leaf(0, &[(0, b"x", b"y")])].concat();
    let big = [4_u64.to_le_bytes(), [0; 8]].concat();
    let mut branch = 4_u64.to_le_bytes().to_vec();
    branch.extend(1_u16.to_le_bytes());
    branch.extend(2_u16.to_le_bytes());
    branch.extend([0; 4]);
    for (place, child) in [(32_u32, 5_u64), (17, 6)] {
        branch.extend(place.to_le_bytes());
        branch.extend(1_u32.to_le_bytes());
        branch.extend(child.to_le_bytes());
    }
    branch.extend(b"ac");
    let pages = [
        meta(0, 7),
        meta(1, 7),
        vec![2, 0, 0, 0, 0, 0, 0, 0, 0x10, 0],
        leaf(3, &[(1, b"big", &big), (1, b"small", &inline)]),
        branch,
        leaf(5, &[(0, b"a", b"1"), (0, b"b", b"2")]),
        leaf(6, &[(0, b"c", b"3")]),
    ];
    let padded = pages.into_iter().flat_map(|mut page| {
        page.resize(PAGE, 0);
        page
    });
    padded.collect()
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn read(path: &Path, bucket: &str) -> Result<Entries, Error> {
    let mut entries = Vec::new();
    Bolt::open(path)?.entries(bucket, &mut |key, value| {
        entries.push((key.to_vec(), value.to_vec()));
        Ok(())
    })?;
    Ok(entries)
}

#[test]
fn buckets_are_read_and_no_damage_makes_it_panic_or_go_on_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let whole = file();
    let both = |path: &Path| Ok::<_, Error>((read(path, "big")?, read(path, "small")?));
    fs::write(&path, &whole).unwrap();
    let pair = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    let wanted = (vec![pair("a", "1"), pair("b", "2"), pair("c", "3")], vec![pair("x", "y")]);
    assert_eq!(both(&path).unwrap(), wanted);
    assert_eq!(read(&path, "none").unwrap(), []);
    for cut in [0, 10, PAGE, 3 * PAGE, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(both(&path).is_err(), "cut at {cut}");
    }
    // One head is enough.
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    fs::write(&path, &damaged).unwrap();
    assert_eq!(both(&path).unwrap(), wanted);
    for page in 2..7 {
        for at in (0..80).map(|at| page * PAGE + at) {
            for bits in [1, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= bits;
                fs::write(&path, &damaged).unwrap();
                drop(both(&path));
            }
        }
    }
    // A branch that leads to itself.
    let mut damaged = whole;
    damaged[4 * PAGE + 24] = 4;
    fs::write(&path, &damaged).unwrap();
    assert!(matches!(read(&path, "big"), Err(Error::Page { .. })));
}

#[test]
fn the_checksum_behind_it_counts() {
    use sha2::{Digest, Sha256};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut bytes = file();
    let hash = Sha256::digest(&bytes);
    bytes.extend_from_slice(&hash);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(read(&path, "small").unwrap().len(), 1);
    bytes[6 * PAGE + 1000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(read(&path, "small"), Err(Error::Checksum)));
}
