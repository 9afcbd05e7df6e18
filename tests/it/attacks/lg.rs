//! Section 15: the log cannot be forged, blinded or used as an off switch, and no output has a secret in it.

mod flood;
mod forged;
mod secret;

use std::collections::BTreeMap;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use super::arena;
use crate::world::{World, patience::until};

/// JSON that says nothing twice, without fractions, and with no number that some reader would round.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Strict {
    Null,
    Yes(bool),
    Number(i64),
    Text(String),
    List(Vec<Strict>),
    Object(BTreeMap<String, Strict>),
}

/// 2^53: above it, readers who know numbers as doubles have no two of them apart.
const EXACT_MAX: u64 = 1 << 53;

impl Strict {
    fn of_line(line: &str) -> BTreeMap<String, Strict> {
        match serde_json::from_str(line) {
            Ok(Strict::Object(object)) => object,
            other => panic!("not one object ({other:?}): {line}"),
        }
    }
}

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Strict, D::Error> {
        struct Reading;

        impl<'de> Visitor<'de> for Reading {
            type Value = Strict;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON with one reading")
            }

            fn visit_unit<E>(self) -> Result<Strict, E> {
                Ok(Strict::Null)
            }

            fn visit_bool<E>(self, yes: bool) -> Result<Strict, E> {
                Ok(Strict::Yes(yes))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Strict, E> {
                match i64::try_from(number) {
                    Ok(exact) if number <= EXACT_MAX => Ok(Strict::Number(exact)),
                    _ => Err(E::custom("a number above 2^53")),
                }
            }

            fn visit_str<E>(self, text: &str) -> Result<Strict, E> {
                Ok(Strict::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Strict::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Strict, A::Error> {
                let mut object = BTreeMap::new();
                while let Some((key, value)) = fields.next_entry::<String, Strict>()? {
                    if object.insert(key.clone(), value).is_some() {
                        return Err(A::Error::custom(format!("{key} twice")));
                    }
                }
                Ok(Strict::Object(object))
            }
        }

        reader.deserialize_any(Reading)
    }
}

#[test]
fn the_strict_reading_refuses_what_has_two() {
    for line in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":{"b":1,"b":1}}"#,
        r#"{"a":9007199254740993}"#,
        r#"{"a":1.5}"#,
    ] {
        assert!(serde_json::from_str::<Strict>(line).is_err(), "{line}");
    }
    assert!(serde_json::from_str::<Strict>(r#"{"a":[1,"x",null,true]}"#).is_ok());
}

/// Calls of which the log tells the end, in a line of their own or in a number.
fn told(world: &World) -> usize {
    let events = world.events.all();
    let counted = |event: &serde_json::Value| event["count"].as_u64().unwrap_or_default() as usize;
    let lines = events
        .iter()
        .filter(|event| event["kind"] == "refused" || event["kind"] == "ended");
    lines.count() + events.iter().map(counted).sum::<usize>()
}

/// Waits until the log tells the end of `calls` calls, and has every line in one reading only.
async fn tells_of(world: &World, calls: usize) {
    until(&format!("the ends of {calls} calls"), || {
        (told(world) >= calls).then_some(())
    })
    .await;
    assert_eq!(told(world), calls);
    let text = String::from_utf8(world.events.bytes()).unwrap();
    for line in text.lines() {
        Strict::of_line(line);
        assert!(line.len() < 16_384, "a line of {} bytes", line.len());
        // besides printable ASCII, only what says that a text was cut
        let printable = |character| matches!(character, ' '..='~' | '…');
        assert!(line.chars().all(printable), "{line}");
    }
}
