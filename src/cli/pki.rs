//! `tollgate pki`: certificates for development, and for the first hour with the product.
//!
//! Three authorities that must never be mixed up: one names agents, one names the gate, one mints the leaves of
//! intercepted tunnels. In production the first is SPIRE's or Vault's and the second the company's; nothing here
//! renews, revokes or keeps a serial number.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the paths that were written are data, the rest is speech"
)]

pub(crate) mod certificate;
mod files;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use time::OffsetDateTime;

use self::certificate::{Authority, Leaf, Pair, Purpose};
use super::Failure;
use crate::{
    identity::{SpiffeId, TrustDomain},
    secret::Secret,
    target::Host,
};

/// The authority whose certificates name agents.
pub(crate) const AGENTS_CA: &str = "agents-ca";
/// The authority that mints the leaves of intercepted tunnels.
pub(crate) const INTERCEPTION_CA: &str = "interception-ca";
/// The authority whose certificate names the gate.
pub(crate) const GATE_CA: &str = "gate-ca";
/// The gate's own certificate.
pub(crate) const GATE: &str = "gate";

/// How long authorities and the gate's certificate are valid: long enough to try, too short to rely on.
const AUTHORITY_VALIDITY: Duration = Duration::from_hours(365 * 24);

/// The longest that an agent's certificate can be asked to be valid; no authority lives longer.
const AGENT_DAYS_MAX: u16 = 365;
const AGENT_SECONDS_MAX: u64 = AGENT_DAYS_MAX as u64 * 24 * 60 * 60;

/// How long an agent's certificate is valid when nothing is said.
const AGENT_VALIDITY: &str = "24h";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make development authorities and the gate's certificate.
    Init(Init),
    /// Make a certificate for one agent.
    Issue(Issue),
}

/// What `pki init` makes: `agents-ca`, `interception-ca`, `gate-ca` and `gate`, each as `.crt` and `.key`.
#[derive(Args)]
pub(crate) struct Init {
    /// The directory to write to; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "pki")]
    pub(crate) dir: PathBuf,
    /// The SPIFFE trust domain whose agents the agents' authority names.
    #[arg(long, value_name = "NAME", default_value = "example.org", value_parser = TrustDomain::parse)]
    pub(crate) trust_domain: TrustDomain,
    /// A name or address of the gate, besides localhost, 127.0.0.1 and ::1; may be repeated.
    #[arg(long = "gate-name", value_name = "NAME", value_parser = name_or_address)]
    pub(crate) gate_names: Vec<Host>,
    /// Replace files that are there. What the old authorities signed is worth nothing afterwards.
    #[arg(long)]
    pub(crate) force: bool,
}

/// What `pki issue` makes: a certificate that names one agent and opens the gate to it, and its key.
#[derive(Args)]
pub(crate) struct Issue {
    /// The agent, as in spiffe://example.org/agent/triage.
    #[arg(long, value_name = "SPIFFE_ID", value_parser = SpiffeId::parse)]
    pub(crate) id: SpiffeId,
    /// The directory that `pki init` wrote to.
    #[arg(long, value_name = "DIR", default_value = "pki")]
    pub(crate) dir: PathBuf,
    /// How long it is valid: a number and s, m, h or d.
    #[arg(long, value_name = "TIME", default_value = AGENT_VALIDITY, value_parser = validity)]
    pub(crate) ttl: Duration,
    /// The same in days.
    #[arg(long, value_name = "N", conflicts_with = "ttl", value_parser = clap::value_parser!(u16).range(1..=i64::from(AGENT_DAYS_MAX)))]
    pub(crate) days: Option<u16>,
    /// The name of the files, without .crt and .key; the last segment of the id when nothing is said.
    #[arg(long, value_name = "NAME")]
    pub(crate) out: Option<String>,
    /// Replace files that are there.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Does what was asked for, and prints the path of every file it wrote.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let now = OffsetDateTime::now_utc();
    let (written, said) = match command {
        Command::Init(init) => (
            init.write(now)?,
            format!(
                "development authorities for trust domain {}; keep the keys private",
                init.trust_domain
            ),
        ),
        Command::Issue(issue) => (
            issue.write(now)?,
            format!(
                "a certificate for {}, valid for {} s",
                issue.id,
                issue.validity().as_secs()
            ),
        ),
    };
    eprintln!("wrote {said}");
    for path in written {
        println!("{}", path.display());
    }
    Ok(())
}

impl Init {
    /// Writes authorities and the gate's certificate, valid from `now`: all of them, or none if one is in the way.
    pub(crate) fn write(&self, now: OffsetDateTime) -> Result<Vec<PathBuf>, Failure> {
        let until = now + AUTHORITY_VALIDITY;
        let agents = Authority::create(&Purpose::Agents(self.trust_domain.clone()), now, until)?;
        let interception = Authority::create(&Purpose::Interception, now, until)?;
        let gate = Authority::create(&Purpose::Gate, now, until)?;
        let leaf = gate.issue(&Leaf::Gate(&self.names()), now, until)?;
        let pairs = [
            (AGENTS_CA, &agents.pair()),
            (INTERCEPTION_CA, &interception.pair()),
            (GATE_CA, &gate.pair()),
            (GATE, &leaf),
        ];
        files::write(&self.dir, &pairs, self.force)
    }

    fn names(&self) -> Vec<Host> {
        let mut names: Vec<Host> = Host::parse("localhost").into_iter().collect();
        names.push(Host::from(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        names.push(Host::from(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        for name in &self.gate_names {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}

impl Issue {
    /// Writes the certificate and its key, valid from `now`.
    pub(crate) fn write(&self, now: OffsetDateTime) -> Result<Vec<PathBuf>, Failure> {
        let name = self.name()?;
        let agents = load_agents_ca(&self.dir)?;
        let pair: Pair = agents.issue(&Leaf::Agent(&self.id), now, now + self.validity())?;
        files::write(&self.dir, &[(name, &pair)], self.force)
    }

    fn validity(&self) -> Duration {
        match self.days {
            Some(days) => Duration::from_hours(u64::from(days) * 24),
            None => self.ttl,
        }
    }

    /// The name of the files; never one that `pki init` uses, so that no agent's certificate replaces an authority.
    fn name(&self) -> Result<&str, Failure> {
        let last = self.id.path().rsplit('/').next();
        let name = self.out.as_deref().or(last).unwrap_or_default();
        if name.is_empty() || name.contains('/') {
            return Err(Failure::Usage(
                "--out is a file name without a directory".to_owned(),
            ));
        }
        if [AGENTS_CA, INTERCEPTION_CA, GATE_CA, GATE].contains(&name) {
            return Err(Failure::Usage(format!(
                "{name} is the name of an authority; choose another with --out"
            )));
        }
        Ok(name)
    }
}

fn load_agents_ca(dir: &Path) -> Result<Authority, Failure> {
    let read = |extension: &str| {
        let path = dir.join(format!("{AGENTS_CA}.{extension}"));
        fs::read_to_string(&path).map_err(|err| {
            Failure::Run(format!(
                "cannot read {}: {err}; `tollgate pki init` makes it",
                path.display()
            ))
        })
    };
    let key = Secret::new(read("key")?);
    Authority::load(&read("crt")?, &key)
}

fn name_or_address(text: &str) -> Result<Host, crate::target::HostFault> {
    match text.parse::<Ipv6Addr>() {
        Ok(ip) => Ok(Host::from(IpAddr::V6(ip))),
        Err(_) => Host::parse(text),
    }
}

fn validity(text: &str) -> Result<Duration, String> {
    let fault = || "a number and one of s, m, h, d is expected, as in 24h".to_owned();
    let (unit_at, unit) = text.char_indices().next_back().ok_or_else(fault)?;
    let number: u32 = text
        .get(..unit_at)
        .unwrap_or_default()
        .parse()
        .map_err(|_| fault())?;
    let unit_seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(fault()),
    };
    match u64::from(number) * unit_seconds {
        0 => Err("it must be valid for a while".to_owned()),
        seconds if seconds > AGENT_SECONDS_MAX => Err(format!("at most {AGENT_DAYS_MAX} days")),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests;
