//! The file: a compressed tar archive of `meta.json`, `state.bin` and the digests of both.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::tar;
use crate::consul::problem::Problem;

const META: &str = "meta.json";
const STATE: &str = "state.bin";
const SUMS: &str = "SHA256SUMS";
/// Bytes of everything when it is not compressed any more: nobody's few bytes are to fill the memory.
const OPEN_BYTES: usize = super::BODY_BYTES;

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Into memory: it cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

pub(super) fn pack(meta: &Value, state: &[u8]) -> Result<Vec<u8>, Problem> {
    let failed = |error| Problem::failed(format!("failed to compress snapshot: {error}"));
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    let meta = meta.to_string();
    let sums = format!("{}  {META}\n{}  {STATE}\n", digest(meta.as_bytes()), digest(state));
    let mut archive = Vec::with_capacity(state.len() + 8_192);
    tar::put(&mut archive, META, meta.as_bytes(), seconds);
    tar::put(&mut archive, STATE, state, seconds);
    tar::put(&mut archive, SUMS, sums.as_bytes(), seconds);
    tar::end(&mut archive);
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(&archive).and_then(|()| out.finish()).map_err(failed)
}

/// The `state.bin` of a file that is whole.
pub(super) fn unpack(file: &[u8]) -> Result<Bytes, String> {
    let mut archive = Vec::new();
    let most = OPEN_BYTES as u64;
    GzDecoder::new(file)
        .take(most + 1)
        .read_to_end(&mut archive)
        .map_err(|error| format!("failed to decompress snapshot: gzip: {error}"))?;
    if archive.len() > OPEN_BYTES {
        return Err(format!("failed to read snapshot: it has more than {most} bytes"));
    }
    let bad = |what: &str| format!("failed to read snapshot: {what}");
    let (mut meta, mut state, mut sums) = (None, None, None);
    for (name, content) in tar::files(&archive).map_err(bad)? {
        let place = match name {
            META => &mut meta,
            STATE => &mut state,
            SUMS => &mut sums,
            other => return Err(bad(&format!("unexpected file {other:?} in snapshot"))),
        };
        if place.replace(content).is_some() {
            return Err(bad(&format!("{name:?} is there twice")));
        }
    }
    let missing = |name: &str| bad(&format!("{name:?} is missing"));
    let meta = meta.ok_or_else(|| missing(META))?;
    let state = state.ok_or_else(|| missing(STATE))?;
    let sums = core::str::from_utf8(sums.ok_or_else(|| missing(SUMS))?)
        .map_err(|_| bad("the list of digests is no text"))?;
    check_digests(sums, meta, state).map_err(|what| bad(&what))?;
    let told: Value = serde_json::from_slice(meta)
        .map_err(|error| bad(&format!("{META:?} cannot be read: {error}")))?;
    if told["Size"].as_u64() != Some(state.len() as u64) {
        return Err(bad(&format!("{STATE:?} has another size than {META:?} says")));
    }
    Ok(Bytes::copy_from_slice(state))
}

fn check_digests(sums: &str, meta: &[u8], state: &[u8]) -> Result<(), String> {
    let mut left = vec![(META, meta), (STATE, state)];
    for line in sums.lines() {
        let (hex, name) = line.split_once("  ").ok_or("a line in the list of digests is none")?;
        let at = left.iter().position(|(known, _)| *known == name);
        let (name, content) = left.swap_remove(at.ok_or("the list of digests has another file")?);
        if !hex.eq_ignore_ascii_case(&digest(content)) {
            return Err(format!("hash check failed for {name:?}"));
        }
    }
    match left.first() {
        None => Ok(()),
        Some((name, _)) => Err(format!("the list of digests lacks {name:?}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;

    use super::super::tar;
    use super::{OPEN_BYTES, digest, pack, unpack};

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        files.iter().for_each(|(name, content)| tar::put(&mut out, name, content, 1));
        tar::end(&mut out);
        compressed(&out)
    }

    #[test]
    fn what_is_packed_comes_back() {
        for size in [0, 1, 511, 512, 513, 70_000] {
            let state: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let file = pack(&json!({ "Size": size }), &state).unwrap();
            assert_eq!(unpack(&file).unwrap(), state);
        }
    }

    #[test]
    fn no_byte_of_the_state_can_be_another_one_and_none_can_be_missing() {
        let file = pack(&json!({ "Size": 4 }), b"abcd").unwrap();
        for at in 0..file.len() {
            assert!(unpack(&file[..at]).is_err(), "cut at {at}");
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            // There are bytes that mean nothing: the time and the system in the head of the compression.
            let told = unpack(&damaged);
            assert!(told.is_err() || told.is_ok_and(|state| *state == b"abcd"[..]), "byte {at}");
        }
    }

    #[test]
    fn what_is_no_snapshot_is_told_so() {
        let (meta, state) = (&br#"{"Size":2}"#[..], &b"ab"[..]);
        let line = |name: &str, content: &[u8]| format!("{}  {name}\n", digest(content));
        let sums = line("meta.json", meta) + &line("state.bin", state);
        let all = |sums: &str| {
            archive(&[("meta.json", meta), ("state.bin", state), ("SHA256SUMS", sums.as_bytes())])
        };
        assert_eq!(unpack(&all(&sums)).unwrap(), state);
        for (file, words) in [
            (b"not one".to_vec(), "failed to decompress"),
            (compressed(b"not one"), "cut off"),
            (compressed(&[7; 1_024]), "checksum"),
            (archive(&[]), "\"meta.json\" is missing"),
            (archive(&[("meta.json", meta), ("meta.json", meta)]), "twice"),
            (archive(&[("../state.bin", state)]), "unexpected file"),
            (all(&line("meta.json", meta)), "lacks \"state.bin\""),
            (all(&sums.replace("state.bin", "meta.json")), "another file"),
            (all(&sums.replace(&digest(state), &digest(meta))), "hash check failed"),
            (all("?"), "none"),
            (compressed(&vec![0; OPEN_BYTES + 1]), "more than"),
        ] {
            let told = unpack(&file).unwrap_err();
            assert!(told.contains(words), "{told}: {words}");
        }
    }
}
