use std::sync::Arc;

use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};

use crate::endpoints::Endpoints;
use crate::{Error, Options};

/// A connection to a cluster, over whichever of its endpoints answers. Cheap to clone; all clones
/// share the connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) endpoints: Endpoints,
    pub(crate) options: Options,
    keyspace: Option<MetadataValue<Ascii>>,
}

impl Client {
    /// A client of the servers at `endpoints`, each `host:port`, once one of them answers.
    ///
    /// # Errors
    /// [`Error::Setting`] for an endpoint or keyspace name that cannot be one;
    /// [`Error::Unreachable`] or [`Error::TimedOut`] when no endpoint answers in time. Whether the
    /// keyspace exists shows with the first request.
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
        let endpoints = Endpoints::new(endpoints.into_iter().map(Into::into).collect())?;
        let keyspace = options.keyspace.as_deref().map(|name| {
            let wrong = |_| Error::Setting(format!("the keyspace name {name:?} is not plain text"));
            name.parse().map_err(wrong)
        });
        let keyspace = keyspace.transpose()?;
        Ok(Self { shared: Arc::new(Shared { endpoints, options, keyspace }) })
    }

    /// The addresses given, in their order.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.shared.endpoints.addresses()
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
