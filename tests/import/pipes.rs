//! Rows that come through a pipe, as slowly as their producer makes them.

use std::time::{Duration, Instant};

use crate::harness::Kith;

/// How long a row may wait, and what a loaded machine may add.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_row_goes_in_while_its_producer_pauses() {
    let kith = Kith::start().await;
    for (format, rows) in [
        ("edges", ["ann bob\n", "bob cy\n", "cy dan\n"]),
        ("csv", ["from,to\nann,eve\n", "bob,eve\n", "cy,eve\n"]),
        (
            "ndjson",
            [
                "{\"edge\":{\"fromId\":\"ann\",\"kind\":\"friend\",\"toId\":\"fay\"}}\n",
                "{\"edge\":{\"fromId\":\"bob\",\"kind\":\"friend\",\"toId\":\"fay\"}}\n",
                "{\"edge\":{\"fromId\":\"cy\",\"kind\":\"friend\",\"toId\":\"fay\"}}\n",
            ],
        ),
    ] {
        let before = kith.edges().await;
        let mut import = kith.begin(&["-", "--format", format]);
        for (i, row) in rows.iter().enumerate() {
            let written = Instant::now();
            import.write(*row).await;
            // Nothing follows: the row must not wait for it.
            kith.until_edges(before + 1 + i as u64).await;
            assert!(written.elapsed() < SOON, "{format}: {:?}", written.elapsed());
        }
        let outcome = import.end().await;
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert!(outcome.stdout.contains("= 3 imported (3 created"), "{}", outcome.stdout);
    }
    kith.stop().await;
}

/// No stream is open while nothing comes, so that no silence can end one.
#[tokio::test]
async fn a_producer_that_is_silent_for_longer_than_a_stream_may_be() {
    let kith = Kith::start_with_silence(Duration::from_millis(300)).await;
    let mut import = kith.begin(&["-"]);
    for (i, row) in ["ann bob\n", "bob cy\n"].into_iter().enumerate() {
        import.write(row).await;
        kith.until_edges(1 + i as u64).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    let outcome = import.end().await;
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stdout.contains("2 rows read = 2 imported"), "{}", outcome.stdout);
    kith.stop().await;
}
