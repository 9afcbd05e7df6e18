//! The one door to YAML: a settings file becomes a tree in which every key and every value knows its place.
//!
//! Provides [`read`] (bytes, bounded) and [`parse`] (text to [`Node`]). It deliberately knows no setting, no
//! default and no type beyond "text as written": that is lowering's work (`value`). Nor does it use Serde:
//! serde_yaml is archived, and serde-saphyr's own `Deserialize` stops at the first mistake, while a person who
//! repairs a file wants all of them. So the tree is built from the events of the parser underneath it.
//!
//! The YAML it takes is the plain part: one document of mappings with text keys, sequences and scalars.
//! Anchors, aliases, merge keys, tags, directives, duplicate keys and further documents are mistakes, because
//! each lets a reviewer read something else than the gate does.

use std::{
    collections::HashMap,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use serde_saphyr::granit_parser::{
    Event, Marker, Options, Parser, ScalarStyle, Span, StrInput, options,
};

use super::mistake::{Findings, Place, Wrong, quoted};
use crate::regular;

/// The longest settings file that is read.
const FILE_BYTES_MAX: usize = 1 << 20;
/// How deep sequences and mappings may stand in each other.
const DEPTH_MAX: usize = 16;
/// How many keys and values a file may have.
const NODES_MAX: usize = 100_000;

/// A value with its place.
#[derive(Debug)]
pub(crate) struct Node {
    /// Where the value begins; for an empty value, its key.
    pub(crate) at: Place,
    /// What stands there.
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Text as written, and whether it was written without quotes.
    Scalar { text: String, plain: bool },
    /// Values in order.
    Sequence(Vec<Node>),
    /// Keys in order, each at most once.
    Mapping(Vec<Entry>),
    /// A value that cannot be used; its mistake is noted already.
    Reported,
}

/// A key and its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Place,
    pub(crate) value: Node,
}

/// The text of the settings file at `path`, with `file` as its name in mistakes.
///
/// `None` if it cannot be read, is everybody's to change, longer than 1 MiB or not UTF-8; the mistake is noted.
pub(crate) fn read(path: &Path, file: &Arc<str>, findings: &Findings) -> Option<String> {
    text_of(path)
        .map_err(|wrong| findings.mistake(&Place::start(file), wrong))
        .ok()
}

fn text_of(path: &Path) -> Result<String, Wrong> {
    let unreadable = |error: io::Error| {
        let what = format!("cannot read this file: {error}");
        Wrong::new(what, "it must be there and readable")
    };
    let open = regular::open(path).map_err(unreadable)?;
    let seen = open.metadata().map_err(unreadable)?;
    if let Some(open_to_all) = regular::open_to_all(path, &seen).map_err(unreadable)? {
        let instead = "whoever writes there says what the gate does";
        return Err(Wrong::new(open_to_all.to_string(), instead));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    let length = open.take(limit).read_to_end(&mut bytes);
    if length.map_err(unreadable)? > FILE_BYTES_MAX {
        let what = "this file is longer than 1 MiB";
        return Err(Wrong::new(what, "split or shorten it"));
    }
    String::from_utf8(bytes)
        .map_err(|_| Wrong::new("this file is not UTF-8 text", "save it as UTF-8"))
}

/// The tree of a YAML `text`; a text with nothing but comments is an empty mapping.
///
/// `None` if the text ends before its tree does: on a syntax error, or above 16 levels or 100,000 nodes. All
/// else that is wrong is noted too, and the value concerned becomes [`Kind::Reported`].
pub(crate) fn parse(file: &Arc<str>, text: &str, findings: &Findings) -> Option<Node> {
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options()),
        file: Arc::clone(file),
        findings,
        nodes: 0,
    };
    reader.document()
}

fn options() -> Options {
    options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: false,
    }
}

/// The events of one file on their way into a tree. `None` from any of its functions means: noted, stop here.
struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    file: Arc<str>,
    findings: &'t Findings,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Option<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    self.wrong(
                        span.start,
                        Wrong::new(
                            "a second YAML document begins here",
                            "one file holds one document",
                        ),
                    );
                    break;
                }
                Event::DocumentStart(..) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span, 1)?);
                }
                _ => break,
            }
        }
        root.or_else(|| Some(self.empty()))
    }

    /// What a file without any content holds.
    fn empty(&self) -> Node {
        Node {
            at: Place::start(&self.file),
            kind: Kind::Mapping(Vec::new()),
        }
    }

    /// The next event of the tree; anchors, which belong to a node that came before, are noted on the way.
    fn next(&mut self) -> Option<(Event<'t>, Span)> {
        loop {
            match self.events.next()? {
                Ok((Event::Anchor(..), span)) => self.wrong(
                    span.start,
                    Wrong::new(
                        "anchors are not read here",
                        "write the value where it is used",
                    ),
                ),
                Ok(event) => return Some(event),
                Err(error) => {
                    let wrong = Wrong::new(
                        format!("not valid YAML: {}", error.info()),
                        "nothing after this was read",
                    );
                    self.wrong(*error.marker(), wrong);
                    return None;
                }
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Option<Node> {
        self.count(span.start, depth)?;
        if let Some(tag) = span.tag_start() {
            self.wrong(
                tag,
                Wrong::new("tags are not read here", "write the plain value"),
            );
        }
        let kind = match event {
            // the parser writes a value that is not there as `~` without a length
            Event::Scalar(_, ScalarStyle::Plain, ..) if span.start == span.end => Kind::Scalar {
                text: String::new(),
                plain: true,
            },
            Event::Scalar(text, style, ..) => Kind::Scalar {
                text: text.into_owned(),
                plain: style == ScalarStyle::Plain,
            },
            Event::SequenceStart(..) => self.sequence(depth + 1)?,
            Event::MappingStart(..) => self.mapping(depth + 1)?,
            // what is left of the parser's events as a value: an alias, resolved or not
            _ => {
                self.wrong(
                    span.start,
                    Wrong::new("aliases are not read here", "write the value itself"),
                );
                Kind::Reported
            }
        };
        Some(Node {
            at: self.place(span.start),
            kind,
        })
    }

    fn count(&mut self, at: Marker, depth: usize) -> Option<()> {
        self.nodes += 1;
        let what = if depth > DEPTH_MAX {
            format!("more than {DEPTH_MAX} levels of values in values")
        } else if self.nodes > NODES_MAX {
            format!("more than {NODES_MAX} keys and values in one file")
        } else {
            return Some(());
        };
        self.wrong(at, Wrong::new(what, "nothing after this was read"));
        None
    }

    fn sequence(&mut self, depth: usize) -> Option<Kind> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Some(Kind::Sequence(items));
            }
            items.push(self.node(event, span, depth)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Option<Kind> {
        let mut entries = Vec::new();
        let mut lines = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Some(Kind::Mapping(entries));
            }
            let key = self.node(event, span, depth)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth)?;
            entries.extend(self.entry(key, value, &mut lines));
        }
    }

    /// `None` if the key cannot be one; the mapping goes on without it.
    fn entry(&self, key: Node, mut value: Node, lines: &mut HashMap<String, u32>) -> Option<Entry> {
        let Node { at: key_at, kind } = key;
        let name = match key_name(kind) {
            Some(Ok(name)) => name,
            Some(Err(wrong)) => {
                self.findings.mistake(&key_at, wrong);
                return None;
            }
            None => return None,
        };
        if let Some(line) = lines.get(&name) {
            let wrong = Wrong::new(
                format!("the key {} stands here a second time", quoted(&name)),
                format!("the first is in line {line}; keep one"),
            );
            self.findings.mistake(&key_at, wrong);
            return None;
        }
        lines.insert(name.clone(), key_at.line);
        if matches!(&value.kind, Kind::Scalar { text, plain: true } if text.is_empty()) {
            value.at = key_at.clone();
        }
        Some(Entry {
            key: name,
            key_at,
            value,
        })
    }

    fn wrong(&self, at: Marker, wrong: Wrong) {
        self.findings.mistake(&self.place(at), wrong);
    }

    fn place(&self, at: Marker) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: u32::try_from(at.line()).unwrap_or(u32::MAX),
            column: u32::try_from(at.col() + 1).unwrap_or(u32::MAX),
        }
    }
}

/// The text of a key; `None` if a mistake is noted for it already.
fn key_name(kind: Kind) -> Option<Result<String, Wrong>> {
    let (text, plain) = match kind {
        Kind::Reported => return None,
        Kind::Sequence(_) | Kind::Mapping(_) => {
            return Some(Err(Wrong::new(
                "a key that is no text",
                "a key is one word",
            )));
        }
        Kind::Scalar { text, plain } => (text, plain),
    };
    if plain && text == "<<" {
        return Some(Err(Wrong::new(
            "merge keys are not read here",
            "write the keys themselves",
        )));
    }
    if plain && Plain::of(&text) != Plain::Text {
        let what = format!("the key {} is no text", quoted(&text));
        return Some(Err(Wrong::new(
            what,
            "write it in quotes if it is meant as a name",
        )));
    }
    Some(Ok(text))
}

/// What a scalar without quotes is in YAML 1.2 (core schema, section 10.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    /// Nothing: empty, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number in any of YAML's spellings.
    Number,
    /// Anything else.
    Text,
}

impl Plain {
    /// What `text` is when it stands without quotes.
    pub(crate) fn of(text: &str) -> Plain {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Plain::Null,
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Plain::Boolean,
            number if is_number(number) => Plain::Number,
            _ => Plain::Text,
        }
    }
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(digits) = unsigned.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).is_ok();
    }
    if let Some(digits) = unsigned.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).is_ok();
    }
    let named = matches!(
        unsigned,
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN"
    );
    named
        || (unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && unsigned.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests;
