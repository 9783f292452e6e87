//! Every answer of the registry has one index, everywhere and for ever: it moves when the answer is
//! another one, to the revision that made it so, and only then; and who waits for it is named.

use std::collections::BTreeMap;

use state::registry::Changes;
use types::{NodeId, RegionId, Revision};

use crate::registry::{QUESTIONS, Question, Seen, Topic, topics};

/// What each answer showed, by its index.
#[derive(Default)]
pub(crate) struct Answers(BTreeMap<(RegionId, Question), BTreeMap<Revision, u64>>);

/// One list shows the index of several answers: of a check that no instance shows, too.
type All = [Seen; QUESTIONS.len()];

impl Answers {
    /// A command was applied for the first time anywhere.
    pub(crate) fn applied(
        &mut self,
        region: RegionId,
        after: Revision,
        now: All,
        changes: &Changes,
    ) -> Result<(), String> {
        let woken: Vec<Topic> = topics(changes).collect();
        for (question, seen) in QUESTIONS.into_iter().zip(now) {
            let history = self.0.entry((region, question)).or_default();
            let last = history.last_key_value().map(|(index, shows)| (*index, *shows));
            let Some((index, shows)) = last else {
                history.insert(seen.index, seen.shows);
                continue;
            };
            if (seen.index, seen.shows) == (index, shows) {
                continue;
            }
            let is_another = seen.shows != shows;
            if !is_another || seen.index != after || seen.index <= index {
                return Err(format!(
                    "region {region} at revision {after}: {question:?} had index {index}, now {}; \
                     another answer: {is_another}",
                    seen.index
                ));
            }
            if !woken.contains(&question.topic()) {
                return Err(format!(
                    "region {region} at {after}: nobody is woken for {question:?}"
                ));
            }
            history.insert(seen.index, seen.shows);
        }
        Ok(())
    }

    /// A replica is at this revision, by the log or otherwise.
    pub(crate) fn shown(
        &self,
        region: RegionId,
        node: NodeId,
        revision: Revision,
        now: All,
    ) -> Result<(), String> {
        for (question, seen) in QUESTIONS.into_iter().zip(now) {
            let Some(history) = self.0.get(&(region, question)) else { continue };
            let newest = history.range(..=revision).next_back();
            let Some((index, shows)) = newest.map(|(index, shows)| (*index, *shows)) else {
                continue;
            };
            if (seen.index, seen.shows) != (index, shows) {
                return Err(format!(
                    "region {region}: node {node} at revision {revision} answers {question:?} with \
                     index {}, elsewhere it was {index}; another answer: {}",
                    seen.index,
                    seen.shows != shows
                ));
            }
        }
        Ok(())
    }

    /// The newest index of a question.
    pub(crate) fn newest(&self, region: RegionId, question: Question) -> Revision {
        let history = self.0.get(&(region, question));
        history.and_then(|it| it.last_key_value()).map_or(Revision(0), |(index, _)| *index)
    }

    /// Whoever waited was answered this: it must be an answer that was true once.
    pub(crate) fn told(
        &self,
        region: RegionId,
        question: Question,
        seen: Seen,
    ) -> Result<(), String> {
        let known = self.0.get(&(region, question)).and_then(|it| it.get(&seen.index));
        match known {
            Some(shows) if *shows != seen.shows => Err(format!(
                "region {region}: two answers to {question:?} have the index {}",
                seen.index
            )),
            _ => Ok(()),
        }
    }
}
