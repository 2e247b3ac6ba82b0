//! Columns for eyes, as kubectl's.

/// Lines whose cells stand below each other; nothing is left behind the last.
pub(super) fn columns<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("   ").trim_end())
    };
    let rows = rows.iter().map(|row| line(std::array::from_fn(|column| &*row[column])));
    std::iter::once(line(heading)).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_cells_of_any_width_then_columns_are_below_each_other() {
        let rows = [["ä", "1", ""], ["longer", "2", "x"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(["A", "NUMBER", "C"], &rows), "A        NUMBER   C\nä        1\nlonger   2        x\n");
        assert_eq!(columns(["A", "B"], &[]), "A   B\n");
    }
}
