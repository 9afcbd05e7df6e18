//! What can be measured, each an operation of its own.
//!
//! CPU time is the proxy's over the measured time only, divided by what was done in it. Client, proxy and upstream
//! share the machine, so rates say little and ratios of one run say most.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::spawn_local};

use crate::{
    Fault,
    client::{Client, Exchange},
    process::{cpu_seconds, memory_kib},
};

/// Handshakes at a time while idle tunnels are opened.
const OPENING_MAX: usize = 16;
/// How long memory may take to settle before it is read.
const SETTLE: Duration = Duration::from_secs(2);

/// How long and with what to measure.
pub(crate) struct Measure {
    pub(crate) connections: usize,
    pub(crate) seconds: f64,
    pub(crate) warmup: f64,
    pub(crate) proxy: u32,
}

/// What was counted within the measured time, and all that was done.
#[derive(Default)]
struct Count {
    measured: u64,
    all: u64,
    wrong: u64,
    uninjected: u64,
    error: Option<String>,
}

/// The measured time.
#[derive(Clone, Copy)]
struct Window {
    from: Instant,
    to: Instant,
}

impl Measure {
    fn window(&self) -> Window {
        let from = Instant::now() + Duration::from_secs_f64(self.warmup);
        Window {
            from,
            to: from + Duration::from_secs_f64(self.seconds),
        }
    }
}

/// One request: `{status, injected}`.
pub(crate) async fn check(client: &Client) -> Result<Value, Fault> {
    let exchange = client.open().await?.exchange(&client.path, 0).await?;
    Ok(json!({"status": exchange.status, "injected": exchange.injected}))
}

/// Requests one after another on kept-alive connections.
pub(crate) async fn closed(client: Rc<Client>, measure: &Measure) -> Result<Value, Fault> {
    load(client, measure, true).await
}

/// New connections, each with a tunnel and one request.
pub(crate) async fn tunnels(client: Rc<Client>, measure: &Measure) -> Result<Value, Fault> {
    load(client, measure, false).await
}

async fn load(client: Rc<Client>, measure: &Measure, keep_alive: bool) -> Result<Value, Fault> {
    let window = measure.window();
    let count = Rc::new(RefCell::new(Count::default()));
    let tasks: Vec<_> = (0..measure.connections)
        .map(|_| spawn_local(ask(client.clone(), window, keep_alive, count.clone())))
        .collect();
    tokio::time::sleep_until(window.from.into()).await;
    let before = cpu_seconds(measure.proxy);
    tokio::time::sleep_until(window.to.into()).await;
    let cpu = cpu_seconds(measure.proxy) - before;
    for task in tasks {
        task.await?;
    }
    let count = count.borrow();
    Ok(json!({
        "per_second": count.measured as f64 / measure.seconds,
        "cpu_us": cpu * 1e6 / count.measured.max(1) as f64,
        "all": count.all,
        "wrong": count.wrong,
        "uninjected": count.uninjected,
        "error": count.error,
    }))
}

async fn ask(client: Rc<Client>, window: Window, keep_alive: bool, count: Rc<RefCell<Count>>) {
    while Instant::now() < window.to {
        if let Err(error) = ask_on_one(&client, window, keep_alive, &count).await {
            count.borrow_mut().error = Some(error.to_string());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn ask_on_one(
    client: &Client,
    window: Window,
    keep_alive: bool,
    count: &RefCell<Count>,
) -> Result<(), Fault> {
    let mut connection = client.open().await?;
    loop {
        let exchange = connection.exchange(&client.path, 0).await?;
        let now = Instant::now();
        count
            .borrow_mut()
            .add(&exchange, (window.from..window.to).contains(&now));
        if !keep_alive || now >= window.to {
            return Ok(());
        }
    }
}

impl Count {
    fn add(&mut self, exchange: &Exchange, measured: bool) {
        self.all += 1;
        self.measured += u64::from(measured);
        self.wrong += u64::from(exchange.status != 200);
        self.uninjected += u64::from(!exchange.injected);
    }
}

/// Opens `count` tunnels, one request on each, and holds them: `{rest_kib, tunnel_kib}`.
pub(crate) async fn idle(
    client: Rc<Client>,
    measure: &Measure,
    count: usize,
) -> Result<Value, Fault> {
    let rest = memory_kib(measure.proxy);
    let opening = Rc::new(Semaphore::new(OPENING_MAX));
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let (client, opening) = (client.clone(), opening.clone());
            spawn_local(async move {
                let _turn = opening.acquire().await.ok();
                let mut connection = client.open().await.ok()?;
                connection.exchange(&client.path, 0).await.ok()?;
                Some(connection)
            })
        })
        .collect();
    let mut held = Vec::new();
    for task in tasks {
        held.extend(task.await?);
    }
    tokio::time::sleep(SETTLE).await;
    let now = memory_kib(measure.proxy);
    let alive = held.iter().filter(|held| !held.0.is_closed()).count();
    Ok(json!({
        "rest_kib": rest,
        "tunnel_kib": now.saturating_sub(rest) as f64 / alive.max(1) as f64,
        "wrong": count - alive,
    }))
}

/// One answer of `size` bytes.
pub(crate) async fn down(client: Rc<Client>, measure: &Measure, size: u64) -> Result<Value, Fault> {
    bulk(&client, measure, &format!("/bytes/{size}"), (size, 0)).await
}

/// One request of `size` bytes.
pub(crate) async fn up(client: Rc<Client>, measure: &Measure, size: u64) -> Result<Value, Fault> {
    bulk(&client, measure, "/sink", (size, size)).await
}

async fn bulk(
    client: &Client,
    measure: &Measure,
    path: &str,
    (size, upload): (u64, u64),
) -> Result<Value, Fault> {
    let mut connection = client.open().await?;
    // A small request first, so that the connection upstream is there.
    connection.exchange(&client.path, 0).await?;
    let (before, begun) = (cpu_seconds(measure.proxy), Instant::now());
    let exchange = connection.exchange(path, upload).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let gigabytes = size as f64 / 1e9;
    let whole = upload > 0 || exchange.bytes == size;
    Ok(json!({
        "gb_per_second": gigabytes / seconds,
        "cpu_s_per_gb": (cpu_seconds(measure.proxy) - before) / gigabytes,
        "wrong": u64::from(exchange.status != 200 || !whole),
    }))
}

/// Milliseconds from an opened tunnel's request to the first event of a stream, and to the last.
pub(crate) async fn sse(client: &Client) -> Result<Value, Fault> {
    let mut connection = client.open().await?;
    // The connection upstream is there, as in a session under way.
    connection.exchange(&client.path, 0).await?;
    let begun = Instant::now();
    let mut body = connection.send("/sse/3/100", 0).await?.into_body();
    let mut arrived = Vec::new();
    while let Some(frame) = body.frame().await {
        frame?;
        arrived.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(
        json!({"first_ms": arrived.first(), "last_ms": arrived.last(), "wrong": usize::from(arrived.len() < 3)}),
    )
}
