//! The nodes of a tree, and what changes them on the way down and up.

use std::sync::Arc;

use bytes::Bytes;

use super::Item;
use super::heads::{FANOUT, Heads};

/// Two neighbours that fit together in this many items become one node.
const MERGE: usize = FANOUT / 2;

#[derive(Clone)]
pub(super) enum Node<T> {
    Leaf {
        heads: Heads,
        items: Vec<T>,
    },
    Branch {
        /// Of the bounds of all children but the first.
        heads: Heads,
        children: Vec<Child<T>>,
    },
}

#[derive(Clone)]
pub(super) struct Child<T> {
    /// No key below `node` is less than it, and every key of the child before is. The first child's
    /// bound is not looked at.
    pub(super) low: Bytes,
    pub(super) node: Arc<Node<T>>,
}

impl<T: Item> Node<T> {
    pub(super) fn empty() -> Self {
        Self::Leaf { heads: Heads::new(), items: Vec::new() }
    }

    fn leaf(items: Vec<T>) -> Self {
        Self::Leaf { heads: Heads::of(items.iter().map(Item::key)), items }
    }

    pub(super) fn branch(children: Vec<Child<T>>) -> Self {
        let heads = Heads::of(bounds(&children));
        Self::Branch { heads, children }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Leaf { items, .. } => items.len(),
            Self::Branch { children, .. } => children.len(),
        }
    }

    /// Cuts an overfull node; `at_end` tells that the last item is the new one.
    fn split(&mut self, at_end: bool) -> Option<Child<T>> {
        if self.len() <= FANOUT {
            return None;
        }
        // Keys that arrive in order would leave every node half full if it were cut in the middle.
        let at = if at_end { FANOUT * 7 / 8 } else { FANOUT / 2 };
        let (low, right) = match self {
            Self::Leaf { heads, items } => {
                let mut right_heads = heads.split_off(at);
                let right = split_off(items, at);
                let low = right.first()?.bound();
                tighten(heads, items.iter().map(Item::key));
                tighten(&mut right_heads, right.iter().map(Item::key));
                (low, Self::Leaf { heads: right_heads, items: right })
            }
            Self::Branch { heads, children } => {
                // The bound of the right half's first child is the whole half's.
                let mut right_heads = heads.split_off(at);
                heads.remove(at - 1);
                let right = split_off(children, at);
                let low = right.first()?.low.clone();
                tighten(heads, bounds(children));
                tighten(&mut right_heads, bounds(&right));
                (low, Self::Branch { heads: right_heads, children: right })
            }
        };
        Some(Child { low, node: Arc::new(right) })
    }

    /// Takes over all of `right`, a node of the same height whose first bound is `low`.
    fn absorb(&mut self, right: &Self, low: &Bytes) {
        let joined = match (&mut *self, right) {
            (Self::Leaf { items: mine, .. }, Self::Leaf { items: theirs, .. }) => {
                mine.extend(theirs.iter().cloned());
                Self::leaf(std::mem::take(mine))
            }
            (Self::Branch { children: mine, .. }, Self::Branch { children: theirs, .. }) => {
                let at = mine.len();
                mine.extend(theirs.iter().cloned());
                if let Some(first) = mine.get_mut(at) {
                    first.low = low.clone();
                }
                Self::branch(std::mem::take(mine))
            }
            _ => panic!("a branch has children of different heights"),
        };
        *self = joined;
    }
}

fn bounds<T>(children: &[Child<T>]) -> impl Iterator<Item = &[u8]> + Clone {
    children.iter().skip(1).map(|child| &*child.low)
}

/// The upper part, in a vector as long as it is; a node is filled before it is cut again.
fn split_off<I>(items: &mut Vec<I>, at: usize) -> Vec<I> {
    let mut right = Vec::with_capacity(FANOUT + 1);
    right.extend(items.drain(at..));
    right
}

/// Adds in a vector that does not become longer than a node can be.
fn insert<I>(items: &mut Vec<I>, at: usize, item: I) {
    if items.len() == items.capacity() {
        let more = items.len().max(4).min((FANOUT + 1).saturating_sub(items.len()).max(1));
        items.reserve_exact(more);
    }
    items.insert(at, item);
}

fn tighten<'key>(heads: &mut Heads, keys: impl Iterator<Item = &'key [u8]> + Clone) {
    let (first, last) = (keys.clone().next(), keys.clone().last());
    if let (Some(first), Some(last)) = (first, last)
        && heads.could_be_shorter(first, last)
    {
        *heads = Heads::of(keys);
    }
}

/// The position of the child whose range `key` lies in.
pub(super) fn child_of<T>(heads: &Heads, children: &[Child<T>], key: &[u8]) -> usize {
    match heads.find(key, |at| children[at + 1].low.as_ref().cmp(key)) {
        Ok(at) => at + 1,
        Err(at) => at,
    }
}

/// Answers the item that was replaced, and the right half if the node had to be cut.
pub(super) fn put<T: Item>(node: &mut Arc<Node<T>>, item: T) -> (Option<T>, Option<Child<T>>) {
    let node = Arc::make_mut(node);
    let (replaced, at_end) = match node {
        Node::Leaf { heads, items } => {
            match heads.find(item.key(), |at| items[at].key().cmp(item.key())) {
                Ok(at) => (Some(std::mem::replace(&mut items[at], item)), false),
                Err(at) => {
                    if !heads.admits(item.key()) {
                        heads.admit(item.key(), items.iter().map(Item::key));
                    }
                    heads.insert(at, item.key());
                    insert(items, at, item);
                    (None, at + 1 == items.len())
                }
            }
        }
        Node::Branch { heads, children } => {
            let at = child_of(heads, children, item.key());
            let (replaced, split) = put(&mut children[at].node, item);
            if let Some(right) = split {
                if !heads.admits(&right.low) {
                    heads.admit(&right.low, bounds(children));
                }
                heads.insert(at, &right.low);
                insert(children, at + 1, right);
            }
            (replaced, at + 2 == children.len())
        }
    };
    let split = node.split(at_end);
    (replaced, split)
}

pub(super) fn delete<T: Item>(node: &mut Arc<Node<T>>, key: &[u8]) {
    match Arc::make_mut(node) {
        Node::Leaf { heads, items } => {
            if let Ok(at) = heads.find(key, |at| items[at].key().cmp(key)) {
                heads.remove(at);
                items.remove(at);
            }
        }
        Node::Branch { heads, children } => {
            let at = child_of(heads, children, key);
            delete(&mut children[at].node, key);
            tidy(heads, children, at);
            if let [only] = children.as_slice()
                && only.node.len() == 0
            {
                children.clear();
            }
        }
    }
}

/// Joins the child at `at`, which lost an item, with a neighbour where both are small or one is
/// empty.
fn tidy<T: Item>(heads: &mut Heads, children: &mut Vec<Child<T>>, at: usize) {
    for left in [at.saturating_sub(1), at] {
        let Some([one, two]) = children.get_mut(left..left + 2) else { continue };
        let (one_len, two_len) = (one.node.len(), two.node.len());
        if one_len + two_len <= MERGE || one_len == 0 || two_len == 0 {
            Arc::make_mut(&mut one.node).absorb(&two.node, &two.low);
            heads.remove(left);
            children.remove(left + 1);
            return;
        }
    }
}
