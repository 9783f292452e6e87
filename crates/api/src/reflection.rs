//! gRPC's reflection: what `grpcurl` and others ask a server that they know nothing of.

use std::convert::Infallible;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::body::{Body as HttpBody, Bytes};
use hyper::{Request, Response};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic_reflection::server::{Builder, Error};

use crate::services;

type Answer = BoxFuture<'static, Result<Response<Body>, Infallible>>;
type Call = Box<dyn Fn(Request<Body>) -> Answer + Send + Sync>;

/// `grpc.reflection`, in both its versions; their types have no names.
pub(crate) struct Reflection {
    v1: Call,
    v1alpha: Call,
}

impl Reflection {
    /// # Panics
    /// If the descriptors in this binary cannot be read: then it was built wrongly.
    pub(crate) fn new() -> Self {
        let builder = || {
            let builder =
                Builder::configure().register_encoded_file_descriptor_set(proto::DESCRIPTORS);
            services::ALL.into_iter().fold(builder, Builder::with_service_name)
        };
        let broken = |error: Error| -> ! { panic!("descriptors that cannot be read: {error}") };
        Self {
            v1: builder().build_v1().map_or_else(|error| broken(error), call),
            v1alpha: builder().build_v1alpha().map_or_else(|error| broken(error), call),
        }
    }

    pub(crate) fn v1<B>(&self, request: Request<B>) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        (self.v1)(request.map(Body::new))
    }

    pub(crate) fn v1alpha<B>(&self, request: Request<B>) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        (self.v1alpha)(request.map(Body::new))
    }
}

fn call<S>(service: S) -> Call
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    Box::new(move |request| service.clone().call(request).boxed())
}
