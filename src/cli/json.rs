//! Converts the API's messages to and from protobuf's canonical JSON, by the descriptors that reflection serves.

use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor};

use super::failure::Failure;
use crate::proto::POOL;

/// Returns the descriptor of `kith.v1.NAME`.
fn descriptor(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("kith.v1.{name}")).expect("named after a message of the API")
}

/// Returns one line of JSON.
pub fn compact<M: Message>(name: &str, message: &M) -> Result<String, Failure> {
    serde_json::to_string(&dynamic(name, message)?).map_err(unwritable)
}

/// Returns one line of JSON with the keys of every object sorted: those of a map would come in another order each time.
pub fn compact_sorted<M: Message>(name: &str, message: &M) -> Result<String, Failure> {
    serde_json::to_value(dynamic(name, message)?).map(|value| value.to_string()).map_err(unwritable)
}

/// Returns indented JSON, with a line break at its end.
pub fn pretty<M: Message>(name: &str, message: &M) -> Result<String, Failure> {
    serde_json::to_string_pretty(&dynamic(name, message)?).map(|text| text + "\n").map_err(unwritable)
}

/// Parses one message. Unknown fields are refused, because they are misspelled ones.
pub fn parse<M: Message + Default>(name: &str, text: &str) -> Result<M, String> {
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let dynamic = DynamicMessage::deserialize_with_options(descriptor(name), &mut deserializer, &options)
        .map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    dynamic.transcode_to().map_err(|error| error.to_string())
}

/// Returns the message with its fields in the order of their numbers.
fn dynamic<M: Message>(name: &str, message: &M) -> Result<DynamicMessage, Failure> {
    let mut dynamic = DynamicMessage::new(descriptor(name));
    dynamic.transcode_from(message).map_err(unwritable)?;
    Ok(dynamic)
}

fn unwritable(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the answer can't be written as JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{Edge, ImportRecord, Member, ReachHop, import_record::Record};

    #[test]
    fn json_is_protobufs_canonical_form() {
        let edge = Edge { from_id: "a".into(), interactions: 3, ..Edge::default() };
        assert_eq!(compact("Edge", &edge).unwrap(), r#"{"fromId":"a","interactions":"3"}"#);
        let hop = ReachHop { hop: 1, personal: Some(0), ..ReachHop::default() };
        assert_eq!(compact("ReachHop", &hop).unwrap(), r#"{"hop":1,"personal":0}"#);
    }

    #[test]
    fn sorted_json_is_the_same_each_time() {
        let labels = ["b", "a", "d", "c"].map(|key| (key.to_owned(), key.to_uppercase())).into();
        let member = Member { id: "m".into(), labels, ..Member::default() };
        let wanted = r#"{"id":"m","labels":{"a":"A","b":"B","c":"C","d":"D"}}"#;
        assert!((0..20).all(|_| compact_sorted("Member", &member).unwrap() == wanted));
    }

    #[test]
    fn every_single_comes_back_as_it_was() {
        let random = &mut fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let pinned = f32::from_bits(random.u32(1..=f32::MAX.to_bits()));
            let edge = Edge { pinned_strength: Some(pinned), interaction_weight: pinned, ..Edge::default() };
            let read: Edge = parse("Edge", &compact("Edge", &edge).unwrap()).unwrap();
            assert_eq!(read, edge);
        }
    }

    #[test]
    fn parsing_reads_what_was_written() {
        let text = r#"{"edge":{"fromId":"a","kind":"friend","toId":"b","lastInteractionTime":"2026-01-02T03:04:05Z"}}"#;
        let record: ImportRecord = parse("ImportRecord", text).unwrap();
        assert!(matches!(&record.record, Some(Record::Edge(edge)) if edge.to_id == "b"));
        assert_eq!(compact("ImportRecord", &record).unwrap(), text);
    }

    #[test]
    fn misspelled_fields_and_trailing_text_are_refused() {
        assert!(parse::<Edge>("Edge", r#"{"form_id":"a"}"#).is_err());
        assert!(parse::<Edge>("Edge", r#"{"fromId":"a"} x"#).is_err());
    }
}
