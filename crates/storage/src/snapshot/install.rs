//! Putting a snapshot's records in the place of a range's.
//!
//! A range cannot be replaced in one batch, so a marker in the engine tells that it is being
//! replaced. It is written before the first record goes and removed in the batch that finishes. The
//! file is durable before the marker is. So whatever happens, a start that finds the marker finds
//! the file, and does it all again from the beginning.

use std::path::Path;

use bytes::{BufMut as _, Bytes, BytesMut};
use env::Disk;
use types::{Batch, Reader};

use super::chunk::u32_at;
use super::error::Error;
use super::file::SnapshotFile;
use super::writer::{PARTIAL, WHOLE, io};
use crate::engine::{Engine, LET_FLUSH};

/// No region is numbered 0; the engine's own records are kept there.
const MARKER: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 1];
/// After the last of the engine's own records.
const OWN_END: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];
const MARKER_VERSION: u8 = 1;
/// Bytes of keys and values after which a batch is written.
const BATCH_BYTES: usize = 1024 * 1024;
/// Records after which a batch is written.
const BATCH_RECORDS: usize = 4096;

/// An installation that a crash interrupted. The range it names is neither old nor new: it must not
/// be read before [`SnapshotFile::install`] was done again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PendingInstall {
    /// First key of the range.
    pub start: Bytes,
    /// First key after the range.
    pub end: Bytes,
    /// Name of the snapshot's file in its directory.
    pub file: String,
}

impl SnapshotFile {
    /// Replaces the records with `start <= key < end` by those of the file, then writes `finish` in
    /// one batch with the removal of the marker, and persists it all. `finish` is what the caller
    /// has to change with the data: applied index, conf state, epoch.
    ///
    /// The raft log may be switched to the snapshot before or after, since the file is durable; but
    /// the file must stay until this answered and the log was switched. After a crash, see
    /// [`pending_installs`].
    ///
    /// # Errors
    /// [`Error::Range`] before anything is changed; the others may leave the range half replaced and
    /// the marker in place.
    pub fn install(
        &self,
        engine: &dyn Engine,
        start: &[u8],
        end: &[u8],
        finish: Batch,
    ) -> Result<(), Error> {
        let range = (Bytes::copy_from_slice(start), Bytes::copy_from_slice(end));
        self.install_ranges(engine, &[range], finish)
    }

    /// The same for several ranges, which ascend and do not overlap: each has a marker of its own, and all
    /// of them go with the batch that finishes.
    ///
    /// # Errors
    /// As [`Self::install`].
    pub fn install_ranges(
        &self,
        engine: &dyn Engine,
        ranges: &[(Bytes, Bytes)],
        finish: Batch,
    ) -> Result<(), Error> {
        let (Some((start, _)), Some((_, end))) = (ranges.first(), ranges.last()) else {
            return Err(Error::Range);
        };
        let inside = self.keys().is_none_or(|(first, last)| first >= start && last < end);
        let ascend = ranges.is_sorted_by(|(_, end), (start, _)| end <= start);
        let is_one = |(start, end): &(Bytes, Bytes)| start < end;
        if !ranges.iter().all(is_one) || !ascend || start.as_ref() < OWN_END.as_slice() || !inside {
            return Err(Error::Range);
        }
        let mut mark = Batch::default();
        for (start, end) in ranges {
            let end_len = u32::try_from(end.len()).map_err(|_| Error::Range)?;
            mark.put(marker_key(start), marker_value(end_len, end, self.path()));
        }
        engine.write(mark)?;
        for (start, end) in ranges {
            engine.clear_range(start, end)?;
        }
        let mut chunks = self.chunks()?;
        let mut batch = Batch::default();
        let mut bytes = 0;
        while let Some(records) = chunks.next()? {
            for (key, value) in records {
                bytes += key.len() + value.len();
                batch.put(key, value);
                if bytes >= BATCH_BYTES || batch.len() >= BATCH_RECORDS {
                    engine.let_flush(LET_FLUSH);
                    engine.write(std::mem::take(&mut batch))?;
                    bytes = 0;
                }
            }
        }
        engine.write(batch)?;
        let mut last = finish;
        for (start, _) in ranges {
            last.delete(marker_key(start));
        }
        engine.write(last)?;
        engine.persist()?;
        Ok(())
    }
}

/// The installations to do again, to be asked for at start and before any range is read: open each
/// file, make `finish` from its header, and install it.
///
/// # Errors
/// [`Error::Marker`] and [`Error::Read`].
pub fn pending_installs(engine: &dyn Reader) -> Result<Vec<PendingInstall>, Error> {
    let mut found = Vec::new();
    let mut after = MARKER;
    after[8] += 1;
    engine.scan(&MARKER, &after, &mut |key, value| {
        found.push(read_marker(&key, &value));
        true
    })?;
    found.into_iter().map(|marker| marker.ok_or(Error::Marker)).collect()
}

/// Removes from `directory` the files that are unfinished, and the whole ones whose installation was
/// never begun. To be called at start, before any snapshot is received.
///
/// # Errors
/// [`Error::Io`].
pub fn clean(disk: &dyn Disk, directory: &Path, pending: &[PendingInstall]) -> Result<(), Error> {
    let mut removed = false;
    for path in disk.list(directory).map_err(io("listing", directory))? {
        let ending = path.extension().and_then(|ending| ending.to_str());
        let name = path.file_name().and_then(|name| name.to_str());
        let wanted = pending.iter().any(|pending| name == Some(pending.file.as_str()));
        if ending == Some(PARTIAL) || (ending == Some(WHOLE) && !wanted) {
            disk.remove(&path).map_err(io("removing", &path))?;
            removed = true;
        }
    }
    if removed {
        disk.sync_dir(directory).map_err(io("syncing", directory))?;
    }
    Ok(())
}

fn marker_key(start: &[u8]) -> Bytes {
    Bytes::from([MARKER.as_slice(), start].concat())
}

fn marker_value(end_len: u32, end: &[u8], path: &Path) -> Bytes {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut value = BytesMut::with_capacity(5 + end.len() + name.len());
    value.put_u8(MARKER_VERSION);
    value.put_u32_le(end_len);
    value.put_slice(end);
    value.put_slice(name);
    value.freeze()
}

fn read_marker(key: &Bytes, value: &Bytes) -> Option<PendingInstall> {
    let start = key.slice(MARKER.len()..);
    if value.len() < 5 || value[0] != MARKER_VERSION {
        return None;
    }
    let len = u32_at(value, 1) as usize;
    let end = value.get(5..)?.get(..len)?;
    let file = String::from_utf8(value.get(5 + len..)?.to_vec()).ok()?;
    Some(PendingInstall { start, end: Bytes::copy_from_slice(end), file })
}
