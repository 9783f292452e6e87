//! A segment says that another one follows it. Without that word the loss of the last segment's name would
//! look like a log that ends earlier.

use std::path::Path;

use bytes::{Buf, BufMut};
use crc32c::crc32c_append;
use env::{Disk, OpenMode};

use super::error::Error;
use super::layout::SegmentHeader;
use super::segment::{Listing, Segment};

/// In the header's block, and not in its sector.
const AT: u64 = 512;
const MAGIC: &[u8; 4] = b"HNXT";
const LEN: usize = 12;

fn word(number: u32, seed: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LEN);
    bytes.put_slice(MAGIC);
    bytes.put_u32_le(number);
    let checksum = crc32c_append(seed, &bytes);
    bytes.put_u32_le(checksum);
    bytes
}

/// Writes it down, durably: the next segment is there, and nothing is in it yet.
pub(super) fn note(segment: &Segment) -> Result<(), Error> {
    let bytes = word(segment.number, segment.seed);
    let written = segment.file.write_at(AT, &bytes);
    written.map_err(Error::io("write to the header of", &segment.path))?;
    segment.file.sync_data().map_err(Error::io("sync", &segment.path))
}

/// Writes it down for a segment that another one follows, if it is not there: a crash came between, or an
/// older program.
pub(super) fn make_up(segment: &Segment) -> Result<(), Error> {
    if is_noted(segment)? { Ok(()) } else { note(segment) }
}

fn is_noted(segment: &Segment) -> Result<bool, Error> {
    let mut bytes = [0; LEN];
    let read = segment.file.read_at(AT, &mut bytes);
    read.map_err(Error::io("read", &segment.path))?;
    Ok(bytes == *word(segment.number, segment.seed))
}

/// Refuses a log that ends with a segment that another one followed.
pub(super) fn must_be_last(dir: &Path, segment: &Segment) -> Result<(), Error> {
    match is_noted(segment)? {
        true => {
            let missing = segment.number.saturating_add(1);
            Err(Error::corrupt(dir, 0, format!("segment {missing} is missing, the last one")))
        }
        false => Ok(()),
    }
}

/// Refuses a log without a segment where there was one: what is left of it are spares.
pub(super) fn must_be_new(disk: &dyn Disk, dir: &Path, listing: &Listing) -> Result<(), Error> {
    for (number, path) in &listing.spares {
        let file = disk.open(path, OpenMode::Read).map_err(Error::io("open", path))?;
        let mut head = vec![0; usize::try_from(AT).unwrap_or_default() + LEN];
        let count = file.read_at(0, &mut head).map_err(Error::io("read", path))?;
        head.truncate(count);
        // The draft of a first segment is all that a crash may leave of a log that never began.
        let was_followed = SegmentHeader::decode(&head).is_ok_and(|header| {
            let noted = head.get(usize::try_from(AT).unwrap_or_default()..);
            noted.is_some_and(|it| it.chunk() == word(header.number, header.seed()))
        });
        if *number > 1 || was_followed {
            let found = format!("no segment is there, and {} was one", path.display());
            return Err(Error::corrupt(dir, 0, found));
        }
    }
    Ok(())
}
