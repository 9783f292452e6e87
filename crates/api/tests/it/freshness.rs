//! The metadata that say how fresh an answer must be, as any gRPC client sends them.

use proto::etcdserverpb as pb;
use proto::etcdserverpb::cluster_client::ClusterClient;
use proto::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::lease_client::LeaseClient;
use tonic::{Code, Request};

use crate::server::Server;

fn with<T>(message: T, metadata: &[(&'static str, &str)]) -> Request<T> {
    let mut request = Request::new(message);
    for (name, value) in metadata {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    request
}

fn a_key() -> pb::RangeRequest {
    pb::RangeRequest { key: "a".into(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_stale_answers_tell_an_age() {
    let server = Server::start().await;
    let mut kv = KvClient::new(server.channel.clone());
    for (mode, stale) in
        [("linearizable", false), ("lease", false), ("follower", false), ("stale", true)]
    {
        let mode = [("hiraeth-read", mode), ("hiraeth-max-stale-millis", "60000")];
        let range = kv.range(with(a_key(), &mode)).await.unwrap();
        let txn = kv.txn(with(pb::TxnRequest::default(), &mode)).await.unwrap();
        let mut lease = LeaseClient::new(server.channel.clone());
        let leases = lease.lease_leases(with(pb::LeaseLeasesRequest {}, &mode)).await.unwrap();
        let mut cluster = ClusterClient::new(server.channel.clone());
        let members = cluster.member_list(with(pb::MemberListRequest::default(), &mode)).await;
        let metadata = [
            range.metadata().clone(),
            txn.metadata().clone(),
            leases.metadata().clone(),
            members.unwrap().metadata().clone(),
        ];
        for metadata in metadata {
            let age = metadata.get("hiraeth-stale-millis").map(|age| age.to_str().unwrap());
            assert_eq!(age.map(|age| age.parse::<u64>().is_ok()), stale.then_some(true), "{age:?}");
        }
    }
    // etcd's own word for it.
    let range = pb::RangeRequest { serializable: true, ..a_key() };
    assert!(kv.range(range).await.unwrap().metadata().contains_key("hiraeth-stale-millis"));
    drop(kv);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_mode_or_no_age_is_refused_with_words_that_help() {
    let server = Server::start().await;
    let mut kv = KvClient::new(server.channel.clone());
    let refused = kv.range(with(a_key(), &[("hiraeth-read", "Lease")])).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    for word in ["\"Lease\"", "linearizable", "lease", "follower", "stale"] {
        assert!(refused.message().contains(word), "{word}: {refused}");
    }
    for age in ["", "-1", "1.5", "1s", "99999999999999999999"] {
        let stale = [("hiraeth-read", "stale"), ("hiraeth-max-stale-millis", age)];
        let refused = kv.range(with(a_key(), &stale)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{age}");
        assert!(refused.message().contains("milliseconds"), "{refused}");
    }
    drop(kv);
    server.stop().await;
}
