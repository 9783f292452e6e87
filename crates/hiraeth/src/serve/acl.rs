//! What the settings say of Consul's ACL.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use node::AclSettings;
use node::state::auth::Secret;
use types::limits;

/// The settings as they were given.
pub(super) struct Given<'a> {
    pub(super) acl: Option<&'a str>,
    pub(super) default_policy: Option<&'a str>,
    pub(super) initial_management: Option<&'a Path>,
    pub(super) default_token: Option<&'a Path>,
    pub(super) keep_secrets: bool,
}

pub(super) fn resolve(given: &Given<'_>) -> anyhow::Result<AclSettings> {
    let enable = match given.acl {
        None => None,
        Some("on" | "true") => Some(true),
        Some("off" | "false") => Some(false),
        Some(other) => bail!("--acl is on or off, not {other:?}"),
    };
    let allows_by_default = match given.default_policy {
        None | Some("deny") => false,
        Some("allow") => true,
        Some(other) => bail!("--acl-default-policy is allow or deny, not {other:?}"),
    };
    if enable != Some(true)
        && (given.default_policy.or(given.initial_management.map(|_| ""))).is_some()
    {
        bail!("--acl-default-policy and --acl-initial-management-token-file need --acl on");
    }
    let secret = |setting: &str, path: Option<&Path>| -> anyhow::Result<Option<Secret>> {
        path.map(|path| secret(path).with_context(|| format!("{setting} {}", path.display())))
            .transpose()
    };
    Ok(AclSettings {
        enable,
        allows_by_default,
        initial_management: secret(
            "--acl-initial-management-token-file",
            given.initial_management,
        )?,
        default_token: secret("--acl-default-token-file", given.default_token)?,
        keep_secrets: given.keep_secrets,
    })
}

/// The only line of a file. What it says is in no error.
fn secret(path: &Path) -> anyhow::Result<Secret> {
    let text = fs::read_to_string(path)?;
    let text = text.trim();
    let most = limits::ACL_SECRET_BYTES;
    if text.is_empty() || text.len() > most || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("it has to hold a token's secret: one line of at most {most} printable characters");
    }
    Ok(Secret(text.as_bytes().to_vec().into()))
}

#[cfg(test)]
mod tests {
    use super::{Given, resolve};

    #[test]
    fn a_secret_is_one_line_and_is_in_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let given = |acl| Given {
            acl,
            default_policy: None,
            initial_management: Some(path.as_path()),
            default_token: None,
            keep_secrets: false,
        };
        assert!(resolve(&given(Some("on"))).is_err());
        std::fs::write(&path, "root\n").unwrap();
        let settings = resolve(&given(Some("on"))).unwrap();
        assert_eq!(settings.initial_management.unwrap().0, "root");
        assert!(resolve(&given(None)).is_err_and(|error| error.to_string().contains("--acl on")));
        assert!(resolve(&given(Some("maybe"))).is_err());
        std::fs::write(&path, "hush hush").unwrap();
        let told = format!("{:#}", resolve(&given(Some("on"))).unwrap_err());
        assert!(told.contains("token") && !told.contains("hush"), "{told}");
    }
}
