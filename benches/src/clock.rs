//! Time on the wall and on the processors. Where other work shares the machine, the second still means something.

use rustix::time::{ClockId, clock_gettime};
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time, or the time between two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Of all threads of this process on processors.
    pub processor: Duration,
    /// On the wall.
    pub wall: Duration,
}

impl Time {
    /// The time now.
    pub fn now() -> Time {
        let at = |clock| {
            let time = clock_gettime(clock);
            Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
        };
        Time { processor: at(ClockId::ProcessCPUTime), wall: at(ClockId::Monotonic) }
    }

    /// What a piece of work takes, and what it gives.
    pub fn of<T>(work: impl FnOnce() -> T) -> (Time, T) {
        let start = Time::now();
        let result = work();
        (Time::now() - start, result)
    }
}

impl Sub for Time {
    type Output = Time;

    fn sub(self, earlier: Time) -> Time {
        Time { processor: self.processor - earlier.processor, wall: self.wall - earlier.wall }
    }
}

impl Add for Time {
    type Output = Time;

    fn add(self, other: Time) -> Time {
        Time { processor: self.processor + other.processor, wall: self.wall + other.wall }
    }
}

/// The middle one, or the mean of the middle two.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    match times.len() {
        0 => Duration::ZERO,
        n if n % 2 == 1 => times[n / 2],
        n => (times[n / 2 - 1] + times[n / 2]) / 2,
    }
}

/// The most memory that this process has held, in bytes; `None` where the system does not say.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}
