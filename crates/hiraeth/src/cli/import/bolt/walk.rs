//! The entries of a bucket, in the order of their keys.

use super::error::Error;
use super::file::Bolt;
use super::page::{HEADER, Node, Page, u64_at};

/// Pages above one another: a tree of as many is larger than any file.
const DEPTH: usize = 32;

/// Is shown a key and its value.
type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), Error>;

/// Where a bucket's entries are.
enum Root {
    Page(u64),
    /// In the bucket's own value: there are few.
    Here(Page),
}

/// A walk over a tree.
struct Walk<'a> {
    bolt: &'a Bolt,
    /// Pages that may still be seen: no more than there are, else one leads to itself.
    left: u64,
}

impl Bolt {
    /// Shows `visit` every entry of the bucket called `name`; nothing if there is no such bucket.
    pub(in super::super) fn entries(&self, name: &str, visit: Visit<'_>) -> Result<(), Error> {
        match self.bucket(name)? {
            None => Ok(()),
            Some(Root::Page(root)) => self.walk().tree(root, 0, &mut entry(visit)),
            Some(Root::Here(page)) => self.walk().leaf(&page, &mut entry(visit)),
        }
    }

    /// Whether there is a bucket called `name`.
    pub(in super::super) fn has(&self, name: &str) -> Result<bool, Error> {
        Ok(self.bucket(name)?.is_some())
    }

    fn bucket(&self, name: &str) -> Result<Option<Root>, Error> {
        let mut found = None;
        self.walk().tree(self.root, 0, &mut |is_bucket, key, value| {
            if is_bucket && key == name.as_bytes() {
                found = Some(value.to_vec());
            }
            Ok(())
        })?;
        let Some(value) = found else { return Ok(None) };
        let damaged = Error::Page { page: self.root, what: "a bucket has no beginning" };
        match u64_at(&value, 0) {
            None => Err(damaged),
            Some(0) => {
                let page =
                    Page { id: self.root, bytes: value.get(HEADER..).unwrap_or_default().to_vec() };
                Ok(Some(Root::Here(page)))
            }
            Some(root) => Ok(Some(Root::Page(root))),
        }
    }

    fn walk(&self) -> Walk<'_> {
        Walk { bolt: self, left: self.pages() }
    }
}

/// Takes entries that are no buckets.
fn entry<'a>(visit: Visit<'a>) -> impl FnMut(bool, &[u8], &[u8]) -> Result<(), Error> + use<'a> {
    move |is_bucket, key, value| if is_bucket { Ok(()) } else { visit(key, value) }
}

type See<'a> = &'a mut dyn FnMut(bool, &[u8], &[u8]) -> Result<(), Error>;

impl Walk<'_> {
    fn tree(&mut self, id: u64, depth: usize, see: See<'_>) -> Result<(), Error> {
        let page = self.bolt.page(id)?;
        if depth >= DEPTH || self.left == 0 {
            return Err(page.damaged("it leads to itself"));
        }
        self.left -= 1;
        match page.node()? {
            Node::Leaf => self.leaf(&page, see),
            Node::Branch => {
                for number in 0..page.count() {
                    self.tree(page.child(number)?, depth + 1, see)?;
                }
                Ok(())
            }
        }
    }

    fn leaf(&self, page: &Page, see: See<'_>) -> Result<(), Error> {
        if !matches!(page.node()?, Node::Leaf) {
            return Err(page.damaged("a bucket in a bucket that is no leaf"));
        }
        for number in 0..page.count() {
            let entry = page.entry(number)?;
            see(entry.is_bucket, entry.key, entry.value)?;
        }
        Ok(())
    }
}
