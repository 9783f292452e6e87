//! Keys as people write them down.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::der::{Reader, SEQUENCE};
use crate::{Key, KeyError};

/// Bytes of a text with one key or one certificate.
const BYTES: usize = 16 << 10;
/// Which comes before the serial number of a certificate, and is left out by some.
const VERSION: u8 = 0xa0;

/// The key in a text in PEM form: a public key, or a certificate's.
///
/// # Errors
/// There is none, or none that is known here.
pub fn key_in_pem(text: &str) -> Result<Key, KeyError> {
    if text.len() > BYTES {
        return Err(KeyError::new(format!("a key in PEM form has at most {BYTES} bytes")));
    }
    let begins = text.split_once("-----BEGIN ").and_then(|(_, rest)| rest.split_once("-----"));
    let (label, rest) = begins.ok_or_else(|| KeyError::new("it is not in PEM form"))?;
    let (body, _) = rest
        .split_once(&format!("-----END {label}-----"))
        .ok_or_else(|| KeyError::new("its PEM form does not end"))?;
    let body: String = body.split_ascii_whitespace().collect();
    let der = STANDARD.decode(body).map_err(|_| KeyError::new("its PEM form is damaged"))?;
    match label {
        "PUBLIC KEY" => Key::from_der(&der),
        "CERTIFICATE" => {
            let key = of_certificate(&der);
            Key::from_der(key.ok_or_else(|| KeyError::new("it is no certificate"))?)
        }
        other => Err(KeyError::new(format!(
            "it is a {:?}, and not a PUBLIC KEY or a CERTIFICATE",
            other.chars().take(32).collect::<String>()
        ))),
    }
}

/// Behind version, serial number, algorithm, issuer, time and subject.
fn of_certificate(der: &[u8]) -> Option<&[u8]> {
    let mut signed = Reader(Reader(Reader(der).expect(SEQUENCE)?).expect(SEQUENCE)?);
    let (first, ..) = signed.next()?;
    let before = if first == VERSION { 5 } else { 4 };
    for _ in 0..before {
        signed.next()?;
    }
    signed.next().map(|(.., whole)| whole)
}
