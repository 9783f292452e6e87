//! Segment files: their names, how one is made, and how one becomes a spare.

use std::path::{Path, PathBuf};

use env::{Disk, DiskFile, OpenMode};

use super::error::Error;
use super::layout::{BLOCK, BadHeader, SegmentHeader, VERSION};

/// An open segment.
pub(super) struct Segment {
    pub(super) number: u32,
    pub(super) first_batch: u64,
    pub(super) len: u64,
    pub(super) seed: u32,
    pub(super) path: PathBuf,
    pub(super) file: Box<dyn DiskFile>,
    /// Whether what is read is held against its checksums.
    pub(super) is_checked: bool,
}

impl core::fmt::Debug for Segment {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Segment({})", self.number)
    }
}

/// The files of a log's directory.
pub(super) struct Listing {
    /// Numbers of the segments, rising.
    pub(super) segments: Vec<u32>,
    /// Numbers and names of the spares.
    pub(super) spares: Vec<(u32, PathBuf)>,
}

pub(super) fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08x}.log"))
}

fn spare_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08x}.spare"))
}

/// What is in `dir`; files with other names are left alone.
pub(super) fn list(disk: &dyn Disk, dir: &Path) -> Result<Listing, Error> {
    let mut listing = Listing { segments: Vec::new(), spares: Vec::new() };
    for found in disk.list(dir).map_err(Error::io("list", dir))? {
        let number = found
            .file_stem()
            .and_then(|stem| stem.to_str())
            .filter(|stem| stem.len() == 8)
            .and_then(|stem| u32::from_str_radix(stem, 16).ok());
        match (number, found.extension().and_then(|extension| extension.to_str())) {
            (Some(number), Some("log")) => listing.segments.push(number),
            (Some(number), Some("spare")) => listing.spares.push((number, found)),
            _ => {}
        }
    }
    listing.segments.sort_unstable();
    Ok(listing)
}

/// Makes a segment that is there after a crash, out of `spare` if one is given.
pub(super) fn create(
    disk: &dyn Disk,
    dir: &Path,
    header: SegmentHeader,
    spare: Option<PathBuf>,
) -> Result<Segment, Error> {
    let draft = spare.unwrap_or_else(|| spare_path(dir, header.number));
    let path = path(dir, header.number);
    let file =
        disk.open(&draft, OpenMode::Create).map_err(Error::io("create log segment", &draft))?;
    file.allocate(header.len).map_err(|source| Error::Reserve {
        path: path.clone(),
        bytes: header.len,
        source,
    })?;
    file.write_at(0, &header.encode()).map_err(Error::io("write the header of", &draft))?;
    file.sync_data().map_err(Error::io("sync", &draft))?;
    disk.rename(&draft, &path).map_err(Error::io("rename to", &path))?;
    disk.sync_dir(dir).map_err(Error::io("sync", dir))?;
    Ok(opened(header, path, file))
}

/// Opens a segment that must be good.
pub(super) fn open(disk: &dyn Disk, dir: &Path, number: u32) -> Result<Segment, Error> {
    let path = path(dir, number);
    let file = disk.open(&path, OpenMode::ReadWrite).map_err(Error::io("open", &path))?;
    let mut head = vec![0; usize::try_from(BLOCK).unwrap_or_default()];
    let count = file.read_at(0, &mut head).map_err(Error::io("read", &path))?;
    head.truncate(count);
    let header = match SegmentHeader::decode(&head) {
        Ok(header) => header,
        Err(BadHeader::Newer(version)) => {
            return Err(Error::Newer { path, version, known: VERSION });
        }
        Err(BadHeader::Damaged(found)) => return Err(Error::corrupt(&path, 0, found)),
    };
    if header.number != number {
        let found = format!("its header says it is segment {}", header.number);
        return Err(Error::corrupt(&path, 0, found));
    }
    let len = file.len().map_err(Error::io("measure", &path))?;
    if len < header.len || header.len < BLOCK || header.len > u64::from(u32::MAX) {
        let found = format!("it has {len} bytes where its header says {}", header.len);
        return Err(Error::corrupt(&path, len, found));
    }
    Ok(opened(header, path, file))
}

/// Keeps the file of a segment that is needed no more for use again, and answers its new name.
///
/// The rename must be durable before the file is written to, and before the next segment goes:
/// otherwise a crash could bring back a segment with a foreign header, or leave a gap.
pub(super) fn retire(
    disk: &dyn Disk,
    dir: &Path,
    number: u32,
    keep: bool,
) -> Result<Option<PathBuf>, Error> {
    let (path, spare) = (path(dir, number), spare_path(dir, number));
    if keep {
        disk.rename(&path, &spare).map_err(Error::io("rename", &path))?;
    } else {
        disk.remove(&path).map_err(Error::io("remove", &path))?;
    }
    disk.sync_dir(dir).map_err(Error::io("sync", dir))?;
    Ok(keep.then_some(spare))
}

fn opened(header: SegmentHeader, path: PathBuf, file: Box<dyn DiskFile>) -> Segment {
    let SegmentHeader { number, first_batch, len, .. } = header;
    Segment { number, first_batch, len, seed: header.seed(), path, file, is_checked: true }
}
