//! Those who run the gate, as they ask it on its admin listener; what they are told is searched for secrets too.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

use super::{World, patience::patiently, tape::Stream};

/// Between two looks at a metric that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the gate told.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) status: u16,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl World {
    /// Where the admin listener is, as the event `started` names it.
    pub(crate) fn admin_address(&self) -> String {
        let started = self.events.of_kind("started").pop().unwrap();
        let address = started["admin"].as_str();
        address.expect("`started` names the listener").to_owned()
    }

    /// What the admin listener answers to a GET.
    pub(crate) async fn told(&self, path: &str) -> Told {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.told_to(&request).await
    }

    /// What it answers to these bytes.
    pub(crate) async fn told_to(&self, request: &str) -> Told {
        let told = self.try_told_to(request).await;
        told.expect("an answer of the admin listener")
    }

    /// The same, if it answers at all.
    pub(crate) async fn try_told_to(&self, request: &str) -> Option<Told> {
        let address = self.admin_address();
        let mut stream: Box<dyn Stream> = match address.strip_prefix("unix:") {
            Some(path) => Box::new(UnixStream::connect(self.dir().join(path)).await.ok()?),
            None => Box::new(TcpStream::connect(address).await.ok()?),
        };
        let mut bytes = Vec::new();
        let exchange = async {
            stream.write_all(request.as_bytes()).await?;
            stream.read_to_end(&mut bytes).await
        };
        patiently("the admin listener", exchange).await.ok()?;
        self.agent_received(&bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Told {
            status,
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        })
    }

    /// The value of a sample as it stands in the metrics, if it is there: `calls_total{role="agent",...}`.
    pub(crate) async fn metric_if_any(&self, sample: &str) -> Option<f64> {
        let told = self.told("/metrics").await;
        let wanted = format!("tollgate_{sample} ");
        let value = told
            .body
            .lines()
            .find_map(|line| line.strip_prefix(&wanted));
        value.map(|value| value.parse().unwrap())
    }

    /// The value of a sample that is there.
    pub(crate) async fn metric(&self, sample: &str) -> f64 {
        let value = self.metric_if_any(sample).await;
        value.unwrap_or_else(|| panic!("no metric {sample}"))
    }

    /// Waits until a sample's value is `wanted`: what a call does to it may come after its answer.
    pub(crate) async fn metric_until(&self, sample: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        patiently(&format!("the metric {sample}"), async {
            loop {
                if let Some(value) = self
                    .metric_if_any(sample)
                    .await
                    .filter(|value| wanted(*value))
                {
                    return value;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await
    }
}
