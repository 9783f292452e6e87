//! What a session must remember, as simply as it can be said.

use std::collections::BTreeMap;

use state::command::SessionTag;
use state::response::Response;
use types::Code;

#[derive(Default)]
pub(crate) struct SessionModel {
    floors: BTreeMap<u64, u64>,
    outcomes: BTreeMap<(u64, u64), Result<Response, Code>>,
}

impl SessionModel {
    /// What a command that is not to be applied must answer.
    pub(crate) fn seen(&self, tag: SessionTag) -> Option<Result<Response, Code>> {
        let floor = self.floors.get(&tag.client).copied().unwrap_or(0);
        if tag.sequence <= floor {
            return Some(Err(Code::SessionExpired));
        }
        if let Some(outcome) = self.outcomes.get(&(tag.client, tag.sequence)) {
            return Some(outcome.clone());
        }
        (tag.sequence <= tag.acknowledged).then_some(Err(Code::SessionExpired))
    }

    pub(crate) fn keep(&mut self, tag: SessionTag, outcome: Result<Response, Code>) {
        let floor = self.floors.entry(tag.client).or_default();
        *floor = tag.acknowledged.max(*floor);
        self.outcomes.insert((tag.client, tag.sequence), outcome);
    }
}
