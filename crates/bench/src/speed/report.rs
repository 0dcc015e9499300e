//! The rows as a table, and as JSON.

use serde_json::{Value, json};

use super::rows::{Row, Side};
use kith::cli::print::{Align, Table};

/// Returns the table that people read.
pub fn table(rows: &[Row]) -> String {
    let mut table = Table::new(&[
        ("query", Align::Left),
        ("unit", Align::Left),
        ("kith", Align::Right),
        ("p99", Align::Right),
        ("p99.9", Align::Right),
        ("limit", Align::Right),
        ("p99", Align::Right),
        ("ratio", Align::Right),
        ("from – to", Align::Right),
        ("target", Align::Right),
        ("stretch", Align::Right),
        ("met", Align::Left),
    ]);
    for row in rows {
        let tail = |side: Option<Side>, percentile: fn((f64, f64)) -> f64| {
            side.and_then(|side| side.tail).map(|tail| number(percentile(tail))).unwrap_or_default()
        };
        let bound = |bound: f64, at_least| format!("{} {}", if at_least { "≥" } else { "≤" }, number(bound));
        table.row(vec![
            row.what.clone(),
            row.unit.to_owned(),
            number(row.kith.value),
            tail(Some(row.kith), |tail| tail.0),
            tail(Some(row.kith), |tail| tail.1),
            row.limit.map(|limit| number(limit.value)).unwrap_or_default(),
            tail(row.limit, |tail| tail.0),
            number(row.ratio.median),
            format!("{} – {}", number(row.ratio.least), number(row.ratio.greatest)),
            row.goal.map(|goal| bound(goal.target, goal.at_least)).unwrap_or_default(),
            row.goal.map(|goal| bound(goal.stretch, goal.at_least)).unwrap_or_default(),
            row.goal.map(|goal| goal.met(row.ratio.median).to_owned()).unwrap_or_default(),
        ]);
    }
    table.render()
}

/// Returns a number with as many digits as mean something.
fn number(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..1_000.0 => format!("{value:.1}"),
        1_000.0..1e6 => format!("{value:.0}"),
        _ => format!("{:.2} M", value / 1e6),
    }
}

/// Returns the rows for programs.
pub fn json(rows: &[Row]) -> Vec<Value> {
    let side = |side: Side| match side.tail {
        Some((p99, p999)) => json!({ "p50": side.value, "p99": p99, "p99_9": p999 }),
        None => json!({ "value": side.value }),
    };
    let row = |row: &Row| {
        json!({
            "query": row.what.trim(),
            "unit": row.unit,
            "kith": side(row.kith),
            "limit": row.limit.map(side),
            "ratio": { "median": row.ratio.median, "least": row.ratio.least, "greatest": row.ratio.greatest },
            "target": row.goal.map(|goal| goal.target),
            "stretch": row.goal.map(|goal| goal.stretch),
            "at_least": row.goal.map(|goal| goal.at_least),
            "met": row.goal.map(|goal| goal.met(row.ratio.median)),
        })
    };
    rows.iter().map(row).collect()
}
