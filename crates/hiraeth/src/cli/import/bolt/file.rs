//! The file as a whole: its two heads, its pages, the checksum that etcd puts behind it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::Error;
use super::page::{HEADER, Page, u16_at, u32_at, u64_at};

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
const META: u16 = 0x04;
/// Bytes of a head's content before its checksum.
const META_BYTES: usize = 56;
/// The sizes of pages there are.
const PAGES: [u64; 7] = [1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16];
/// Bytes of a checksum behind the file, and what the file's own are a multiple of.
const CHECKSUM: u64 = 32;
const SECTOR: u64 = 512;
/// Bytes of a page with those that belong to it, at most: more than etcd takes of a request.
const LARGEST: u64 = 1 << 30;

/// A bolt file.
pub(in super::super) struct Bolt {
    file: File,
    page_bytes: u64,
    pages: u64,
    pub(super) root: u64,
}

struct Meta {
    page_bytes: u64,
    root: u64,
    pages: u64,
    transaction: u64,
}

impl Bolt {
    /// Opens it. Where a checksum is behind it, as `etcdctl snapshot save` puts it there, all of the file is
    /// read and held against it.
    pub(in super::super) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let meta = newest(&file)?;
        let own = match length % SECTOR {
            CHECKSUM => length - CHECKSUM,
            _ => length,
        };
        let told = meta.pages.checked_mul(meta.page_bytes);
        let told = told.ok_or(Error::Foreign("it tells of more pages than there can be"))?;
        if told > own {
            return Err(Error::Short { told, found: own });
        }
        if own != length {
            check(&file, own)?;
        }
        Ok(Self { file, page_bytes: meta.page_bytes, pages: meta.pages, root: meta.root })
    }

    /// Pages there are.
    pub(super) fn pages(&self) -> u64 {
        self.pages
    }

    /// The page with those that belong to it.
    pub(super) fn page(&self, id: u64) -> Result<Page, Error> {
        let damaged = |what| Error::Page { page: id, what };
        if id < 2 || id >= self.pages {
            return Err(damaged("there is none of this number"));
        }
        let at = id * self.page_bytes;
        let mut head = [0; HEADER];
        self.file.read_exact_at(&mut head, at)?;
        if u64_at(&head, 0) != Some(id) {
            return Err(damaged("it has another number"));
        }
        let more = u64::from(u32_at(&head, 12).unwrap_or(u32::MAX));
        let bytes = (more + 1) * self.page_bytes;
        if more >= self.pages - id || bytes > LARGEST {
            return Err(damaged("it is longer than the file"));
        }
        let mut bytes = vec![0; usize::try_from(bytes).map_err(|_| damaged("it is too long"))?];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(Page { id, bytes })
    }
}

/// The head of the last transaction that is whole.
fn newest(file: &File) -> Result<Meta, Error> {
    // The second head is a page behind the first, however large that is.
    let first = head(file, 0);
    let sizes: Vec<u64> = match &first {
        Some(meta) => vec![meta.page_bytes],
        None => PAGES.to_vec(),
    };
    let second = sizes.into_iter().filter_map(|size| head(file, size)).next();
    let heads = first.into_iter().chain(second);
    let newest = heads.max_by_key(|meta| meta.transaction);
    newest.ok_or(Error::Foreign("neither of its two heads is whole"))
}

fn head(file: &File, at: u64) -> Option<Meta> {
    let mut page = [0; HEADER + META_BYTES + 8];
    file.read_exact_at(&mut page, at).ok()?;
    let content = &page[HEADER..];
    let sum = content[..META_BYTES].iter().fold(14_695_981_039_346_656_037_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211)
    });
    let page_bytes = u64::from(u32_at(content, 8)?);
    let is_one = u16_at(&page, 8)? & META != 0
        && u32_at(content, 0)? == MAGIC
        && u32_at(content, 4)? == VERSION
        && u64_at(content, META_BYTES)? == sum
        && PAGES.contains(&page_bytes);
    is_one.then_some(())?;
    Some(Meta {
        page_bytes,
        root: u64_at(content, 16)?,
        pages: u64_at(content, 40)?,
        transaction: u64_at(content, 48)?,
    })
}

fn check(file: &File, length: u64) -> Result<(), Error> {
    let (mut hash, mut at) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    while at < length {
        let want = usize::try_from(length - at).unwrap_or(usize::MAX).min(buffer.len());
        let read = file.read_at(&mut buffer[..want], at)?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        hash.update(&buffer[..read]);
        at += read as u64;
    }
    let mut told = [0; 32];
    file.read_exact_at(&mut told, length)?;
    match hash.finalize().as_slice() == told {
        true => Ok(()),
        false => Err(Error::Checksum),
    }
}
