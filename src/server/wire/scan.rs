//! The scan of a message's bytes: it counts every element where prost would make one, and adds up what they would take.

use super::shapes::{Element, Field, Holds, Shape, Shapes};
use crate::domain::Violation;

/// A message in which a list is over its bound is still given to its handler, which reports all that is wrong with it, unless the lists
/// would take more than this: so many times the bytes on the wire, and so many more.
const TIMES_MAX: u64 = 4;
const BYTES_MORE_MAX: u64 = 256 * 1_024;

/// The kinds of values on the wire.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH: u64 = 2;
const GROUP: u64 = 3;
const GROUP_END: u64 = 4;
const FIXED_32: u64 = 5;

impl Shapes {
    /// Returns what the lists of a message would take in memory, beside its texts; or which list holds too many elements.
    pub fn measure(&self, message: usize, bytes: &[u8]) -> Result<usize, Violation> {
        let most = TIMES_MAX * bytes.len() as u64 + BYTES_MORE_MAX;
        let mut scan = Scan { shapes: self, counts: Vec::new(), path: Vec::new(), takes: 0, most, over: None };
        let shape = &self.messages[message];
        scan.counts.resize(shape.counters, 0);
        match scan.message(shape, 0, bytes) {
            Err(Stop::TooMany(violation)) => Err(violation),
            // prost will stop at the same byte, and say what is wrong there.
            Ok(()) | Err(Stop::Unreadable) => Ok(usize::try_from(scan.takes).unwrap_or(usize::MAX)),
        }
    }
}

enum Stop {
    Unreadable,
    TooMany(Violation),
}

struct Scan<'s> {
    shapes: &'s Shapes,
    /// The counters of the messages that enclose the scan's position.
    counts: Vec<usize>,
    /// The fields that enclose the scan's position, with the element's index in a list.
    path: Vec<(&'s str, Option<usize>)>,
    takes: u64,
    most: u64,
    /// The first list that is over its bound.
    over: Option<Violation>,
}

impl<'s> Scan<'s> {
    /// Scans a message whose counters begin at `base`.
    fn message(&mut self, shape: &'s Shape, base: usize, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            let key = varint(&mut bytes)?;
            let (number, kind) = (key >> 3, key & 7);
            let number = u32::try_from(number).ok().filter(|number| *number > 0).ok_or(Stop::Unreadable)?;
            let field = shape.fields.binary_search_by_key(&number, |(number, _)| *number).ok();
            match field.and_then(|at| shape.fields.get(at)) {
                Some((_, field)) if kind == LENGTH => {
                    let content = content(&mut bytes)?;
                    self.field(field, base, content)?;
                }
                Some((_, field)) => {
                    skip(kind, number, &mut bytes)?;
                    self.alone(field, kind, base)?;
                }
                None => skip(kind, number, &mut bytes)?,
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'s Field, base: usize, content: &[u8]) -> Result<(), Stop> {
        match &field.holds {
            Holds::One { message, counters } => {
                self.path.push((&field.name, None));
                self.message(&self.shapes.messages[*message], base + counters, content)?;
                self.path.pop();
            }
            Holds::Many { element, counter, .. } => {
                let count = match element {
                    Element::Text | Element::Message(_) => 1,
                    Element::Fixed(size) => content.len() / size,
                    Element::Varint => content.iter().filter(|byte| **byte < 0x80).count(),
                };
                self.count(field, base, count)?;
                if let Element::Message(message) = element {
                    let index = self.counts[base + counter] - 1;
                    let shape = &self.shapes.messages[*message];
                    let own = self.counts.len();
                    self.counts.resize(own + shape.counters, 0);
                    self.path.push((&field.name, Some(index)));
                    self.message(shape, own, content)?;
                    self.path.pop();
                    self.counts.truncate(own);
                }
            }
        }
        Ok(())
    }

    /// Scans a number that is not packed with others.
    fn alone(&mut self, field: &'s Field, kind: u64, base: usize) -> Result<(), Stop> {
        match &field.holds {
            Holds::Many { element: Element::Varint, .. } if kind == VARINT => self.count(field, base, 1),
            Holds::Many { element: Element::Fixed(8), .. } if kind == FIXED_64 => self.count(field, base, 1),
            Holds::Many { element: Element::Fixed(4), .. } if kind == FIXED_32 => self.count(field, base, 1),
            // prost takes no other kind for it.
            _ => Err(Stop::Unreadable),
        }
    }

    fn count(&mut self, field: &'s Field, base: usize, more: usize) -> Result<(), Stop> {
        let Holds::Many { counter, max, what, bytes, .. } = &field.holds else { return Ok(()) };
        let count = &mut self.counts[base + counter];
        *count += more;
        self.takes = self.takes.saturating_add(bytes.saturating_mul(more as u64));
        if *count > *max && self.over.is_none() {
            let path = self.path_to(&field.name);
            self.over = Some(Violation::too_many(path, *max, what));
        }
        match &self.over {
            Some(violation) if self.takes > self.most => Err(Stop::TooMany(violation.clone())),
            _ => Ok(()),
        }
    }

    /// Returns the path of a field, as in `changes[3].put_member.member.topics`.
    fn path_to(&self, field: &str) -> String {
        let mut path = String::new();
        for (name, index) in &self.path {
            path += name;
            if let Some(index) = index {
                path += &format!("[{index}]");
            }
            path += ".";
        }
        path + field
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Stop> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Stop::Unreadable)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Stop::Unreadable)
}

fn content<'b>(bytes: &mut &'b [u8]) -> Result<&'b [u8], Stop> {
    let length = usize::try_from(varint(bytes)?).map_err(|_| Stop::Unreadable)?;
    let (content, rest) = bytes.split_at_checked(length).ok_or(Stop::Unreadable)?;
    *bytes = rest;
    Ok(content)
}

/// Skips a value, and a group with all that is in it.
fn skip(kind: u64, number: u32, bytes: &mut &[u8]) -> Result<(), Stop> {
    let mut groups = Vec::new();
    let (mut kind, mut number) = (kind, number);
    loop {
        match kind {
            VARINT => drop(varint(bytes)?),
            FIXED_64 => *bytes = bytes.get(8..).ok_or(Stop::Unreadable)?,
            LENGTH => drop(content(bytes)?),
            FIXED_32 => *bytes = bytes.get(4..).ok_or(Stop::Unreadable)?,
            // prost goes no deeper than this.
            GROUP if groups.len() < 100 => groups.push(number),
            GROUP_END if groups.pop() == Some(number) => {}
            _ => return Err(Stop::Unreadable),
        }
        if groups.is_empty() {
            return Ok(());
        }
        let key = varint(bytes)?;
        kind = key & 7;
        number = u32::try_from(key >> 3).map_err(|_| Stop::Unreadable)?;
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::domain::Reason;
    use crate::proto::v1 as pb;
    use crate::server::methods::method;

    fn measured(rpc: &str, bytes: &[u8]) -> Result<usize, Violation> {
        let shapes = Shapes::of_api().unwrap();
        shapes.measure(shapes.request(method(&format!("/kith.v1.{rpc}")).unwrap()).unwrap(), bytes)
    }

    fn within(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        prost::encoding::encode_varint(content.len() as u64, &mut bytes);
        bytes.extend_from_slice(content);
        bytes
    }

    fn too_many(rpc: &str, bytes: &[u8]) -> String {
        let violation = measured(rpc, bytes).unwrap_err();
        assert_eq!(violation.reason, Reason::TooMany);
        violation.field
    }

    #[test]
    fn the_list_that_holds_too_many_is_named() {
        assert_eq!(too_many("DataService/Write", &[0x0a, 0].repeat(1_000_000)), "changes");
        assert_eq!(too_many("DataService/Import", &[0x0a, 0].repeat(1_000_000)), "records");
        let put_member = within(3, &[0x22, 0].repeat(500_000));
        let message = [vec![0x0a, 0], within(1, &put_member)].concat();
        assert_eq!(too_many("DataService/Write", &message), "changes[1].put_member.topics");
        let filter = within(3, &[0x22, 0].repeat(500_000));
        assert_eq!(too_many("PathService/BatchGetDistances", &filter), "filter.exclude_member_ids");
        assert_eq!(too_many("PathService/BatchGetDistances", &[0x12, 0].repeat(500_000)), "to_ids");
        let labels = within(1, &[0x2a, 0].repeat(500_000));
        assert_eq!(too_many("MemberService/PutMember", &labels), "member.labels");
    }

    #[test]
    fn parts_of_one_message_are_counted_together_and_elements_apart() {
        // A filter that is given ten thousand times, with 20 members each time, is one with 200,000.
        let part = within(3, &[0x22, 0].repeat(20));
        assert_eq!(too_many("PathService/BatchGetDistances", &part.repeat(10_000)), "filter.exclude_member_ids");
        // A thousand members with 64 topics each are none with too many.
        let member = pb::Member { id: "ana".to_owned(), topics: vec!["t".to_owned(); 64], ..Default::default() };
        let record = import_record(member);
        let request = pb::ImportRequest { records: vec![record; 1_000], ..Default::default() };
        assert!(measured("DataService/Import", &request.encode_to_vec()).unwrap() > 64_000 * 24);
    }

    fn import_record(member: pb::Member) -> pb::ImportRecord {
        pb::ImportRecord { record: Some(pb::import_record::Record::Member(member)), position: 1, ..Default::default() }
    }

    #[test]
    fn a_list_a_little_over_its_bound_is_left_to_its_handler() {
        let ids = vec!["a".to_owned(); 1_001];
        let request = pb::BatchGetMembersRequest { ids, ..Default::default() };
        assert!(measured("MemberService/BatchGetMembers", &request.encode_to_vec()).is_ok());
    }

    #[test]
    fn packed_numbers_are_counted_each() {
        let spheres = within(3, &within(2, &[1].repeat(3_000_000)));
        assert_eq!(too_many("PathService/BatchGetDistances", &spheres), "filter.spheres");
        let alone = within(3, &[0x10, 1].repeat(1_000_000));
        assert_eq!(too_many("PathService/BatchGetDistances", &alone), "filter.spheres");
    }

    /// Checks that what cannot be read ends the count where prost ends, and what came before it is counted.
    #[test]
    fn nothing_breaks_a_scan() {
        let mut garbage = [0x0a, 0].repeat(1_000_000);
        garbage.extend([0xff; 20]);
        assert_eq!(too_many("DataService/Write", &garbage), "changes");
        assert!(measured("DataService/Write", &[0x0b; 1_000_000]).is_ok(), "groups without end");
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let member = pb::Member { id: "ana".to_owned(), topics: vec!["t".to_owned(); 9], ..Default::default() };
        let request = pb::ImportRequest { records: vec![import_record(member); 9], ..Default::default() };
        let good = request.encode_to_vec();
        for _ in 0..20_000 {
            let mut bytes = good.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len()));
            let counted = measured_elements(&bytes);
            if let Ok(decoded) = pb::ImportRequest::decode(&*bytes) {
                assert!(counted >= decoded.records.len(), "{bytes:?}");
            }
        }
    }

    fn measured_elements(bytes: &[u8]) -> usize {
        thread_local!(static SHAPES: Shapes = Shapes::of_api().unwrap());
        SHAPES.with(|shapes| {
            let request = shapes.request(method("/kith.v1.DataService/Import").unwrap()).unwrap();
            shapes.measure(request, bytes).map_or(usize::MAX, |takes| takes / (3 * size_of::<pb::ImportRecord>()))
        })
    }
}
