//! The dangers that `tollgate.yaml` allows: one place, each for one role, host and port, with a reason and an end.
//!
//! Provides [`Exception`] and its lowering. It deliberately knows no switch that turns a check off for all: an
//! exception names what it opens, and on the day after `until` it is closed again without a reload.

use std::{net::IpAddr, sync::Arc};

use time::Date;

use super::{
    fields::Fields,
    host,
    mistake::{Place, Wrong, quoted},
    scalar,
    value::Value,
};
use crate::{
    refusal::{Reason, Refusal},
    scope::{self, HostPattern, Role},
    target::{Host, address::Network},
};

/// One danger that is allowed for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exception {
    /// Who it is for.
    pub(crate) role: Arc<str>,
    /// The host that it concerns.
    pub(crate) host: Host,
    /// The port that it concerns.
    pub(crate) port: u16,
    /// What is allowed.
    pub(crate) danger: Danger,
    /// Why, for those who review it.
    pub(crate) reason: String,
    /// The last day on which it holds.
    pub(crate) until: Date,
    /// Where it is written.
    pub(crate) written: scope::Written,
}

/// What an exception allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Danger {
    /// The host is spoken to without TLS.
    Cleartext,
    /// The host may have addresses in these networks although no agent may otherwise reach them.
    Addresses(Vec<Network>),
    /// What a tunnel to the host carries is not looked into: no rule and no credential, only bytes.
    Tunnel,
}

/// The dangers that are allowed to one role.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exceptions(Vec<Exception>);

impl Exceptions {
    /// What of `all` is for `role`.
    pub(super) fn of(all: &[Exception], role: &str) -> Exceptions {
        let own = all.iter().filter(|exception| *exception.role == *role);
        Exceptions(own.cloned().collect())
    }

    /// Whether `host` is spoken to without TLS on `port`.
    pub(crate) fn make_cleartext(&self, host: &Host, port: u16, today: Date) -> bool {
        self.in_force(host, port, today)
            .any(|exception| matches!(exception.danger, Danger::Cleartext))
    }

    /// Whether `host` on `port` may have the internal address `ip`.
    pub(crate) fn open(&self, host: &Host, port: u16, ip: IpAddr, today: Date) -> bool {
        self.in_force(host, port, today)
            .any(|exception| match &exception.danger {
                Danger::Cleartext | Danger::Tunnel => false,
                Danger::Addresses(networks) => networks.iter().any(|network| network.contains(ip)),
            })
    }

    /// What opens a tunnel to `host` on `port` that nobody looks into, if anything does, for `role`, whose exceptions
    /// these are.
    ///
    /// # Errors
    /// Something does, but the role is past its review date.
    pub(crate) fn tunnel(
        &self,
        role: &Role,
        (host, port): (&Host, u16),
        today: Date,
    ) -> Result<Option<&Exception>, Refusal> {
        let opens = |exception: &&Exception| matches!(exception.danger, Danger::Tunnel);
        let exception = self.in_force(host, port, today).find(opens);
        if exception.is_some() && role.is_overdue(today) {
            return Err(Reason::ReviewOverdue.into());
        }
        Ok(exception)
    }

    /// What concerns `host` on `port` and holds on the day `today`.
    pub(crate) fn in_force(
        &self,
        host: &Host,
        port: u16,
        today: Date,
    ) -> impl Iterator<Item = &Exception> {
        let named = move |one: &&Exception| one.host == *host && one.port == port;
        let holds = move |one: &&Exception| one.in_force(today);
        self.0.iter().filter(named).filter(holds)
    }
}

impl Exception {
    /// Whether it holds on the day `today`.
    pub(crate) fn in_force(&self, today: Date) -> bool {
        today <= self.until
    }

    /// Whether it opens an opaque tunnel for the role and to the place of `other`.
    pub(super) fn tunnels_where(&self, other: &Exception) -> bool {
        self.danger == Danger::Tunnel
            && (&self.role, &self.host, self.port) == (&other.role, &other.host, other.port)
    }

    /// Whether it is for `role` and for a place that `host` names.
    pub(super) fn concerns(&self, role: &str, host: &HostPattern) -> bool {
        *self.role == *role && host.matches(&self.host, self.port)
    }

    /// Whether it opens the address that `host` is, for `role`.
    pub(super) fn opens_address(&self, role: &str, host: &HostPattern) -> bool {
        match (&self.danger, self.host.ip()) {
            (Danger::Addresses(networks), Some(ip)) => {
                self.concerns(role, host) && networks.iter().any(|network| network.contains(ip))
            }
            (Danger::Addresses(_), None) | (Danger::Cleartext | Danger::Tunnel, _) => false,
        }
    }
}

/// An exception, and where its role and its end are written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) exception: Exception,
    pub(super) role_at: Place,
    pub(super) until_at: Place,
}

/// Lowers the list `exceptions`; what could be lowered is in `written` also after a mistake.
pub(super) fn lower(value: Value<'_>, written: &mut Vec<Written>) -> Option<()> {
    let all = value.each(|value| {
        written.push(value.mapping(exception)?);
        Some(())
    });
    all.map(|_| ())
}

fn exception(fields: &mut Fields<'_>) -> Option<Written> {
    let role = fields.required("role", |v| Some((v.parse(scalar::name)?, v.at().clone())));
    let host = fields.required("host", |v| v.parse(host::exact));
    let port = fields.required("port", |v| v.integer(1, u16::MAX.into()));
    let danger = danger(fields);
    let reason = fields.required("reason", Value::text);
    let until = fields.required("until", |v| Some((v.parse(scalar::date)?, v.at().clone())));
    let ((role, role_at), (until, until_at)) = (role?, until?);
    let exception = Exception {
        role: role.into(),
        host: host?,
        port: u16::try_from(port?).ok()?,
        danger: danger?,
        reason: reason?,
        until,
        written: scope::Written {
            file: Arc::clone(&fields.at().file),
            line: fields.at().line,
        },
    };
    Some(Written {
        exception,
        role_at,
        until_at,
    })
}

fn danger(fields: &mut Fields<'_>) -> Option<Danger> {
    let cleartext = fields.optional("cleartext", |v| allowed(v, "cleartext", Danger::Cleartext));
    let addresses = fields.optional("addresses", |v| {
        v.some_of(|v| v.parse(network)).map(Danger::Addresses)
    });
    let tunnel = fields.optional("tunnel", |v| allowed(v, "tunnel", Danger::Tunnel));
    let mut dangers = [cleartext?, addresses?, tunnel?].into_iter().flatten();
    match (dangers.next(), dangers.next()) {
        (Some(danger), None) => Some(danger),
        (None, _) => fields.wrong(Wrong::new(
            "this exception allows nothing",
            "write one danger: cleartext: true, addresses: [10.1.2.0/24], or tunnel: true",
        )),
        (Some(_), Some(_)) => fields.wrong(Wrong::new(
            "this exception allows two dangers",
            "write an exception for each, so that each has its reason and its end",
        )),
    }
}

/// A danger whose only value is `true`.
fn allowed(value: Value<'_>, key: &str, danger: Danger) -> Option<Danger> {
    if value.boolean()? {
        return Some(danger);
    }
    value.wrong(Wrong::new(
        format!("{key}: false allows nothing"),
        "write true, or take the key away",
    ))
}

fn network(text: &str) -> Result<Network, Wrong> {
    Network::parse(text)
        .map_err(|fault| Wrong::fault(format!("{} cannot be opened", quoted(text)), fault))
}
