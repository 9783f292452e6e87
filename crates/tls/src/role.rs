use std::fmt;

/// What a certificate is for. It says so by a URI among its alternative names: `hiraeth://role/peer`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A node, towards other nodes.
    Peer,
    /// Who asks for something.
    Client,
    /// A gateway, which asks in the name of others.
    Gateway,
}

/// What such a URI begins with.
const PREFIX: &str = "hiraeth://role/";

impl Role {
    const ALL: [Self; 3] = [Self::Peer, Self::Client, Self::Gateway];

    /// As it is called in the URI.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Client => "client",
            Self::Gateway => "gateway",
        }
    }

    /// The URI that says so.
    #[must_use]
    pub fn uri(self) -> String {
        format!("{PREFIX}{}", self.name())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The roles that a certificate names. One that names none is from an authority that knows nothing of
/// Hiraeth: its holder is a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Roles {
    /// Whether it names any at all, be it one that this version does not know.
    is_named: bool,
    has: [bool; Role::ALL.len()],
}

impl Roles {
    /// Takes a URI into account.
    pub(crate) fn note(&mut self, uri: &str) {
        let Some(named) = uri.strip_prefix(PREFIX) else { return };
        self.is_named = true;
        for (has, role) in self.has.iter_mut().zip(Role::ALL) {
            *has |= role.name() == named;
        }
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn has(self, role: Role) -> bool {
        let mut all = self.has.iter().zip(Role::ALL);
        all.any(|(has, known)| *has && known == role) || (role == Role::Client && !self.is_named)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> =
            Role::ALL.into_iter().filter(|role| self.has(*role)).map(Role::name).collect();
        f.write_str(if all.is_empty() { "none that is known" } else { "" })?;
        f.write_str(&all.join(", "))
    }
}
