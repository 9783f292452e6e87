//! What strangers send to a peer port.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use proto::peer::peer_client::PeerClient;
use proto::peer::{Frame, Hello, HelloRequest, HelloResponse, SnapshotChunk};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_stream::iter;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::random::Random;

const PATIENCE: Duration = Duration::from_secs(5);

/// Connects and sends bytes that nobody can understand; some after HTTP/2's first words.
pub(super) async fn garbage(address: &str, random: &mut Random) -> anyhow::Result<()> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
    let mut bytes = match random.below(3) {
        0 => PREFACE.to_vec(),
        1 => b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        _ => Vec::new(),
    };
    bytes.extend((0..random.below(20_000)).map(|_| random.next().to_le_bytes()[0]));
    // The server may hang up in the middle: that is an answer, too.
    let _ = timeout(PATIENCE, stream.write_all(&bytes)).await?;
    let mut answer = [0; 1024];
    let _ = timeout(Duration::from_millis(100), stream.read(&mut answer)).await;
    Ok(())
}

async fn connect(address: &str) -> anyhow::Result<PeerClient<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.connect_timeout(PATIENCE);
    Ok(PeerClient::new(endpoint.connect().await?))
}

/// How a node introduces itself to `hello`.
pub(super) async fn ask(address: &str, hello: Hello) -> anyhow::Result<HelloResponse> {
    let request = HelloRequest { hello: Some(hello), refusal: None };
    Ok(connect(address).await?.hello(request).await?.into_inner())
}

/// A stranger of another cluster, of the right version.
pub(super) fn stranger() -> Hello {
    Hello {
        protocol: 1,
        cluster: Bytes::from_static(b"another cluster."),
        bootstrap: Bytes::from_static(b"other bootstrap."),
        node: 1,
        name: "n1".into(),
        identity: Bytes::from_static(b"of another data."),
        peer_address: "10.77.1.254:2380".into(),
        client_address: "10.77.1.254:2379".into(),
        bootstrapped: true,
        level: 1,
    }
}

fn introduced<M>(message: M, hello: &Hello) -> Request<M> {
    let mut request = Request::new(message);
    let value = MetadataValue::from_bytes(&hello.encode_to_vec());
    request.metadata_mut().insert_bin("hiraeth-hello-bin", value);
    request
}

/// Opens a link as `hello` and sends frames of garbage.
pub(super) async fn frames(
    address: &str,
    hello: &Hello,
    random: &mut Random,
) -> anyhow::Result<Result<(), Status>> {
    let payload = |random: &mut Random| -> Bytes {
        (0..random.below(5_000)).map(|_| random.next().to_le_bytes()[0]).collect()
    };
    let frames: Vec<Frame> = (0..50).map(|_| Frame { payload: payload(random) }).collect();
    let sent = connect(address).await?.link(introduced(iter(frames), hello)).await;
    Ok(match sent {
        Ok(answers) => {
            let mut answers = answers.into_inner();
            // Until the server ends it.
            let ended =
                timeout(PATIENCE, async { while let Ok(Some(_)) = answers.message().await {} });
            let _ = ended.await;
            Ok(())
        }
        Err(status) => Err(status),
    })
}

/// Sends a snapshot that is none; the refusal.
pub(super) async fn snapshot(
    address: &str,
    hello: &Hello,
    random: &mut Random,
) -> anyhow::Result<Option<String>> {
    let data: Bytes = (0..100_000).map(|_| random.next().to_le_bytes()[0]).collect();
    let total = data.len() as u64;
    let chunk = |data: Bytes, last| SnapshotChunk { data, last, total, failure: String::new() };
    let chunks = vec![chunk(data, false), chunk(Bytes::new(), true)];
    let receipt = connect(address).await?.snapshot(introduced(iter(chunks), hello)).await;
    Ok(match receipt {
        Ok(receipt) => receipt.into_inner().refusal.map(|refusal| refusal.detail),
        Err(status) => Some(status.to_string()),
    })
}
