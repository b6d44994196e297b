//! Claims: the states of one element after groups of windows.
//!
//! ```text
//! g = max(1, ceil((to - from) / 256))    m = ceil((to - from) / g)
//! state_0 = before -from .. from + g-> state_1 -> .. -> state_m        then, of a whole claim, -expression-> value
//! ```

use core::ops::Range;

/// The most states of a claim.
pub const MAX_STATES: u64 = 256;

/// The windows of a claim, in at most [`MAX_STATES`] groups of one size, the last of them cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    /// The first window.
    pub from: u64,
    /// The end of the windows.
    pub to: u64,
}

impl Groups {
    fn windows(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// Windows of a group.
    pub fn size(self) -> u64 {
        self.windows().div_ceil(MAX_STATES).max(1)
    }

    /// Number of groups: of states, and of steps before the expression.
    pub fn count(self) -> usize {
        self.windows().div_ceil(self.size()) as usize
    }

    /// The windows of a group; `None` where there is no such group.
    pub fn windows_of(self, group: usize) -> Option<Range<u64>> {
        if group >= self.count() {
            return None;
        }
        let first = self.from.saturating_add((group as u64).saturating_mul(self.size()));
        Some(first..first.saturating_add(self.size()).min(self.to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_cover_every_window_once_in_at_most_256_states() {
        for from in [0, 7] {
            for windows in (0..2000).chain([65_535, 65_536, 65_537, u32::MAX.into()]) {
                let groups = Groups { from, to: from + windows };
                assert!(groups.count() <= 256);
                let mut at = from;
                for group in 0..groups.count() {
                    let range = groups.windows_of(group).unwrap();
                    assert_eq!(range.start, at);
                    assert!(range.end > at);
                    at = range.end;
                }
                assert_eq!(at, groups.to);
                assert_eq!(groups.windows_of(groups.count()), None);
                assert_eq!(groups.size() == 1, windows <= 256);
            }
        }
    }
}
