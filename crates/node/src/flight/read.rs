use std::io;
use std::path::{Path, PathBuf};

use env::{Disk, OpenMode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{files, line};

/// One record as it was found, of this version or another.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Entry {
    /// Milliseconds since 1970, by the clock of the wall.
    #[serde(rename = "at")]
    pub wall_ms: u64,
    /// Milliseconds since its process was started.
    #[serde(rename = "up")]
    pub up_ms: u64,
    /// `sample`, or which event.
    pub kind: String,
    /// Everything else in it.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// Bytes that are no record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// In which file.
    pub file: PathBuf,
    /// From which byte.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
}

/// What a flight recorder left.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Timeline {
    /// The records in the order they were written.
    pub entries: Vec<Entry>,
    /// What could not be read between them; the last line of a file that is being written, or was
    /// when its process died, is not counted.
    pub damage: Vec<Damage>,
}

/// Reads the flight recorder of a data directory, also while a node writes it.
///
/// # Errors
/// When the files cannot be read; damage in them is no error.
pub fn read(disk: &dyn Disk, data_dir: &Path) -> io::Result<Timeline> {
    let mut timeline = Timeline::default();
    for (_, path) in files::list(disk, &data_dir.join("flight"))? {
        let file = match disk.open(&path, OpenMode::Read) {
            // The node began a new file meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(0)];
        let len = file.read_at(0, &mut bytes)?;
        bytes.truncate(len);
        take(&path, &bytes, &mut timeline);
    }
    Ok(timeline)
}

fn take(path: &Path, bytes: &[u8], timeline: &mut Timeline) {
    let mut offset = 0;
    for raw in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (start, whole) = (offset, raw.ends_with(b"\n"));
        offset += raw.len() as u64;
        let text = raw.strip_suffix(b"\n").unwrap_or(raw);
        let entry = line::json(text).and_then(|json| serde_json::from_slice(json).ok());
        match (entry, timeline.damage.last_mut()) {
            (Some(entry), _) => timeline.entries.push(entry),
            (None, _) if !whole => {}
            (None, Some(last)) if last.file == path && last.offset + last.len == start => {
                last.len += raw.len() as u64;
            }
            (None, _) => {
                let len = raw.len() as u64;
                timeline.damage.push(Damage { file: path.to_path_buf(), offset: start, len });
            }
        }
    }
}
