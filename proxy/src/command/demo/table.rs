//! The matrix for eyes: configured, what chance allows, and observed, a column for each destination.

use super::report::{Cell, Destination, RUNS_WITHOUT_FALSE_ALARM, Report, Row, Verdict};
use super::world::SERVICE;

/// Room for a destination's figures.
const COLUMN: usize = 11;

/// The whole matrix.
pub(crate) fn render(report: &Report) -> String {
    let mut out = String::new();
    for (index, experiment) in report.rows.chunk_by(|one, next| one.name == next.name).enumerate() {
        line(&mut out, &format!("\n{}. {}", index + 1, experiment[0].rule));
        for rows in experiment.chunk_by(|one, next| one.client == next.client) {
            block(&mut out, rows);
        }
    }
    let cells = || report.rows.iter().flat_map(|row| &row.cells);
    let off = cells().filter(|cell| cell.verdict == Verdict::Off).count();
    let failures: u32 = report.rows.iter().map(|row| row.failures).sum();
    let verdict = match report.verdict {
        Verdict::OnTarget => "every cell is on target".to_owned(),
        Verdict::Off => format!("OFF: {off} cells, {failures} failed requests"),
    };
    line(
        &mut out,
        &format!(
            "\n{verdict} ({} cells, {} requests a row). Chance alone calls a right system off in less than one run of {RUNS_WITHOUT_FALSE_ALARM}.",
            cells().count(),
            report.requests
        ),
    );
    out
}

/// One client under one rule: a line for each spelling of the host.
fn block(out: &mut String, rows: &[Row]) {
    let first = &rows[0];
    line(out, &format!("  {} client: {}", first.client, first.expected));
    if first.cells.iter().any(|cell| matches!(cell.destination, Destination::Sticky { .. })) {
        sticky(out, &first.cells);
    } else {
        let name =
            rows.iter().map(|row| host(&row.host).chars().count()).max().unwrap_or_default().max("chance allows".len());
        let columns = |label: &str, text: &dyn Fn(&Cell) -> String| {
            first
                .cells
                .iter()
                .fold(format!("    {label:name$}"), |line, cell| line + &format!("{:>COLUMN$}", text(cell)))
        };
        line(out, &columns("", &|cell| destination(&cell.destination)));
        line(out, &columns("configured", &|cell| percent(cell.configured)));
        line(out, &columns("chance allows", &|cell| format!("{:.1}–{:.1}", cell.low * 100.0, cell.high * 100.0)));
        for row in rows {
            let figures: String = row.cells.iter().map(|cell| format!("{:>COLUMN$}", observed(cell))).collect();
            line(out, &format!("    {:name$}{figures}   {}", host(&row.host), verdict(row.verdict)));
        }
    }
    for row in rows.iter().filter(|row| row.error.is_some()) {
        let error = row.error.as_deref().unwrap_or_default();
        line(out, &format!("    {}: {} failed requests; {error}", row.host, row.failures));
    }
}

/// A long spelling without the name that all of them begin with.
fn host(host: &str) -> String {
    host.strip_prefix(SERVICE)
        .filter(|rest| rest.starts_with('.'))
        .map_or_else(|| host.to_owned(), |rest| format!("…{rest}"))
}

fn sticky(out: &mut String, cells: &[Cell]) {
    for three in cells.chunks(3) {
        let line_of = three.iter().fold("   ".to_owned(), |line, cell| {
            line + &format!(
                " {:26} {:16}",
                destination(&cell.destination),
                format!("{} of {} {}", cell.count, cell.of, mark(cell.verdict))
            )
        });
        line(out, line_of.trim_end());
    }
}

fn destination(destination: &Destination) -> String {
    match destination {
        Destination::Subset(name) | Destination::Pod(name) => name.clone(),
        Destination::Sticky { value, pod } => format!("foo: {value} -> {pod}"),
    }
}

fn observed(cell: &Cell) -> String {
    format!("{} {}", percent(cell.observed), mark(cell.verdict))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::OnTarget => "✓",
        Verdict::Off => "✗",
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::OnTarget => "on target",
        Verdict::Off => "OFF",
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
