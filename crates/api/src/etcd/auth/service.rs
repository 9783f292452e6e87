use node::Handle;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::auth_server::Auth;
use state::auth::{AuthCommand, Demand, ROOT};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use types::{Code, Fault};

use super::convert::{everything, permission, range, shown};
use crate::etcd::convert;
use crate::{error, metadata};

/// etcd's `Auth`.
pub struct AuthService {
    handle: Handle,
}

impl AuthService {
    /// The service over `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }

    fn header(&self, metadata: &MetadataMap) -> Result<Option<pb::ResponseHeader>, Status> {
        let keyspace = metadata::admit(&self.handle, metadata)?;
        Ok(Some(convert::header(&self.handle.header(keyspace))))
    }

    /// Changes users or rights.
    async fn change(
        &self,
        metadata: &MetadataMap,
        command: AuthCommand,
    ) -> Result<Option<pb::ResponseHeader>, Status> {
        let caller = metadata::caller(&self.handle, metadata)?;
        caller.change_auth(command).await.map_err(fail)?;
        self.header(metadata)
    }
}

fn fail(fault: Fault) -> Status {
    error::status(&fault)
}

#[tonic::async_trait]
impl Auth for AuthService {
    async fn auth_enable(
        &self,
        request: Request<pb::AuthEnableRequest>,
    ) -> Result<Response<pb::AuthEnableResponse>, Status> {
        let caller = metadata::caller(&self.handle, request.metadata())?;
        caller.enable_auth().await.map_err(fail)?;
        let header = self.header(request.metadata())?;
        Ok(Response::new(pb::AuthEnableResponse { header }))
    }

    async fn auth_disable(
        &self,
        request: Request<pb::AuthDisableRequest>,
    ) -> Result<Response<pb::AuthDisableResponse>, Status> {
        let header = self.change(request.metadata(), AuthCommand::Disable).await?;
        Ok(Response::new(pb::AuthDisableResponse { header }))
    }

    async fn auth_status(
        &self,
        request: Request<pb::AuthStatusRequest>,
    ) -> Result<Response<pb::AuthStatusResponse>, Status> {
        let caller = metadata::caller(&self.handle, request.metadata())?;
        let auth = caller.auth(Demand::Root).await.map_err(fail)?;
        let header = self.header(request.metadata())?;
        let (enabled, auth_revision) = (auth.enabled, auth.revision);
        Ok(Response::new(pb::AuthStatusResponse { header, enabled, auth_revision }))
    }

    async fn authenticate(
        &self,
        request: Request<pb::AuthenticateRequest>,
    ) -> Result<Response<pb::AuthenticateResponse>, Status> {
        let pb::AuthenticateRequest { name, password } = request.get_ref();
        let token = match self.handle.authenticate(name, password).await {
            Ok(token) => token,
            Err(fault) => {
                if matches!(fault.code, Code::AuthFailed | Code::NoPasswordUser) {
                    let origin = metadata::bearer(request.metadata()).origin;
                    self.handle.audit_wrong_proof(&origin, name, fault.code);
                }
                return Err(fail(fault));
            }
        };
        let header = self.header(request.metadata())?;
        Ok(Response::new(pb::AuthenticateResponse { header, token }))
    }

    async fn user_add(
        &self,
        request: Request<pb::AuthUserAddRequest>,
    ) -> Result<Response<pb::AuthUserAddResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let caller = metadata::caller(&self.handle, &metadata)?;
        let no_password = request.options.is_some_and(|options| options.no_password);
        // A hash that a client made is passed over, as etcd does.
        let password = (!no_password).then_some(request.password.as_str());
        caller.add_user(request.name, password).await.map_err(fail)?;
        Ok(Response::new(pb::AuthUserAddResponse { header: self.header(&metadata)? }))
    }

    async fn user_get(
        &self,
        request: Request<pb::AuthUserGetRequest>,
    ) -> Result<Response<pb::AuthUserGetResponse>, Status> {
        let caller = metadata::caller(&self.handle, request.metadata())?;
        let name = &request.get_ref().name;
        let auth = caller.auth(Demand::User(name)).await.map_err(fail)?;
        let user = auth.users.get(name).ok_or_else(|| error::status_of(Code::UserNotFound))?;
        let roles = user.roles.iter().cloned().collect();
        let header = self.header(request.metadata())?;
        Ok(Response::new(pb::AuthUserGetResponse { header, roles }))
    }

    async fn user_list(
        &self,
        request: Request<pb::AuthUserListRequest>,
    ) -> Result<Response<pb::AuthUserListResponse>, Status> {
        let caller = metadata::caller(&self.handle, request.metadata())?;
        let auth = caller.auth(Demand::Root).await.map_err(fail)?;
        let users = auth.users.keys().cloned().collect();
        let header = self.header(request.metadata())?;
        Ok(Response::new(pb::AuthUserListResponse { header, users }))
    }

    async fn user_delete(
        &self,
        request: Request<pb::AuthUserDeleteRequest>,
    ) -> Result<Response<pb::AuthUserDeleteResponse>, Status> {
        let (metadata, _, pb::AuthUserDeleteRequest { name }) = request.into_parts();
        let header = self.change(&metadata, AuthCommand::DeleteUser { name }).await?;
        Ok(Response::new(pb::AuthUserDeleteResponse { header }))
    }

    async fn user_change_password(
        &self,
        request: Request<pb::AuthUserChangePasswordRequest>,
    ) -> Result<Response<pb::AuthUserChangePasswordResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let caller = metadata::caller(&self.handle, &metadata)?;
        caller.set_password(request.name, &request.password).await.map_err(fail)?;
        Ok(Response::new(pb::AuthUserChangePasswordResponse { header: self.header(&metadata)? }))
    }

    async fn user_grant_role(
        &self,
        request: Request<pb::AuthUserGrantRoleRequest>,
    ) -> Result<Response<pb::AuthUserGrantRoleResponse>, Status> {
        let (metadata, _, pb::AuthUserGrantRoleRequest { user, role }) = request.into_parts();
        let header = self.change(&metadata, AuthCommand::GrantRole { user, role }).await?;
        Ok(Response::new(pb::AuthUserGrantRoleResponse { header }))
    }

    async fn user_revoke_role(
        &self,
        request: Request<pb::AuthUserRevokeRoleRequest>,
    ) -> Result<Response<pb::AuthUserRevokeRoleResponse>, Status> {
        let (metadata, _, pb::AuthUserRevokeRoleRequest { name, role }) = request.into_parts();
        let header = self.change(&metadata, AuthCommand::RevokeRole { user: name, role }).await?;
        Ok(Response::new(pb::AuthUserRevokeRoleResponse { header }))
    }

    async fn role_add(
        &self,
        request: Request<pb::AuthRoleAddRequest>,
    ) -> Result<Response<pb::AuthRoleAddResponse>, Status> {
        let (metadata, _, pb::AuthRoleAddRequest { name }) = request.into_parts();
        let header = self.change(&metadata, AuthCommand::AddRole { name }).await?;
        Ok(Response::new(pb::AuthRoleAddResponse { header }))
    }

    /// Shows the permissions in the keyspace that is asked.
    async fn role_get(
        &self,
        request: Request<pb::AuthRoleGetRequest>,
    ) -> Result<Response<pb::AuthRoleGetResponse>, Status> {
        let caller = metadata::caller(&self.handle, request.metadata())?;
        let name = &request.get_ref().role;
        let auth = caller.auth(Demand::Role(name)).await.map_err(fail)?;
        let role = auth.roles.get(name).ok_or_else(|| error::status_of(Code::RoleNotFound))?;
        let here = role.permissions.iter().filter(|it| it.keyspace == caller.keyspace());
        let perm = if name == ROOT { vec![everything()] } else { here.map(shown).collect() };
        let header = self.header(request.metadata())?;
        Ok(Response::new(pb::AuthRoleGetResponse { header, perm }))
    }

    async fn role_list(
        &self,
        request: Request<pb::AuthRoleListRequest>,
    ) -> Result<Response<pb::AuthRoleListResponse>, Status> {
        let caller = metadata::caller(&self.handle, request.metadata())?;
        let auth = caller.auth(Demand::Root).await.map_err(fail)?;
        let roles = auth.roles.keys().cloned().collect();
        let header = self.header(request.metadata())?;
        Ok(Response::new(pb::AuthRoleListResponse { header, roles }))
    }

    async fn role_delete(
        &self,
        request: Request<pb::AuthRoleDeleteRequest>,
    ) -> Result<Response<pb::AuthRoleDeleteResponse>, Status> {
        let (metadata, _, pb::AuthRoleDeleteRequest { role }) = request.into_parts();
        let header = self.change(&metadata, AuthCommand::DeleteRole { name: role }).await?;
        Ok(Response::new(pb::AuthRoleDeleteResponse { header }))
    }

    async fn role_grant_permission(
        &self,
        request: Request<pb::AuthRoleGrantPermissionRequest>,
    ) -> Result<Response<pb::AuthRoleGrantPermissionResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let keyspace = metadata::admit(&self.handle, &metadata)?;
        let permission = permission(keyspace, request.perm).map_err(error::status_of)?;
        let command = AuthCommand::GrantPermission { role: request.name, permission };
        let header = self.change(&metadata, command).await?;
        Ok(Response::new(pb::AuthRoleGrantPermissionResponse { header }))
    }

    async fn role_revoke_permission(
        &self,
        request: Request<pb::AuthRoleRevokePermissionRequest>,
    ) -> Result<Response<pb::AuthRoleRevokePermissionResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let keyspace = metadata::admit(&self.handle, &metadata)?;
        let range = range(&request.key, &request.range_end);
        let command = AuthCommand::RevokePermission { role: request.role, keyspace, range };
        let header = self.change(&metadata, command).await?;
        Ok(Response::new(pb::AuthRoleRevokePermissionResponse { header }))
    }
}
