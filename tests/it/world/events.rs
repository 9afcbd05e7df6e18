//! What the gate wrote on its standard output: one JSON object a line, read from the file it writes to.
//!
//! A file, not a pipe, so that a test can look at one moment: what the gate handed to the operating system
//! before a byte reached an upstream stands in the file when the byte arrives.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;

use super::patience::until;

/// The published schema, once it exists.
static SCHEMA: LazyLock<Option<jsonschema::Validator>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/event.schema.json");
    let text = std::fs::read_to_string(path).ok()?;
    let schema = serde_json::from_str(&text).expect("the schema is JSON");
    Some(jsonschema::validator_for(&schema).expect("the schema is a schema"))
});

/// The event log of one gate.
#[derive(Clone)]
pub(crate) struct Events {
    path: Arc<PathBuf>,
    /// Where in the file the events of the gate begin.
    from: Arc<AtomicUsize>,
    /// Whether the gate writes into the file itself, so that nothing lies between the two.
    direct: bool,
    permits: Arc<Mutex<Permits>>,
}

/// The events `allowed` as far as the file was read for them: an upstream asks with every request.
#[derive(Default)]
struct Permits {
    read_bytes: u64,
    events: Vec<Value>,
}

impl Events {
    pub(crate) fn at(path: PathBuf, direct: bool) -> Events {
        Events {
            path: Arc::new(path),
            from: Arc::default(),
            direct,
            permits: Arc::default(),
        }
    }

    /// What stands there by now is another gate's.
    pub(super) fn begin_anew(&self) {
        self.from.store(self.file().len(), Ordering::Relaxed);
    }

    /// The file as it is, but for what another gate wrote.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.file().split_off(self.from.load(Ordering::Relaxed))
    }

    fn file(&self) -> Vec<u8> {
        std::fs::read(&*self.path).unwrap_or_default()
    }

    /// Every event that is complete on its line.
    pub(crate) fn all(&self) -> Vec<Value> {
        let text = String::from_utf8(self.bytes()).expect("events are UTF-8");
        let Some((lines, _unfinished)) = text.rsplit_once('\n') else {
            return Vec::new();
        };
        lines.lines().map(parse).collect()
    }

    /// Every event of this kind.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Value> {
        let mut events = self.all();
        events.retain(|event| event["kind"] == kind);
        events
    }

    /// Waits for the first event that `wanted` says yes to.
    pub(crate) async fn first(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, || self.all().into_iter().find(|event| wanted(event))).await
    }

    /// Whether at least so many permits for this call are written by now.
    pub(crate) fn permitted(&self, host: &str, path: &str, calls: usize) -> bool {
        if !self.direct {
            return true;
        }
        let mut permits = self.permits.lock().unwrap();
        permits.read_on(&self.path);
        let of_host = || {
            permits
                .events
                .iter()
                .map(|event| &event["request"])
                .filter(|request| request["host"] == host)
        };
        // One permit for an opaque tunnel is one for all that it carries.
        let opaque = of_host().any(|request| request["method"] == "CONNECT");
        opaque || of_host().filter(|request| request["path"] == path).count() >= calls
    }

    /// What must hold of the whole log once the gate has ended.
    pub(crate) fn check(&self) {
        assert!(
            self.bytes().is_empty() || self.bytes().ends_with(b"\n"),
            "the last event is cut off"
        );
        let events = self.all();
        for event in &events {
            assert!(event.is_object(), "not an object: {event}");
            if let Some(schema) = &*SCHEMA {
                let faults: Vec<_> = schema.iter_errors(event).map(|e| e.to_string()).collect();
                assert!(faults.is_empty(), "{event} breaks the schema: {faults:?}");
            }
        }
        for event in events.iter().filter(|event| event["kind"] == "allowed") {
            let finals = finals(&events, &event["id"]);
            assert_eq!(finals, 1, "final events of {event}");
        }
        for event in events.iter().filter(|event| is_final(event)) {
            assert_eq!(finals(&events, &event["id"]), 1, "final events of {event}");
        }
    }
}

impl Permits {
    fn read_on(&mut self, path: &Path) {
        let Ok(mut file) = File::open(path) else {
            return;
        };
        let mut more = Vec::new();
        file.seek(SeekFrom::Start(self.read_bytes)).unwrap();
        file.read_to_end(&mut more).unwrap();
        let complete = more
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        self.read_bytes += complete as u64;
        let lines = std::str::from_utf8(&more[..complete]).expect("events are UTF-8");
        // a gate that was killed may have left a part of a line, and the whole log is looked at in the end
        let events = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let permits = events.filter(|event| event["kind"] == "allowed");
        self.events.extend(permits);
    }
}

fn finals(events: &[Value], id: &Value) -> usize {
    events
        .iter()
        .filter(|event| is_final(event) && event["id"] == *id)
        .count()
}

fn is_final(event: &Value) -> bool {
    (event["kind"] == "refused" || event["kind"] == "ended") && event["id"].is_string()
}

fn parse(line: &str) -> Value {
    match serde_json::from_str(line) {
        Ok(event) => event,
        Err(error) => panic!("not one JSON object ({error}): {line}"),
    }
}
