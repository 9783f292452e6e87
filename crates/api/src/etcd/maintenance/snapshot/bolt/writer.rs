//! The file: two meta pages, the list of free pages (there are none), the buckets' trees, and last the
//! tree that has the buckets.

use super::page::{self, BUCKET, PAGE};
use super::tree::Tree;

/// The page of the list of free pages.
const FREELIST: u64 = 2;
/// The first page of the buckets.
const FIRST: u64 = 3;

/// Takes the file's bytes in order.
pub(crate) trait Sink {
    /// Why it takes no more.
    type Stop;

    /// Takes the next bytes: whole pages.
    ///
    /// # Errors
    /// When it takes no more; nothing is written to it after that.
    fn write(&mut self, pages: Vec<u8>) -> Result<(), Self::Stop>;
}

/// What is known of a file once it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    root: u64,
    pages: u64,
}

impl Layout {
    /// The file's length.
    pub(crate) fn bytes(&self) -> u64 {
        self.pages * PAGE as u64
    }
}

/// Hands out page numbers, in the order in which pages are written.
pub(super) struct Out<S> {
    sink: S,
    next: u64,
}

impl<S: Sink> Out<S> {
    /// The number of the page that is written next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn write(&mut self, mut bytes: Vec<u8>) -> Result<(), S::Stop> {
        page::pad(&mut bytes);
        self.next += (bytes.len() / PAGE) as u64;
        self.sink.write(bytes)
    }
}

/// Writes one file. Buckets come in the order of their names, and entries in the order of their keys.
pub(crate) struct Writer<S> {
    out: Out<S>,
    buckets: Tree,
    open: Option<(Vec<u8>, Tree)>,
}

impl<S: Sink> Writer<S> {
    /// Begins a file that will have this layout.
    ///
    /// # Errors
    /// The sink's.
    pub(crate) fn begin(sink: S, layout: Layout) -> Result<Self, S::Stop> {
        let mut writer = Self::measure(sink);
        let out = &mut writer.out;
        for id in 0..FREELIST {
            out.sink.write(page::meta(id, layout.root, FREELIST, layout.pages))?;
        }
        out.sink.write(page::freelist(FREELIST))?;
        Ok(writer)
    }

    /// Begins what only finds out a layout; the sink gets no whole file.
    pub(crate) fn measure(sink: S) -> Self {
        Self { out: Out { sink, next: FIRST }, buckets: Tree::default(), open: None }
    }

    /// Begins a bucket. Names ascend.
    ///
    /// # Errors
    /// The sink's.
    pub(crate) fn bucket(&mut self, name: &[u8]) -> Result<(), S::Stop> {
        self.close()?;
        self.open = Some((name.to_vec(), Tree::default()));
        Ok(())
    }

    /// Adds an entry to the bucket begun last. Keys ascend.
    ///
    /// # Errors
    /// The sink's.
    pub(crate) fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<(), S::Stop> {
        match &mut self.open {
            Some((_, tree)) => tree.put(&mut self.out, 0, key, value),
            None => unreachable!("an entry outside of any bucket"),
        }
    }

    /// Ends the file; answers how it came out, and the sink.
    ///
    /// # Errors
    /// The sink's.
    pub(crate) fn finish(mut self) -> Result<(Layout, S), S::Stop> {
        self.close()?;
        let root = self.buckets.finish(&mut self.out)?;
        Ok((Layout { root, pages: self.out.next }, self.out.sink))
    }

    fn close(&mut self) -> Result<(), S::Stop> {
        let Some((name, tree)) = self.open.take() else { return Ok(()) };
        let mut bucket = tree.finish(&mut self.out)?.to_le_bytes().to_vec();
        // Its sequence, which etcd does not use.
        bucket.extend_from_slice(&0_u64.to_le_bytes());
        self.buckets.put(&mut self.out, BUCKET, &name, &bucket)
    }
}
