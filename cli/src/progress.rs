//! Progress on standard error: a spinner with the phase's name, hidden where standard error is no terminal.

use assay_prover::prove::Phase;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A spinner that disappears when it is dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// Starts to spin beside the name of the first phase.
    pub fn start(phase: &str) -> Progress {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(phase.to_string());
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress(bar)
    }

    /// The next phase.
    pub fn phase(&self, phase: &str) {
        self.0.set_message(phase.to_string());
    }

    /// The next phase of a proof.
    pub fn proof(&self, phase: Phase) {
        self.phase(match phase {
            Phase::Commit => "proving, 1 of 4: committing",
            Phase::Lookups => "proving, 2 of 4: lookups",
            Phase::Einsums => "proving, 3 of 4: sums of products",
            Phase::Openings => "proving, 4 of 4: openings",
        });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
