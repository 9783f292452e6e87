//! gRPC's health and reflection.

use std::time::Duration;

use proto::grpc::health::v1 as pb;
use proto::grpc::health::v1::health_check_response::ServingStatus;
use proto::grpc::health::v1::health_client::HealthClient;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use crate::server::Server;

const SOON: Duration = Duration::from_secs(15);

fn of(service: &str) -> pb::HealthCheckRequest {
    pb::HealthCheckRequest { service: service.to_owned() }
}

async fn next(stream: &mut Streaming<pb::HealthCheckResponse>) -> ServingStatus {
    timeout(SOON, stream.message()).await.unwrap().unwrap().unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_serves_only_while_there_is_a_quorum() {
    let mut cluster = Server::start_cluster(3).await;
    let left = cluster.remove(0);
    let mut client = HealthClient::new(left.channel.clone());
    for service in ["", "etcdserverpb.KV", "v3lockpb.Lock"] {
        let status = client.check(of(service)).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service}");
    }
    let unknown = client.check(of("nobody")).await.unwrap_err();
    assert_eq!((unknown.code(), unknown.message()), (Code::NotFound, "unknown service"));
    let mut nobody = client.watch(of("nobody")).await.unwrap().into_inner();
    assert_eq!(next(&mut nobody).await, ServingStatus::ServiceUnknown);
    let mut watches = Vec::new();
    for _ in 0..3 {
        let mut watch = client.watch(of("")).await.unwrap().into_inner();
        assert_eq!(next(&mut watch).await, ServingStatus::Serving);
        watches.push(watch);
    }
    for server in cluster {
        server.stop().await;
    }
    for watch in &mut watches {
        assert_eq!(next(watch).await, ServingStatus::NotServing);
    }
    assert_eq!(
        client.check(of("")).await.unwrap().into_inner().status(),
        ServingStatus::NotServing
    );
    drop((watches, nobody, client));
    left.stop().await;
}
