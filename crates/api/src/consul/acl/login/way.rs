//! By what clients prove who they are: a type of auth method with its configuration, read and found good.

use node::probe::Networks;
use serde_json::Value;

use super::jwt::JwtMethod;
use super::key_sets::KeySets;
use super::kubernetes::KubernetesMethod;
use super::proof::{NotLetIn, Proof};
use crate::consul::filter::shape::Shape;
use crate::consul::problem::Problem;

/// An auth method's type and configuration.
pub(in crate::consul::acl) enum Way {
    Jwt(Box<JwtMethod>),
    Kubernetes(Box<KubernetesMethod>),
}

/// What a proof is looked at with.
pub(super) struct Look<'a> {
    /// The method, and the number of the change that last changed it.
    pub(super) method: (&'a str, u64),
    /// Keys that were fetched before.
    pub(super) key_sets: &'a KeySets,
    /// Where others may be asked.
    pub(super) networks: &'a Networks,
    /// Seconds since 1970.
    pub(super) now: i64,
}

impl Way {
    /// Reads a configuration.
    ///
    /// # Errors
    /// The type is not known here, or something is wrong with it.
    pub(in crate::consul::acl) fn of(kind: &str, config: &Value) -> Result<Self, Problem> {
        let bad = |why: String| Problem::bad(format!("Invalid Auth Method: {why}"));
        match kind {
            "jwt" => JwtMethod::of(config).map(|it| Self::Jwt(Box::new(it))).map_err(bad),
            "kubernetes" => {
                let read = KubernetesMethod::of(config);
                read.map(|it| Self::Kubernetes(Box::new(it))).map_err(bad)
            }
            "oidc" => {
                Err(bad("type \"oidc\" logs people in through a browser, which is not built; for \
                               tokens of machines there is \"jwt\" with OIDCDiscoveryURL"
                    .to_owned()))
            }
            "aws-iam" => {
                Err(bad("type \"aws-iam\" is not built; Type should be one of: [jwt kubernetes]"
                    .to_owned()))
            }
            _ => Err(bad("Type should be one of: [jwt kubernetes]".to_owned())),
        }
    }

    /// What selectors can select.
    pub(in crate::consul::acl) fn shape(&self) -> &'static Shape {
        match self {
            Self::Jwt(_) => &super::jwt::SHAPE,
            Self::Kubernetes(_) => &super::kubernetes::SHAPE,
        }
    }

    /// Whether names can be made of this.
    pub(super) fn has_variable(&self, name: &str) -> bool {
        match self {
            Self::Jwt(method) => method.has_variable(name),
            Self::Kubernetes(_) => super::kubernetes::VARIABLES.contains(&name),
        }
    }

    /// Whether somebody is whom it says, by what it brings.
    pub(super) async fn prove(&self, bearer: &str, look: &Look<'_>) -> Result<Proof, NotLetIn> {
        match self {
            Self::Jwt(method) => method.prove(bearer, look).await,
            Self::Kubernetes(method) => method.prove(bearer, look.networks).await,
        }
    }
}
