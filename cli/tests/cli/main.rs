//! The binary `assay`, driven as a person or a script drives it.

mod chain;
mod compiling;
mod disputes;
mod files;
mod forging;
mod models;
mod proving;
mod receipts;
mod training;
mod world;
