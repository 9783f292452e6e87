use std::io::{self, Write};

/// Rows under headings, each column as wide as its widest cell; the last one is not padded.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    widths: Vec<usize>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        let mut table = Self { rows: Vec::new(), widths: vec![0; headings.len()] };
        table.row(headings.iter().map(|heading| (*heading).to_owned()));
        table
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let row: Vec<String> = cells.into_iter().collect();
        for (width, cell) in self.widths.iter_mut().zip(&row) {
            *width = (*width).max(cell.chars().count());
        }
        self.rows.push(row);
    }

    /// Prints the rows and forgets them; what is printed later keeps the widths.
    pub(crate) fn print(&mut self, out: &mut impl Write) -> io::Result<()> {
        for row in self.rows.drain(..) {
            for (at, (cell, width)) in row.iter().zip(&self.widths).enumerate() {
                if at > 0 {
                    out.write_all(b"  ")?;
                }
                if at + 1 == row.len() {
                    out.write_all(cell.as_bytes())?;
                } else {
                    write!(out, "{cell:width$}")?;
                }
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_line_up_by_characters() {
        let mut table = Table::new(&["A", "LONG", "C"]);
        table.row(["grün", "x", "the end  "].map(str::to_owned));
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "A     LONG  C\ngrün  x     the end  \n");
    }
}
