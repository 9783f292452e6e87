//! Words that many records have in common: kinds of checks, keys of metadata, zones. Each is kept once.

use std::collections::BTreeSet;

use crate::registry::name::Name;
use crate::registry::record::Pairs;

/// Words at most: what comes after them is kept wherever it is. They are never forgotten, so a client
/// that makes up new ones all the time must not fill the memory.
const WORDS: usize = 4_096;
/// Bytes of the longest word.
const WORD_BYTES: usize = 128;

#[derive(Default, Debug)]
pub(super) struct Vocabulary(BTreeSet<Name>);

impl Vocabulary {
    /// The pairs with keys that share their places.
    pub(super) fn same_pairs(&mut self, pairs: &[(Name, Name)]) -> Pairs {
        let share = |(key, value): &(Name, Name)| {
            let mut key = key.clone();
            self.share(&mut key);
            (key, value.clone())
        };
        pairs.iter().map(share).collect()
    }

    /// Makes `word` share its place with all that are alike.
    pub(super) fn share(&mut self, word: &mut Name) {
        if word.is_empty() || word.len() > WORD_BYTES {
            return;
        }
        match self.0.get(&**word) {
            Some(known) => *word = known.clone(),
            None if self.0.len() < WORDS => {
                self.0.insert(word.clone());
            }
            None => {}
        }
    }
}
