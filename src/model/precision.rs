//! The arithmetic of a graph.

use std::fmt;
use std::str::FromStr;

/// The arithmetic of a graph's maps and weights. Outputs are f32 in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// IEEE single precision.
    Fp32,
    /// IEEE half precision from the input to the last map; pooled features and classifier in single precision,
    /// which costs nothing at their size and spares the logits a second rounding.
    Fp16,
    /// Eight bits from the input to the last map, for CPUs. Such a graph is made of a drawn fp32 graph and of what its
    /// maps held over a sample ([`to_int8`](crate::model::quantize::to_int8)); it is never drawn.
    Int8,
}

impl Precision {
    /// As job files and metadata spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Fp16 => "fp16",
            Precision::Int8 => "int8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "fp32" => Ok(Precision::Fp32),
            "fp16" => Ok(Precision::Fp16),
            "int8" => Ok(Precision::Int8),
            other => Err(format!("`{other}` is no precision: take `fp32`, `fp16` or `int8`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_reads_what_it_writes() {
        for precision in [Precision::Fp32, Precision::Fp16, Precision::Int8] {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        assert!("int4".parse::<Precision>().is_err());
    }
}
