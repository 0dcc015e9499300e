//! Reads whole files as rows, without a server, and checks what each row is read as.

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use prost_types::Timestamp;

    use super::super::layout::{HeaderRow, Layout, RowDefaults};
    use super::super::read::{LINE_BYTES_MAX, Lines, ReadError};
    use super::super::report::Refusal;
    use super::super::row::Row;
    use super::super::rows::Rows;
    use super::super::sniff::Named;
    use crate::proto::v1::Edge;
    use crate::proto::v1::import_record::Record;

    fn defaults() -> RowDefaults {
        RowDefaults { kind: "friend".to_owned(), id_prefix: String::new(), time_unit: None, replace: false }
    }

    fn layout(columns: &str) -> Layout {
        Layout {
            format: None,
            columns: (!columns.is_empty()).then(|| columns.parse().unwrap()),
            header: HeaderRow::Auto,
            delimiter: None,
            comments: None,
            skip_rows: 0,
            defaults: defaults(),
        }
    }

    fn read(layout: Layout, named: Named, text: impl Into<Vec<u8>>) -> Result<Vec<(u64, Row)>, ReadError> {
        let mut lines = Lines::of(Cursor::new(text.into()))?;
        let mut rows = Rows::begin(layout, named, &mut lines)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next(&mut lines)? {
            all.push((lines.line(), row));
        }
        Ok(all)
    }

    fn rows(columns: &str, named: Named, text: impl Into<Vec<u8>>) -> Vec<(u64, Row)> {
        read(layout(columns), named, text).unwrap()
    }

    /// Returns rows as `line: from kind to`, `line: id`, `line: field REASON` or `line: why it was skipped`.
    fn brief(rows: Vec<(u64, Row)>) -> Vec<String> {
        let brief = |(line, row): (u64, Row)| match row {
            Row::Record(record, _) => match record.record.unwrap() {
                Record::Edge(edge) => format!("{line}: {} {} {}", edge.from_id, edge.kind, edge.to_id),
                Record::Member(member) => format!("{line}: {}", member.id),
                other => format!("{line}: {other:?}"),
            },
            Row::Refused(Refusal { line, reason, field, .. }) => format!("{line}: {reason:?} {field}"),
            Row::Skipped(skip, line, _) => format!("{line}: {skip:?}"),
        };
        rows.into_iter().map(brief).collect()
    }

    fn edges(columns: &str, text: &str) -> Vec<String> {
        brief(rows(columns, Named::Other, text))
    }

    fn edge(columns: &str, text: &str) -> Edge {
        let rows = rows(columns, Named::Other, text);
        let record = rows.into_iter().find_map(|(_, row)| match row {
            Row::Record(record, _) => record.record,
            other => panic!("an edge, not {other:?}"),
        });
        let Some(Record::Edge(edge)) = record else { panic!("an edge") };
        edge
    }

    #[test]
    fn edge_lists_have_whitespace_tabs_or_commas() {
        let text = "# from to\n 1\t2\t\r\n\n% more\n3 4\n3 4";
        let wanted = ["1: Comment", "2: 1 friend 2", "3: Blank", "4: Comment", "5: 3 friend 4", "6: 3 friend 4"];
        assert_eq!(edges("", text), wanted);
        assert_eq!(edges("from,kind,to", "a b, spouse ,c\nd,,e\n"), ["1: a b spouse c", "2: d friend e"]);
        assert_eq!(edges("from,to,-", "1 189 1.0\n"), ["1: 1 friend 189"]);
        let piped = Layout { delimiter: Some(b'|'), ..layout("") };
        assert_eq!(brief(read(piped, Named::Other, "a,b|c d\n").unwrap()), ["1: a,b friend c d"]);
    }

    #[test]
    fn a_row_of_another_width_or_without_an_end_is_refused_and_the_next_goes_in() {
        assert_eq!(edges("", "a\nb c d\ne f\n"), ["1: Malformed ", "2: Malformed ", "3: e friend f"]);
        assert_eq!(
            edges("", "a,\n,b\n,\nc,d\n"),
            ["1: Required edge.to_id", "2: Required edge.from_id", "3: Blank", "4: c friend d"]
        );
    }

    #[test]
    fn numbers_and_times_are_read_or_refused() {
        let all = "from,to,strength,interactions,time,since";
        let whole = edge(all, "a,b,0.25,7.0,2010-11-08 18:45:11.5,2020-02-29T12:00:00+01:00");
        assert_eq!((whole.pinned_strength, whole.interactions), (Some(0.25), 7));
        assert_eq!(whole.last_interaction_time, Some(Timestamp { seconds: 1_289_241_911, nanos: 500_000_000 }));
        assert_eq!(whole.since, Some(Timestamp { seconds: 1_582_974_000, nanos: 0 }));
        assert_eq!(edge(all, "a,b,,,,"), edge("", "a b"));
        assert_eq!(edge("from,to,time", "a b 2020-01-01").interactions, 1);
        assert_eq!(edge("from,to,interactions,time", "a,b,,2020-01-01").interactions, 1);
        for (row, field) in [
            ("a,b,strong,,,", "edge.pinned_strength"),
            ("a,b,nan,,,", "edge.pinned_strength"),
            ("a,b,1e400,,,", "edge.pinned_strength"),
            ("a,b,,1.5,,", "edge.interactions"),
            ("a,b,,99999999999999999999,,", "edge.interactions"),
            ("a,b,,1e400,,", "edge.interactions"),
            ("a,b,,,yesterday,", "edge.last_interaction_time"),
            ("a,b,,,1289241911,", "edge.last_interaction_time"),
            ("a,b,,,2015,", "edge.last_interaction_time"),
            ("a,b,,,,2020-02-30T00:00:00Z", "edge.since"),
        ] {
            assert_eq!(edges(all, row), [format!("1: Malformed {field}")], "{row}");
        }
    }

    #[test]
    fn a_header_names_edges_or_members_whatever_is_between_its_cells() {
        let text = "\u{feff}from,to,kind\r\na,b,spouse\r\nfrom,to,kind\r\nc,d,\r\n";
        let wanted = ["1: Header", "2: a spouse b", "3: Header", "4: c friend d"];
        for delimiter in [",", ";", "\t", "|"] {
            assert_eq!(edges("", &text.replace(',', delimiter)), wanted, "{delimiter}");
        }
        assert_eq!(edges("", "sep=;\nfrom;to\na;b\n"), ["1: Header", "2: Header", "3: a friend b"]);
        assert_eq!(edges("", "From To\na b\n"), ["1: Header", "2: a friend b"]);
        let text = "id,display_name,headline,topics,label:city\nx,\"Doe, Jo\",\"says \"\"hi\"\"\",go; rust;,Rome\n";
        let Some((2, Row::Record(record, mask))) = rows("", Named::Csv, text).pop() else { panic!("a member") };
        let Some(Record::Member(member)) = record.record else { panic!("a member") };
        assert_eq!((member.display_name.as_str(), member.headline.as_str()), ("Doe, Jo", "says \"hi\""));
        assert_eq!((member.topics, member.labels["city"].as_str()), (vec!["go".to_owned(), "rust".to_owned()], "Rome"));
        assert_eq!(mask.unwrap().paths, ["display_name", "headline", "topics", "labels.`city`"]);
        assert_eq!(brief(rows("from,to", Named::Csv, "a,b\n")), ["1: a friend b"]);
        assert_eq!(brief(rows("from,to", Named::Csv, "From,to_id\na,b\n")), ["1: Header", "2: a friend b"]);
        assert_eq!(brief(rows("", Named::Csv, "")), [""; 0]);
    }

    #[test]
    fn quotes_may_hold_line_breaks_and_the_lines_count_on() {
        let text = "from,to,note\na,b,\"one\r\ntwo\"\nc,d,5\" long\ne,f,\n";
        let all = rows("", Named::Csv, text);
        let Row::Record(first, _) = &all[1].1 else { panic!("an edge") };
        assert!(matches!(&first.record, Some(Record::Edge(edge)) if edge.note == "one\ntwo"));
        assert_eq!(brief(all), ["1: Header", "2: a friend b", "4: c friend d", "5: e friend f"]);
    }

    #[test]
    fn what_a_quote_swallowed_is_read_by_itself() {
        let csv = |text: &str| brief(rows("", Named::Csv, text));
        let text = "from,to,note\nann,bob,\"5 ft\neve,fay,x\ncy,dan,\"tall\n";
        assert_eq!(csv(text), ["1: Header", "2: Malformed ", "3: eve friend fay", "4: Malformed "]);
        let text = "from,to\na,b\nc,\"d\ne,f\n";
        assert_eq!(csv(text), ["1: Header", "2: a friend b", "3: Malformed ", "4: e friend f"]);
        let long = format!("from,to\na,\"{}\nc,d\n", format!("{}\n", "x".repeat(1_023)).repeat(LINE_BYTES_MAX / 1_000));
        let all = rows("", Named::Csv, long);
        assert_eq!(all.len(), LINE_BYTES_MAX / 1_000 + 3);
        let Row::Refused(Refusal { line: 2, message, .. }) = &all[1].1 else { panic!("{:?}", all[1]) };
        assert!(message.contains("which it swallowed, are read by themselves"), "{message}");
        assert_eq!(brief(all).last().unwrap(), "1051: c friend d");
    }

    #[test]
    fn a_header_that_does_not_do_ends_the_file() {
        for text in
            ["node_1,node_2\n0,1\n", "from\na\n", "from,to,to\n", "from,\"to\n", "from,to,id\n", ",from,to\n0,a,b\n"]
        {
            let end = read(layout(""), Named::Csv, text);
            assert!(matches!(end, Err(ReadError::Header(_))), "{text}");
        }
        assert!(read(layout(""), Named::Csv, b"from,t\xff\n".to_vec()).is_err());
        // A cell that could be a member as well as a column is not guessed.
        for text in ["from bob\n", "id,ann\nbob,ann\n", "time note\n"] {
            let end = read(layout(""), Named::Other, text);
            assert!(matches!(&end, Err(ReadError::Header(message)) if message.contains("--header")), "{text} {end:?}");
            let said = Layout { header: HeaderRow::No, ..layout("from,to") };
            assert!(brief(read(said, Named::Other, text).unwrap())[0].starts_with("1: "), "{text}");
        }
    }

    #[test]
    fn the_content_tells_before_the_name() {
        let json = "{\"member\":{\"id\":\"m1\"}}\n";
        for named in [Named::Json, Named::Csv, Named::Tsv, Named::Other] {
            assert_eq!(brief(rows("", named, json)), ["1: m1"], "{named:?}");
            assert_eq!(brief(rows("", named, format!("[{json}]"))), ["0: m1"], "{named:?}");
            assert_eq!(brief(rows("", named, "from,to\na,b\n")), ["1: Header", "2: a friend b"], "{named:?}");
            assert_eq!(brief(rows("", named, "from\tto\na\tb\n")), ["1: Header", "2: a friend b"], "{named:?}");
        }
        let asked = layout("from,to");
        assert!(matches!(read(asked, Named::Other, json), Err(ReadError::Header(_))));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        let text = b"from,to\na,b\xff\nc,\"d\xff\ne\"\nc,d\n".to_vec();
        assert_eq!(
            brief(rows("", Named::Csv, text)),
            ["1: Header", "2: Malformed ", "3: Malformed ", "4: Malformed ", "5: c friend d"]
        );
    }

    #[test]
    fn the_prefix_goes_before_ids_and_leaves_missing_ones_missing() {
        let defaults = RowDefaults { id_prefix: "p:".to_owned(), ..defaults() };
        let read = |columns: &str, text: &str| {
            brief(read(Layout { defaults: defaults.clone(), ..layout(columns) }, Named::Other, text).unwrap())
        };
        assert_eq!(read("", "a,b\n,c\n"), ["1: p:a friend p:b", "2: Required edge.from_id"]);
        assert_eq!(read("id,-", "a 1\n"), ["1: p:a"]);
    }
}
