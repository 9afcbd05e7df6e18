//! The edge to the upstreams, and the files that it is made of.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use rustls::{ClientConfig, RootCertStore};

use super::{StartError, unusable};
use crate::{
    config::{self, Digest, Dns, Resolves, Root},
    inject::basic::Basic,
    secret::Secret,
    tls::{self, stores},
    upstream::{Pool, Proxy, Resolver, Trust, Upstream},
};

/// The system's authorities count by what they are now, for nobody names the files that they come from.
pub(super) fn made_of(settings: &config::Gate) -> Digest {
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
    let vault = settings.vault.as_ref().map(config::Vault::url);
    let text = format!(
        "{:?}{:?}{vault:?}{system:?}",
        settings.upstream, settings.timeouts
    );
    Digest::of(&text, files)
}

/// The edge to the upstreams of a gate that listens on `own` for so many connections.
pub(super) fn made(
    settings: &config::Gate,
    own: Arc<[SocketAddr]>,
    connections_max: u32,
) -> Result<Upstream, StartError> {
    let servers: &[SocketAddr] = match &settings.upstream.dns {
        Dns::System => &[],
        Dns::Servers(servers) => servers,
    };
    let resolver = Resolver::new(servers, own)
        .and_then(|resolver| match &settings.vault {
            Some(vault) => resolver.sparing(vault.place()),
            None => Ok(resolver),
        })
        .map_err(|error| StartError::because("upstream.dns", error))?;
    let mut of_host = HashMap::new();
    for (host, roots) in &settings.upstream.roots_of {
        of_host.insert(host.clone(), verified_by(roots, "upstream.hosts")?);
    }
    let trust = Trust {
        all: verified_by(&settings.upstream.roots, "upstream.roots")?,
        of_host,
    };
    let configured = settings.upstream.proxy.as_ref();
    let proxy = configured.map(proxy).transpose()?;
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

fn verified_by(roots: &[Root], key: &str) -> Result<Arc<ClientConfig>, StartError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        match root {
            Root::System => {
                let (_added, _ignored) =
                    store.add_parsable_certificates(stores::system_certificates());
            }
            Root::File(path) => stores::add_roots(&mut store, path).map_err(unusable)?,
        }
    }
    let tls = tls::upstreams(store).map_err(|error| StartError::because(key, error))?;
    Ok(Arc::new(tls))
}

fn proxy(configured: &config::Proxy) -> Result<Proxy, StartError> {
    let roots = configured.roots.as_deref();
    let login = configured.login.as_ref().map(|login| {
        let password = stores::private_text(&login.password).map_err(unusable)?;
        let unfit = |error| StartError::because(&login.password.display().to_string(), error);
        let password = Secret::from_outside(password).map_err(unfit)?;
        let user = login.user.clone();
        Basic::Password { user }
            .prepare(&password)
            .map_err(|error| StartError::because("upstream.proxy.login", error))
    });
    Ok(Proxy {
        host: configured.host.clone(),
        port: configured.port,
        tls: roots
            .map(|roots| verified_by(roots, "upstream.proxy.roots"))
            .transpose()?,
        login: login.transpose()?,
        except: configured.except.clone(),
    })
}
