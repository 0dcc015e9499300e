//! Finds which fields a record's JSON has: a record changes those, whatever their values.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// An object's keys and what is under them, or something that is no object.
enum Shape {
    Object(Vec<(String, Shape)>),
    Other,
}

struct ShapeVisitor;

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Shape::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Shape, A::Error> {
        let mut keys = Vec::new();
        while let Some(entry) = entries.next_entry::<String, Shape>()? {
            keys.push(entry);
        }
        // A parser takes one of two values, and the other would be lost.
        let mut seen = HashSet::new();
        if let Some((twice, _)) = keys.iter().find(|(key, _)| !seen.insert(key.as_str())) {
            return Err(A::Error::custom(format!("`{twice}` is given twice")));
        }
        Ok(Shape::Object(keys))
    }
}

const MEMBER: &[&str] = &["display_name", "headline", "topics", "labels", "privacy"];
const PRIVACY: &[&str] = &[
    "edges_visibility",
    "hidden_from_suggestions",
    "declines_introducing",
    "processing_restricted",
    "objects_to_profiling",
];
const EDGE: &[&str] = &[
    "pinned_strength",
    "interactions",
    "last_interaction_time",
    "interaction_weight",
    "since",
    "visibility",
    "note",
    "origin",
    "labels",
];
const KIND: &[&str] = &["sphere", "symmetric", "prior", "half_life", "carries_statuses"];
const STATUS: &[&str] = &["text", "link", "topics", "audience", "post_time", "expire_time"];

/// Returns the paths of an update mask for the fields that a record has. Keys and fields that the server makes are left out, because they
/// cannot be changed. A field that is given twice is refused.
pub fn named_paths(text: &str) -> Result<Vec<String>, String> {
    let Shape::Object(record) = serde_json::from_str(text).map_err(|error| error.to_string())? else {
        return Err("is no object".to_owned());
    };
    let mut paths = Vec::new();
    for (resource, fields) in record {
        let known = match snake(&resource).as_str() {
            "member" => MEMBER,
            "edge" => EDGE,
            "kind" => KIND,
            "status" => STATUS,
            _ => continue,
        };
        let Shape::Object(fields) = fields else { continue };
        let mut seen = HashSet::new();
        for (name, value) in fields {
            let name = snake(&name);
            // Each field has two names, of which a parser takes either.
            if !seen.insert(name.clone()) {
                return Err(format!("`{name}` is given twice"));
            }
            if known.contains(&name.as_str()) {
                if known == MEMBER { add_paths(&mut paths, name, value) } else { paths.push(name) }
            }
        }
    }
    let mut seen = HashSet::new();
    match paths.iter().find(|path| !seen.insert(path.as_str())) {
        Some(twice) => Err(format!("`{twice}` is given twice")),
        None => Ok(paths),
    }
}

/// Adds the paths of a member's field. Its labels and privacy are changed one by one, as far as they are given; `null` clears them all.
fn add_paths(paths: &mut Vec<String>, name: String, value: Shape) {
    match (name.as_str(), value) {
        ("labels", Shape::Object(labels)) => paths.extend(labels.into_iter().map(|(key, _)| format!("labels.`{key}`"))),
        ("privacy", Shape::Object(fields)) => {
            let fields = fields.into_iter().map(|(name, _)| snake(&name));
            paths.extend(fields.filter(|name| PRIVACY.contains(&name.as_str())).map(|name| format!("privacy.{name}")));
        }
        _ => paths.push(name),
    }
}

/// Returns a field's name as the proto has it, given that or its JSON name.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 2);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
