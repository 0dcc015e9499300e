//! NDJSON: one `kith.v1.ImportRecord` a line, in protobuf's canonical JSON.

use super::report::Refusal;
use crate::cli::json;
use crate::proto::v1::{ErrorReason, ImportRecord, import_record};

pub struct Ndjson {
    id_prefix: String,
}

impl Ndjson {
    pub fn new(id_prefix: String) -> Ndjson {
        Ndjson { id_prefix }
    }

    /// The record of a line; none of an empty line.
    pub fn parse(&self, line: u64, text: &str) -> Result<Option<ImportRecord>, Refusal> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let mut record = json::parse::<ImportRecord>("ImportRecord", text).map_err(|message| {
            // To the parser every line is line 1.
            Refusal::new(line, ErrorReason::Malformed, "", message.replace(" at line 1 column ", " at column "))
        })?;
        match &mut record.record {
            Some(resource) if !self.id_prefix.is_empty() => prefix_ids(&self.id_prefix, resource),
            Some(_) => {}
            None => {
                let message = "must hold one of kind, member, edge, status, block and introducerTally";
                return Err(Refusal::new(line, ErrorReason::Required, "record", message));
            }
        }
        Ok(Some(record))
    }
}

/// Puts the prefix before every member's id. One that is empty stays so, for the server to refuse.
fn prefix_ids(prefix: &str, resource: &mut import_record::Record) {
    let put = |id: &mut String| {
        if !id.is_empty() {
            id.insert_str(0, prefix);
        }
    };
    match resource {
        import_record::Record::Kind(_) | import_record::Record::Erased(_) => {}
        import_record::Record::Member(member) => put(&mut member.id),
        import_record::Record::Edge(edge) => {
            put(&mut edge.from_id);
            put(&mut edge.to_id);
            edge.origin.iter_mut().flat_map(|origin| &mut origin.introducer_ids).for_each(put);
        }
        import_record::Record::IntroducerTally(tally) => put(&mut tally.member_id),
        import_record::Record::Block(block) => {
            put(&mut block.member_id);
            put(&mut block.blocked_id);
        }
        import_record::Record::Status(status) => {
            put(&mut status.author_id);
            let filter = status.audience.as_mut().and_then(|audience| audience.filter.as_mut());
            filter.into_iter().flat_map(|filter| &mut filter.exclude_member_ids).for_each(put);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::import_record::Record;

    fn parse(text: &str) -> Result<Option<ImportRecord>, Refusal> {
        Ndjson::new(String::new()).parse(7, text)
    }

    fn resource(text: &str) -> Record {
        parse(text).unwrap().unwrap().record.unwrap()
    }

    #[test]
    fn every_resource_is_read() {
        let Record::Member(member) =
            resource(r#"{"member":{"id":"a","displayName":"A","topics":["x"],"labels":{"k":"v"}}}"#)
        else {
            panic!("a member")
        };
        assert_eq!((member.id.as_str(), member.display_name.as_str(), member.labels.len()), ("a", "A", 1));
        let edge = r#"{"edge":{"from_id":"a","kind":"friend","toId":"b","interactions":"5",
                       "lastInteractionTime":"2024-01-02T03:04:05Z","pinnedStrength":0.5}}"#;
        let Record::Edge(edge) = resource(edge) else { panic!("an edge") };
        assert_eq!((edge.from_id.as_str(), edge.interactions, edge.pinned_strength), ("a", 5, Some(0.5)));
        assert_eq!(edge.last_interaction_time.unwrap().seconds, 1_704_164_645);
        assert!(matches!(resource(r#"{"kind":{"name":"x","sphere":"SPHERE_PUBLIC"}}"#), Record::Kind(_)));
        assert!(matches!(resource(r#"{"status":{"id":"s","authorId":"a","text":"hi"}}"#), Record::Status(_)));
    }

    #[test]
    fn empty_lines_hold_no_record() {
        assert_eq!(parse("").unwrap(), None);
        assert_eq!(parse(" \t").unwrap(), None);
    }

    #[test]
    fn broken_lines_are_refused() {
        for text in [
            "{",
            "[]",
            "null",
            "{} {}",
            "{}",
            r#"{"member":{"id":"a"}} x"#,
            r#"{"member":{"id":1}}"#,
            r#"{"member":{"id":"a","colour":"red"}}"#,
            r#"{"member":{"id":"a"},"edge":{}}"#,
            r#"{"edge":{"interactions":1.5}}"#,
            r#"{"edge":{"since":"yesterday"}}"#,
            r#"{"kind":{"sphere":"SPHERE_OF_MUSIC"}}"#,
        ] {
            let refusal = parse(text).expect_err(text);
            assert_eq!(refusal.line, 7);
            assert!(!refusal.message.is_empty());
        }
        let deep = "[".repeat(100_000);
        assert!(parse(&format!(r#"{{"member":{deep}"#)).is_err());
    }

    #[test]
    fn the_prefix_goes_before_every_members_id() {
        let ndjson = Ndjson::new("p:".to_owned());
        let text =
            r#"{"edge":{"fromId":"a","toId":"","kind":"friend","origin":{"statusId":"s","introducerIds":["c"]}}}"#;
        let Some(Record::Edge(edge)) = ndjson.parse(1, text).unwrap().unwrap().record else { panic!("an edge") };
        let origin = edge.origin.unwrap();
        assert_eq!((edge.from_id.as_str(), edge.to_id.as_str()), ("p:a", ""));
        assert_eq!((origin.status_id.as_str(), origin.introducer_ids), ("s", vec!["p:c".to_owned()]));
    }
}
