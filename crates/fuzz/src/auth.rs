//! A cluster that knows users, one of whom may touch very little, and whom nobody else's data may reach.

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::etcdserverpb as pb;

use crate::probe::Probe;
use crate::random::Random;

/// What only `root` may read.
const SECRET_KEY: &str = "s/secret";
/// Where the user may read and write: from, to.
const ALLOWED: (&str, &str) = ("k/", "k0");

/// Who may do what, and what must stay hidden.
pub(crate) struct Guarded {
    pub(crate) root: String,
    pub(crate) user: String,
    secret: String,
}

impl Guarded {
    /// Sets it up; `None` where users are not served.
    pub(crate) async fn set_up(address: &str, random: &mut Random) -> anyhow::Result<Option<Self>> {
        let mut probe = Probe::new(address, "probe".to_owned(), None);
        let hidden = |random: &mut Random| format!("{:016x}{:016x}", random.next(), random.next());
        let (secret, password) = (hidden(random), hidden(random));
        let add = pb::AuthRoleAddRequest { name: "root".into() };
        let added = probe.ask::<pb::AuthRoleAddResponse>("/etcdserverpb.Auth/RoleAdd", &add).await;
        if let Err(error) = added {
            let told = format!("{error:#}");
            return if told.contains("status 12") { Ok(None) } else { Err(error) };
        }
        let put = pb::PutRequest {
            key: SECRET_KEY.into(),
            value: secret.clone().into(),
            ..Default::default()
        };
        probe.ask::<pb::PutResponse>("/etcdserverpb.KV/Put", &put).await?;
        let role = pb::AuthRoleAddRequest { name: "r".into() };
        probe.ask::<pb::AuthRoleAddResponse>("/etcdserverpb.Auth/RoleAdd", &role).await?;
        let permission = proto::authpb::Permission {
            perm_type: proto::authpb::permission::Type::Readwrite.into(),
            key: ALLOWED.0.into(),
            range_end: ALLOWED.1.into(),
        };
        let grant = pb::AuthRoleGrantPermissionRequest { name: "r".into(), perm: Some(permission) };
        probe
            .ask::<pb::AuthRoleGrantPermissionResponse>(
                "/etcdserverpb.Auth/RoleGrantPermission",
                &grant,
            )
            .await?;
        for (name, role) in [("root", "root"), ("u", "r")] {
            let add = pb::AuthUserAddRequest {
                name: name.into(),
                password: password.clone(),
                ..Default::default()
            };
            probe.ask::<pb::AuthUserAddResponse>("/etcdserverpb.Auth/UserAdd", &add).await?;
            let grant = pb::AuthUserGrantRoleRequest { user: name.into(), role: role.into() };
            probe
                .ask::<pb::AuthUserGrantRoleResponse>("/etcdserverpb.Auth/UserGrantRole", &grant)
                .await?;
        }
        let enable = pb::AuthEnableRequest {};
        probe.ask::<pb::AuthEnableResponse>("/etcdserverpb.Auth/AuthEnable", &enable).await?;
        let mut tokens = Vec::new();
        for name in ["root", "u"] {
            let who = pb::AuthenticateRequest { name: name.into(), password: password.clone() };
            let answer: pb::AuthenticateResponse =
                probe.ask("/etcdserverpb.Auth/Authenticate", &who).await?;
            tokens.push(answer.token);
        }
        let user = tokens.pop().context("no token")?;
        let root = tokens.pop().context("no token")?;
        Ok(Some(Self { root, user, secret }))
    }

    /// Whether an answer to anybody but `root` tells what it must not.
    pub(crate) fn is_told_in(&self, body: &[u8]) -> bool {
        let contains = |secret: &[u8]| body.windows(secret.len()).any(|part| part == secret);
        contains(self.secret.as_bytes()) || contains(STANDARD.encode(&self.secret).as_bytes())
    }

    /// Afterwards: nothing outside of what the user may touch has changed.
    pub(crate) async fn verify(&self, address: &str, probes: &[String]) -> anyhow::Result<()> {
        let mut root = Probe::new(address, "probe".to_owned(), Some(self.root.clone()));
        let everything =
            pb::RangeRequest { key: "\0".into(), range_end: "\0".into(), ..Default::default() };
        let all: pb::RangeResponse = root.ask("/etcdserverpb.KV/Range", &everything).await?;
        for kv in &all.kvs {
            let (key, (from, to)) = (&kv.key[..], ALLOWED);
            let allowed = from.as_bytes() <= key && key < to.as_bytes();
            let expected =
                key == SECRET_KEY.as_bytes() || probes.iter().any(|probe| probe.as_bytes() == key);
            ensure!(allowed || expected, "the key {} was not allowed", key.escape_ascii());
        }
        let secret = all.kvs.iter().find(|kv| kv.key == SECRET_KEY.as_bytes());
        ensure!(secret.is_some_and(|kv| kv.value == self.secret), "the secret was overwritten");
        let users: pb::AuthUserListResponse =
            root.ask("/etcdserverpb.Auth/UserList", &pb::AuthUserListRequest {}).await?;
        ensure!(users.users.len() == 2, "users now: {:?}", users.users);
        let roles: pb::AuthRoleListResponse =
            root.ask("/etcdserverpb.Auth/RoleList", &pb::AuthRoleListRequest {}).await?;
        ensure!(roles.roles.len() == 2, "roles now: {:?}", roles.roles);
        Ok(())
    }
}
