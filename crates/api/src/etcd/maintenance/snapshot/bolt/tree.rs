//! One bucket's tree, built from its leaves up.

use super::page::{self, BRANCH, ELEMENT, ELEMENTS, HEADER, LEAF, PAGE};
use super::writer::{Out, Sink};

/// A bucket in the making: the last page of each height.
#[derive(Default)]
pub(super) struct Tree {
    leaf: Leaf,
    branches: Vec<Branch>,
}

#[derive(Default)]
struct Leaf {
    /// Of each element: its flags, and the lengths of its key and value.
    elements: Vec<(u32, usize, usize)>,
    /// Keys and values, one after the other.
    data: Vec<u8>,
}

#[derive(Default)]
struct Branch {
    /// The first key below each child, and the child's page.
    children: Vec<(Vec<u8>, u64)>,
    key_bytes: usize,
}

impl Tree {
    /// Adds an element whose key is above all before it.
    pub(super) fn put<S: Sink>(
        &mut self,
        out: &mut Out<S>,
        flags: u32,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), S::Stop> {
        if !self.leaf.has_room(key.len() + value.len()) {
            self.close_leaf(out)?;
        }
        self.leaf.elements.push((flags, key.len(), value.len()));
        self.leaf.data.extend_from_slice(key);
        self.leaf.data.extend_from_slice(value);
        Ok(())
    }

    /// Writes what is left and answers the root's page.
    pub(super) fn finish<S: Sink>(mut self, out: &mut Out<S>) -> Result<u64, S::Stop> {
        if self.branches.is_empty() {
            // Also without any element: a bucket has a page.
            return self.leaf.write(out);
        }
        self.close_leaf(out)?;
        let mut height = 0;
        loop {
            let is_top = height + 1 == self.branches.len();
            if is_top && let [(_, only)] = self.branches[height].children[..] {
                return Ok(only);
            }
            let branch = std::mem::take(&mut self.branches[height]);
            let (key, id) = branch.write(out)?;
            if is_top {
                return Ok(id);
            }
            height += 1;
            self.add_child(out, height, key, id)?;
        }
    }

    fn close_leaf<S: Sink>(&mut self, out: &mut Out<S>) -> Result<(), S::Stop> {
        let key = self.leaf.first_key().to_vec();
        let id = self.leaf.write(out)?;
        self.add_child(out, 0, key, id)
    }

    fn add_child<S: Sink>(
        &mut self,
        out: &mut Out<S>,
        height: usize,
        key: Vec<u8>,
        id: u64,
    ) -> Result<(), S::Stop> {
        if self.branches.len() == height {
            self.branches.push(Branch::default());
        }
        let branch = &mut self.branches[height];
        if branch.is_full_for(&key) {
            // The last child goes on to the next page, because bolt panics over a branch of one child
            // once something below it is removed.
            let last = branch.children.pop();
            let full = std::mem::take(branch);
            for (key, id) in last.into_iter().chain([(key, id)]) {
                branch.push(key, id);
            }
            let (key, id) = full.write(out)?;
            return self.add_child(out, height + 1, key, id);
        }
        branch.push(key, id);
        Ok(())
    }
}

impl Leaf {
    fn len(&self) -> usize {
        HEADER + self.elements.len() * ELEMENT + self.data.len()
    }

    /// An element that is longer than a page has one of its own.
    fn has_room(&self, bytes: usize) -> bool {
        let fits = self.len() + ELEMENT + bytes <= PAGE && self.elements.len() < ELEMENTS;
        self.elements.is_empty() || fits
    }

    fn first_key(&self) -> &[u8] {
        let length = self.elements.first().map_or(0, |(_, key, _)| *key);
        &self.data[..length]
    }

    /// Writes the page and is empty again.
    fn write<S: Sink>(&mut self, out: &mut Out<S>) -> Result<u64, S::Stop> {
        let id = out.next();
        let mut page = page::header(id, LEAF, self.elements.len(), self.len());
        // Where an element's key is, counted from the element itself.
        let mut at = self.elements.len() * ELEMENT;
        for (flags, key, value) in self.elements.drain(..) {
            for number in [flags as usize, at, key, value] {
                put_u32(&mut page, number);
            }
            at = at + key + value - ELEMENT;
        }
        page.append(&mut self.data);
        out.write(page)?;
        Ok(id)
    }
}

impl Branch {
    fn len(&self) -> usize {
        HEADER + self.children.len() * ELEMENT + self.key_bytes
    }

    fn is_full_for(&self, key: &[u8]) -> bool {
        let fits = self.len() + ELEMENT + key.len() <= PAGE && self.children.len() < ELEMENTS;
        !fits && self.children.len() > 2
    }

    fn push(&mut self, key: Vec<u8>, id: u64) {
        self.key_bytes += key.len();
        self.children.push((key, id));
    }

    /// Writes the page; answers its first key and its number.
    fn write<S: Sink>(self, out: &mut Out<S>) -> Result<(Vec<u8>, u64), S::Stop> {
        let id = out.next();
        let bytes =
            HEADER + self.children.iter().map(|(key, _)| ELEMENT + key.len()).sum::<usize>();
        let mut page = page::header(id, BRANCH, self.children.len(), bytes);
        let mut at = self.children.len() * ELEMENT;
        for (key, child) in &self.children {
            put_u32(&mut page, at);
            put_u32(&mut page, key.len());
            page.extend_from_slice(&child.to_le_bytes());
            at = at + key.len() - ELEMENT;
        }
        for (key, _) in &self.children {
            page.extend_from_slice(key);
        }
        out.write(page)?;
        let first = self.children.into_iter().next();
        Ok((first.map(|(key, _)| key).unwrap_or_default(), id))
    }
}

fn put_u32(page: &mut Vec<u8>, number: usize) {
    // Nothing a keyspace keeps is near 4 GiB.
    page.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}
