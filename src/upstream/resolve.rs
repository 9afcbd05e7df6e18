//! Names become addresses, each of them checked: what was checked is what is dialled.
//!
//! One forbidden address among a name's answers refuses the name: a mixed answer is how a rebinding attack looks.
//! An exception of `tollgate.yaml` may allow internal addresses for one role, host and port; a pin fixes an address
//! and exempts none; the gate itself and its Vault stay closed whatever the settings say. No proxy variable and no
//! environment has a say here.

mod own;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts},
    net::runtime::TokioRuntimeProvider,
};
use lru::LruCache;
use tokio::{net::lookup_host, time::timeout};

use crate::{
    limit::Admission,
    refusal::{Reason, Refusal},
    scope::HostPattern,
    target::{Destination, Host, address},
};

use self::own::is_interface;
pub(crate) use self::own::{Own, Service};

/// How long a name may take to resolve.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer of the system's resolver holds, which tells no lifetime.
const SYSTEM_LIFETIME: Duration = Duration::from_secs(10);
/// The longest that any answer holds.
const LIFETIME_MAX: Duration = Duration::from_secs(300);
/// Names whose answers are kept.
const NAMES_MAX: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// Addresses of a name that are checked and dialled.
const ADDRESSES_MAX: usize = 64;

/// Addresses that the settings fix for a host.
pub(crate) type Pins = HashMap<Host, Arc<[IpAddr]>>;

/// Addresses that were checked for this very call; none where the settings let the upstream proxy resolve the name.
#[derive(Debug, Clone)]
#[must_use = "a route is dialled or the call ends"]
pub(crate) struct Route {
    addresses: Arc<[IpAddr]>,
    port: u16,
}

impl Route {
    /// The checked addresses, in the order in which to try them.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.addresses
            .iter()
            .map(|ip| SocketAddr::new(*ip, self.port))
    }

    /// What the upstream proxy is asked for, in the order in which to try it, with the address that was checked.
    pub(super) fn asked(&self, host: &Host) -> impl Iterator<Item = (String, Option<SocketAddr>)> {
        let name = self
            .addresses
            .is_empty()
            .then(|| (format!("{}:{}", host.in_url(), self.port), None));
        let checked = self
            .addresses()
            .map(|address| (address.to_string(), Some(address)));
        name.into_iter().chain(checked)
    }

    /// Whether a connection to `address`, or to a name that was handed over, is one of this route.
    pub(super) fn leads_to(&self, address: Option<SocketAddr>) -> bool {
        match address {
            Some(address) => self.addresses().any(|checked| checked == address),
            None => self.addresses.is_empty(),
        }
    }
}

/// Finds addresses.
#[derive(Debug)]
pub(crate) struct Resolver {
    source: Source,
    known: Mutex<LruCache<Host, Known>>,
    /// The gate's own listeners, which no call may reach.
    own: Arc<[SocketAddr]>,
    /// The Vault from which the secrets come, which no call may reach either.
    vault: Option<Vault>,
    /// Set where the upstream proxy resolves names: what it does not.
    handed_over_except: Option<Vec<HostPattern>>,
}

/// Where Vault is, and who knows its addresses.
#[derive(Debug)]
struct Vault {
    services: Vec<Service>,
    /// Asks the system, as the client of Vault does.
    names: Box<Resolver>,
}

#[derive(Debug)]
enum Source {
    /// The system's resolver, with its files.
    System,
    /// These name servers.
    Servers(Box<TokioResolver>),
}

#[derive(Debug, Clone)]
struct Known {
    addresses: Arc<[IpAddr]>,
    until: Instant,
}

impl Resolver {
    /// A resolver that asks `servers`, or the system if there are none.
    ///
    /// # Errors
    /// The name servers cannot be used.
    pub(crate) fn new(servers: &[SocketAddr], own: Arc<[SocketAddr]>) -> Result<Resolver, String> {
        let source = match servers {
            [] => Source::System,
            servers => Source::Servers(Box::new(ask(servers)?)),
        };
        Ok(Resolver {
            source,
            known: Mutex::new(LruCache::new(NAMES_MAX)),
            own,
            vault: None,
            handed_over_except: None,
        })
    }

    /// The same, but it keeps calls away from `services`, which are the servers of Vault.
    ///
    /// # Errors
    /// As [`Resolver::new`].
    pub(crate) fn sparing(self, services: Vec<Service>) -> Result<Resolver, String> {
        let names = Box::new(Resolver::new(&[], Arc::from([]))?);
        let vault = Some(Vault { services, names });
        Ok(Resolver { vault, ..self })
    }

    /// The same, but names are the upstream proxy's to resolve, except those in `except`. What it makes of a name is
    /// not checked: only hosts that are addresses, and pins, are held against the guard.
    pub(crate) fn handing_over(self, except: Vec<HostPattern>) -> Resolver {
        Resolver {
            handed_over_except: Some(except),
            ..self
        }
    }

    /// Resolves and checks the host of an admitted call; `excepted` tells which internal addresses it may reach.
    pub(crate) async fn resolve(
        &self,
        admission: &Admission<impl Destination>,
        pins: &Pins,
        excepted: impl Fn(IpAddr) -> bool,
    ) -> Result<Route, Refusal> {
        let (host, port) = (admission.permit().host(), admission.permit().port());
        for service in self.vault.iter().flat_map(|vault| &vault.services) {
            service.is_not(host, port)?;
        }
        let addresses = match (host.ip(), pins.get(host)) {
            (_, Some(pinned)) => pinned.clone(),
            (Some(ip), None) => Arc::from([ip]),
            (None, None) if self.hands_over(host, port) => Arc::from([]),
            (None, None) => self.look_up(host).await?,
        };
        for ip in addresses.iter() {
            let own = Own(&self.own, &is_interface);
            check(SocketAddr::new(*ip, port), own, &excepted)?;
        }
        self.spare_vault(port, &addresses).await?;
        Ok(Route { addresses, port })
    }

    /// Refuses Vault under another name, by its addresses: only the internal ones, since a public one vouches for
    /// itself by its certificate, and anybody may call it.
    async fn spare_vault(&self, port: u16, addresses: &[IpAddr]) -> Result<(), Refusal> {
        let internal = |ip: &IpAddr| address::forbidden(*ip).is_some();
        let Some(vault) = &self.vault else {
            return Ok(());
        };
        let near = |service: &&Service| service.port == port && addresses.iter().any(internal);
        for service in vault.services.iter().filter(near) {
            let its = vault.names.addresses_of(&service.host).await?;
            own::is_none_of(&its, addresses)?;
        }
        Ok(())
    }

    fn hands_over(&self, host: &Host, port: u16) -> bool {
        self.handed_over_except
            .as_ref()
            .is_some_and(|except| !except.iter().any(|pattern| pattern.matches(host, port)))
    }

    /// The addresses of a host that the settings name themselves: they are not held against the guard.
    pub(super) async fn addresses_of(&self, host: &Host) -> Result<Arc<[IpAddr]>, Refusal> {
        match host.ip() {
            Some(ip) => Ok(Arc::from([ip])),
            None => self.look_up(host).await,
        }
    }

    async fn look_up(&self, host: &Host) -> Result<Arc<[IpAddr]>, Refusal> {
        let known = self
            .known()
            .get(host)
            .filter(|known| Instant::now() < known.until)
            .cloned();
        match known {
            Some(known) => Ok(known.addresses),
            // Boxed, since it is rare and its future is large: every call would carry it otherwise.
            None => Box::pin(self.look_up_anew(host)).await,
        }
    }

    async fn look_up_anew(&self, host: &Host) -> Result<Arc<[IpAddr]>, Refusal> {
        let asked = timeout(RESOLVE_TIMEOUT, self.ask(host)).await;
        let (addresses, lifetime) =
            asked.map_err(|_| unresolved("the name server did not answer in time"))??;
        let addresses = in_turns(&addresses);
        if addresses.is_empty() {
            return Err(unresolved("the name has no address"));
        }
        let addresses: Arc<[IpAddr]> = addresses.into();
        let until = Instant::now() + lifetime.min(LIFETIME_MAX);
        self.known().put(
            host.clone(),
            Known {
                addresses: addresses.clone(),
                until,
            },
        );
        Ok(addresses)
    }

    /// The causes are our own words: what a resolver says may repeat names and servers.
    async fn ask(&self, host: &Host) -> Result<(Vec<IpAddr>, Duration), Refusal> {
        match &self.source {
            Source::System => {
                let found = lookup_host((host.as_str(), 0)).await;
                let found =
                    found.map_err(|_| unresolved("the system has no address for the name"))?;
                Ok((found.map(|address| address.ip()).collect(), SYSTEM_LIFETIME))
            }
            Source::Servers(resolver) => {
                // The trailing dot keeps search domains out of it.
                let found = resolver.lookup_ip(format!("{host}.")).await;
                let found = found
                    .map_err(|_| unresolved("the name servers have no address for the name"))?;
                let lifetime = found
                    .valid_until()
                    .saturating_duration_since(Instant::now());
                Ok((found.iter().collect(), lifetime))
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, LruCache<Host, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The families in turns, beginning with that of the first address, each address once (RFC 8305 section 4): who asked
/// put the better family first, and the other one is not left until the end. What is beyond [`ADDRESSES_MAX`] is not
/// looked at: an answer may hold thousands.
fn in_turns(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let of_family = |v6: bool| addresses.iter().filter(move |ip| ip.is_ipv6() == v6);
    let (mut first, mut second) = (of_family(first_is_v6), of_family(!first_is_v6));
    let mut turns: Vec<IpAddr> = Vec::with_capacity(addresses.len().min(ADDRESSES_MAX));
    loop {
        let turn = [first.next(), second.next()];
        if turn == [None, None] {
            return turns;
        }
        for ip in turn.into_iter().flatten() {
            if turns.len() == ADDRESSES_MAX {
                return turns;
            }
            if !turns.contains(ip) {
                turns.push(*ip);
            }
        }
    }
}

/// Refuses an address that no agent may reach, and the gate itself whatever the settings say.
pub(crate) fn check(
    address: SocketAddr,
    own: Own<'_>,
    excepted: impl Fn(IpAddr) -> bool,
) -> Result<(), Refusal> {
    if own.is(address) {
        return Err(own::is_the_gate());
    }
    match address::closed(address.ip(), excepted) {
        Some(class) => Err(Refusal::because(Reason::AddressForbidden, class.as_str())),
        None => Ok(()),
    }
}

fn unresolved(cause: &'static str) -> Refusal {
    Refusal::because(Reason::UpstreamUnresolved, cause)
}

fn ask(servers: &[SocketAddr]) -> Result<TokioResolver, String> {
    let mut config = ResolverConfig::default();
    for server in servers {
        let mut named = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut named.connections {
            connection.port = server.port();
        }
        config.add_name_server(named);
    }
    let mut options = ResolverOpts::default();
    // Lifetimes are kept here, where they are bounded; a name's answer of lifetime 0 is asked for anew.
    options.cache_size = 0;
    options.use_hosts_file = hickory_resolver::config::ResolveHosts::Never;
    options.timeout = Duration::from_secs(2);
    options.attempts = 2;
    // RFC 6724 section 2.1 prefers IPv6; where there is none, its addresses fail at once.
    options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options);
    builder.build().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(addresses: &[&str]) -> Vec<String> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        in_turns(&addresses).iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn families_take_turns_and_the_first_stays_first() {
        assert_eq!(
            turns(&["2600::1", "2600::2", "2600::3", "8.8.4.4", "8.8.8.8"]),
            ["2600::1", "8.8.4.4", "2600::2", "8.8.8.8", "2600::3"]
        );
        assert_eq!(
            turns(&["8.8.8.8", "8.8.4.4", "2600::1"]),
            ["8.8.8.8", "2600::1", "8.8.4.4"]
        );
        assert_eq!(turns(&["8.8.8.8"]), ["8.8.8.8"]);
        assert_eq!(turns(&[]), <[&str; 0]>::default());
    }

    #[test]
    fn an_answer_of_thousands_is_cut() {
        let thousands: Vec<IpAddr> = (0..4000_u32)
            .map(|n| IpAddr::V4((0x0808_0000 + n).into()))
            .collect();
        assert_eq!(in_turns(&thousands).len(), ADDRESSES_MAX);
    }

    #[test]
    fn an_address_is_tried_once() {
        assert_eq!(
            turns(&["8.8.8.8", "8.8.8.8", "2600::1"]),
            ["8.8.8.8", "2600::1"]
        );
    }
}
