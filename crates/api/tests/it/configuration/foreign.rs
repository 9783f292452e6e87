use bytes::Bytes;
use configuration::record::{Canary, Gray, Head, Meta, Report, encode};
use configuration::{Name, key};
use proto::etcdserverpb as etcd;
use proto::etcdserverpb::kv_client::KvClient;
use proto::hiraeth::v1 as pb;
use tonic::Request;

use super::gray::{canary, ended, report};
use super::{client, history, json, release, text};
use crate::server::Server;

/// Puts what it likes among the configurations, as whoever may write there can.
async fn put(server: &Server, all: impl IntoIterator<Item = (Bytes, Bytes)>) {
    let puts = all.into_iter().map(|(key, value)| {
        let put = etcd::PutRequest { key, value, ..Default::default() };
        etcd::RequestOp { request: Some(etcd::request_op::Request::RequestPut(put)) }
    });
    let puts: Vec<_> = puts.collect();
    for success in puts.chunks(100) {
        let txn = etcd::TxnRequest { success: success.to_vec(), ..Default::default() };
        let mut request = Request::new(txn);
        request.metadata_mut().insert("hiraeth-keyspace", "config".parse().unwrap());
        KvClient::new(server.channel.clone()).txn(request).await.unwrap();
    }
}

fn plain(key: &str) -> (Bytes, Bytes) {
    (key.to_owned().into(), "x".into())
}

/// What somebody else puts there hides no configuration, and holds up no canary.
#[tokio::test(flavor = "multi_thread")]
async fn keys_of_others_stop_neither_lists_nor_canaries() {
    let server = Server::start().await;
    let mut client = client(&server);
    release(&mut client, "b", json("{}")).await.unwrap();
    // Of every kind, before and behind and between; one that looks like a head; and names that are none.
    let mut foreign =
        vec![plain("a"), plain("default/default"), plain("default/default/h/a"), plain("zz/z")];
    for kind in ["h", "m", "r", "s", "v", "x"] {
        for place in ["a b/g", "/g", "default/a b", "default/default", "default//", "zz/\u{e4}"] {
            foreign.push(plain(&format!("{place}/{kind}/a b/00000000000000000001")));
        }
    }
    // Whole contents of it: more than a list passes one by one.
    foreign.extend((0..1_500).map(|at| plain(&format!("a b/{at}"))));
    // A canary that nobody can end: its version is among those that are dropped.
    let meta = |version| Some(Meta { version, ..Meta::default() });
    let over = Some(Canary { ends_at_ms: 1, failures: 1, ..Canary::default() });
    let gray = Some(Gray { meta: meta(1), canary: over, basis_points: 1, ..Gray::default() });
    let head = Head { stable: meta(60), last: 60, oldest: 50, keep: 10, gray };
    foreign.push((key::head(&Name::new("", "", "aa").unwrap()), encode(&head)));
    put(&server, foreign).await;

    for namespace in ["", "default"] {
        let request = pb::ListConfigsRequest { namespace: namespace.into(), ..Default::default() };
        let listed = client.list(request).await.unwrap().into_inner();
        let names: Vec<_> =
            listed.configs.iter().map(|it| it.name.as_ref().unwrap().name.as_str()).collect();
        assert_eq!((names, listed.more), (vec!["aa", "b"], false), "of {namespace:?}");
    }
    // Page by page as well: the first place of the group is somebody else's.
    let request =
        |limit| pb::ListConfigsRequest { group: "default".into(), limit, ..Default::default() };
    let listed = client.list(request(1)).await.unwrap().into_inner();
    assert_eq!((listed.configs.len(), listed.more), (1, true));
    // A schema of the group is held against what is a configuration.
    for schema in ["{}", ""] {
        let request = pb::SetSchemaRequest { name: super::name(""), schema: schema.into() };
        let checked = client.set_schema(request).await.unwrap().into_inner().checked;
        assert_eq!(checked, u32::from(!schema.is_empty()));
    }
    let start = pb::StartGrayRequest { name: super::name("b"), ..canary(1_000, 1, true) };
    client.start_gray(start).await.unwrap();
    assert_eq!(ended(&mut client, "b").await.outcome(), pb::ConfigOutcome::Promoted);
    // Whoever asks for what is none is told so.
    let refused = super::get(&mut client, "a", "").await.unwrap_err();
    assert_eq!(refused.message(), "etcdserver: corrupt cluster");
    server.stop().await;
}

/// Where there are more who say something than are counted, the last word of each still counts.
#[tokio::test(flavor = "multi_thread")]
async fn among_very_many_reports_the_last_word_counts() {
    let server = Server::start().await;
    let mut client = client(&server);
    release(&mut client, "a", text("stable")).await.unwrap();
    client.start_gray(super::gray::half("gray")).await.unwrap();
    let name = Name::new("", "", "a").unwrap();
    let good = (0..1_000).map(|at| key::report(&name, 2, false, &format!("c{at}")));
    put(&server, good.map(|key| (key, encode(&Report::default())))).await;
    let counts = async |client: &mut super::Client| {
        let request = pb::GrayStatusRequest { name: super::name("a") };
        let status = client.gray_status(request).await.unwrap().into_inner();
        (status.ok, status.failed)
    };
    for (who, failed, counted, now) in [
        ("new", false, false, (1_000, 0)),
        // Somebody who is counted already,
        ("c5", false, true, (1_000, 0)),
        // and who fails, which is another thing.
        ("c5", true, true, (999, 1)),
        ("new", true, true, (999, 2)),
        ("other", false, true, (1_000, 2)),
        // It fails no more, also where it is one too many to be counted.
        ("new", false, false, (1_000, 1)),
        ("c5", false, false, (1_000, 0)),
    ] {
        assert_eq!(report(&mut client, who, failed).await.unwrap(), counted, "{who}");
        assert_eq!(counts(&mut client).await, now, "{who}");
    }
    assert_eq!(history(&mut client, "a").await.gray, 2);
    server.stop().await;
}
