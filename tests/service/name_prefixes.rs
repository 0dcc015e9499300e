//! `display_name_prefix` of `ListMembers`: whom it finds, page by page, within every budget, and for whom.

use fastrand::Rng;
use kith::proto::v1::*;
use tonic::Code;

use super::ask::text;
use super::harness::{Kith, member, reason};
use super::hidden_worlds::World;

/// Ways to write letters that are one to whoever looks for a name, and how all of them are folded.
const LETTERS: [(&[&str], &str); 9] = [
    (&["u", "U", "ü", "Ü", "u\u{308}", "U\u{300}", "ｕ"], "u"),
    (&["e", "É", "ê", "ễ", "E\u{302}\u{303}", "Ę"], "e"),
    (&["ß", "ẞ", "ss", "SS", "sS", "śs"], "ss"),
    (&["s", "S", "š", "ş"], "s"),
    (&["i", "I", "İ", "ı", "ï"], "i"),
    (&["ø", "O", "ö"], "o"),
    (&["Σ", "σ", "ς"], "σ"),
    (&["Ж", "ж"], "ж"),
    (&[" "], " "),
];

/// A text of some letters, written in any way, and folded.
fn some_text(random: &mut Rng, letters: usize) -> (String, String) {
    let letters = (0..letters).map(|_| *random.choice(&LETTERS).unwrap()).collect::<Vec<_>>();
    letters.into_iter().map(|(ways, folded)| (*random.choice(ways).unwrap(), folded)).unzip()
}

/// The longest name is of so many letters, each of at most 5 bytes.
const LETTERS_MAX: usize = 6;
/// What the look at one member takes at most, with its part of the answer: 16 half-edges and one, and one for 4 bytes of its name.
const MEMBER_WORK_MAX: usize = 17 + LETTERS_MAX * 5 / 4;

/// Members with names, and how each name is folded, by id.
fn named(random: &mut Rng) -> (World, Vec<(String, String)>) {
    let (mut world, mut names) = (World::default(), Vec::new());
    for n in 10..60 {
        let (id, letters) = (format!("m{n}"), random.usize(..=LETTERS_MAX));
        let (display_name, folded) = some_text(random, letters);
        world.members.insert(id.clone(), Member { display_name, ..member(&id) });
        names.push((id, folded));
    }
    (world, names)
}

fn list(prefix: &str, page_size: i32) -> ListMembersRequest {
    ListMembersRequest { display_name_prefix: text(prefix), page_size, ..Default::default() }
}

/// The ids of each page, and the code that the pages end with.
async fn pages(kith: &Kith, list: ListMembersRequest) -> (Vec<Vec<String>>, Code) {
    let (mut pages, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = match kith.members().list_members(ListMembersRequest { page_token, ..list.clone() }).await {
            Ok(page) => page.into_inner(),
            Err(status) => {
                assert_eq!(reason(&status), "BUDGET_EXHAUSTED");
                return (pages, status.code());
            }
        };
        pages.push(page.members.into_iter().map(|member| member.id).collect());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return (pages, Code::Ok);
        }
    }
}

#[tokio::test]
async fn pages_join_to_all_whose_names_begin_so_within_every_budget() {
    let random = &mut Rng::with_seed(8);
    let mut found = 0;
    for budget in (1..=12).chain([30, 100, 1_000_000]) {
        let (world, names) = named(random);
        let kith = world.served(Some(budget)).await;
        for _ in 0..20 {
            let letters = random.usize(1..4);
            let (prefix, folded) = some_text(random, letters);
            let expected = names.iter().filter(|(_, name)| name.starts_with(&folded)).map(|(id, _)| id.clone());
            let expected: Vec<String> = expected.collect();
            let (pages, code) = pages(&kith, list(&prefix, random.i32(1..4))).await;
            let joined = pages.concat();
            // The work of a query is bounded by four times the edges.
            if budget as usize * 4 < MEMBER_WORK_MAX && code == Code::ResourceExhausted {
                assert!(expected.starts_with(&joined), "{prefix}: {joined:?} of {expected:?}");
                continue;
            }
            assert_eq!((&joined, code), (&expected, Code::Ok), "{prefix} within {budget}");
            found += joined.len();
            if budget > 1_000 {
                assert!(pages.len() <= expected.len().max(1), "no page but the last ends early");
            }
        }
        kith.stop().await.unwrap();
    }
    assert!(found > 100, "{found}");
}

#[tokio::test]
async fn the_prefix_and_the_filter_both_say_who_is_listed() {
    let (mut world, names) = named(&mut Rng::with_seed(3));
    let with_label = |n: usize| n.is_multiple_of(2);
    for (n, member) in world.members.values_mut().enumerate().filter(|(n, _)| with_label(*n)) {
        member.labels.insert(text("team"), n.to_string());
    }
    let kith = world.served(None).await;
    let condition = Some(member_condition::Condition::Label(LabelCondition { key: text("team"), values: vec![] }));
    let any_of = vec![MemberCondition { negated: false, condition }];
    let member_filter = Some(MemberFilter { all_of: vec![MemberClause { any_of }] });
    for (ways, folded) in LETTERS {
        let passing = names.iter().enumerate().filter(|(n, (_, name))| with_label(*n) && name.starts_with(folded));
        let expected: Vec<String> = passing.map(|(_, (id, _))| id.clone()).collect();
        let list = ListMembersRequest { member_filter: member_filter.clone(), ..list(ways[0], 2) };
        assert_eq!(pages(&kith, list).await.0.concat(), expected, "{folded}");
    }
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_viewer_learns_nothing_of_who_is_gone_for_it() {
    let random = &mut Rng::with_seed(21);
    for budget in [7, 12, 30, 1_000_000] {
        let (mut with, names) = named(random);
        let mut without = with.clone();
        let gone: Vec<&String> = names.iter().map(|(id, _)| id).filter(|id| *id != "m10").step_by(3).collect();
        for id in &gone {
            with.put_block(text(id), text("m10"));
            without.forget(id);
        }
        let (with, without) = (with.served(Some(budget)).await, without.served(Some(budget)).await);
        for (ways, folded) in LETTERS {
            let list = ListMembersRequest { viewer_id: text("m10"), ..list(ways[0], 3) };
            let shown = pages(&with, list.clone()).await;
            assert_eq!(shown, pages(&without, list.clone()).await, "{folded} within {budget}");
            let hers = names.iter().filter(|(id, name)| !gone.contains(&id) && name.starts_with(folded));
            assert_eq!(shown.0.concat(), hers.map(|(id, _)| id.clone()).collect::<Vec<_>>());
        }
        with.stop().await.unwrap();
        without.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_page_token_belongs_to_its_prefix() {
    let kith = Kith::in_memory().await;
    for id in ["a1", "a2"] {
        kith.put_member(Member { display_name: text(id), ..member(id) }).await;
    }
    let page_token = kith.members().list_members(list("a", 1)).await.unwrap().into_inner().next_page_token;
    let other = ListMembersRequest { page_token, ..list("A", 1) };
    let refused = kith.members().list_members(other).await.unwrap_err();
    assert_eq!(reason(&refused), "PAGE_TOKEN_MISMATCH");
    kith.stop().await.unwrap();
}
