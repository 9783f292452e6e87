use std::collections::VecDeque;

use futures::stream::{self, BoxStream, StreamExt};
use node::{AuthChanges, WatchControl, WatchEvent, WatchMessage, WatchMessages};
use proto::mvccpb::KeyValue;
use proto::v3electionpb::LeaderResponse;
use state::response::EventKind;
use tonic::{Code as GrpcCode, Status};
use types::{Code, KeyRange};

use crate::error;
use crate::etcd::convert;
use crate::etcd::queue::{Door, Line, first, first_kv, header_of, like_etcd};

/// One client that observes an election: first who leads now, then each change.
///
/// It follows the leader's key only. When that goes, it reads who came first at the very revision at
/// which it went, so no leader is left out, however short it led and however slowly the client reads.
pub(super) struct Observing {
    door: Door,
    line: Line,
    /// The revision at which to look for a leader; 0 for the newest.
    look_at: i64,
    following: Option<Following>,
    /// Users or rights have changed, and with them whether it may be told.
    changes: AuthChanges,
}

struct Following {
    /// Dropped, the watch ends.
    _control: WatchControl,
    messages: WatchMessages,
    /// Events that were read and not looked at yet: of one message.
    events: VecDeque<WatchEvent>,
    /// Whether there is a leader to follow; else anybody's put ends the wait.
    leader: bool,
}

/// What comes next.
enum Step {
    Tell(LeaderResponse),
    /// The leader may be another one as of this revision.
    LookAt(i64),
    Nothing,
}

impl Observing {
    pub(super) fn new(door: Door, line: Line) -> Self {
        Self { changes: door.auth_changes(), door, line, look_at: 0, following: None }
    }

    pub(super) fn responses(self) -> BoxStream<'static, Result<LeaderResponse, Status>> {
        // An error is the stream's last word.
        stream::unfold(Some(self), |state| async {
            let mut state = state?;
            let answer = state.next().await.map_err(like_etcd);
            let state = answer.is_ok().then_some(state);
            Some((answer, state))
        })
        .boxed()
    }

    async fn next(&mut self) -> Result<LeaderResponse, Status> {
        loop {
            let step = match &mut self.following {
                None => self.look().await?,
                Some(following) => tokio::select! {
                    biased;
                    () = self.changes.next() => {
                        self.door.may_still_read(&whole(&self.line))?;
                        Step::Nothing
                    }
                    step = following.step(&self.door) => step?,
                },
            };
            match step {
                Step::Tell(answer) => return Ok(answer),
                Step::LookAt(revision) => {
                    (self.look_at, self.following) = (revision, None);
                }
                Step::Nothing => {}
            }
        }
    }

    /// Reads who leads and follows that key; without a leader, follows the whole line.
    async fn look(&mut self) -> Result<Step, Status> {
        let request =
            proto::etcdserverpb::RangeRequest { revision: self.look_at, ..first(&self.line) };
        let answer = match self.door.range(request).await {
            // Compacted: what happened since is not known any more, who leads now is.
            Err(status) if status.code() == GrpcCode::OutOfRange && self.look_at > 0 => {
                return Ok(Step::LookAt(0));
            }
            answer => answer?,
        };
        let newest = header_of(answer.header)?.revision;
        let revision = if self.look_at == 0 { newest } else { self.look_at };
        let leader = first_kv(answer);
        let range = match &leader {
            Some(kv) => KeyRange::single(&kv.key),
            None => whole(&self.line),
        };
        let (control, messages) = self.door.watch([range], revision + 1)?;
        self.following = Some(Following {
            _control: control,
            messages,
            events: VecDeque::new(),
            leader: leader.is_some(),
        });
        Ok(leader.map_or(Step::Nothing, |kv| Step::Tell(told(&self.door, revision, kv))))
    }
}

fn whole(line: &Line) -> KeyRange {
    let whole = line.whole();
    KeyRange::from_etcd(&whole.key, &whole.range_end)
}

impl Following {
    async fn step(&mut self, door: &Door) -> Result<Step, Status> {
        if let Some(event) = self.events.pop_front() {
            let revision = event.kv.mod_revision.get();
            return Ok(match (event.kind, self.leader) {
                (EventKind::Put, true) => {
                    Step::Tell(told(door, revision, convert::key_value(event.kv)))
                }
                (EventKind::Delete, true) | (EventKind::Put, false) => Step::LookAt(revision),
                (EventKind::Delete, false) => Step::Nothing,
            });
        }
        match self.messages.next().await {
            Some(WatchMessage::Events { events, .. }) => self.events.extend(events.iter().cloned()),
            Some(WatchMessage::Created { .. } | WatchMessage::Progress { .. }) => {}
            Some(WatchMessage::Canceled { fault: Some(fault), .. })
                if fault.code != Code::Compacted =>
            {
                return Err(error::status(&fault));
            }
            Some(WatchMessage::Canceled { .. }) => return Ok(Step::LookAt(0)),
            None => return Err(error::status_of(Code::ShuttingDown)),
        }
        Ok(Step::Nothing)
    }
}

fn told(door: &Door, revision: i64, kv: KeyValue) -> LeaderResponse {
    LeaderResponse { header: Some(door.header(revision)), kv: Some(kv) }
}
