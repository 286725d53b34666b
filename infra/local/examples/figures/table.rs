//! Tables of text, and the few statistics that are shown.

/// Rows of equally many cells, the first column to the left and the others to the right.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(heads: [&str; N]) -> Self {
        Self { rows: vec![heads.map(str::to_owned).to_vec()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// Prints it below a title, as a table that Markdown understands too.
    pub(crate) fn print(&self, title: &str) {
        println!("\n{title}\n");
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                let width = width(column);
                if column == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
            });
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
            if number == 0 {
                let rule = (0..row.len())
                    .map(|column| if column == 0 { "-".repeat(width(column)) } else { format!("{}:", "-".repeat(width(column) - 1)) });
                println!("| {} |", rule.collect::<Vec<_>>().join(" | "));
            }
        }
    }
}

/// Milliseconds, with one digit behind the point.
pub(crate) fn signed_ms(milliseconds: f64) -> String {
    format!("{milliseconds:.1} ms")
}

/// Smallest, middle and largest.
pub(crate) fn spread(values: &[f64]) -> [f64; 3] {
    [percentile(values, 0), percentile(values, 50), percentile(values, 100)]
}

/// The smallest value that so many per cent of them do not exceed.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}
