//! Aligned tables.

use super::clean;

/// Longest text of a cell.
const CELL_CHARS_MAX: usize = 60;
const GAP: &str = "  ";

/// Which side of its column a cell keeps to.
#[derive(Clone, Copy, PartialEq)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Rows of cells under a heading.
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[(&str, Align)]) -> Table {
        Table { columns: columns.iter().map(|(name, align)| ((*name).to_owned(), *align)).collect(), rows: Vec::new() }
    }

    /// Adds a row: one cell for each column.
    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells.into_iter().map(|cell| clean(&cell, CELL_CHARS_MAX)).collect());
    }

    /// The heading, a rule and the rows, each line ended, none with spaces at its end.
    pub fn render(&self) -> String {
        let heading: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let width = |column: usize| {
            let cells = std::iter::once(&heading).chain(&self.rows).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        let lines = [&heading, &rule].into_iter().chain(&self.rows);
        lines.map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells = row.iter().zip(&self.columns).zip(widths).map(|((cell, (_, align)), width)| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
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
    fn cells_stay_on_their_line() {
        let mut table = Table::new(&[("text", Align::Left)]);
        table.row(vec!["a\nb".into()]);
        assert_eq!(table.render(), "text\n────\na b\n");
    }
}
