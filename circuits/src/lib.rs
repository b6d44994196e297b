//! What is proven: tensors, programs, their exact semantics, and their lowering to relations.
//!
//! A [`program::Program`] is a straight-line list of tensor operations with one defined result. Each
//! operation writes one wire; [`execute`](mod@execute) is the plain reference that computes them.
//! [`lower`](mod@lower) turns a program into a [`relation::System`]: the tensors, einsums and lookups that
//! prover and verifier see, and nothing else. The crate knows no field, no transcript and no curve.
//!
//! A program is of integers or of binary32 numbers. [`element`] computes one element of either by steps, which is
//! what a referee repeats, from an operation's [`descriptor`]; [`execute_f32`](mod@execute_f32) computes all of an
//! f32 program's. [`binary32`] is its arithmetic in integers, [`elementary`] and [`formula`] what is made of it.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod binary32;
pub mod builder;
pub mod check_f32;
pub mod descriptor;
pub mod element;
pub mod elementary;
pub mod encoding;
pub mod execute;
pub mod execute_f32;
pub mod expression;
pub mod formula;
pub mod hint;
pub mod lower;
pub mod ops;
pub mod plan;
pub mod program;
pub mod real;
pub mod relation;
pub mod root;
pub mod shape;
pub mod table;
pub mod tensor;
