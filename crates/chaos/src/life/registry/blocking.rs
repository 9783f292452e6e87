//! Watchers that ask Consul's API for a service with the index they were told last.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::time::sleep;

use super::fleet::Common;
use super::http::{Answer, Connection};
use super::journal::{Counts, Listener, Way};
use super::judge::Told;
use super::truth::Place;

/// How long a question waits at most, of who stays at a server and of who goes from one to the next.
const WAIT: Duration = Duration::from_secs(10);
const ROAMING_WAIT: Duration = Duration::from_secs(1);
/// What an answer may need beyond that.
const ANSWER: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(200);
/// Who was sent away goes back to its own server after this.
const ELSEWHERE: Duration = Duration::from_secs(15);
/// Of so many questions of who roams, one is without an index.
const ANEW: u64 = 5;

#[derive(Deserialize)]
struct Member {
    #[serde(rename = "Service")]
    service: Instance,
    #[serde(rename = "Checks")]
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Instance {
    #[serde(rename = "ID")]
    id: String,
}

#[derive(Deserialize)]
struct Check {
    #[serde(rename = "Status")]
    status: String,
}

/// The instances of an answer of `/v1/health/service`, by id: whether each is critical.
fn instances(body: &[u8]) -> anyhow::Result<BTreeMap<String, bool>> {
    let members: Vec<Member> = serde_json::from_slice(body)?;
    let is_critical = |member: &Member| member.checks.iter().any(|it| it.status == "critical");
    Ok(members
        .into_iter()
        .map(|member| (is_critical(&member), member.service.id))
        .map(|(critical, id)| (id, critical))
        .collect())
}

pub(super) struct Watcher {
    common: Arc<Common>,
    listener: Arc<Listener>,
    service: usize,
    home: usize,
    roams: bool,
    /// The index it was told last.
    index: i64,
    questions: u64,
}

impl Watcher {
    pub(super) fn new(common: Arc<Common>, service: usize, home: usize, roams: bool) -> Self {
        let what = if roams { "roaming watcher" } else { "watcher" };
        let name = format!("{what} {} of {}", home + 1, Place::service_name(service));
        // Who goes to a server that is cut off is told late, and that says nothing of the others.
        let way = if roams { Way::Roaming } else { Way::Blocking };
        let listener = common.journal.listener(way, service, name);
        Self { common, listener, service, home, roams, index: 0, questions: 0 }
    }

    pub(super) async fn run(mut self) {
        let mut server = self.home;
        while !self.common.is_stopped() {
            server = self.common.near(server);
            match self.stay(server).await {
                Ok(()) if self.roams => server += 1,
                Ok(()) => server = self.home,
                Err(error) => {
                    self.common.error("watchers", &error);
                    Counts::add(&self.common.journal.counts.refused, 1);
                    server += 1;
                    sleep(AGAIN).await;
                }
            }
        }
    }

    async fn stay(&mut self, server: usize) -> anyhow::Result<()> {
        let mut connection = Connection::open(&self.common.clients[server]).await?;
        let began = Instant::now();
        loop {
            self.ask(&mut connection, server).await?;
            let is_home = server == self.common.home(self.home);
            let is_over = self.roams || !is_home && began.elapsed() > ELSEWHERE;
            if is_over || self.common.is_stopped() {
                return Ok(());
            }
        }
    }

    async fn ask(&mut self, connection: &mut Connection, server: usize) -> anyhow::Result<()> {
        let name = Place::service_name(self.service);
        let mut path = format!("/v1/health/service/{name}");
        self.questions += 1;
        let anew = self.index == 0 || self.roams && self.questions.is_multiple_of(ANEW);
        let wait = if self.roams { ROAMING_WAIT } else { WAIT };
        if !anew {
            path += &format!("?index={}&wait={}s", self.index, wait.as_secs());
        }
        let newest = self.common.journal.newest(self.service);
        let answer = connection.get(&path, wait + ANSWER).await?;
        let at = Instant::now();
        let Answer { status, index, known_leader, body } = answer;
        if status != 200 {
            bail!("{status}: {}", String::from_utf8_lossy(&body));
        }
        let counts = &self.common.journal.counts;
        Counts::add(&counts.answers, 1);
        let journal = &self.common.journal;
        if !known_leader {
            Counts::add(&counts.without_leader, 1);
        }
        let who = format!("{} at server {}", self.listener.name, server + 1);
        // Who asks anew is told how old it may be.
        if index < self.index && (known_leader || !anew) {
            journal.wrong(&format!("{who}: index {index} after {}", self.index));
        }
        if anew && known_leader && index < newest {
            journal.wrong(&format!("{who}: index {index}, and {newest} was acknowledged before"));
        }
        if index < self.index {
            return Ok(());
        }
        self.index = index;
        let instances = instances(&body).with_context(|| who.clone())?;
        self.common.judge(&who, &Told { service: self.service, index, at, instances });
        self.listener.told(index);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_of_consuls_api_are_read() {
        let body = br#"[{"Node":{"Node":"n"},"Service":{"ID":"a","Port":1},"Checks":[{"Status":"passing"}]},
            {"Service":{"ID":"b"},"Checks":[{"Status":"passing"},{"Status":"critical"}]}]"#;
        let read = super::instances(body).unwrap();
        assert_eq!(read, [("a".to_owned(), false), ("b".to_owned(), true)].into());
        assert!(super::instances(b"{}").is_err());
    }
}
