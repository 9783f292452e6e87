use super::Item;
use super::node::{Child, Node, child_of};

/// Items in order.
pub(in crate::engine) struct Items<'tree, T> {
    /// What is left of each branch on the way to `leaf`.
    path: Vec<std::slice::Iter<'tree, Child<T>>>,
    leaf: std::slice::Iter<'tree, T>,
}

impl<'tree, T: Item> Items<'tree, T> {
    /// From the first whose key is not below `start` on.
    pub(super) fn new(root: Option<&'tree Node<T>>, start: &[u8]) -> Self {
        let mut all = Self { path: Vec::new(), leaf: [].iter() };
        let Some(mut node) = root else { return all };
        loop {
            match node {
                Node::Leaf { heads, items } => {
                    let found = heads.find(start, |at| items[at].key().cmp(start));
                    let (Ok(first) | Err(first)) = found;
                    all.leaf = items.get(first..).unwrap_or_default().iter();
                    return all;
                }
                Node::Branch { heads, children } => {
                    let mut left = children.iter();
                    let Some(child) = left.nth(child_of(heads, children, start)) else {
                        return all;
                    };
                    all.path.push(left);
                    node = &child.node;
                }
            }
        }
    }

    /// Goes on with the first item below `node`.
    fn descend(&mut self, mut node: &'tree Node<T>) {
        loop {
            match node {
                Node::Leaf { items, .. } => {
                    self.leaf = items.iter();
                    return;
                }
                Node::Branch { children, .. } => {
                    let mut left = children.iter();
                    let Some(child) = left.next() else { return };
                    self.path.push(left);
                    node = &child.node;
                }
            }
        }
    }
}

impl<'tree, T: Item> Iterator for Items<'tree, T> {
    type Item = &'tree T;

    fn next(&mut self) -> Option<&'tree T> {
        loop {
            if let Some(item) = self.leaf.next() {
                return Some(item);
            }
            match self.path.last_mut()?.next() {
                Some(child) => self.descend(&child.node),
                None => drop(self.path.pop()),
            }
        }
    }
}
