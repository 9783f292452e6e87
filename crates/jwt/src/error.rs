/// Why a token is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// It is longer than any that is looked at.
    #[error("it has {0} bytes; at most {limit} are allowed", limit = types::limits::ACL_BEARER_BYTES)]
    TooLong(usize),
    /// It is no token.
    #[error("it is no JWT: {0}")]
    Malformed(&'static str),
    /// Nothing that is known here, or wanted.
    #[error("it is signed by {0:?}, which is not taken")]
    Algorithm(String),
    /// Somebody else signed it, or it was changed.
    #[error("no known key successfully validated the token signature")]
    Signature,
    /// It says nowhere since when or until when it counts.
    #[error("no issue time, notBefore, or expiration time encoded in token")]
    Timeless,
    /// It counts no more.
    #[error("token is expired (exp)")]
    Expired,
    /// It does not count yet.
    #[error("token not valid yet (nbf)")]
    TooEarly,
    /// It was made later than now.
    #[error("token issued in the future (iat)")]
    FromTheFuture,
    /// Somebody else vouches for it.
    #[error("invalid issuer (iss)")]
    Issuer,
    /// It is for somebody else.
    #[error("aud claim does not match any bound audience")]
    Audience,
    /// It is for somebody, and nobody said whom it may be for.
    #[error("audience claim found in JWT but no audiences bound to the auth method")]
    Unbound,
    /// A claim is of another type than it has to be.
    #[error("claim {0:?} has a value of another type than it must have")]
    Claim(String),
}

/// Why something is no key.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub(crate) String);

impl KeyError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}
