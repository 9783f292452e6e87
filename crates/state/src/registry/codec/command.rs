//! Commands, inside of envelopes.

use super::kv::{get_kv, put_kv};
use super::operation::{get_operation, put_operation};
use super::records::{
    get_check, get_instance, get_name, get_node, get_session, get_status, put_check, put_instance,
    put_name, put_node, put_session, put_status,
};
use crate::codec::primitives::{CodecError, Cursor, Writer};
use crate::registry::archive::RestoreStep;
use crate::registry::command::{
    CheckRegistration, Expiry, Mirror, Registration, RegistryCommand, Target,
};
use crate::registry::name::{CheckKey, InstanceKey};

const REGISTER: u8 = 1;
const DEREGISTER: u8 = 2;
const UPDATE_CHECK: u8 = 3;
const CREATE_SESSION: u8 = 4;
const DESTROY_SESSION: u8 = 5;
const RENEW_SESSION: u8 = 6;
const EXPIRE: u8 = 7;
const KV: u8 = 8;
const KV_DELETE: u8 = 9;
const TXN: u8 = 10;
const RESTORE: u8 = 11;
const REGISTER_ON: u8 = 12;
const MIRROR: u8 = 13;

fn put_check_key(out: &mut Writer, key: &CheckKey) {
    for name in [&key.node, &key.namespace, &key.id] {
        put_name(out, name);
    }
}

fn get_check_key(from: &mut Cursor) -> Result<CheckKey, CodecError> {
    Ok(CheckKey { node: get_name(from)?, namespace: get_name(from)?, id: get_name(from)? })
}

pub(crate) fn put_registry(out: &mut Writer, command: &RegistryCommand) {
    match command {
        RegistryCommand::Register(registration) => {
            out.byte(REGISTER);
            put_registration(out, registration);
        }
        RegistryCommand::RegisterOn(registration) => {
            out.byte(REGISTER_ON);
            put_registration(out, registration);
        }
        RegistryCommand::Mirror(mirrors) => {
            out.byte(MIRROR);
            out.number(mirrors.len() as u64);
            for mirror in mirrors {
                put_mirror(out, mirror);
            }
        }
        RegistryCommand::Deregister(target) => {
            out.byte(DEREGISTER);
            put_target(out, target);
        }
        RegistryCommand::UpdateCheck { check, status, output } => {
            out.byte(UPDATE_CHECK);
            put_check_key(out, check);
            put_status(out, *status);
            out.flag(output.is_some());
            if let Some(output) = output {
                put_name(out, output);
            }
        }
        RegistryCommand::CreateSession(session) => {
            out.byte(CREATE_SESSION);
            put_session(out, session);
        }
        RegistryCommand::DestroySession { id } => {
            out.byte(DESTROY_SESSION);
            put_name(out, id);
        }
        RegistryCommand::RenewSession { id } => {
            out.byte(RENEW_SESSION);
            put_name(out, id);
        }
        RegistryCommand::Expire(expiries) => {
            out.byte(EXPIRE);
            out.number(expiries.len() as u64);
            for expiry in expiries {
                put_expiry(out, expiry);
            }
        }
        RegistryCommand::Kv(write) => {
            out.byte(KV);
            put_kv(out, write);
        }
        RegistryCommand::KvDelete { key, index } => {
            out.byte(KV_DELETE);
            out.bytes(key);
            out.number(*index);
        }
        RegistryCommand::Txn(ops) => {
            out.byte(TXN);
            out.number(ops.len() as u64);
            for op in ops {
                put_operation(out, op);
            }
        }
        RegistryCommand::Restore(step) => {
            out.byte(RESTORE);
            put_step(out, step);
        }
    }
}

fn put_step(out: &mut Writer, step: &RestoreStep) {
    match step {
        RestoreStep::Stage { restore, part, bytes } => {
            out.byte(0);
            put_name(out, restore);
            out.number(u64::from(*part));
            out.bytes(bytes);
        }
        RestoreStep::CarryOut { restore, parts } => {
            out.byte(1);
            put_name(out, restore);
            out.number(u64::from(*parts));
        }
        RestoreStep::Abandon { restore } => {
            out.byte(2);
            put_name(out, restore);
        }
    }
}

fn get_step(from: &mut Cursor) -> Result<RestoreStep, CodecError> {
    let kind = from.byte()?;
    let restore = get_name(from)?;
    Ok(match kind {
        0 => RestoreStep::Stage { restore, part: from.small()?, bytes: from.bytes()? },
        1 => RestoreStep::CarryOut { restore, parts: from.small()? },
        2 => RestoreStep::Abandon { restore },
        _ => return Err(from.error("an unknown step of a restore")),
    })
}

pub(crate) fn get_registry(from: &mut Cursor) -> Result<RegistryCommand, CodecError> {
    Ok(match from.byte()? {
        REGISTER => RegistryCommand::Register(Box::new(get_registration(from)?)),
        REGISTER_ON => RegistryCommand::RegisterOn(Box::new(get_registration(from)?)),
        MIRROR => RegistryCommand::Mirror(from.list(get_mirror)?),
        DEREGISTER => RegistryCommand::Deregister(get_target(from)?),
        UPDATE_CHECK => RegistryCommand::UpdateCheck {
            check: get_check_key(from)?,
            status: get_status(from)?,
            output: if from.flag()? { Some(get_name(from)?) } else { None },
        },
        CREATE_SESSION => RegistryCommand::CreateSession(Box::new(get_session(from)?)),
        DESTROY_SESSION => RegistryCommand::DestroySession { id: get_name(from)? },
        RENEW_SESSION => RegistryCommand::RenewSession { id: get_name(from)? },
        EXPIRE => RegistryCommand::Expire(from.list(get_expiry)?),
        KV => RegistryCommand::Kv(get_kv(from)?),
        KV_DELETE => RegistryCommand::KvDelete { key: from.bytes()?, index: from.number()? },
        TXN => RegistryCommand::Txn(from.list(get_operation)?),
        RESTORE => RegistryCommand::Restore(get_step(from)?),
        _ => return Err(from.error("an unknown command of the registry")),
    })
}

fn put_mirror(out: &mut Writer, mirror: &Mirror) {
    out.revision(mirror.at);
    put_name(out, &mirror.name);
    out.flag(mirror.node.is_some());
    if let Some((node, checks)) = &mirror.node {
        put_node(out, node);
        out.number(checks.len() as u64);
        for check in checks {
            put_check(out, check);
        }
    }
}

fn get_mirror(from: &mut Cursor) -> Result<Mirror, CodecError> {
    Ok(Mirror {
        at: from.revision()?,
        name: get_name(from)?,
        node: if from.flag()? { Some((get_node(from)?, from.list(get_check)?)) } else { None },
    })
}

fn put_registration(out: &mut Writer, registration: &Registration) {
    put_node(out, &registration.node);
    out.flag(registration.skip_node_update);
    out.flag(registration.instance.is_some());
    if let Some(instance) = &registration.instance {
        put_instance(out, instance);
    }
    out.number(registration.checks.len() as u64);
    for registered in &registration.checks {
        put_check(out, &registered.check);
        out.flag(registered.keep_status);
    }
    out.flag(registration.replace_checks);
}

fn get_registration(from: &mut Cursor) -> Result<Registration, CodecError> {
    Ok(Registration {
        node: get_node(from)?,
        skip_node_update: from.flag()?,
        instance: if from.flag()? { Some(get_instance(from)?) } else { None },
        checks: from.list(|from| {
            Ok(CheckRegistration { check: get_check(from)?, keep_status: from.flag()? })
        })?,
        replace_checks: from.flag()?,
    })
}

fn put_target(out: &mut Writer, target: &Target) {
    match target {
        Target::Node(node) => {
            out.byte(0);
            put_name(out, node);
        }
        Target::Instance(key) => {
            out.byte(1);
            for name in [&key.node, &key.namespace, &key.id] {
                put_name(out, name);
            }
        }
        Target::Check(key) => {
            out.byte(2);
            put_check_key(out, key);
        }
    }
}

fn get_target(from: &mut Cursor) -> Result<Target, CodecError> {
    Ok(match from.byte()? {
        0 => Target::Node(get_name(from)?),
        1 => Target::Instance(InstanceKey {
            node: get_name(from)?,
            namespace: get_name(from)?,
            id: get_name(from)?,
        }),
        2 => Target::Check(get_check_key(from)?),
        _ => return Err(from.error("an unknown target")),
    })
}

fn put_expiry(out: &mut Writer, expiry: &Expiry) {
    match expiry {
        Expiry::Check { check, modified, status } => {
            out.byte(0);
            put_check_key(out, check);
            out.revision(*modified);
            put_status(out, *status);
        }
        Expiry::Instance { check, modified } => {
            out.byte(1);
            put_check_key(out, check);
            out.revision(*modified);
        }
        Expiry::Session { id, modified } => {
            out.byte(2);
            put_name(out, id);
            out.revision(*modified);
        }
    }
}

fn get_expiry(from: &mut Cursor) -> Result<Expiry, CodecError> {
    Ok(match from.byte()? {
        0 => Expiry::Check {
            check: get_check_key(from)?,
            modified: from.revision()?,
            status: get_status(from)?,
        },
        1 => Expiry::Instance { check: get_check_key(from)?, modified: from.revision()? },
        2 => Expiry::Session { id: get_name(from)?, modified: from.revision()? },
        _ => return Err(from.error("an unknown kind of expiry")),
    })
}
