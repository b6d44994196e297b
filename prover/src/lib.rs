//! How it is made: import, execution, commitment, proving.
