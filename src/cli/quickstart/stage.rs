//! Everything that the tour needs, running: an API, a store, the gate, a connector and an agent, on loopback and in
//! one temporary directory.
//!
//! The gate is the real one: its settings are files, read by the loader of `serve`, and its parts are put together by
//! [`App`]. Nothing here is reached by `serve` or weakens it.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::task::{JoinHandle, JoinSet};

use super::{
    agent::Agent,
    api::{self, Api, Taken},
    journal::Journal,
    settings,
    speech::Speech,
    store::Store,
};
use crate::{
    app::App,
    cli::{
        Failure,
        connect::{Connect, Connector},
        pki,
    },
    config,
    identity::{SpiffeId, TrustDomain},
    server::Drained,
    shutdown::{self, Announce, Ending, Phase},
    target::Authority,
};

/// How long the agent's certificate is valid.
const AGENT_VALIDITY: Duration = Duration::from_hours(24);

/// Everything that runs, until it is cleared.
pub(super) struct Stage {
    /// Where everything is.
    pub(super) places: Places,
    /// Who calls.
    pub(super) agent: Agent,
    /// Where the token comes from.
    pub(super) store: Arc<Store>,
    /// What the gate writes.
    pub(super) journal: Journal,
    /// What the gate says of itself.
    pub(super) speech: Speech,
    announce: Announce,
    gate: JoinHandle<Drained>,
    others: JoinSet<()>,
    dir: TempDir,
}

/// Where everything is.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The directory of the tour.
    pub(super) dir: PathBuf,
    /// Where the connector listens: the agent's proxy.
    pub(super) door: SocketAddr,
    /// Where the gate listens.
    pub(super) gate: SocketAddr,
    /// Where the API listens.
    pub(super) api: SocketAddr,
}

impl Stage {
    /// Starts everything.
    pub(super) async fn set(speech: Speech) -> Result<Stage, Failure> {
        let dir = directory()?;
        let now = OffsetDateTime::now_utc();
        certificates(&dir.path().join(settings::PKI), now)?;
        let taken = Taken::default();
        let api = Api::bind(taken.clone()).await?;
        let store = Arc::new(Store::open(dir.path().join(settings::TOKEN), taken)?);
        write(&dir.path().join(settings::API_CA), &api.certificate)?;
        settings::write(dir.path(), api.address.port(), now.date())?;
        let (announce, ending) = shutdown::announcement();
        let (gate_address, gate) = gate(dir.path(), now, ending.clone()).await?;
        let connector = connector(dir.path(), gate_address).await?;
        let places = Places {
            dir: dir.path().to_owned(),
            door: connector.address(),
            gate: gate_address,
            api: api.address,
        };
        let ca = places.file(&format!("{}/{}.crt", settings::PKI, pki::INTERCEPTION_CA));
        let agent = Agent::new(places.door, &ca)?;
        let others = others(api, store.clone(), connector, ending);
        Ok(Stage {
            journal: Journal::of(places.file(settings::EVENTS)),
            places,
            agent,
            store,
            speech,
            announce,
            gate,
            others,
            dir,
        })
    }

    /// Ends everything and removes the directory.
    pub(super) async fn clear(mut self) -> Result<(), Failure> {
        self.announce.now(Phase::AtOnce);
        let served = self.gate.await;
        self.others.shutdown().await;
        let path = self.dir.path().to_owned();
        self.dir
            .close()
            .map_err(|error| Failure::Run(format!("{}: {error}", path.display())))?;
        served
            .map(drop)
            .map_err(|error| Failure::Run(format!("the gate ended by itself: {error}")))
    }
}

impl Places {
    /// A file of the tour.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The API's URL for `path`; in clear the gate makes it https.
    pub(super) fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}:{}{path}", api::HOST, self.api.port())
    }

    /// `file` as it is called inside the directory of the tour.
    pub(super) fn short<'f>(&self, file: &'f str) -> &'f str {
        let inside = Path::new(file).strip_prefix(&self.dir).ok();
        inside.and_then(Path::to_str).unwrap_or(file)
    }
}

fn directory() -> Result<TempDir, Failure> {
    let failed = |error| Failure::Run(format!("no temporary directory can be made: {error}"));
    let dir = TempDir::with_prefix("tollgate-quickstart-").map_err(failed)?;
    for name in ["api", "roles", "store"] {
        fs::create_dir(dir.path().join(name)).map_err(failed)?;
    }
    Ok(dir)
}

/// The authorities, the gate's certificate and the agent's, as `tollgate pki init` and `issue` make them.
fn certificates(dir: &Path, now: OffsetDateTime) -> Result<(), Failure> {
    let wrong = |fault: &dyn std::fmt::Display| Failure::Run(fault.to_string());
    let init = pki::Init {
        dir: dir.to_owned(),
        trust_domain: TrustDomain::parse(settings::TRUST_DOMAIN).map_err(|fault| wrong(&fault))?,
        gate_names: Vec::new(),
        force: false,
    };
    init.write(now)?;
    let issue = pki::Issue {
        id: SpiffeId::parse(settings::AGENT).map_err(|fault| wrong(&fault))?,
        dir: dir.to_owned(),
        ttl: AGENT_VALIDITY,
        days: None,
        out: None,
        force: false,
    };
    issue.write(now).map(drop)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::Run(format!("{}: {error}", path.display())))
}

/// The gate, serving until `ending`, and then no longer: nobody waits for a call of the tour.
async fn gate(
    dir: &Path,
    now: OffsetDateTime,
    ending: Ending,
) -> Result<(SocketAddr, JoinHandle<Drained>), Failure> {
    let settings = config::load(&dir.join(settings::SETTINGS), now.date())
        .map_err(|mistakes| Failure::Run(format!("the settings of the tour:\n{mistakes}")))?;
    let app = App::start(settings)
        .await
        .map_err(|error| Failure::Run(error.to_string()))?;
    Ok((app.address(), tokio::spawn(app.serve(ending))))
}

/// The agent's way to the gate, as `tollgate connect` opens it.
async fn connector(dir: &Path, gate: SocketAddr) -> Result<Connector, Failure> {
    let pki = dir.join(settings::PKI);
    let file = |name: &str, extension: &str| pki.join(format!("{name}.{extension}"));
    let connect = Connect {
        gate: Authority::parse(&gate.to_string())
            .map_err(|fault| Failure::Run(fault.to_string()))?,
        cert: file("triage", "crt"),
        key: file("triage", "key"),
        ca: file(pki::GATE_CA, "crt"),
        gate_name: None,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        peer_uids: Vec::new(),
    };
    Connector::bind(&connect).await
}

/// What runs beside the gate.
fn others(api: Api, store: Arc<Store>, connector: Connector, mut ending: Ending) -> JoinSet<()> {
    let mut others = JoinSet::new();
    others.spawn(api.serve());
    others.spawn(async move { store.rotate().await });
    others.spawn(async move { connector.serve(ending.wait()).await });
    others
}
