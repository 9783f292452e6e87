//! A B+ tree whose nodes are shared between its clones.

mod heads;
mod items;
mod node;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

pub(super) use items::Items;
use node::{Child, Node};

/// What a [`Tree`] holds.
pub(super) trait Item: Clone {
    /// What it is ordered by; no two in a tree have the same.
    fn key(&self) -> &[u8];
    /// The key, to be kept by the tree.
    fn bound(&self) -> Bytes;
    /// The memory it takes, with its place in the tree, roughly, in bytes.
    fn cost(&self) -> u64;
}

/// Items ordered by their keys; `clone` costs one reference count.
#[derive(Clone)]
pub(super) struct Tree<T> {
    root: Option<Arc<Node<T>>>,
    bytes: u64,
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { root: None, bytes: 0 }
    }
}

impl<T: Item> Tree<T> {
    /// The memory of all items, roughly.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&T> {
        let mut node = self.root.as_deref()?;
        loop {
            match node {
                Node::Branch { heads, children } => {
                    node = &children.get(node::child_of(heads, children, key))?.node;
                }
                Node::Leaf { heads, items } => {
                    let at = heads.find(key, |at| items[at].key().cmp(key)).ok()?;
                    return items.get(at);
                }
            }
        }
    }

    /// Adds `item` in the place of the one with its key.
    pub(super) fn put(&mut self, item: T) {
        self.bytes += item.cost();
        let root = self.root.get_or_insert_with(|| Arc::new(Node::empty()));
        let (replaced, split) = node::put(root, item);
        self.bytes -= replaced.map_or(0, |old| old.cost());
        if let Some(right) = split {
            let left = Child { low: Bytes::new(), node: Arc::clone(root) };
            *root = Arc::new(Node::branch(vec![left, right]));
        }
    }

    pub(super) fn delete(&mut self, key: &[u8]) {
        // Looking first keeps shared nodes shared when there is nothing to delete.
        let Some(item) = self.get(key) else { return };
        self.bytes -= item.cost();
        let Some(root) = &mut self.root else { return };
        node::delete(root, key);
        while let Node::Branch { children, .. } = root.as_ref()
            && let [only] = children.as_slice()
        {
            *root = Arc::clone(&only.node);
        }
        if root.len() == 0 {
            self.root = None;
        }
    }

    /// The items from the first whose key is not below `start` on, in order.
    pub(super) fn from(&self, start: &[u8]) -> Items<'_, T> {
        Items::new(self.root.as_deref(), start)
    }
}
