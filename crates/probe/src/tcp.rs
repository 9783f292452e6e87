use crate::target::host;
use crate::{Networks, Outcome, Tls};

pub(crate) async fn probe(address: &str, tls: Option<&Tls>, networks: &Networks) -> Outcome {
    let connected = match (networks.connect(address).await, tls) {
        (Ok(stream), Some(tls)) => tls.connect(host(address), None, stream).await.map(drop),
        (connected, _) => connected.map(drop),
    };
    match connected {
        Ok(()) => Outcome::passing(format!("TCP connect {address}: Success")),
        Err(why) => Outcome::critical(why),
    }
}
