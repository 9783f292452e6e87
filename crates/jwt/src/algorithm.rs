use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
};

/// How a token is signed (RFC 7518).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Algorithm {
    /// RSA (PKCS #1) with SHA-256.
    Rs256,
    /// RSA (PKCS #1) with SHA-384.
    Rs384,
    /// RSA (PKCS #1) with SHA-512.
    Rs512,
    /// RSA (PSS) with SHA-256.
    Ps256,
    /// RSA (PSS) with SHA-384.
    Ps384,
    /// RSA (PSS) with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};

impl Algorithm {
    /// All of them, by the names they have in tokens.
    const NAMES: [(&str, Self); 9] = [
        ("RS256", Rs256),
        ("RS384", Rs384),
        ("RS512", Rs512),
        ("PS256", Ps256),
        ("PS384", Ps384),
        ("PS512", Ps512),
        ("ES256", Es256),
        ("ES384", Es384),
        ("EdDSA", EdDsa),
    ];

    /// By its name in tokens.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(it, _)| *it == name).map(|(_, algorithm)| *algorithm)
    }

    /// All names, for people.
    #[must_use]
    pub fn names() -> String {
        Self::NAMES.map(|(name, _)| name).join(", ")
    }

    /// Of those that are with RSA.
    pub(crate) fn rsa(self) -> Option<&'static RsaParameters> {
        match self {
            Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
            Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
            Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
            Ps256 => Some(&RSA_PSS_2048_8192_SHA256),
            Ps384 => Some(&RSA_PSS_2048_8192_SHA384),
            Ps512 => Some(&RSA_PSS_2048_8192_SHA512),
            Es256 | Es384 | EdDsa => None,
        }
    }
}
