//! A B+ tree whose nodes are shared between its clones.

use std::sync::Arc;

use bytes::Bytes;

/// Entries in a leaf and children of a branch, at most.
const FANOUT: usize = 64;
/// Two neighbours that fit together in this many entries become one node.
const MERGE: usize = FANOUT / 2;
/// What a record costs beside its key and value, roughly, in bytes.
const OVERHEAD: u64 = 80;

/// An ordered map of bytes to bytes; `clone` costs one reference count.
#[derive(Clone, Default)]
pub(super) struct Tree {
    root: Option<Arc<Node>>,
    bytes: u64,
}

#[derive(Clone)]
enum Node {
    Leaf(Vec<(Bytes, Bytes)>),
    Branch(Vec<Child>),
}

#[derive(Clone)]
struct Child {
    /// No key below `node` is less than it, and every key of the child before is. The first child's
    /// bound is not looked at.
    low: Bytes,
    node: Arc<Node>,
}

impl Tree {
    /// Bytes of keys and values and their overhead.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Bytes> {
        let mut node = self.root.as_deref()?;
        loop {
            match node {
                Node::Branch(children) => node = &children.get(child_of(children, key))?.node,
                Node::Leaf(entries) => {
                    let at = entries.binary_search_by(|(k, _)| k.as_ref().cmp(key)).ok()?;
                    return entries.get(at).map(|(_, value)| value);
                }
            }
        }
    }

    pub(super) fn put(&mut self, key: Bytes, value: Bytes) {
        let root = self.root.get_or_insert_with(|| Arc::new(Node::Leaf(Vec::new())));
        let added = cost(&key, &value);
        let low = key.clone();
        let (replaced, split) = put(root, key, value);
        self.bytes += added;
        self.bytes -= replaced.map_or(0, |old| cost(&low, &old));
        if let Some(right) = split {
            let left = Child { low: Bytes::new(), node: Arc::clone(root) };
            *root = Arc::new(Node::Branch(vec![left, right]));
        }
    }

    pub(super) fn delete(&mut self, key: &[u8]) {
        // Looking first keeps shared nodes shared when there is nothing to delete.
        let Some(value) = self.get(key) else { return };
        self.bytes -= cost(key, value);
        let Some(root) = &mut self.root else { return };
        delete(root, key);
        while let Node::Branch(children) = root.as_ref()
            && let [only] = children.as_slice()
        {
            *root = Arc::clone(&only.node);
        }
        if root.len() == 0 {
            self.root = None;
        }
    }

    pub(super) fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) {
        if let Some(root) = &self.root {
            scan(root, start, end, visit);
        }
    }
}

impl Node {
    fn len(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Branch(children) => children.len(),
        }
    }

    /// Cuts an overfull node; `at_end` tells that the last entry is the new one.
    fn split(&mut self, at_end: bool) -> Option<Child> {
        if self.len() <= FANOUT {
            return None;
        }
        // Keys that arrive in order would leave every node half full if it were cut in the middle.
        let at = if at_end { FANOUT * 7 / 8 } else { FANOUT / 2 };
        match self {
            Self::Leaf(entries) => {
                let right = entries.split_off(at);
                let low = right.first()?.0.clone();
                Some(Child { low, node: Arc::new(Self::Leaf(right)) })
            }
            Self::Branch(children) => {
                let right = children.split_off(at);
                let low = right.first()?.low.clone();
                Some(Child { low, node: Arc::new(Self::Branch(right)) })
            }
        }
    }

    /// Takes over all of `right`, a node of the same height whose first bound is `low`.
    fn absorb(&mut self, right: &Self, low: &Bytes) {
        match (self, right) {
            (Self::Leaf(mine), Self::Leaf(theirs)) => mine.extend(theirs.iter().cloned()),
            (Self::Branch(mine), Self::Branch(theirs)) => {
                let at = mine.len();
                mine.extend(theirs.iter().cloned());
                if let Some(first) = mine.get_mut(at) {
                    first.low = low.clone();
                }
            }
            _ => panic!("a branch has children of different heights"),
        }
    }
}

fn cost(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64 + OVERHEAD
}

/// The position of the child whose range `key` lies in.
fn child_of(children: &[Child], key: &[u8]) -> usize {
    children.partition_point(|child| child.low <= key).saturating_sub(1)
}

/// Answers the value that was replaced, and the right half if the node had to be cut.
fn put(node: &mut Arc<Node>, key: Bytes, value: Bytes) -> (Option<Bytes>, Option<Child>) {
    let node = Arc::make_mut(node);
    let (replaced, at_end) = match node {
        Node::Leaf(entries) => match entries.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(at) => (Some(std::mem::replace(&mut entries[at].1, value)), false),
            Err(at) => {
                entries.insert(at, (key, value));
                (None, at + 1 == entries.len())
            }
        },
        Node::Branch(children) => {
            let at = child_of(children, &key);
            let (replaced, split) = put(&mut children[at].node, key, value);
            if let Some(right) = split {
                children.insert(at + 1, right);
            }
            (replaced, at + 2 == children.len())
        }
    };
    let split = node.split(at_end);
    (replaced, split)
}

fn delete(node: &mut Arc<Node>, key: &[u8]) {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => {
            if let Ok(at) = entries.binary_search_by(|(k, _)| k.as_ref().cmp(key)) {
                entries.remove(at);
            }
        }
        Node::Branch(children) => {
            let at = child_of(children, key);
            delete(&mut children[at].node, key);
            tidy(children, at);
            if let [only] = children.as_slice()
                && only.node.len() == 0
            {
                children.clear();
            }
        }
    }
}

/// Joins the child at `at`, which lost an entry, with a neighbour where both are small or one is
/// empty.
fn tidy(children: &mut Vec<Child>, at: usize) {
    for left in [at.saturating_sub(1), at] {
        let Some([one, two]) = children.get_mut(left..left + 2) else { continue };
        let (one_len, two_len) = (one.node.len(), two.node.len());
        if one_len + two_len <= MERGE || one_len == 0 || two_len == 0 {
            Arc::make_mut(&mut one.node).absorb(&two.node, &two.low);
            children.remove(left + 1);
            return;
        }
    }
}

/// Answers whether to go on.
fn scan(
    node: &Node,
    start: &[u8],
    end: &[u8],
    visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
) -> bool {
    match node {
        Node::Leaf(entries) => {
            let from = entries.partition_point(|(key, _)| key < start);
            for (key, value) in entries.iter().skip(from) {
                if key.as_ref() >= end || !visit(key.clone(), value.clone()) {
                    return false;
                }
            }
        }
        Node::Branch(children) => {
            let from = child_of(children, start);
            for (at, child) in children.iter().enumerate().skip(from) {
                if at > from && child.low >= end {
                    return false;
                }
                if !scan(&child.node, start, end, visit) {
                    return false;
                }
            }
        }
    }
    true
}
