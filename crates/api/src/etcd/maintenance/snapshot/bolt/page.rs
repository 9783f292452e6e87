//! Pages, to the byte. Numbers are little-endian.

/// Bytes of a page; a longer one takes the next ones with it.
pub(crate) const PAGE: usize = 4096;
/// Bytes in front of a page's content.
pub(super) const HEADER: usize = 16;
/// Bytes of an element, beside its key and value.
pub(super) const ELEMENT: usize = 16;
/// Elements of a page at most: they are counted in 16 bits.
pub(super) const ELEMENTS: usize = 0xffff - 1;

pub(super) const BRANCH: u16 = 0x01;
pub(super) const LEAF: u16 = 0x02;
pub(super) const META: u16 = 0x04;
pub(super) const FREELIST: u16 = 0x10;

/// An element's flag: its value is a bucket.
pub(super) const BUCKET: u32 = 0x01;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// Bytes of a meta page's content before its checksum.
const META_BYTES: usize = 56;

/// How many pages so many bytes take.
pub(super) fn pages(bytes: usize) -> usize {
    bytes.div_ceil(PAGE).max(1)
}

/// The beginning of a page of `bytes` bytes.
pub(super) fn header(id: u64, flags: u16, count: usize, bytes: usize) -> Vec<u8> {
    let mut page = Vec::with_capacity(pages(bytes) * PAGE);
    page.extend_from_slice(&id.to_le_bytes());
    page.extend_from_slice(&flags.to_le_bytes());
    page.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
    let overflow = u32::try_from(pages(bytes) - 1).unwrap_or(u32::MAX);
    page.extend_from_slice(&overflow.to_le_bytes());
    page
}

/// Fills up the last page.
pub(super) fn pad(page: &mut Vec<u8>) {
    page.resize(pages(page.len()) * PAGE, 0);
}

/// One of the two meta pages: where the root is, and how many pages there are.
pub(super) fn meta(id: u64, root: u64, freelist: u64, pages: u64) -> Vec<u8> {
    let mut page = header(id, META, 0, PAGE);
    page.extend_from_slice(&MAGIC.to_le_bytes());
    page.extend_from_slice(&VERSION.to_le_bytes());
    page.extend_from_slice(&u32::try_from(PAGE).unwrap_or(0).to_le_bytes());
    page.extend_from_slice(&0_u32.to_le_bytes());
    page.extend_from_slice(&root.to_le_bytes());
    // The root bucket's sequence.
    page.extend_from_slice(&0_u64.to_le_bytes());
    page.extend_from_slice(&freelist.to_le_bytes());
    page.extend_from_slice(&pages.to_le_bytes());
    // The transaction that wrote it: the higher one of the two counts.
    page.extend_from_slice(&id.to_le_bytes());
    let checksum = fnv1a(&page[HEADER..HEADER + META_BYTES]);
    page.extend_from_slice(&checksum.to_le_bytes());
    pad(&mut page);
    page
}

pub(super) fn freelist(id: u64) -> Vec<u8> {
    let mut page = header(id, FREELIST, 0, PAGE);
    pad(&mut page);
    page
}

/// FNV-1a of 64 bits.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
