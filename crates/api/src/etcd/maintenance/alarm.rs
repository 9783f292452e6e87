//! Alarms, as etcd shows and takes them.

use node::Handle;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::alarm_request::AlarmAction;
use state::alarms::{Alarm, AlarmKind};
use tonic::{Request, Status};
use types::{Code, Fault, KeyspaceId, NodeId};

use crate::audit::Audited;
use crate::etcd::convert;
use crate::{error, metadata};

/// What is written down of one that sets or disarms alarms.
pub(super) fn audited(handle: &Handle, request: &Request<pb::AlarmRequest>) -> Option<Audited> {
    let pb::AlarmRequest { action, member_id, alarm } = request.get_ref();
    let name = |known: Option<&'static str>, number: &i32| {
        known.map_or_else(|| number.to_string(), str::to_lowercase)
    };
    let action = name(AlarmAction::try_from(*action).ok().map(|it| it.as_str_name()), action);
    let alarm = name(pb::AlarmType::try_from(*alarm).ok().map(|it| it.as_str_name()), alarm);
    let what = format!("POST /etcdserverpb.Maintenance/Alarm {action}");
    let on = format!("{alarm} of node {member_id}");
    Audited::of(handle, metadata::bearer(request.metadata()), what, on)
}

/// Carries out a request.
pub(super) async fn answer(
    handle: &Handle,
    keyspace: KeyspaceId,
    request: &pb::AlarmRequest,
) -> Result<pb::AlarmResponse, Status> {
    let wanted = kind(request.alarm)?;
    let raise = match AlarmAction::try_from(request.action) {
        Ok(AlarmAction::Activate) => Some(true),
        Ok(AlarmAction::Deactivate) => Some(false),
        Ok(AlarmAction::Get) => None,
        Err(_) => return Err(invalid(format!("no such action: {}", request.action))),
    };
    let node = NodeId(request.member_id);
    let answered = match (raise, wanted) {
        (Some(raise), Some(kind)) => handle.set_alarm(keyspace, Alarm { kind, node }, raise).await,
        // Nothing is raised or put down by the name of `NONE`.
        (Some(_), None) => handle.alarms(keyspace).await.map(|mut all| {
            all.body.clear();
            all
        }),
        (None, _) => handle.alarms(keyspace).await.map(|mut all| {
            all.body.retain(|alarm| wanted.is_none_or(|wanted| wanted == alarm.kind));
            all
        }),
    };
    let answer = answered.map_err(|fault| error::status(&fault))?;
    let alarms = answer.body.iter().map(member).collect();
    Ok(pb::AlarmResponse { header: Some(convert::header(&answer.header)), alarms })
}

/// One alarm.
pub(super) fn member(alarm: &Alarm) -> pb::AlarmMember {
    let kind = match alarm.kind {
        AlarmKind::NoSpace => pb::AlarmType::Nospace,
        AlarmKind::Corrupt => pb::AlarmType::Corrupt,
    };
    pb::AlarmMember { member_id: alarm.node.get(), alarm: kind.into() }
}

/// One alarm among a server's errors, as etcd prints it: with a blank at the end.
pub(super) fn text(alarm: &Alarm) -> String {
    let kind = match alarm.kind {
        AlarmKind::NoSpace => "NOSPACE",
        AlarmKind::Corrupt => "CORRUPT",
    };
    match alarm.node.get() {
        0 => format!("alarm:{kind} "),
        node => format!("memberID:{node} alarm:{kind} "),
    }
}

fn kind(number: i32) -> Result<Option<AlarmKind>, Status> {
    match pb::AlarmType::try_from(number) {
        Ok(pb::AlarmType::None) => Ok(None),
        Ok(pb::AlarmType::Nospace) => Ok(Some(AlarmKind::NoSpace)),
        Ok(pb::AlarmType::Corrupt) => Ok(Some(AlarmKind::Corrupt)),
        Err(_) => Err(invalid(format!("no such alarm: {number}"))),
    }
}

fn invalid(detail: String) -> Status {
    error::status(&Fault::new(Code::InvalidArgument, detail))
}
