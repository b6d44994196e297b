//! What a command has to say: text for people, one JSON object for programs; and how the process ends.

use crate::error::CliError;
use assay_circuits::program::AccuracyReport;
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// The result of a command.
pub struct Report {
    /// For people, lines without a last newline.
    pub text: String,
    /// For programs.
    pub json: Value,
    /// True where a proof was rejected.
    pub rejected: bool,
}

impl Report {
    /// The report of work that was done.
    pub fn done(text: String, json: Value) -> Report {
        Report { text, json, rejected: false }
    }
}

/// How the process ends. This is the one place that knows exit codes.
#[derive(Clone, Copy)]
enum Exit {
    Done = 0,
    Rejected = 1,
    Error = 2,
}

/// Prints the report, or the error, and gives the exit code.
pub fn finish(result: Result<Report, CliError>, json: bool) -> ExitCode {
    let printed = result.and_then(|report| {
        let text = if json { report.json.to_string() } else { report.text };
        print(&text).map(|()| report.rejected)
    });
    let exit = match printed {
        Ok(false) => Exit::Done,
        Ok(true) => Exit::Rejected,
        Err(error) => {
            // Standard error is the last resort: where it is closed, the exit code alone tells.
            let _ = writeln!(std::io::stderr(), "error: {}", plain(&error.to_string()));
            if json {
                let _ = print(&json!({ "error": error.to_string() }).to_string());
            }
            Exit::Error
        }
    };
    ExitCode::from(exit as u8)
}

/// Text of a file of somebody else's on one line, which moves no terminal's cursor.
pub fn plain(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(CliError::Stdout),
    }
}

/// `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..10_000 => format!("{} bytes", count(bytes as u64)),
        10_000..10_000_000 => format!("{:.1} KB", bytes as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A time.
pub fn time(duration: Duration) -> String {
    match duration.as_secs_f64() {
        s if s < 0.001 => format!("{:.0} us", s * 1e6),
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 120.0 => format!("{s:.1} s"),
        s => format!("{:.0} min", s / 60.0),
    }
}

/// A time as JSON has it: milliseconds.
pub fn milliseconds(duration: Duration) -> Value {
    json!((duration.as_secs_f64() * 1e6).round() / 1e3)
}

/// `[1, 28, 28]`.
pub fn shape(sizes: &[usize]) -> String {
    format!("{sizes:?}")
}

/// Columns of text, the first cells of each row aligned left, those in `right` aligned right.
pub fn table(rows: &[Vec<String>], right: &[usize]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(i, cell)| match right.contains(&i) {
            true => format!("{cell:>0$}", widths[i]),
            false => format!("{cell:<0$}", widths[i]),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect()
}

/// The accuracy report as text.
pub fn accuracy(report: &AccuracyReport) -> Vec<String> {
    if report.samples == 0 {
        return vec!["accuracy        not measured".to_string()];
    }
    let mut lines =
        vec![format!("accuracy        against the float model, over {} samples", count(report.samples))];
    let mut rows =
        vec![["  output", "max error", "mean error", "cosine", "top-1"].map(String::from).to_vec()];
    for output in &report.outputs {
        rows.push(vec![
            format!("  {}", output.name),
            format!("{:.4}", output.max_error),
            format!("{:.4}", output.mean_error),
            format!("{:.6}", output.cosine),
            format!("{:.2} %", 100.0 * output.top1_agreement),
        ]);
    }
    lines.extend(table(&rows, &[1, 2, 3, 4]));
    for (name, share) in &report.saturated {
        lines.push(format!("  saturates: {name}, {:.3} % of its elements", 100.0 * share));
    }
    lines
}

/// The accuracy report as JSON.
pub fn accuracy_json(report: &AccuracyReport) -> Value {
    let outputs = report.outputs.iter().map(|output| {
        json!({
            "name": output.name,
            "max_error": output.max_error,
            "mean_error": output.mean_error,
            "cosine": output.cosine,
            "top1_agreement": output.top1_agreement,
        })
    });
    let saturated = report.saturated.iter().map(|(name, share)| json!({ "name": name, "share": share }));
    json!({
        "samples": report.samples,
        "outputs": outputs.collect::<Vec<_>>(),
        "saturated": saturated.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_on_its_line() {
        assert_eq!(plain("a \u{1b}[1A\nVERIFIED \u{e9}"), "a \\u{1b}[1A\\nVERIFIED \u{e9}");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(123), "123");
        assert_eq!(size(9_999), "9,999 bytes");
        assert_eq!(size(25_300), "25.3 KB");
        assert_eq!(time(Duration::from_micros(1500)), "1.5 ms");
    }
}
