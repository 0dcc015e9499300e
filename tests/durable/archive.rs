//! An archive leads back to each command that it holds, and to nothing else. `KITH_S3=s3://bucket` runs what does not look into a folder on
//! a bucket, too, with AWS's own variables (`.ci/bucket`).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;
use kith::archive::shown_time;
use kith::domain::{Change, Member, Precondition, Sequence, TimeMs};
use kith::engine::EngineOptions;

use crate::archived::{Archived, HOUR, Recorded, Running, at};
use crate::erasures::{BEGUN, DAY_MS};
use crate::support::*;

fn delete(id: &str) -> Change {
    Change::DeleteMember { id: member_id(id), precondition: Precondition::None, allow_missing: false }
}

#[test]
fn what_is_restored_as_of_any_command_or_time_is_what_was_live_then() {
    let (seed, mut restored) = (setting("KITH_SEED", 1), 0);
    let seeds = seed..seed + setting("KITH_ARCHIVES", 12);
    for (seed, mut archived) in seeds.flat_map(|seed| Archived::everywhere().into_iter().map(move |of| (seed, of))) {
        let random = &mut Rng::with_seed(seed);
        archived.options.checkpoint_log_bytes_min = 400;
        archived.backup_every = if random.bool() { Duration::from_millis(5) } else { HOUR };
        let mut recorded = Recorded::default();
        block_on(async {
            for _ in 0..random.usize(1..5) {
                let running = archived.serve();
                recorded.note(&running);
                recorded.commands(&running, &archived.time, random).await;
                if random.bool() {
                    running.archived().await;
                }
                recorded.commands(&running, &archived.time, random).await;
                running.close();
            }
        });
        let lines = archived.lines();
        let (first, last) = (lines[0].name, *recorded.0.keys().last().unwrap());
        assert!(lines.iter().all(|line| line.gap().is_none()), "seed {seed}");
        assert_eq!(lines.last().unwrap().reach().0, last, "seed {seed}: an orderly end leaves nothing behind");
        for _ in 0..4 {
            let sequence = random.u64(first.sequence..=last);
            assert_eq!(archived.restored(&sequence.to_string()), Ok(recorded.of(sequence)), "seed {seed}");
            let end = recorded.0[&last].1.0 + 1;
            let time = random.i64(first.begun.0..=end.max(first.begun.0));
            let before = recorded.0.iter().rfind(|(_, (_, accepted))| accepted.0 <= time).unwrap();
            let until = shown_time(TimeMs(time));
            assert_eq!(archived.restored(&until), Ok(recorded.of(*before.0)), "seed {seed}: {until}");
            restored += 2;
        }
        assert_eq!(archived.restored(""), Ok(recorded.of(last)), "seed {seed}");
    }
    println!("{restored} restores");
}

/// Has the archive's folder be another one, as of a volume that is mounted or not; at no moment is there none.
fn mount(archived: &Archived, name: &str) -> PathBuf {
    let (folder, link) = (archived.folder.path().join(name), archived.folder.path().join("link"));
    symlink(&folder, &link).unwrap();
    fs::rename(&link, archived.url()).unwrap();
    folder
}

#[test]
fn an_archive_that_is_away_holds_no_write_up_and_gets_all_when_it_is_back() {
    let archived = Archived::new();
    fs::create_dir(mount(&archived, "there")).unwrap();
    let running = archived.serve();
    block_on(async {
        running.write(put_bare("before")).await;
        running.archived().await;
        fs::write(mount(&archived, "no-folder"), "").unwrap();
        for id in ["one", "two", "three"] {
            running.write(put_bare(id)).await;
        }
        let metrics = &running.engine.metrics().archive;
        wait_until(|| metrics.failures.get() > 0).await;
        let lag = metrics.lag(running.sequence());
        assert!(lag.commands >= 3 && !lag.time.is_zero(), "{lag:?}");
        // An empty folder, as where nothing is mounted yet, is an archive of its own.
        fs::create_dir(archived.folder.path().join("empty")).unwrap();
        mount(&archived, "empty");
        running.archived().await;
        mount(&archived, "there");
        running.write(put_bare("after")).await;
        wait_until(|| archived.lines().last().is_some_and(|line| line.reach().0 == running.sequence())).await;
        running.archived().await;
        assert_eq!(metrics.lag(running.sequence()).commands, 0);
    });
    let live = at(&running.engine.namespaces());
    running.close();
    let lines = archived.lines();
    assert_eq!((lines.len(), lines[0].gap()), (1, None), "the log had all that the line lacked");
    assert_eq!(archived.restored(&live.0.to_string()), Ok(live));
    assert!((lines[0].name.sequence..live.0).all(|sequence| archived.restored(&sequence.to_string()).is_ok()));
}

#[test]
fn where_the_log_was_trimmed_a_line_begins_and_what_is_between_is_refused() {
    let mut archived = Archived::new();
    archived.options = EngineOptions {
        checkpoint_log_bytes_min: 1,
        checkpoint_log_bytes_per_resource: 0,
        log_keep_bytes_max: 0,
        ..archived.options
    };
    let mut recorded = Recorded::default();
    block_on(async {
        let running = archived.serve();
        running.write(put_bare("before")).await;
        running.archived().await;
        recorded.note(&running);
        running.close();
        archived.time.pass_ms(10);
        let running = archived.open();
        let earliest = |running: &Running| open_earliest(running);
        for i in 0..5 {
            running.write(put_bare(&format!("unarchived-{i}"))).await;
            archived.time.pass_ms(10);
            recorded.note(&running);
        }
        wait_until(|| earliest(&running) == running.sequence()).await;
        running.close();
        let running = archived.serve();
        running.write(put_bare("after")).await;
        running.archived().await;
        recorded.note(&running);
        running.close();
    });
    let lines = archived.lines();
    let (before, after) = (lines[0].reach(), lines[1].name);
    assert!(lines.len() == 2 && after.sequence > before.0 + 1, "{lines:?}");
    assert_eq!(archived.restored(&before.0.to_string()), Ok(recorded.of(before.0)));
    for (sequence, (_, time)) in recorded.0.range(before.0 + 1..after.sequence) {
        let why = archived.refused(&sequence.to_string());
        assert!(why.contains("does not reach") && why.contains(&format!("revisions {} to", after.sequence)), "{why}");
        let why = archived.refused(&shown_time(*time));
        assert!(why.contains(&format!("sequence {} of", before.0 + 1)), "{why}");
    }
    for sequence in after.sequence..=after.sequence + 1 {
        assert_eq!(archived.restored(&sequence.to_string()), Ok(recorded.of(sequence)));
    }
}

/// The newest sequence that a checkpoint covers, up to which the log is gone.
fn open_earliest(running: &Running) -> Sequence {
    running.engine.metrics().checkpoint_sequence.get() as Sequence
}

#[test]
fn an_older_copy_of_the_store_that_is_put_back_begins_a_line() {
    let archived = Archived::new();
    let (mut first, mut second) = (Recorded::default(), Recorded::default());
    let copy = archived.folder.path().join("copy");
    block_on(async {
        let write = async |name: &str, recorded: &mut Recorded| {
            // No server starts in the millisecond in which another wrote.
            archived.time.pass_ms(1);
            let running = archived.serve();
            for i in 0..3 {
                archived.time.pass_ms(10);
                running.write(put_bare(&format!("{name}-{i}"))).await;
                recorded.note(&running);
            }
            running.close();
        };
        write("both", &mut first).await;
        copy_folder(&archived.store(), &copy);
        write("gone", &mut first).await;
        fs::remove_dir_all(archived.store()).unwrap();
        fs::rename(&copy, archived.store()).unwrap();
        write("new", &mut second).await;
    });
    assert_eq!(archived.lines().len(), 2);
    for (sequence, (_, time)) in &second.0 {
        assert_eq!(archived.restored(&sequence.to_string()), Ok(second.of(*sequence)));
        assert_eq!(archived.restored(&shown_time(*time)), Ok(second.of(*sequence)));
    }
    // The commands that the copy was without are found by their time: their numbers were given again.
    for (sequence, (_, time)) in &first.0 {
        assert_eq!(archived.restored(&shown_time(*time)), Ok(first.of(*sequence)));
    }
}

#[test]
fn an_object_that_is_damaged_or_missing_is_named_and_never_served() {
    let archived = Archived::new();
    block_on(async {
        let running = archived.serve();
        for i in 0..4 {
            running.write(put_bare(&format!("m-{i}"))).await;
            running.archived().await;
        }
        running.close();
    });
    let last = archived.lines()[0].reach().0.to_string();
    let whole = archived.restored(&last).unwrap();
    let random = &mut Rng::with_seed(setting("KITH_SEED", 3));
    let objects = archived.objects();
    assert_eq!(objects.len(), 5, "{objects:?}");
    for object in objects {
        let (bytes, name) = (fs::read(&object).unwrap(), object.file_name().unwrap().to_str().unwrap().to_owned());
        let is_named = |why: String| assert!(why.contains(&name) || why.contains("does not reach"), "{name}: {why}");
        for _ in 0..8 {
            let mut changed = bytes.clone();
            changed[random.usize(0..bytes.len())] ^= 1 << random.u8(0..8);
            fs::write(&object, changed).unwrap();
            match archived.restored(&last) {
                // The zeros that fill a frame up say nothing.
                Ok(restored) => assert_eq!(restored, whole, "{name}"),
                Err(why) => is_named(why),
            }
        }
        fs::write(&object, &bytes[..random.usize(0..bytes.len())]).unwrap();
        is_named(archived.refused(&last));
        fs::remove_file(&object).unwrap();
        is_named(archived.refused(&last));
        fs::write(&object, &bytes).unwrap();
    }
    assert_eq!(archived.restored(&last), Ok(whole));
}

fn holds(archived: &Archived, text: &str) -> bool {
    let finds = |bytes: Vec<u8>| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    archived.objects().iter().any(|object| fs::read(object).is_ok_and(finds))
}

#[test]
fn the_bytes_of_an_erased_member_leave_the_archive_in_time() {
    let archived = Archived::new();
    block_on(async {
        let running = archived.serve();
        running.write(put_bare("ghostly")).await;
        running.archived().await;
        running.close();
    });
    // A store that was restored of it goes on with the same archive.
    let restored = archived.folder.path().join("restored");
    archived.restore("", &restored).unwrap();
    fs::remove_dir_all(archived.store()).unwrap();
    fs::rename(&restored, archived.store()).unwrap();
    let old = archived.lines()[0].name;
    block_on(async {
        archived.time.pass_ms(1);
        let running = archived.serve();
        running.archived().await;
        // A crash left a backup half written.
        fs::write(Path::new(&archived.url()).join(old.folder()).join("backup#1"), "ghostly").unwrap();
        assert_eq!(archived.lines().len(), 2);
        running.write(delete("ghostly")).await;
        running.archived().await;
        archived.time.pass_ms(DAY_MS * 3 / 4 - 1);
        running.write(put_bare("one")).await;
        running.archived().await;
        assert!(holds(&archived, "ghostly"), "it is not due yet");
        archived.time.pass_ms(1);
        wait_until(|| !holds(&archived, "ghostly")).await;
        let lines = archived.lines();
        assert_eq!((lines.len(), lines[0].name.sequence), (1, running.sequence()));
        running.write(put_bare("two")).await;
        let live = at(&running.engine.namespaces());
        running.close();
        assert_eq!(archived.restored(""), Ok(live));
        let why = archived.refused(&(lines[0].name.sequence - 1).to_string());
        assert!(why.contains(&format!("revisions {} to", lines[0].name.sequence)), "{why}");
    });
}

#[test]
fn lines_go_when_what_is_kept_can_be_restored_without_them() {
    for mut archived in Archived::everywhere() {
        (archived.backup_every, archived.keep) = (HOUR, 3 * HOUR);
        block_on(async {
            let running = archived.serve();
            for hour in 0..8 {
                running.write(put_bare(&format!("m-{hour}"))).await;
                running.archived().await;
                archived.time.pass_ms(HOUR.as_millis() as i64);
                let begun = TimeMs(BEGUN.0 + (hour + 1) * HOUR.as_millis() as i64);
                wait_until(|| archived.lines().last().is_some_and(|line| line.name.begun >= begun)).await;
            }
            let kept = TimeMs(BEGUN.0 + 5 * HOUR.as_millis() as i64);
            wait_until(|| archived.lines()[0].name.begun == kept).await;
            running.close();
        });
        let lines = archived.lines();
        assert_eq!(lines.len(), 4);
        assert!(
            (lines[0].name.sequence..=lines[3].reach().0)
                .all(|sequence| archived.restored(&sequence.to_string()).is_ok())
        );
    }
}

#[test]
fn what_a_crash_left_of_a_line_is_none_and_goes() {
    let archived = Archived::new();
    let running = archived.serve();
    let line = Path::new(&archived.url()).join(archived.lines()[0].name.folder());
    block_on(running.write(put_bare("one")));
    running.close();
    fs::remove_file(line.join("backup")).unwrap();
    assert_eq!(archived.lines(), []);
    let running = archived.serve();
    assert!(!line.exists() && archived.lines().len() == 1);
    running.close();
}

#[test]
fn a_backup_of_several_parts_is_whole_and_the_line_before_goes_on_meanwhile() {
    for mut archived in Archived::everywhere() {
        archived.backup_every = HOUR;
        let live = block_on(async {
            let running = archived.serve();
            for i in 0..40 {
                let member = |n: usize| {
                    let mut member = Member::bare(member_id(&format!("m-{i}-{n}")));
                    member.attrs.headline = "x".repeat(500);
                    put_member(member)
                };
                running.engine.import((0..1_000).map(member).collect()).await.unwrap();
            }
            running.archived().await;
            archived.time.pass_ms(HOUR.as_millis() as i64);
            while archived.lines().len() == 1 {
                running.write(put_bare(&format!("meanwhile-{}", running.sequence()))).await;
            }
            running.archived().await;
            let live = at(&running.engine.namespaces());
            running.close();
            live
        });
        let lines = archived.lines();
        assert!(lines[1].backup_bytes > 2 * 8 * 1_024 * 1_024, "{}", lines[1].backup_bytes);
        assert!(lines[0].reach().0 >= lines[1].name.sequence);
        assert_eq!(archived.restored(""), Ok(live));
        println!("the line before reached {} commands further", lines[0].reach().0 - lines[1].name.sequence);
    }
}

#[test]
fn a_bad_import_and_a_mass_delete_are_undone() {
    let archived = Archived::new();
    block_on(async {
        let running = archived.serve();
        let members = |prefix: &str| (0..1_000).map(|i| put_bare(&format!("{prefix}-{i}"))).collect::<Vec<_>>();
        let edges = (1..1_000).map(|i| put_edge("good-0", "friend", &format!("good-{i}"))).collect();
        running.engine.import(members("good")).await.unwrap();
        running.engine.import(edges).await.unwrap();
        let good = at(&running.engine.namespaces());
        let revision = running.engine.namespaces().revision().to_string();
        running.engine.import(members("bad")).await.unwrap();
        let imported = at(&running.engine.namespaces());
        for i in 0..1_000 {
            running.write(delete(&format!("good-{i}"))).await;
        }
        running.archived().await;
        running.close();
        for (until, expected) in [(revision, good), (imported.0.to_string(), imported)] {
            let begun = Instant::now();
            assert_eq!(archived.restored(&until), Ok(expected));
            println!("{} undone in {} ms, checked", until, begun.elapsed().as_millis());
        }
    });
}
