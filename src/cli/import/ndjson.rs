//! Reads NDJSON: one `kith.v1.ImportRecord` a line, in protobuf's canonical JSON.

use std::sync::Arc;

use prost_types::FieldMask;

use super::json_fields::named_paths;
use super::report::Refusal;
use super::row::NamedRecord;
use crate::cli::json;
use crate::proto::v1::{ErrorReason, ImportRecord, import_record};

pub struct Ndjson {
    id_prefix: String,
    replace: bool,
}

impl Ndjson {
    pub fn new(id_prefix: String, replace: bool) -> Ndjson {
        Ndjson { id_prefix, replace }
    }

    /// Returns the record of a line; none for an empty line.
    pub fn parse(&self, line: u64, text: &str) -> Result<Option<NamedRecord>, Refusal> {
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            return Ok(None);
        }
        let malformed = |message: String| Refusal::new(line, ErrorReason::Malformed, "", message);
        let record = json::parse::<ImportRecord>("ImportRecord", text).map_err(|message| {
            // The parser sees one line at a time, so that each is its line 1.
            let message = message.replace(" at line 1 column ", " at column ");
            let cut = message.starts_with("EOF while parsing");
            malformed(if cut {
                format!("{message}; a record is whole on its line (jq -c writes it so)")
            } else {
                message
            })
        })?;
        let Some(mut resource) = record.record else {
            let message = "must hold one of kind, member, edge, status, block and introducerTally";
            return Err(Refusal::new(line, ErrorReason::Required, "record", message));
        };
        if !self.id_prefix.is_empty() {
            prefix_ids(&self.id_prefix, &mut resource);
        }
        let named = FieldMask { paths: named_paths(text).map_err(malformed)? };
        let mask = (!self.replace).then(|| record.update_mask.unwrap_or(named));
        Ok(Some(NamedRecord { record: resource, mask: mask.map(Arc::new) }))
    }
}

/// Puts the prefix before every member's id. An empty id stays empty, for the server to refuse.
fn prefix_ids(prefix: &str, resource: &mut import_record::Record) {
    let put = |id: &mut String| {
        if !id.is_empty() {
            id.insert_str(0, prefix);
        }
    };
    match resource {
        import_record::Record::Kind(_) | import_record::Record::AbsentKind(_) | import_record::Record::Erased(_) => {}
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

    fn parse(text: &str) -> Result<Option<NamedRecord>, Refusal> {
        Ndjson::new(String::new(), false).parse(7, text)
    }

    fn resource(text: &str) -> Record {
        parse(text).unwrap().unwrap().record
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
    fn a_record_names_the_fields_that_it_has() {
        let paths = |text: &str| parse(text).unwrap().unwrap().mask.unwrap().paths.clone();
        let member = r#"{"member":{"id":"a","displayName":"","headline":null,"labels":{"city":"Rome","a.b":""},
                         "privacy":{"hiddenFromSuggestions":false},"etag":"e","createTime":"2024-01-02T03:04:05Z"}}"#;
        let wanted = ["display_name", "headline", "labels.`city`", "labels.`a.b`", "privacy.hidden_from_suggestions"];
        assert_eq!(paths(member), wanted);
        assert_eq!(
            paths(r#"{"member":{"id":"a","labels":null,"privacy":null,"topics":[]}}"#),
            ["labels", "privacy", "topics"]
        );
        assert_eq!(paths(r#"{"member":{"id":"a","labels":{},"privacy":{}}}"#), [""; 0]);
        let edge =
            r#"{"edge":{"fromId":"a","kind":"friend","to_id":"b","since":null,"origin":{"note":"x"},"strength":0.5}}"#;
        assert_eq!(paths(edge), ["since", "origin"]);
        assert_eq!(paths(r#"{"edge":{"fromId":"a","kind":"k","toId":"b","labels":{"x":"y"}}}"#), ["labels"]);
        assert_eq!(
            paths(r#"{"kind":{"name":"k","half_life":"60s","sphere":"SPHERE_PUBLIC"}}"#),
            ["half_life", "sphere"]
        );
        assert_eq!(paths(r#"{"status":{"id":"s","authorId":"a","text":"t","audience":{}}}"#), ["text", "audience"]);
        assert_eq!(paths(r#"{"block":{"memberId":"a","blockedId":"b"}}"#), [""; 0]);
        assert_eq!(paths(r#"{"member":{"id":"a","headline":"h"},"updateMask":"displayName"}"#), ["display_name"]);
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
            r#"{"member":{"id":"a"}},"#,
            r#"{"member":{"id":"a",}}"#,
            r#"{"member":{"id":"\ud800"}}"#,
            r#"{"member":{"id":"a","id":"b"}}"#,
            r#"{"member":{"id":"a","displayName":"A","display_name":"B"}}"#,
            r#"{"edge":{"interactions":99999999999999999999}}"#,
            r#"{"edge":{"pinnedStrength":1e400}}"#,
            "{'member':{'id':'a'}}",
            "{\"member\":{\"id\":\"a\tb\"}}",
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
        let ndjson = Ndjson::new("p:".to_owned(), true);
        let text =
            r#"{"edge":{"fromId":"a","toId":"","kind":"friend","origin":{"statusId":"s","introducerIds":["c"]}}}"#;
        let named = ndjson.parse(1, text).unwrap().unwrap();
        assert_eq!(named.mask, None);
        let Record::Edge(edge) = named.record else { panic!("an edge") };
        let origin = edge.origin.unwrap();
        assert_eq!((edge.from_id.as_str(), edge.to_id.as_str()), ("p:a", ""));
        assert_eq!((origin.status_id.as_str(), origin.introducer_ids), ("s", vec!["p:c".to_owned()]));
    }
}
