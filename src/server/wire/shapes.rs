//! The messages of the API as a scan needs them: for each, the fields that hold others or repeat.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::bounds::bound;
use crate::proto::POOL;
use crate::server::methods::{Method, method, method_count, path_of};

/// The table of messages, each known by its index.
#[derive(Debug)]
pub struct Shapes {
    pub(super) messages: Vec<Shape>,
    /// The request of each method, by the method's index; none for those that need no role.
    requests: Box<[Option<usize>]>,
}

#[derive(Debug)]
pub(super) struct Shape {
    /// The number of its own counters and of those of the messages that it holds once, which share one count however often they are given.
    pub counters: usize,
    /// The memory that a value takes, without what its lists and texts point to.
    pub bytes: u64,
    pub fields: Vec<(u32, Field)>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub name: String,
    pub holds: Holds,
}

#[derive(Debug)]
pub(super) enum Holds {
    /// One message, whose counters begin so far behind those of the message that holds it.
    One { message: usize, counters: usize },
    /// Many elements, counted in a counter of the message that holds them.
    Many { element: Element, counter: usize, max: usize, what: &'static str, bytes: u64 },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Element {
    Text,
    Message(usize),
    /// A number of so many bytes on the wire, alone or packed.
    Fixed(usize),
    Varint,
}

/// An empty table, by which nothing is measured.
impl Default for Shapes {
    fn default() -> Shapes {
        Shapes { messages: Vec::new(), requests: vec![None; method_count()].into() }
    }
}

const POINTER: u64 = 8;
/// The memory of a `String`, `Vec` or `BTreeMap` itself.
const LIST: u64 = 24;
/// A list that grows has up to twice the room it needs, beside what it outgrew.
const GROWTH: u64 = 3;
/// The least memory that a text takes on the heap.
const TEXT_LEAST: u64 = 16;
/// The depth of messages within messages: far beyond those of the API, which do not contain themselves.
const DEPTH_MAX: usize = 16;

impl Shapes {
    /// Returns the table of `kith.v1`.
    pub fn of_api() -> Result<Shapes, String> {
        let mut shapes = Shapes::default();
        let mut names = Vec::new();
        for service in POOL.services() {
            for rpc in service.methods() {
                if let Some(Method { need: Some(_), index, .. }) = method(&path_of(&rpc)) {
                    shapes.requests[index] = Some(shapes.add(&rpc.input(), &mut names, 0)?);
                }
            }
        }
        Ok(shapes)
    }

    /// Returns the request of a method, if its messages are to be measured.
    pub fn request(&self, method: Method) -> Option<usize> {
        self.requests[method.index]
    }

    fn add(&mut self, message: &MessageDescriptor, names: &mut Vec<String>, depth: usize) -> Result<usize, String> {
        if depth > DEPTH_MAX {
            return Err(format!("{} holds itself", message.full_name()));
        }
        if let Some(known) = names.iter().position(|name| name == message.full_name()) {
            return Ok(known);
        }
        let (mut fields, mut counters) = (Vec::new(), 0);
        for field in message.fields() {
            let inner = match field.kind() {
                Kind::Message(inner) => Some(self.add(&inner, names, depth + 1)?),
                _ => None,
            };
            let holds = if field.is_list() || field.is_map() {
                counters += 1;
                Some(self.many(&field, inner, counters - 1))
            } else {
                inner.map(|message| {
                    let at = counters;
                    counters += self.messages[message].counters;
                    Holds::One { message, counters: at }
                })
            };
            fields.extend(holds.map(|holds| (field.number(), Field { name: field.name().to_owned(), holds })));
        }
        fields.sort_by_key(|(number, _)| *number);
        let bytes = self.bytes(message, names);
        names.push(message.full_name().to_owned());
        self.messages.push(Shape { counters, bytes, fields });
        Ok(self.messages.len() - 1)
    }

    fn many(&self, field: &FieldDescriptor, inner: Option<usize>, counter: usize) -> Holds {
        let (max, what) = bound(field.full_name());
        let (element, bytes) = match (inner, field.kind()) {
            (Some(message), _) => (Element::Message(message), GROWTH * self.messages[message].bytes),
            (None, Kind::String | Kind::Bytes) => (Element::Text, GROWTH * LIST + TEXT_LEAST),
            (None, Kind::Double | Kind::Fixed64 | Kind::Sfixed64) => (Element::Fixed(8), GROWTH * POINTER),
            (None, Kind::Float | Kind::Fixed32 | Kind::Sfixed32) => (Element::Fixed(4), GROWTH * POINTER),
            (None, _) => (Element::Varint, GROWTH * POINTER),
        };
        Holds::Many { element, counter, max, what, bytes }
    }

    /// Returns what a value takes: as prost lays it out, or more. A `oneof` takes as much as its largest choice.
    fn bytes(&self, message: &MessageDescriptor, names: &[String]) -> u64 {
        let of_field = |field: &FieldDescriptor| match field.kind() {
            _ if field.is_list() || field.is_map() => LIST,
            Kind::Message(inner) => {
                let known = names.iter().position(|name| name == inner.full_name());
                POINTER + known.map_or(0, |known| self.messages[known].bytes)
            }
            Kind::String | Kind::Bytes => LIST,
            _ if field.supports_presence() => 2 * POINTER,
            _ => POINTER,
        };
        let plain = message.fields().filter(|field| field.containing_oneof().is_none());
        let choices = message.oneofs().map(|oneof| {
            let largest = oneof.fields().map(|field| of_field(&field)).max().unwrap_or_default();
            POINTER + largest
        });
        let all: u64 = plain.map(|field| of_field(&field)).chain(choices).sum();
        all.max(POINTER)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::bounds::listed;
    use super::*;
    use crate::proto::v1 as pb;

    fn repeated(message: &MessageDescriptor, found: &mut BTreeSet<String>) {
        for field in message.fields() {
            if field.is_list() || field.is_map() {
                found.insert(field.full_name().to_owned());
            }
            if let Kind::Message(inner) = field.kind() {
                repeated(&inner, found);
            }
        }
    }

    /// A new repeated field of a request gets its bound in `bounds.rs`.
    #[test]
    fn every_repeated_field_of_a_request_has_its_bound() {
        let mut found = BTreeSet::new();
        for service in POOL.services().filter(|service| service.package_name() == "kith.v1") {
            service.methods().for_each(|rpc| repeated(&rpc.input(), &mut found));
        }
        assert!(found.len() > 15, "{found:?}");
        let without: Vec<_> = found.iter().filter(|name| listed(name).is_none()).collect();
        assert!(without.is_empty(), "without a bound: {without:?}");
    }

    #[test]
    fn what_a_message_takes_is_not_taken_for_less() {
        let takes = |name: &str| {
            let (mut shapes, mut names) = (Shapes::default(), Vec::new());
            let index = shapes.add(&POOL.get_message_by_name(name).unwrap(), &mut names, 0).unwrap();
            shapes.messages[index].bytes
        };
        for (name, size) in [
            ("kith.v1.Change", size_of::<pb::Change>()),
            ("kith.v1.ImportRecord", size_of::<pb::ImportRecord>()),
            ("kith.v1.Member", size_of::<pb::Member>()),
            ("kith.v1.Edge", size_of::<pb::Edge>()),
            ("kith.v1.Status", size_of::<pb::Status>()),
            ("kith.v1.Interaction", size_of::<pb::Interaction>()),
            ("kith.v1.DayOfAsks", size_of::<pb::DayOfAsks>()),
            ("kith.v1.WriteRequest", size_of::<pb::WriteRequest>()),
            ("kith.v1.SuggestIntroductionsRequest", size_of::<pb::SuggestIntroductionsRequest>()),
        ] {
            assert!(takes(name) >= size as u64, "{name}: {} of {size}", takes(name));
            assert!(takes(name) <= 3 * size as u64, "{name}: {} of {size}", takes(name));
        }
    }
}
