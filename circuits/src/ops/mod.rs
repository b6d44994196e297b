//! Layers, one file each.
