//! A caller without a certificate: not let in, and written down.

use std::{io, sync::Arc};

use rustls::pki_types::ServerName;
use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tokio_rustls::TlsConnector;

use super::{checks::Check, journal::Event, page::Page, settings::PKI, stage::Stage};
use crate::{
    cli::{Failure, pki},
    refusal::Reason,
    tls::{self, stores},
};

/// How the connection ended, and what the log says of it.
pub(super) struct Stranger {
    alert: String,
    event: Event,
}

impl Stranger {
    /// Connects to the gate as nobody, and waits for the event.
    pub(super) async fn watch(stage: &mut Stage) -> Result<Stranger, Failure> {
        let failed = |error: io::Error| Failure::Run(format!("a caller without a name: {error}"));
        let alert = match connect(stage).await.map_err(failed)? {
            rustls::Error::AlertReceived(alert) => format!("{alert:?}"),
            other => other.to_string(),
        };
        let reason = Reason::CertificateInvalid.code();
        let is_it = |event: &Event| event.text("/decision/reason") == reason;
        let event = stage.journal.wait_for(is_it).await?;
        Ok(Stranger { alert, event })
    }

    /// Refused by the handshake, and recorded without a caller.
    pub(super) fn checks(&self) -> Vec<Check> {
        let caller = self.event.text("/caller/id").to_owned();
        vec![
            Check::equal(
                "ended by the TLS alert",
                &*self.alert,
                "CertificateRequired",
            ),
            Check::equal(
                "callers named by the event",
                usize::from(!caller.is_empty()),
                0,
            ),
        ]
    }

    /// Prints all of it.
    pub(super) fn show(&self, page: &mut Page) {
        page.part("A caller without a certificate");
        let [kind, reason, cause] =
            ["/kind", "/decision/reason", "/decision/cause"].map(|name| self.event.text(name));
        page.pair("event", &format!("{kind}, {reason}: {cause}"));
        page.checks(&self.checks());
    }
}

/// The TLS error with which a connection without a client certificate ends.
async fn connect(stage: &Stage) -> io::Result<rustls::Error> {
    let gate = stage.places.gate;
    let ca = stage.places.file(&format!("{PKI}/{}.crt", pki::GATE_CA));
    let roots = stores::roots(&ca).map_err(io::Error::other)?;
    let config = tls::upstreams(roots).map_err(io::Error::other)?;
    let tcp = TcpStream::connect(gate).await?;
    let name = ServerName::IpAddress(gate.ip().into());
    // In TLS 1.3 the client learns at its first read that it was not let in.
    let ended = match TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
    {
        Ok(mut stream) => stream.read_u8().await,
        Err(error) => Err(error),
    };
    let Err(error) = ended else {
        return Err(io::Error::other("it was let in"));
    };
    error.downcast()
}
