//! Leases that many clients keep alive.

use std::time::Duration;

use proto::etcdserverpb as pb;
use proto::etcdserverpb::lease_client::LeaseClient;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Streaming};

use super::cluster::{channel, in_front_of, members};
use super::registry::metric;

struct Keeper {
    id: i64,
    out: mpsc::Sender<pb::LeaseKeepAliveRequest>,
    told: Streaming<pb::LeaseKeepAliveResponse>,
}

impl Keeper {
    async fn renew(&mut self, id: i64) -> pb::LeaseKeepAliveResponse {
        self.out.send(pb::LeaseKeepAliveRequest { id }).await.unwrap();
        let told = timeout(Duration::from_secs(20), self.told.message()).await.unwrap();
        told.unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_share_one_that_a_killed_member_does_not_end() {
    let mut members = members(3).await;
    let address = in_front_of(&members).await;
    let mut client = LeaseClient::new(channel(&address).await);
    let mut keepers = Vec::new();
    for _ in 0..100 {
        let granted = client.lease_grant(pb::LeaseGrantRequest { ttl: 30, id: 0 }).await.unwrap();
        let (out, requests) = mpsc::channel(1);
        let told = client.lease_keep_alive(ReceiverStream::new(requests)).await.unwrap();
        keepers.push(Keeper { id: granted.into_inner().id, out, told: told.into_inner() });
    }
    assert_eq!(metric(&address, "hiraeth_gateway_lease_streams ").await, 1);
    assert_eq!(metric(&address, "hiraeth_gateway_lease_clients ").await, 100);
    for round in 0..4 {
        if round == 2 {
            members.remove(0).kill().await;
        }
        if round == 3 {
            // Whichever the gateway was at.
            sleep(Duration::from_millis(100)).await;
        }
        let renewing = keepers.iter_mut().map(|keeper| async move {
            let told = keeper.renew(keeper.id).await;
            assert_eq!((told.id, told.ttl), (keeper.id, 30));
        });
        futures::future::join_all(renewing).await;
    }
    // Nobody's, and nobody else hears of it.
    let nobody = keepers[0].renew(12_345).await;
    assert_eq!((nobody.id, nobody.ttl), (12_345, 0));
    let id = keepers[1].id;
    assert_eq!(keepers[1].renew(id).await.ttl, 30);

    // Another keyspace is another stream, and one that is not there is refused by the member.
    let (_out, requests) = mpsc::channel(1);
    let mut request = Request::new(ReceiverStream::new(requests));
    request.metadata_mut().insert("hiraeth-keyspace", "nowhere".parse().unwrap());
    let refused = client.lease_keep_alive(request).await.map(drop).unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused:?}");
    drop(keepers);
    while metric(&address, "hiraeth_gateway_lease_streams ").await > 0 {
        sleep(Duration::from_millis(20)).await;
    }
}
