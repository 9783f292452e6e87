use std::sync::Arc;

use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use crate::endpoints::{Endpoints, lazy, tls_for};
use crate::login::Login;
use crate::number::Numbers;
use crate::regions::{Nodes, Routes};
use crate::{Error, Options};

/// A connection to a cluster, over whichever of its endpoints answers. Cheap to clone; all clones
/// share the connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) options: Options,
    keyspace: Option<MetadataValue<Ascii>>,
    pub(crate) login: Option<Arc<Login>>,
    /// Those of all keyspaces.
    pub(crate) numbers: Arc<Numbers>,
    /// Where the keys of the keyspace are, if it is sharded.
    pub(crate) routes: Routes,
}

impl Client {
    /// A client of the servers at `endpoints`, each `host:port`, once one of them answers.
    ///
    /// # Errors
    /// [`Error::Setting`] for an endpoint or keyspace name that cannot be one;
    /// [`Error::Unreachable`] or [`Error::TimedOut`] when no endpoint answers in time; that
    /// [`Options::user`] cannot log in. Whether the keyspace exists shows with the first request.
    pub async fn connect<I>(endpoints: I, options: Options) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let client = Self::lazy(endpoints, options)?;
        client.any_node_status().await?;
        Ok(client)
    }

    /// As [`Self::connect`], but connects with the first request.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn lazy<I>(endpoints: I, options: Options) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let addresses: Vec<String> = endpoints.into_iter().map(Into::into).collect();
        let tls = tls_for(&addresses, options.tls.clone())?;
        let endpoints = Arc::new(Endpoints::new(addresses, tls.as_ref())?);
        let options = Options { tls: tls.clone(), ..options };
        let keyspace = keyspace_header(options.keyspace.as_deref())?;
        let login = options.user.clone().map(|user| Arc::new(Login::new(user)));
        let routes = Routes::new(Arc::new(Nodes::new(tls)));
        let numbers = Arc::new(Numbers::default());
        let shared = Shared { endpoints, options, keyspace, login, numbers, routes };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The same servers over the same connections, with every request for keyspace `name`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a name that cannot be one. Whether it exists shows with the first
    /// request.
    pub fn in_keyspace(&self, name: impl Into<String>) -> Result<Self, Error> {
        let options = Options { keyspace: Some(name.into()), ..self.shared.options.clone() };
        let keyspace = keyspace_header(options.keyspace.as_deref())?;
        let endpoints = Arc::clone(&self.shared.endpoints);
        let login = self.shared.login.clone();
        let routes = Routes::new(Arc::clone(&self.shared.routes.nodes));
        let numbers = Arc::clone(&self.shared.numbers);
        let shared = Shared { endpoints, options, keyspace, login, numbers, routes };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The addresses given, in their order.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.shared.endpoints.addresses()
    }

    /// A connection to an address that was not given as an endpoint, made at the first request.
    pub(crate) fn channel_to(&self, address: &str) -> Result<Channel, Error> {
        lazy(address, self.shared.options.tls.as_ref())
    }

    /// `message` as a request for this client's keyspace.
    pub(crate) fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(keyspace) = &self.shared.keyspace {
            request.metadata_mut().insert("hiraeth-keyspace", keyspace.clone());
        }
        request
    }
}

fn keyspace_header(name: Option<&str>) -> Result<Option<MetadataValue<Ascii>>, Error> {
    let wrong = |name| Error::Setting(format!("the keyspace name {name:?} is not plain text"));
    name.map(|name| name.parse().map_err(|_| wrong(name))).transpose()
}
