//! What it costs: networks of any size made by a generator, for benches and for fits of cost against size.

pub mod clock;
pub mod fit;
pub mod networks;
pub mod phases;
