//! Every method of every service, as nobody, with a forged token, with wrong rights, with right ones and
//! as root; those that the connection's own task serves also by the other way, through the service.

use bytes::Bytes;
use prost::Message;
use proto::etcdserverpb as pb;
use tonic::{Code, Status};

use super::needs::{ASKERS, Needs, about_key, table};
use super::raw::{Tokens, Way, call, users};
use crate::server::Server;

/// Whether it was refused for who asked, and how.
pub(crate) fn refusal(answer: Result<Option<Bytes>, Status>, method: &str) -> Option<String> {
    let words = match answer {
        Err(status) => {
            // Locks and elections tell most errors as etcd's do: by the words alone.
            let known = [
                Code::InvalidArgument,
                Code::PermissionDenied,
                Code::Unauthenticated,
                Code::Unknown,
            ];
            if !known.contains(&status.code()) {
                return None;
            }
            status.message().to_owned()
        }
        // Watches are refused inside the stream, in the words of Go.
        Ok(Some(bytes)) if method == "etcdserverpb.Watch/Watch" => {
            let response = pb::WatchResponse::decode(bytes).unwrap();
            let words = response.cancel_reason;
            words.rsplit_once("desc = ").map_or("", |(_, words)| words).to_owned()
        }
        Ok(_) => return None,
    };
    let refusals = ["user name is empty", "permission denied", "invalid auth token"];
    let words = words.strip_prefix("etcdserver: ")?;
    refusals.contains(&words).then(|| words.to_owned())
}

/// Every method that only root may call, with a token that is not root's; answers with what was not refused.
pub(crate) async fn every_root_method(server: &Server, token: Option<&str>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (method, needs) in &table() {
        // Compacting a keyspace of etcd's is a thing of those who write there; the registry's own door goes
        // by rules, as Consul's does.
        let is_other =
            *method == "etcdserverpb.KV/Compact" || method.starts_with("hiraeth.v1.Registry/");
        if *needs != Needs::Root || is_other {
            continue;
        }
        for way in [Way::Usual, Way::Service] {
            let answer = call(&server.channel, method, about_key(method), token, way).await;
            let told = format!("{answer:?}");
            if refusal(answer, method).as_deref() != Some("permission denied") {
                wrong.push(format!("{method}, {way:?}: {told}"));
            }
        }
    }
    wrong
}

/// Every method as everybody but root; answers with what went otherwise than the table says.
async fn wrong(server: &Server, tokens: &Tokens, way: Way) -> Vec<String> {
    let mut wrong = Vec::new();
    for (method, needs) in &table() {
        for who in ASKERS {
            let answer =
                call(&server.channel, method, about_key(method), tokens.of(who), way).await;
            let told = format!("{answer:?}");
            if answer.as_ref().is_err_and(|status| status.code() == Code::Unimplemented) {
                wrong.push(format!("{method} is not served: {told}"));
                continue;
            }
            let expected = needs.refusal(who);
            if refusal(answer, method).as_deref() != expected {
                wrong.push(format!("{method} as {who}, {way:?}: {told}, and not {expected:?}"));
            }
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_asks_for_the_rights_it_needs() {
    let server = Server::start().await;
    let mut auth = users(&server.channel).await;
    let tokens = Tokens::get(&mut auth).await;
    for way in [Way::Usual, Way::Service] {
        let wrong = wrong(&server, &tokens, way).await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
    // What root does ends with switching auth off.
    let last = "etcdserverpb.Auth/AuthDisable";
    let table = table();
    for method in table.keys().filter(|method| **method != last).chain([&last]) {
        let root = tokens.of("root");
        let answer = call(&server.channel, method, about_key(method), root, Way::Usual).await;
        let told = format!("{answer:?}");
        assert_eq!(refusal(answer, method), None, "{method} as root: {told}");
    }
    // It is off again: a token that means nothing any more does no harm, and neither does none.
    for who in ["bob", "nobody"] {
        let method = "etcdserverpb.KV/Put";
        let put = call(&server.channel, method, about_key(method), tokens.of(who), Way::Usual);
        assert!(put.await.is_ok());
    }
    server.stop().await;
}
