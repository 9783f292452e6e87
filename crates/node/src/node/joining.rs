//! Before a node that was added to a cluster starts for the first time: it asks the members for its place.

use std::path::Path;
use std::time::Duration;

use env::{Disk, Rng};
use tokio::time::sleep;
use types::{Code, Fault};

use crate::Error;
use crate::config::NodeConfig;
use crate::identity::Application;
use crate::transport::{Applicant, Welcome, ask_to_join};

/// Between two rounds of questions.
const ROUND: Duration = Duration::from_millis(500);

/// Waits until the cluster took this node, and keeps what it is known by from then on. At once for a node
/// that is of a cluster already. `make_log` is called before that: a node of a cluster without a log has
/// lost one.
///
/// # Errors
/// What the cluster says where it will never take it, and what the disk says.
pub(super) async fn join(
    config: &NodeConfig,
    disk: &dyn Disk,
    rng: &dyn Rng,
    make_log: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let dir: &Path = &config.data_dir;
    let Some(application) = Application::begin(disk, dir, &config.name, rng)? else {
        tracing::info!("this data directory is of a cluster already: where to join means nothing");
        return Ok(());
    };
    let applicant = Applicant {
        identity: application.identity,
        name: config.name.clone(),
        peer_address: config.advertise_peer.clone(),
        client_address: config.advertise_client.clone(),
        level: config.level,
    };
    let Welcome { node, cluster, members } = ask_all(config, &applicant).await?;
    tracing::info!(%node, %cluster, "the cluster takes this node");
    make_log()?;
    Ok(application.accept(disk, dir, node, cluster, members)?)
}

async fn ask_all(config: &NodeConfig, applicant: &Applicant) -> Result<Welcome, Error> {
    let mut told = String::new();
    let tls = config.peer_tls.clone().map(tls::Dial::new);
    loop {
        let mut reasons = Vec::new();
        for address in config.join.iter().filter(|at| **at != config.advertise_peer) {
            match ask_to_join(address, applicant, tls.as_ref()).await {
                Ok(welcome) => return Ok(welcome),
                Err(fault) if is_final(&fault) => return Err(Error::Refused(fault)),
                Err(fault) => reasons.push(fault.to_string()),
            }
        }
        let reasons = reasons.join("; ");
        if reasons != told {
            let address = &applicant.peer_address;
            tracing::info!(%address, %reasons, "waiting to be let in: add this node to the cluster with \
                its peer address (member add), if that was not done yet");
            told = reasons;
        }
        sleep(ROUND).await;
    }
}

/// Whether to ask again is of no use.
fn is_final(fault: &Fault) -> bool {
    matches!(fault.code, Code::ClusterMismatch | Code::InvalidArgument | Code::MemberRemoved)
}
