//! What is proven: tensors, programs, their exact semantics, and their lowering to relations.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;
