use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proto::hiraeth::v1 as pb;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::Streaming;
use tonic::metadata::MetadataValue;

use super::asking::service;
use super::snapshot::Told;
use super::{ConfigContent, ConfigReader, Configuration, Held, Rejected, Sight, snapshot};
use crate::Error;
use crate::call::back_off;
use crate::login::{Proof, token_of};
use crate::watch::{interrupted, passes};

/// How a configuration is followed.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// Who follows it.
    pub reader: ConfigReader,
    /// A file of this follower's own with what it was told last. With it a program can begin when no server
    /// can be reached; what it then gets is told as stale.
    pub snapshot: Option<PathBuf>,
    /// How long to wait for a server to tell the first one.
    pub patience: Duration,
}

impl Default for FollowOptions {
    fn default() -> Self {
        Self { reader: ConfigReader::default(), snapshot: None, patience: Duration::from_secs(5) }
    }
}

/// A configuration that is followed: what is newest is at hand, and pushed. Servers that are away are waited
/// for. Following ends when it is dropped.
pub struct Followed<T> {
    sight: watch::Receiver<Sight<T>>,
    task: JoinHandle<()>,
}

impl<T> Drop for Followed<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<T> Followed<T> {
    /// What is known now.
    #[must_use]
    pub fn sight(&self) -> Sight<T> {
        self.sight.borrow().clone()
    }

    /// What the program made of the newest content that made sense.
    #[must_use]
    pub fn held(&self) -> Option<Arc<Held<T>>> {
        self.sight.borrow().held.clone()
    }

    /// Answers once something else is known than at the last call.
    ///
    /// # Errors
    /// Why it is followed no more, as when the right to read it was taken.
    pub async fn changed(&mut self) -> Result<(), Arc<Error>> {
        let over = || Arc::new(Error::Malformed("following has ended"));
        if self.sight.changed().await.is_err() {
            return Err(self.sight.borrow().ended.clone().unwrap_or_else(over));
        }
        Ok(())
    }

    /// The same for those who have a loop of their own.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Sight<T>> {
        self.sight.clone()
    }
}

impl Configuration {
    /// Follows it, as it is.
    ///
    /// # Errors
    /// No server tells of it in time, and there is no snapshot either; the reader may not read it.
    pub async fn follow(&self, options: FollowOptions) -> Result<Followed<()>, Error> {
        self.follow_as(options, |_| Ok(())).await
    }

    /// Follows it, and makes something of each content. What `read` refuses is told
    /// ([`Sight::rejected`]), and what was held before stays.
    ///
    /// # Errors
    /// As [`Self::follow`].
    pub async fn follow_as<T, F>(
        &self,
        options: FollowOptions,
        read: F,
    ) -> Result<Followed<T>, Error>
    where
        T: Send + Sync + 'static,
        F: Fn(&ConfigContent) -> Result<T, String> + Send + 'static,
    {
        let (sender, sight) = watch::channel(Sight::default());
        let FollowOptions { reader, snapshot, patience } = options;
        let mut follower = Follower {
            of: self.clone(),
            reader,
            snapshot,
            read,
            sender,
            known: None,
            stream: None,
            failures: 0,
            token: None,
            logged_in_anew: false,
        };
        let deadline = Instant::now() + patience;
        let first = loop {
            match timeout_at(deadline, follower.step()).await {
                Ok(Ok(true)) => break Ok(()),
                Ok(Ok(false)) => {}
                Ok(Err(error)) if follower.may_go_on(&error).await => {
                    if timeout_at(deadline, follower.rest()).await.is_err() {
                        break Err(error);
                    }
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    let (after, outcome_unknown) = (patience, false);
                    break Err(Error::TimedOut { after, outcome_unknown, last: None });
                }
            }
        };
        // What a server told already is newer than what it told an earlier run, also where keeping it took
        // longer than there was time.
        if let Err(error) = first
            && follower.known.is_none()
            && !follower.restore().await
        {
            return Err(error);
        }
        let mut sight = sight;
        sight.mark_unchanged();
        Ok(Followed { sight, task: tokio::spawn(follower.run()) })
    }
}

struct Follower<T, F> {
    of: Configuration,
    reader: ConfigReader,
    snapshot: Option<PathBuf>,
    read: F,
    sender: watch::Sender<Sight<T>>,
    /// What a server told last.
    known: Option<ConfigContent>,
    /// From the server at this place among the endpoints.
    stream: Option<(usize, Streaming<pb::WatchConfigResponse>)>,
    /// Since the last answer.
    failures: u32,
    /// What it was last asked for with, and whether that was a new one.
    token: Option<Proof>,
    logged_in_anew: bool,
}

impl<T, F> Follower<T, F>
where
    T: Send + Sync + 'static,
    F: Fn(&ConfigContent) -> Result<T, String> + Send + 'static,
{
    async fn run(mut self) {
        loop {
            match self.step().await {
                Ok(_) => {}
                Err(error) if self.may_go_on(&error).await => self.rest().await,
                Err(error) => {
                    let ended = Some(Arc::new(error));
                    self.sender.send_modify(|sight| (sight.ended, sight.is_stale) = (ended, true));
                    return;
                }
            }
        }
    }

    /// A connection to a server, or what one says; answers whether something was said.
    async fn step(&mut self) -> Result<bool, Error> {
        let Some((place, stream)) = &mut self.stream else {
            self.connect().await?;
            return Ok(false);
        };
        let place = *place;
        let told = match stream.message().await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(interrupted("the server")),
            Err(status) => Err(Error::of_call("the server", &status)),
        };
        match told {
            Ok(answer) => {
                (self.failures, self.logged_in_anew) = (0, false);
                self.take(answer).await?;
                Ok(true)
            }
            Err(error) => {
                self.stream = None;
                self.left(place);
                Err(error)
            }
        }
    }

    fn left(&mut self, place: usize) {
        self.failures = self.failures.saturating_add(1);
        self.of.client.shared.endpoints.leave(place);
        self.sender.send_if_modified(|sight| !std::mem::replace(&mut sight.is_stale, true));
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let client = self.of.client.clone();
        let (place, endpoint, channel) = client.shared.endpoints.current();
        let known = self.known.as_ref();
        let message = pb::WatchConfigRequest {
            name: self.of.named(),
            client: Some((&self.reader).into()),
            known_version: known.map_or(0, |known| known.version),
            known_digest: known.map(|known| known.digest.clone()).unwrap_or_default(),
        };
        let failed = |status| Error::of_call(endpoint, &status);
        let opening = async {
            let mut request = client.named(&channel, message).await.map_err(failed)?;
            self.token = token_of(&request);
            // A server cut off from the others is left for one that hears of changes.
            request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
            Ok(service(channel.clone()).watch(request).await.map_err(failed)?.into_inner())
        };
        let after = client.shared.options.timeout / 3;
        let opened = timeout(after, opening).await;
        let opened =
            opened.unwrap_or(Err(Error::TimedOut { after, outcome_unknown: false, last: None }));
        match opened {
            Ok(stream) => {
                self.stream = Some((place, stream));
                // The token is taken: where that is all for a while, the next one is to be asked for again.
                self.logged_in_anew = false;
                // What is known is what a server would tell: it says nothing if it is.
                if self.known.is_some() {
                    self.sender
                        .send_if_modified(|sight| std::mem::replace(&mut sight.is_stale, false));
                }
                Ok(())
            }
            Err(error) => {
                self.left(place);
                Err(error)
            }
        }
    }

    async fn may_go_on(&mut self, error: &Error) -> bool {
        if passes(error) {
            return true;
        }
        if self.logged_in_anew {
            return false;
        }
        self.logged_in_anew = self.of.client.logs_in_anew(error, self.token.as_ref()).await;
        self.logged_in_anew
    }

    /// Waits once all servers failed.
    fn rest(&self) -> impl Future<Output = ()> + Send + use<T, F> {
        let all = u32::try_from(self.of.client.shared.endpoints.len()).unwrap_or(u32::MAX);
        let wait = (self.failures >= all).then(|| back_off(self.failures / all));
        async move {
            if let Some(wait) = wait {
                sleep(wait).await;
            }
        }
    }

    async fn take(&mut self, answer: pb::WatchConfigResponse) -> Result<(), Error> {
        let Some(value) = answer.value else {
            self.known = None;
            self.sender.send_modify(|sight| (sight.is_gone, sight.is_stale) = (true, false));
            return Ok(());
        };
        let content = ConfigContent::of(value)?;
        self.known = Some(content.clone());
        self.show(content.clone(), false);
        if let Some(path) = self.snapshot.clone() {
            let now = Told::now();
            let store = move || snapshot::store(&path, &content, now);
            let stored = tokio::task::spawn_blocking(store).await;
            // The program has what it wants; that a later start may not is no reason to end this one.
            let unsaved = match stored {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            self.sender.send_if_modified(|sight| {
                std::mem::replace(&mut sight.unsaved, unsaved.clone()) != unsaved
            });
        }
        Ok(())
    }

    fn show(&self, content: ConfigContent, is_stale: bool) {
        let read = (self.read)(&content);
        self.sender.send_modify(|sight| {
            (sight.is_gone, sight.is_stale) = (false, is_stale);
            match read {
                Ok(value) => {
                    sight.rejected = None;
                    sight.held = Some(Arc::new(Held { value, content }));
                }
                Err(why) => sight.rejected = Some(Rejected { version: content.version, why }),
            }
        });
    }

    /// What was told to an earlier run of the program.
    async fn restore(&mut self) -> bool {
        let Some(path) = self.snapshot.clone() else { return false };
        let loaded = tokio::task::spawn_blocking(move || snapshot::load(&path)).await;
        let Some(content) = loaded.ok().flatten() else { return false };
        self.known = Some(content.clone());
        self.show(content, true);
        self.sender.borrow().held.is_some()
    }
}
