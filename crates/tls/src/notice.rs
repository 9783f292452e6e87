//! What is said to people: what went wrong, in words; days; and the same thing not too often.

use std::io;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// The day of a second of 1970, as `2026-11-28`.
pub(crate) fn day(second: u64) -> String {
    let (year, month, day) = date(second / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of a day counted from 1970-01-01, in the calendar that is used today. Years
/// are counted from March on, so that the odd day comes last.
#[must_use]
pub fn date(days: u64) -> (u64, u64, u64) {
    /// From 0000-03-01 to 1970-01-01.
    const EPOCH: u64 = 719_468;
    const FOUR_CENTURIES: u64 = 146_097;
    let days = days + EPOCH;
    let (era, day) = (days / FOUR_CENTURIES, days % FOUR_CENTURIES);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
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
#[derive(Debug, Default)]
pub struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Nothing was said yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new((None, 0)))
    }

    /// How often it went unsaid since it was last said, if it is time to say it again: ten seconds later.
    pub fn is_due(&self) -> Option<u64> {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock();
        if said.0.is_some_and(|at| now.duration_since(at) < AGAIN) {
            said.1 += 1;
            return None;
        }
        said.0 = Some(now);
        Some(std::mem::take(&mut said.1))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{AGAIN, Seldom, day};

    #[test]
    fn what_happens_often_is_said_once_with_how_often() {
        let seldom = Seldom::new();
        let start = Instant::now();
        assert_eq!(seldom.is_due_at(start), Some(0));
        for _ in 0..7 {
            assert_eq!(seldom.is_due_at(start + AGAIN / 2), None);
        }
        assert_eq!(seldom.is_due_at(start + AGAIN), Some(7));
        assert_eq!(seldom.is_due_at(start + AGAIN), None);
    }

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
