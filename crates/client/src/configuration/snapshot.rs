//! What was last told, in a file: so a program can begin its work when no server can be reached.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use proto::hiraeth::v1 as pb;
use sha2::{Digest, Sha256};

use super::ConfigContent;

/// The first word of the first line; the number is that of the format.
const MAGIC: &str = "hiraeth-config-1";

/// A line of `hiraeth-config-1 VERSION TYPE gray|stable SHA256`, and the content as it is.
fn encode(content: &ConfigContent) -> Vec<u8> {
    let digest: String = content.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let (kind, gray) =
        (content.content_type.as_str_name(), if content.gray { "gray" } else { "stable" });
    let mut bytes = format!("{MAGIC} {} {kind} {gray} {digest}\n", content.version).into_bytes();
    bytes.extend_from_slice(&content.content);
    bytes
}

fn decode(bytes: &[u8]) -> Option<ConfigContent> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, content) = (std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]);
    let mut words = line.split(' ');
    if words.next()? != MAGIC {
        return None;
    }
    let version = words.next()?.parse().ok()?;
    let content_type = pb::ConfigContentType::from_str_name(words.next()?)?;
    let gray = words.next()? == "gray";
    let digest = Sha256::digest(content);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if words.next()? != hex || words.next().is_some() {
        return None;
    }
    let (content, digest) = (Bytes::copy_from_slice(content), Bytes::copy_from_slice(&digest));
    Some(ConfigContent { version, content_type, content, digest, gray })
}

/// What is in the file; `None` where there is none, or where it is damaged.
pub(super) fn load(path: &Path) -> Option<ConfigContent> {
    decode(&std::fs::read(path).ok()?)
}

/// When something was told, among all that was told to this process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Told(u64);

impl Told {
    pub(super) fn now() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(1 + LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// When what is in a file was told, or what is being written there.
fn newest(path: &Path) -> Arc<Mutex<Told>> {
    static FILES: Mutex<BTreeMap<PathBuf, Arc<Mutex<Told>>>> = Mutex::new(BTreeMap::new());
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(files.entry(path.to_owned()).or_default())
}

/// Puts it into the file, as a whole or not at all; nothing where something was put that was told later. Who
/// waits for this may be gone before it is done, and then it is done beside what comes next.
pub(super) fn store(path: &Path, content: &ConfigContent, told: Told) -> io::Result<()> {
    let newest = newest(path);
    let mut newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
    if *newest > told {
        return Ok(());
    }
    *newest = told;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let mut file = std::fs::File::create(&name)?;
    file.write_all(&encode(content))?;
    file.sync_all()?;
    std::fs::rename(&name, path)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proto::hiraeth::v1::ConfigContentType;
    use sha2::{Digest, Sha256};

    use super::{ConfigContent, Told, decode, encode, load, store};

    fn content(version: u64) -> ConfigContent {
        let content = Bytes::from(format!("a: {version}\n"));
        let digest = Bytes::copy_from_slice(&Sha256::digest(&content));
        let content_type = ConfigContentType::Yaml;
        ConfigContent { version, content_type, content, digest, gray: false }
    }

    #[test]
    fn what_is_written_late_takes_no_newer_ones_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("below/snapshot");
        let (first, second) = (Told::now(), Told::now());
        store(&path, &content(2), second).unwrap();
        store(&path, &content(1), first).unwrap();
        assert_eq!(load(&path), Some(content(2)));
        // The number says nothing: it was removed and made anew.
        store(&path, &content(1), Told::now()).unwrap();
        assert_eq!(load(&path), Some(content(1)));
        let other = directory.path().join("other");
        store(&other, &content(3), first).unwrap();
        assert_eq!(load(&other), Some(content(3)));
    }

    #[test]
    fn damaged_files_are_none() {
        let content = Bytes::from_static(b"a: 1\nb: 2\n");
        let digest = Bytes::copy_from_slice(&Sha256::digest(&content));
        let known = ConfigContent {
            version: 7,
            content_type: ConfigContentType::Yaml,
            content,
            digest,
            gray: true,
        };
        let bytes = encode(&known);
        assert_eq!(decode(&bytes), Some(known));
        for at in 0..bytes.len() {
            assert_eq!(decode(&bytes[..at]), None);
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            // Another version, or not gray, is one that could be; a content is not.
            assert!(at < 35 || decode(&broken).is_none(), "{at}");
        }
    }
}
