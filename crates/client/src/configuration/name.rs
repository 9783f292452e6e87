use std::collections::BTreeMap;
use std::fmt;

use proto::hiraeth::v1 as pb;

/// Which configuration: a name in a group of a namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConfigurationName {
    /// The namespace.
    pub namespace: String,
    /// The group.
    pub group: String,
    /// The name in the group.
    pub name: String,
}

impl From<&str> for ConfigurationName {
    /// `NAME`, `GROUP/NAME` or `NAMESPACE/GROUP/NAME`; what is not said is `default`. The server says what
    /// cannot be a name.
    fn from(text: &str) -> Self {
        let mut parts = text.rsplitn(3, '/').map(str::to_owned);
        let name = parts.next().unwrap_or_default();
        let mut or_default = || parts.next().unwrap_or_else(|| "default".to_owned());
        let group = or_default();
        Self { namespace: or_default(), group, name }
    }
}

impl From<String> for ConfigurationName {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&ConfigurationName> for pb::ConfigName {
    fn from(name: &ConfigurationName) -> Self {
        let ConfigurationName { namespace, group, name } = name.clone();
        Self { namespace, group, name }
    }
}

impl fmt::Display for ConfigurationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.group, self.name)
    }
}

/// Who reads a configuration, as gray releases look at it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConfigReader {
    /// What makes it out among all, as a host's name does: without one it is never among some percent.
    pub id: String,
    /// What it says of itself, as its zone.
    pub labels: BTreeMap<String, String>,
}

impl From<&ConfigReader> for pb::ConfigClient {
    fn from(reader: &ConfigReader) -> Self {
        Self { id: reader.id.clone(), labels: reader.labels.clone().into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::ConfigurationName;

    #[test]
    fn what_is_not_said_is_the_default() {
        for (text, whole) in [
            ("a", "default/default/a"),
            ("g/a", "default/g/a"),
            ("n/g/a", "n/g/a"),
            // The server refuses it, and not some other configuration is meant.
            ("x/n/g/a", "x/n/g/a"),
            ("/a", "default//a"),
        ] {
            assert_eq!(ConfigurationName::from(text).to_string(), whole);
        }
    }
}
