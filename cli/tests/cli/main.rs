//! The binary `assay`, driven as a person or a script drives it.

mod compiling;
mod files;
mod forging;
mod models;
mod proving;
mod receipts;
mod training;
mod world;
