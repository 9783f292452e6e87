use crate::{Networks, Outcome};

pub(crate) async fn probe(address: &str, networks: &Networks) -> Outcome {
    match networks.connect(address).await {
        Ok(_) => Outcome::passing(format!("TCP connect {address}: Success")),
        Err(why) => Outcome::critical(why),
    }
}
