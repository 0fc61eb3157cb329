//! Subject module.
