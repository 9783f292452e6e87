//! A B+ tree whose nodes are shared between its clones.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;

/// Items in a leaf and children of a branch, at most.
const FANOUT: usize = 64;
/// Two neighbours that fit together in this many items become one node.
const MERGE: usize = FANOUT / 2;

/// The first bytes of a key, filled up with zeros: where two differ, their keys are in the same order. They
/// lie in the node itself, so that most of a search fetches nothing from elsewhere. Sixteen: what
/// all keys of a region have in common are eight.
type Head = [u8; 16];

fn head(key: &[u8]) -> Head {
    let mut head = Head::default();
    let len = key.len().min(head.len());
    head[..len].copy_from_slice(&key[..len]);
    head
}

/// A key that is searched for.
#[derive(Clone, Copy)]
struct Sought<'key> {
    head: Head,
    key: &'key [u8],
}

impl<'key> Sought<'key> {
    fn new(key: &'key [u8]) -> Self {
        Self { head: head(key), key }
    }

    /// How another key lies to it, whose head is known.
    fn other(&self, head: &Head, key: &[u8]) -> Ordering {
        head.cmp(&self.head).then_with(|| key.cmp(self.key))
    }
}

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

#[derive(Clone)]
enum Node<T> {
    Leaf(Vec<Entry<T>>),
    Branch(Vec<Child<T>>),
}

#[derive(Clone)]
struct Entry<T> {
    head: Head,
    item: T,
}

impl<T: Item> Entry<T> {
    fn order(&self, sought: Sought<'_>) -> Ordering {
        sought.other(&self.head, self.item.key())
    }
}

#[derive(Clone)]
struct Child<T> {
    /// No key below `node` is less than it, and every key of the child before is. The first child's
    /// bound is not looked at.
    low: Bytes,
    head: Head,
    node: Arc<Node<T>>,
}

impl<T> Child<T> {
    fn new(low: Bytes, node: Node<T>) -> Self {
        Self { head: head(&low), low, node: Arc::new(node) }
    }

    fn is_above(&self, sought: Sought<'_>) -> bool {
        sought.other(&self.head, &self.low) == Ordering::Greater
    }
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
        let sought = Sought::new(key);
        loop {
            match node {
                Node::Branch(children) => node = &children.get(child_of(children, sought))?.node,
                Node::Leaf(items) => {
                    let at = items.binary_search_by(|entry| entry.order(sought)).ok()?;
                    return items.get(at).map(|entry| &entry.item);
                }
            }
        }
    }

    /// Adds `item` in the place of the one with its key.
    pub(super) fn put(&mut self, item: T) {
        let root = self.root.get_or_insert_with(|| Arc::new(Node::Leaf(Vec::new())));
        self.bytes += item.cost();
        let entry = Entry { head: head(item.key()), item };
        let (replaced, split) = put(root, entry);
        self.bytes -= replaced.map_or(0, |old| old.cost());
        if let Some(right) = split {
            let left = Child { low: Bytes::new(), head: Head::default(), node: Arc::clone(root) };
            *root = Arc::new(Node::Branch(vec![left, right]));
        }
    }

    pub(super) fn delete(&mut self, key: &[u8]) {
        // Looking first keeps shared nodes shared when there is nothing to delete.
        let Some(item) = self.get(key) else { return };
        self.bytes -= item.cost();
        let Some(root) = &mut self.root else { return };
        delete(root, Sought::new(key));
        while let Node::Branch(children) = root.as_ref()
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
        let mut items = Items { path: Vec::new(), leaf: [].iter() };
        if let Some(root) = self.root.as_deref() {
            let sought = Sought::new(start);
            items.descend(root, |children| child_of(children, sought));
            let is_before = |entry: &Entry<T>| entry.order(sought) == Ordering::Less;
            let before = items.leaf.as_slice().partition_point(is_before);
            items.leaf = items.leaf.as_slice().get(before..).unwrap_or_default().iter();
        }
        items
    }
}

/// Items in order.
pub(super) struct Items<'tree, T> {
    /// What is left of each branch on the way to `leaf`.
    path: Vec<std::slice::Iter<'tree, Child<T>>>,
    leaf: std::slice::Iter<'tree, Entry<T>>,
}

impl<'tree, T> Items<'tree, T> {
    fn descend(&mut self, mut node: &'tree Node<T>, choose: impl Fn(&[Child<T>]) -> usize) {
        loop {
            match node {
                Node::Leaf(items) => {
                    self.leaf = items.iter();
                    return;
                }
                Node::Branch(children) => {
                    let mut left = children.iter();
                    let Some(child) = left.nth(choose(children)) else { return };
                    self.path.push(left);
                    node = &child.node;
                }
            }
        }
    }
}

impl<'tree, T> Iterator for Items<'tree, T> {
    type Item = &'tree T;

    fn next(&mut self) -> Option<&'tree T> {
        loop {
            if let Some(entry) = self.leaf.next() {
                return Some(&entry.item);
            }
            match self.path.last_mut()?.next() {
                Some(child) => self.descend(&child.node, |_| 0),
                None => drop(self.path.pop()),
            }
        }
    }
}

impl<T: Item> Node<T> {
    fn len(&self) -> usize {
        match self {
            Self::Leaf(items) => items.len(),
            Self::Branch(children) => children.len(),
        }
    }

    /// Cuts an overfull node; `at_end` tells that the last item is the new one.
    fn split(&mut self, at_end: bool) -> Option<Child<T>> {
        if self.len() <= FANOUT {
            return None;
        }
        // Keys that arrive in order would leave every node half full if it were cut in the middle.
        let at = if at_end { FANOUT * 7 / 8 } else { FANOUT / 2 };
        match self {
            Self::Leaf(items) => {
                let right = items.split_off(at);
                let low = right.first()?.item.bound();
                Some(Child::new(low, Self::Leaf(right)))
            }
            Self::Branch(children) => {
                let right = children.split_off(at);
                let low = right.first()?.low.clone();
                Some(Child::new(low, Self::Branch(right)))
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
                    first.head = head(low);
                }
            }
            _ => panic!("a branch has children of different heights"),
        }
    }
}

/// The position of the child whose range `key` lies in.
fn child_of<T>(children: &[Child<T>], sought: Sought<'_>) -> usize {
    // Most keys are new and the highest.
    match children.last() {
        Some(last) if !last.is_above(sought) => children.len() - 1,
        _ => children.partition_point(|child| !child.is_above(sought)).saturating_sub(1),
    }
}

/// Answers the item that was replaced, and the right half if the node had to be cut.
fn put<T: Item>(node: &mut Arc<Node<T>>, entry: Entry<T>) -> (Option<T>, Option<Child<T>>) {
    let node = Arc::make_mut(node);
    let sought = Sought { head: entry.head, key: entry.item.key() };
    let (replaced, at_end) = match node {
        Node::Leaf(items)
            if items.last().is_none_or(|last| last.order(sought) == Ordering::Less) =>
        {
            items.push(entry);
            (None, true)
        }
        Node::Leaf(items) => match items.binary_search_by(|other| other.order(sought)) {
            Ok(at) => (Some(std::mem::replace(&mut items[at], entry).item), false),
            Err(at) => {
                items.insert(at, entry);
                (None, false)
            }
        },
        Node::Branch(children) => {
            let at = child_of(children, sought);
            let (replaced, split) = put(&mut children[at].node, entry);
            if let Some(right) = split {
                children.insert(at + 1, right);
            }
            (replaced, at + 2 == children.len())
        }
    };
    let split = node.split(at_end);
    (replaced, split)
}

fn delete<T: Item>(node: &mut Arc<Node<T>>, sought: Sought<'_>) {
    match Arc::make_mut(node) {
        Node::Leaf(items) => {
            if let Ok(at) = items.binary_search_by(|entry| entry.order(sought)) {
                items.remove(at);
            }
        }
        Node::Branch(children) => {
            let at = child_of(children, sought);
            delete(&mut children[at].node, sought);
            tidy(children, at);
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
fn tidy<T: Item>(children: &mut Vec<Child<T>>, at: usize) {
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
