//! The edge to the upstreams, and the files that it is made of.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};

use super::{
    StartError,
    disjoint::{no_interception, without},
    unusable,
};
use crate::{
    config::{self, Digest, Dns, Resolves, Root},
    inject::basic::Basic,
    secret::{Secret, Value},
    tls::{self, stores},
    upstream::{Pool, Proxy, Resolver, Trust, Upstream},
};

/// The system's authorities count by what they are now, for nobody names the files that they come from.
pub(super) fn made_of(settings: &config::Gate, mint: Digest) -> Digest {
    let proxy = settings.upstream.proxy.as_ref();
    let roots: Vec<&Root> = std::iter::once(&settings.upstream.roots)
        .chain(settings.upstream.roots_of.values())
        .chain(proxy.and_then(|proxy| proxy.roots.as_ref()))
        .flatten()
        .collect();
    let system = match roots.contains(&&Root::System) {
        true => Digest::over(&stores::system_certificates()),
        false => Digest::of("", []),
    };
    let bundles = roots.iter().filter_map(|root| match root {
        Root::System => None,
        Root::File(path) => Some(&**path),
    });
    let login = proxy.and_then(|proxy| proxy.login.as_ref());
    let files = bundles.chain(login.map(|login| &*login.password));
    let vault = settings.vault.as_ref();
    let vault = vault.map(|vault| (&vault.address, &vault.redirects));
    let text = format!(
        "{:?}{:?}{vault:?}{system:?}{mint:?}",
        settings.upstream, settings.timeouts
    );
    Digest::of(&text, files)
}

/// The edge to the upstreams of a gate that listens on `own` for so many connections. The `interception` authority
/// vouches for none of them.
pub(super) fn made(
    settings: &config::Gate,
    (own, connections_max): (Arc<[SocketAddr]>, u32),
    interception: &CertificateDer<'_>,
) -> Result<Upstream, StartError> {
    let servers: &[SocketAddr] = match &settings.upstream.dns {
        Dns::System => &[],
        Dns::Servers(servers) => servers,
    };
    let resolver = Resolver::new(servers, own)
        .and_then(|resolver| match &settings.vault {
            Some(vault) => resolver.sparing(vault.places().collect()),
            None => Ok(resolver),
        })
        .map_err(|error| StartError::because("upstream.dns", error))?;
    let mut of_host = HashMap::new();
    for (host, roots) in &settings.upstream.roots_of {
        let verified = verified_by(roots, "upstream.hosts", interception)?;
        of_host.insert(host.clone(), verified);
    }
    let trust = Trust {
        all: verified_by(&settings.upstream.roots, "upstream.roots", interception)?,
        of_host,
    };
    let configured = settings.upstream.proxy.as_ref();
    let proxy = configured.map(|configured| proxy(configured, interception));
    let proxy = proxy.transpose()?;
    let resolver = match configured {
        Some(proxy) if proxy.resolves == Resolves::Proxy => {
            resolver.handing_over(proxy.except.clone())
        }
        Some(_) | None => resolver,
    };
    let pool = Pool::of(connections_max as usize);
    Ok(Upstream::new(
        resolver,
        (trust, proxy),
        pool,
        settings.timeouts,
    ))
}

/// A client that these vouch to. Where agents run on this machine, their authority may be one of the system's: it is
/// passed over there, and refused where a file of the settings names it.
fn verified_by(
    roots: &[Root],
    key: &str,
    interception: &CertificateDer<'_>,
) -> Result<Arc<ClientConfig>, StartError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        match root {
            Root::System => {
                let mut system = RootCertStore::empty();
                let (_added, _ignored) =
                    system.add_parsable_certificates(stores::system_certificates());
                store.extend(without(system, interception)?.roots);
            }
            Root::File(path) => {
                let named = stores::roots(path).map_err(unusable)?;
                store.extend(no_interception(named, interception, path)?.roots);
            }
        }
    }
    let tls = tls::upstreams(store).map_err(|error| StartError::because(key, error))?;
    Ok(Arc::new(tls))
}

fn proxy(
    configured: &config::Proxy,
    interception: &CertificateDer<'_>,
) -> Result<Proxy, StartError> {
    let roots = configured.roots.as_deref();
    let login = configured.login.as_ref().map(|login| {
        let password = stores::private_text(&login.password).map_err(unusable)?;
        let unfit = |error| StartError::because(&login.password.display().to_string(), error);
        let password = Secret::from_outside(password).map_err(unfit)?;
        Basic::password_of(login.user.clone())
            .prepare(&Value::token(password))
            .map_err(|error| StartError::because("upstream.proxy.login", error))
    });
    Ok(Proxy {
        host: configured.host.clone(),
        port: configured.port,
        tls: roots
            .map(|roots| verified_by(roots, "upstream.proxy.roots", interception))
            .transpose()?,
        login: login.transpose()?,
        except: configured.except.clone(),
    })
}
