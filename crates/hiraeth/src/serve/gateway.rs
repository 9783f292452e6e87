//! Running a gateway until it is told to stop.

use anyhow::{Context, bail};
use api::Zone;
use gateway::{Config, DnsSockets, DnsZone, Gateway};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::notify;
use super::run::listen;
use super::secure::{Secure, acceptor};
use super::settings::{Role, Settings};
use crate::logging::{self, LogFormat};

/// A gateway's settings in force.
pub(super) struct Resolved {
    config: Config,
    listen_client: String,
    listen_http: String,
    secure: Secure,
    /// Where DNS is served, and what.
    dns: Option<(String, DnsZone)>,
    log: String,
    log_format: LogFormat,
}

impl Settings {
    /// The settings, if they are a gateway's.
    pub(super) fn resolve_gateway(&self) -> anyhow::Result<Option<Resolved>> {
        let file = self.file()?;
        if self.role.or(file.role).unwrap_or_default() != Role::Gateway {
            return Ok(None);
        }
        let of_nodes = [
            ("--data-dir", self.data_dir.is_some() || file.data_dir.is_some()),
            ("--listen-peer", self.listen_peer.is_some() || file.listen_peer.is_some()),
            ("--initial-cluster", self.initial_cluster.is_some() || file.initial_cluster.is_some()),
            ("--join", self.join.is_some() || file.join.is_some()),
            ("--peer-cert-file", self.peer_cert_file.is_some() || file.peer_cert_file.is_some()),
            ("--client-cert-auth", self.client_cert_auth.or(file.client_cert_auth) == Some(true)),
        ];
        if let Some((name, _)) = of_nodes.into_iter().find(|(_, is_given)| *is_given) {
            bail!("{name} is not for a gateway: it keeps no data and is no member");
        }
        let mut secure = Secure::of(self, &file)?;
        let or = |flag: &Option<String>, file: Option<String>, default: &str| {
            flag.clone().or(file).unwrap_or_else(|| default.to_owned())
        };
        let endpoints = self.endpoints.clone().or(file.endpoints).unwrap_or_default();
        let zone = DnsZone {
            domain: or(&self.dns_domain, file.dns_domain, "consul"),
            ttl_seconds: self.dns_ttl_s.or(file.dns_ttl_s).unwrap_or(0),
        };
        // Members would say no more than that they cannot answer.
        Zone::new(&zone.domain, "dc1", zone.ttl_seconds)?;
        let listen_dns = self.listen_dns.clone().or(file.listen_dns);
        let mut config = Config::new(&or(&self.name, file.name, "gateway"), endpoints)?;
        if config.is_https() || secure.members.is_some() {
            config = config.with_tls(secure.towards_members()?);
        }
        Ok(Some(Resolved {
            dns: listen_dns.map(|address| (address, zone)),
            config,
            secure,
            listen_client: or(&self.listen_client, file.listen_client, "127.0.0.1:2379"),
            listen_http: or(&self.listen_http, file.listen_http, "127.0.0.1:8500"),
            log: or(&self.log, file.log, "info"),
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
        }))
    }
}

/// Serves until SIGINT or SIGTERM.
pub(super) fn run(settings: Resolved) -> anyhow::Result<()> {
    logging::start(&settings.log, settings.log_format)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("gateway")
        .build()
        .context("the runtime cannot be started")?
        .block_on(serve(settings))
}

async fn serve(settings: Resolved) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let clients = listen(&settings.listen_client, "client").await?;
    let http = listen(&settings.listen_http, "HTTP").await?;
    let dns = match settings.dns {
        None => None,
        Some((address, zone)) => {
            let sockets = DnsSockets::bind(&address).await;
            let why = || format!("the DNS address {address} cannot be listened on, by UDP and TCP");
            Some((sockets.with_context(why)?, zone))
        }
    };
    tracing::info!(
        name = %settings.config.name,
        clients = %settings.listen_client,
        http = %settings.listen_http,
        members = %settings.config.endpoints(),
        tls = %settings.secure.names(),
        version = env!("CARGO_PKG_VERSION"),
        "starting a gateway"
    );
    let gateway = Gateway::start(&settings.config);
    let (stop, stopping) = watch::channel(false);
    let stopped = |mut stopping: watch::Receiver<bool>| async move {
        drop(stopping.wait_for(|stop| *stop).await);
    };
    let secure = settings.secure;
    let fresh = secure.keep_fresh()?;
    let serve = |listener, set: Option<&_>| {
        let (gateway, stopped) = (gateway.clone(), stopped(stopping.clone()));
        let tls = acceptor(set);
        tokio::spawn(async move { gateway.serve(listener, tls, stopped).await })
    };
    let doors = (serve(clients, secure.client.as_ref()), serve(http, secure.http.as_ref()));
    let names = dns.map(|(sockets, zone)| {
        let (gateway, stopped) = (gateway.clone(), stopped(stopping.clone()));
        tokio::spawn(async move { gateway.serve_dns(sockets, &zone, stopped).await })
    });
    let announce = async {
        gateway.ready().await;
        tracing::info!("ready");
        notify::tell(notify::READY);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = announce => {}
    }
    notify::tell(notify::STOPPING);
    tracing::info!("stopping");
    gateway.stop();
    stop.send_replace(true);
    drop(tokio::join!(doors.0, doors.1));
    if let Some(names) = names {
        drop(names.await);
    }
    fresh.abort();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Role, Settings};

    #[test]
    fn a_gateway_has_members_and_no_data() {
        let gateway = |endpoints: &[&str]| {
            let mut settings = Settings::default();
            settings.role = Some(Role::Gateway);
            settings.endpoints = Some(endpoints.iter().map(|it| (*it).to_owned()).collect());
            settings
        };
        assert!(Settings::default().resolve_gateway().unwrap().is_none());
        let refused =
            |settings: Settings| settings.resolve_gateway().map(drop).unwrap_err().to_string();
        assert!(refused(gateway(&[])).contains("--endpoints"));
        let mut given = gateway(&["127.0.0.1:2379"]);
        assert!(given.resolve_gateway().unwrap().is_some());
        given.data_dir = Some("data".into());
        let told = refused(given);
        assert!(told.contains("--data-dir is not for a gateway"), "{told}");
    }
}
