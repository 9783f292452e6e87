//! What is said to people: what went wrong, in words; days; and the same thing not too often.

use std::io;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// The day of a second of 1970, as `2026-11-28`.
pub(crate) fn day(second: u64) -> String {
    let days = second / 86_400 + 719_468;
    // Years that begin in March have their odd day at their end.
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// What went wrong in TLS, if that is what did.
pub(crate) fn words(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::NoCertificatesPresented => {
            "it brings no certificate, and one is wanted here".to_owned()
        }
        Error::InvalidCertificate(why) => of_certificate(why),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the other side does not speak TLS".to_owned()
        }
        other => format!("TLS failed: {other}"),
    })
}

fn of_certificate(why: &CertificateError) -> String {
    use CertificateError as Why;
    match why {
        Why::Expired | Why::ExpiredContext { .. } => {
            "the certificate of the other side has expired".to_owned()
        }
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            "the certificate of the other side counts from later on only; are the clocks right?".to_owned()
        }
        Why::UnknownIssuer => {
            "the certificate of the other side is from an authority that is not trusted here".to_owned()
        }
        Why::BadSignature => {
            "the certificate of the other side is from an authority that is not trusted here, though one of \
             its name is"
                .to_owned()
        }
        Why::ApplicationVerificationFailure => {
            "the certificate of the other side lacks the role that is needed here".to_owned()
        }
        Why::InvalidPurpose | Why::InvalidPurposeContext { .. } => {
            "the certificate of the other side was made for another purpose (its extended key usage)"
                .to_owned()
        }
        Why::NotValidForNameContext { expected, presented } => {
            let named: Vec<_> = presented.iter().take(8).map(String::as_str).collect();
            format!(
                "the certificate of the other side is not for {}, by which it was reached; it is for {}",
                expected.to_str(),
                named.join(", ")
            )
        }
        other => format!("the certificate of the other side is not taken: {other}"),
    }
}

fn of_alert(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    let why = match alert {
        Alert::CertificateExpired => "it has expired",
        Alert::UnknownCA => "its authority is not trusted there",
        // What an authority of the same name brings about.
        Alert::DecryptError => {
            "its signature is not good there; perhaps its authority is not trusted there"
        }
        Alert::AccessDenied => "it lacks the role that is needed there",
        Alert::UnsupportedCertificate => "it was made for another purpose (its extended key usage)",
        Alert::BadCertificate | Alert::CertificateUnknown | Alert::CertificateRevoked => {
            "it is not good there"
        }
        Alert::CertificateRequired => {
            return "the other side wants a certificate, and got none".to_owned();
        }
        other => return format!("the other side ends TLS: {other:?}"),
    };
    format!("the other side does not take this side's certificate: {why}")
}

/// How long the same is not said again.
const AGAIN: Duration = Duration::from_secs(10);

/// Something that may happen often and is said seldom.
#[derive(Default)]
pub struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Nothing was said yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new((None, 0)))
    }

    /// How often it went unsaid since it was last said, if it is time to say it again: ten seconds later.
    pub fn is_due(&self) -> Option<u64> {
        let mut said = self.0.lock();
        if said.0.is_some_and(|at| at.elapsed() < AGAIN) {
            said.1 += 1;
            return None;
        }
        said.0 = Some(Instant::now());
        Some(std::mem::take(&mut said.1))
    }
}

#[cfg(test)]
mod tests {
    use super::day;

    #[test]
    fn days_are_dates() {
        for (second, date) in [
            (0, "1970-01-01"),
            (951_825_600, "2000-02-29"),
            (1_795_897_859, "2026-11-28"),
            (253_402_300_799, "9999-12-31"),
        ] {
            assert_eq!(day(second), date);
        }
    }
}
