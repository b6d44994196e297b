//! How it is made: import of ONNX, quantisation, exact execution, commitment, proving.
//!
//! Five names are enough to use it: [`import()`], [`compile()`], [`execute()`], [`Prover`], and the verifier's
//! `bundle` for the file that a buyer gets.
//!
//! ```no_run
//! # use assay_prover::{CompileOptions, Prover, compile, execute, files::read_tensor, import, quantise_input};
//! # use assay_verifier::bundle;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let graph = import(&std::fs::read("model.onnx")?, &Default::default())?;
//! let program = compile(&graph, &[], &CompileOptions::default())?;
//! let prover = Prover::new(program)?;
//! let input = quantise_input(prover.program(), 0, &read_tensor("x.npy".as_ref())?);
//! let trace = execute(prover.program(), &[input])?;
//! let (statement, proof) = prover.prove(&trace)?;
//! std::fs::write("x.proof", bundle::encode(prover.key(), None, &statement, &proof))?;
//! # Ok(())
//! # }
//! ```

pub mod audit;
pub mod batch_affine;
pub mod beacon;
pub mod commitment;
pub mod compile;
pub mod count;
pub mod dispute;
pub mod envelope;
pub mod error;
pub mod execute;
pub mod execute_f32;
pub mod files;
#[cfg(target_arch = "x86_64")]
mod ifma;
pub mod kernels;
pub mod lookup;
pub mod msm;
pub mod multilinear;
pub mod onnx;
pub mod opening;
pub mod prove;
pub mod quantise;
pub mod reals;
pub mod receipt;
pub mod run;
pub mod signature;
pub mod spill;
pub mod sumcheck;
pub mod table;
pub mod terms;
pub mod trace;
pub mod train;
pub mod witness;

pub use compile::{CompileOptions, compile, dequantise_output, quantise_input};
pub use execute::execute;
pub use onnx::import;
pub use prove::Prover;
