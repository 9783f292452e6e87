use std::collections::BTreeMap;
use std::time::Duration;

use proto::hiraeth::v1 as pb;

use super::asking::ask;
use super::{Configuration, Release};
use crate::Error;
use crate::call::Repeat;

/// Whom a gray release is for, and what ends it by itself.
#[derive(Clone, Debug, Default)]
pub struct Gray {
    /// Labels, each with the values of which a reader has to have one; all of them have to hold.
    pub labels: BTreeMap<String, Vec<String>>,
    /// How many of those readers, in hundredths of percents. `None`: all of them if there are labels, else
    /// none.
    pub basis_points: Option<u32>,
    /// Readers that get it in any case.
    pub ids: Vec<String>,
    /// How long it lasts at most, if it ends by itself.
    pub lasts: Option<Duration>,
    /// So many readers that report failure roll it back, if it ends by itself.
    pub failures: u32,
    /// Whether it is promoted at its end, if nobody reported failure; else it is aborted.
    pub promote: bool,
    /// So many readers have to have reported success by then to promote it.
    pub least_ok: u32,
}

/// Whom a gray release is for in addition.
#[derive(Clone, Debug, Default)]
pub struct GrayWider {
    /// More values for labels that it has.
    pub allow: BTreeMap<String, Vec<String>>,
    /// Labels that do not matter any more.
    pub drop_labels: Vec<String>,
    /// More of the readers, in hundredths of percents.
    pub basis_points: Option<u32>,
    /// More readers.
    pub ids: Vec<String>,
}

fn rules(labels: &BTreeMap<String, Vec<String>>) -> Vec<pb::GrayRule> {
    let rule = |(label, values): (&String, &Vec<String>)| pb::GrayRule {
        label: label.clone(),
        values: values.clone(),
    };
    labels.iter().map(rule).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Configuration {
    /// Makes a version that some readers get.
    ///
    /// # Errors
    /// Another gray release is under way; nothing was released yet; as [`Self::release`].
    pub async fn start_gray(
        &self,
        release: &Release,
        gray: &Gray,
    ) -> Result<pb::GrayResponse, Error> {
        let canary = gray.lasts.map(|lasts| pb::GrayCanary {
            lasts_ms: millis(lasts),
            ends_at_ms: 0,
            failures: gray.failures,
            promote: gray.promote,
            least_ok: gray.least_ok,
        });
        let request = pb::StartGrayRequest {
            name: self.named(),
            content: release.content(),
            rules: rules(&gray.labels),
            basis_points: gray.basis_points,
            ids: gray.ids.clone(),
            canary,
            expected: release.expected,
        };
        ask!(self.client, IfNotDone, start_gray, request).await
    }

    /// Gives the gray release to more readers.
    ///
    /// # Errors
    /// None is under way; it would be taken from somebody; no answer.
    pub async fn widen_gray(&self, wider: &GrayWider) -> Result<pb::GrayResponse, Error> {
        let request = pb::WidenGrayRequest {
            name: self.named(),
            basis_points: wider.basis_points,
            allow: rules(&wider.allow),
            drop_rules: wider.drop_labels.clone(),
            ids: wider.ids.clone(),
        };
        ask!(self.client, IfNotDone, widen_gray, request).await
    }

    /// Gives the gray release to everybody; of 0, whichever version is under way.
    ///
    /// # Errors
    /// None is under way, or another one; no answer, and then perhaps [`Error::outcome_unknown`].
    pub async fn promote_gray(&self, version: u64, why: &str) -> Result<pb::GrayResponse, Error> {
        let request = pb::EndGrayRequest { name: self.named(), version, why: why.to_owned() };
        ask!(self.client, IfNotDone, promote_gray, request).await
    }

    /// Takes the gray release back; of 0, whichever version is under way.
    ///
    /// # Errors
    /// As [`Self::promote_gray`].
    pub async fn abort_gray(&self, version: u64, why: &str) -> Result<pb::GrayResponse, Error> {
        let request = pb::EndGrayRequest { name: self.named(), version, why: why.to_owned() };
        ask!(self.client, IfNotDone, abort_gray, request).await
    }

    /// The gray release under way, with what was reported.
    ///
    /// # Errors
    /// None is under way; no answer.
    pub async fn gray_status(&self) -> Result<pb::GrayResponse, Error> {
        ask!(self.client, Always, gray_status, pb::GrayStatusRequest { name: self.named() }).await
    }

    /// Says how a reader fares with the gray release that it has; of 0, whichever version is under way.
    /// Its last word counts. Answers whether it was counted: 1,000 readers are.
    ///
    /// # Errors
    /// None is under way, or another one; no answer.
    pub async fn report(
        &self,
        reader: &str,
        version: u64,
        failed: bool,
        message: &str,
    ) -> Result<bool, Error> {
        let (client, message) = (reader.to_owned(), message.to_owned());
        let request = pb::ReportRequest { name: self.named(), client, failed, message, version };
        // The same once more.
        Ok(ask!(self.client, Always, report, request).await?.counted)
    }
}
