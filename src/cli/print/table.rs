//! Aligned tables.

use super::{clean, fitted, width};

/// The widest text of a cell, in columns of a terminal.
const CELL_WIDTH_MAX: usize = 60;
/// No character takes less than a column, except marks on others: more characters than this are not looked at.
const CELL_CHARS_MAX: usize = 4 * CELL_WIDTH_MAX;
const GAP: &str = "  ";

/// The side of its column that a cell keeps to.
#[derive(Clone, Copy, PartialEq)]
pub enum Align {
    Left,
    Right,
}

pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(columns: &[(&str, Align)]) -> Table {
        Table { columns: columns.iter().map(|(name, align)| ((*name).to_owned(), *align)).collect(), rows: Vec::new() }
    }

    /// Adds a row: one cell for each column.
    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells.into_iter().map(|cell| fitted(&clean(&cell, CELL_CHARS_MAX), CELL_WIDTH_MAX)).collect());
    }

    /// Returns the heading, a rule and the rows, each line ended, none with spaces at its end.
    pub fn render(&self) -> String {
        let heading: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let widest = |column: usize| {
            let cells = std::iter::once(&heading).chain(&self.rows).filter_map(|row| row.get(column));
            cells.map(|cell| width(cell)).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(widest).collect();
        let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        let lines = [&heading, &rule].into_iter().chain(&self.rows);
        lines.map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells = row.iter().zip(&self.columns).zip(widths).map(|((cell, (_, align)), widest)| {
            let space = " ".repeat(widest.saturating_sub(width(cell)));
            match align {
                Align::Left => format!("{cell}{space}"),
                Align::Right => format!("{space}{cell}"),
            }
        });
        let line = cells.collect::<Vec<_>>().join(GAP);
        format!("{}\n", line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[("member", Align::Left), ("hops", Align::Right)]);
        table.row(vec!["jérémy".into(), "3".into()]);
        table.row(vec!["neighbor-1".into(), "12".into()]);
        assert_eq!(table.render(), "member      hops\n──────────  ────\njérémy         3\nneighbor-1    12\n");
    }

    #[test]
    fn wide_characters_take_two_columns_and_marks_none() {
        let mut table = Table::new(&[("member", Align::Left), ("hops", Align::Right)]);
        table.row(vec!["田中さくら".into(), "3".into()]);
        table.row(vec!["e\u{301}va".into(), "12".into()]);
        let lines = ["member      hops", "──────────  ────", "田中さくら     3", "e\u{301}va           12"];
        assert_eq!(table.render(), lines.map(|line| format!("{line}\n")).concat());
        let mut table = Table::new(&[("text", Align::Left)]);
        table.row(vec!["山".repeat(40)]);
        assert_eq!(table.render().lines().nth(2), Some(format!("{}…", "山".repeat(29)).as_str()));
    }

    #[test]
    fn cells_stay_on_their_line() {
        let mut table = Table::new(&[("text", Align::Left)]);
        table.row(vec!["a\nb".into()]);
        assert_eq!(table.render(), "text\n────\na b\n");
    }
}
