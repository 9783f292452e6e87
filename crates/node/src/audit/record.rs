//! What is written down.

use std::fmt::Write;

/// Bytes that any text of a record takes up in its line; more is cut.
const TEXT_BYTES: usize = 512;

/// The outcome of what went well.
pub const OK: &str = "ok";
/// The outcome of what nobody waited for: it may have been done, or not.
pub const UNKNOWN: &str = "unknown: the client went";

/// What a record is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuditKind {
    /// Users, roles, tokens, policies, or what switches them on.
    Rights,
    /// Somebody was refused.
    Denied,
    /// The cluster: members, keyspaces, snapshots, restores, compaction.
    Management,
    /// So many of a kind that is bounded are not written down, since there were too many in a second or an
    /// hour.
    Suppressed,
}

impl AuditKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Rights => "rights",
            Self::Denied => "denied",
            Self::Management => "management",
            Self::Suppressed => "suppressed",
        }
    }
}

/// Who it was, as far as that is known. Never what proves it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sender {
    /// A user's name.
    pub user: String,
    /// The accessor id of a token.
    pub token: String,
    /// From where.
    pub address: String,
}

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditRecord {
    /// What it is about.
    pub kind: AuditKind,
    /// Who.
    pub who: Sender,
    /// What was asked for.
    pub what: String,
    /// Of what, where there is a name for it.
    pub on: String,
    /// `ok`, or why not.
    pub outcome: String,
}

impl AuditRecord {
    /// As one line.
    pub(super) fn line(&self, time: &str, node: &str) -> String {
        let mut line = String::from("{");
        let fields = [
            ("time", time),
            ("node", node),
            ("kind", self.kind.name()),
            ("user", &self.who.user),
            ("token", &self.who.token),
            ("address", &self.who.address),
            ("what", &self.what),
            ("on", &self.on),
            ("outcome", &self.outcome),
        ];
        for (name, value) in fields {
            if line.len() > 1 {
                line.push(',');
            }
            line.push('"');
            line.push_str(name);
            line.push_str("\":");
            quote(&mut line, value);
        }
        line.push_str("}\n");
        line
    }
}

/// As JSON has it; nobody's words end a line or a text.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    let most = out.len() + TEXT_BYTES;
    for next in text.chars() {
        let before = out.len();
        match next {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            next if next.is_control() || matches!(next, '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(next));
            }
            next => out.push(next),
        }
        if out.len() > most {
            out.truncate(before);
            out.push('…');
            break;
        }
    }
    out.push('"');
}
