//! (to be written)
#[cfg(feature = "torch")]
pub mod device;
