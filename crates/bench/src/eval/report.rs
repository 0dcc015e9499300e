//! Reports the scores of a set as a table, and as JSON.

use serde_json::{Value, json};

use super::bars;
use super::measure::{BUDGETED, Measured};
use super::scores::{Estimate, Scores};
use super::sparing::Sparing;
use super::split::Split;
use kith::cli::print::{Align, Table};

/// The report on a set.
pub struct Report {
    pub set: String,
    pub members: usize,
    pub ties: usize,
    pub queries: usize,
    pub rankers: Vec<Scores>,
    /// The greatest relative difference between a score of exact K and its formula written out.
    pub difference: f64,
    /// The number of queries whose top is the same by both.
    pub same_top: usize,
    /// The part of exact K's top that budgeted K has: the mean, and the least of all queries.
    pub overlap: f64,
    pub overlap_least: f64,
    pub sparing: Sparing,
}

impl Report {
    pub fn of(split: &Split, measured: &Measured, rankers: Vec<Scores>) -> Report {
        let queries = split.queries.len();
        Report {
            set: split.name.clone(),
            members: split.members.len(),
            ties: split.ties.len(),
            queries,
            rankers,
            difference: measured.agreement.iter().map(|agreement| agreement.difference).fold(0.0, f64::max),
            same_top: measured.agreement.iter().filter(|agreement| agreement.same_top).count(),
            overlap: measured.overlap.iter().sum::<f64>() / queries as f64,
            overlap_least: measured.overlap.iter().copied().fold(1.0, f64::min),
            sparing: measured.sparing,
        }
    }

    /// Returns each bar that is not reached, in words.
    pub fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        let mut hold = |what: &str, reached: f64, bar: f64, holds: bool| {
            if !holds {
                missed.push(format!("{}: {what} is {reached:.4}, the bar is {bar}", self.set));
            }
        };
        if let Some(bar) = bars::of(&self.set)
            && let Some(kith) = self.rankers.iter().find(|scores| scores.name == BUDGETED)
        {
            let (recall, rank) = (kith.recall.mean, kith.reciprocal_rank.mean);
            hold("Recall@20 of budgeted K", recall, bar.recall, recall >= bar.recall);
            hold("MRR of budgeted K", rank, bar.reciprocal_rank, rank >= bar.reciprocal_rank);
        }
        hold("overlap with exact K", self.overlap, bars::OVERLAP, self.overlap >= bars::OVERLAP);
        if self.set == bars::SPARED_ON {
            let (left, kept) = (self.sparing.load_left(), self.sparing.strength_kept);
            hold("load left to the busiest introducer", left, bars::LOAD_LEFT, left <= bars::LOAD_LEFT);
            hold("strength kept by asking others", kept, bars::STRENGTH_KEPT, kept >= bars::STRENGTH_KEPT);
        }
        let difference = self.difference;
        hold("difference of exact K from its formula", difference, bars::DIFFERENCE, difference <= bars::DIFFERENCE);
        let (same, all) = (self.same_top as f64, self.queries as f64);
        hold("queries with the same top by the formula", same, all, same == all);
        missed
    }

    /// Returns the report for people.
    pub fn table(&self) -> String {
        let mut table = Table::new(&[
            ("ranker", Align::Left),
            ("Recall@20", Align::Right),
            ("±", Align::Right),
            ("MRR", Align::Right),
            ("±", Align::Right),
            ("Recall − K", Align::Right),
            ("±", Align::Right),
            ("MRR − K", Align::Right),
            ("±", Align::Right),
            ("covered", Align::Right),
            ("busiest introducer", Align::Right),
        ]);
        for scores in &self.rankers {
            let share = 100.0 * scores.busiest as f64 / scores.asks.max(1) as f64;
            let estimates = [scores.recall, scores.reciprocal_rank, scores.recall_more, scores.reciprocal_rank_more];
            let mut cells = vec![scores.name.clone()];
            cells.extend(
                estimates
                    .iter()
                    .flat_map(|estimate| [format!("{:.4}", estimate.mean), format!("{:.4}", estimate.error)]),
            );
            cells.push(format!("{:.1} %", 100.0 * scores.coverage));
            cells.push(format!("{} of {} ({share:.2} %)", scores.busiest, scores.asks));
            table.row(cells);
        }
        format!(
            "{}: {} members, {} ties, {} queries\n\n{}\n\
             exact K beside its formula written out: scores differ by {:.1e} at most, the same top 20 in {} of {}\n\
             budgeted K has {:.1} % of exact K's top 20, {:.0} % at least\n\
             of {} introductions asked for the busiest member is asked for {}, and {} when the ranking knows what was asked of late ({:.1} %), \
             along chains {:.2} % as strong\n",
            self.set,
            self.members,
            self.ties,
            self.queries,
            table.render(),
            self.difference,
            self.same_top,
            self.queries,
            100.0 * self.overlap,
            100.0 * self.overlap_least,
            self.sparing.asks,
            self.sparing.busiest_without_load,
            self.sparing.busiest_with_load,
            100.0 * self.sparing.load_left(),
            100.0 * self.sparing.strength_kept,
        )
    }

    /// Returns the report for programs.
    pub fn json(&self) -> Value {
        let estimate = |estimate: Estimate| json!({ "mean": estimate.mean, "error": estimate.error });
        let ranker = |scores: &Scores| {
            json!({
                "name": scores.name,
                "recall_at_20": estimate(scores.recall),
                "mrr": estimate(scores.reciprocal_rank),
                "more_than_k": {
                    "recall_at_20": estimate(scores.recall_more),
                    "mrr": estimate(scores.reciprocal_rank_more),
                },
                "coverage": scores.coverage,
                "introductions": scores.asks,
                "of_the_busiest_introducer": scores.busiest,
            })
        };
        json!({
            "set": self.set,
            "members": self.members,
            "ties": self.ties,
            "queries": self.queries,
            "rankers": self.rankers.iter().map(ranker).collect::<Vec<_>>(),
            "exact_and_formula": { "difference": self.difference, "same_top": self.same_top },
            "budgeted_and_exact": { "overlap": self.overlap, "overlap_least": self.overlap_least },
            "sparing": {
                "introductions": self.sparing.asks,
                "busiest_without_load": self.sparing.busiest_without_load,
                "busiest_with_load": self.sparing.busiest_with_load,
                "load_left": self.sparing.load_left(),
                "strength_kept": self.sparing.strength_kept,
            },
            "missed": self.missed(),
        })
    }
}
