//! Public keys, and what is signed with them.

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

use crate::der::{BITS, INTEGER, OID, Reader, SEQUENCE};
use crate::{Algorithm, KeyError};

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ED: &[u8] = &[0x2b, 0x65, 0x70];

/// Bits of an RSA key, by the bytes of its modulus: shorter ones are not safe, longer ones cost too much.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A public key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    /// RSA: modulus and exponent.
    Rsa(Vec<u8>, Vec<u8>),
    /// A point on P-256.
    P256(Vec<u8>),
    /// A point on P-384.
    P384(Vec<u8>),
    /// Ed25519.
    Ed25519(Vec<u8>),
}

impl Key {
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let plain = |number: &[u8]| {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            number[zeros..].to_vec()
        };
        let (modulus, exponent) = (plain(modulus), plain(exponent));
        if !RSA_BYTES.contains(&modulus.len()) || !(1..=8).contains(&exponent.len()) {
            return Err(KeyError::new("an RSA key has 2048 to 8192 bits"));
        }
        Ok(Self::Rsa(modulus, exponent))
    }

    /// A point as it is written out whole.
    pub(crate) fn point(bytes: &[u8]) -> Result<Self, KeyError> {
        match (bytes.first(), bytes.len()) {
            (Some(4), 65) => Ok(Self::P256(bytes.to_vec())),
            (Some(4), 97) => Ok(Self::P384(bytes.to_vec())),
            _ => Err(KeyError::new("of elliptic curves, P-256, P-384 and Ed25519 are known here")),
        }
    }

    pub(crate) fn ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        match bytes.len() {
            32 => Ok(Self::Ed25519(bytes.to_vec())),
            _ => Err(KeyError::new("an Ed25519 key has 32 bytes")),
        }
    }

    /// As certificates have it (`SubjectPublicKeyInfo`, RFC 5280).
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let broken = || KeyError::new("it is no public key");
        let mut all = Reader(Reader(der).expect(SEQUENCE).ok_or_else(broken)?);
        let mut kind = Reader(all.expect(SEQUENCE).ok_or_else(broken)?);
        let bits = all.expect(BITS).ok_or_else(broken)?;
        // Before the bits it says how many of the last byte do not count.
        let (0, bits) = bits.split_first().ok_or_else(broken)? else { return Err(broken()) };
        match kind.expect(OID).ok_or_else(broken)? {
            RSA => {
                let mut key = Reader(Reader(bits).expect(SEQUENCE).ok_or_else(broken)?);
                let modulus = key.expect(INTEGER).ok_or_else(broken)?;
                Self::rsa(modulus, key.expect(INTEGER).ok_or_else(broken)?)
            }
            EC => match (kind.expect(OID), Self::point(bits)?) {
                (Some(P256), key @ Self::P256(_)) | (Some(P384), key @ Self::P384(_)) => Ok(key),
                _ => Err(KeyError::new("its curve is not known here")),
            },
            ED => Self::ed25519(bits),
            _ => Err(KeyError::new("its algorithm is not known here")),
        }
    }

    /// Whether this key made that signature, in a way that is this kind of key's.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let holds = |way: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(way, key).verify(message, signature).is_ok()
        };
        match (self, algorithm) {
            (Self::Rsa(n, e), algorithm) => algorithm.rsa().is_some_and(|way| {
                RsaPublicKeyComponents { n, e }.verify(way, message, signature).is_ok()
            }),
            (Self::P256(point), Algorithm::Es256) => holds(&ECDSA_P256_SHA256_FIXED, point),
            (Self::P384(point), Algorithm::Es384) => holds(&ECDSA_P384_SHA384_FIXED, point),
            (Self::Ed25519(key), Algorithm::EdDsa) => holds(&ED25519, key),
            _ => false,
        }
    }
}
