use super::Weight;
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::tensor::Dtype;
use sha2::{Digest, Sha256};

/// Values in a chunk: a tensor is read in chunks, in parallel, and what they give is put together in order.
const CHUNK: usize = 1 << 20;

/// A tensor in a few figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightSummary {
    /// Number of values.
    pub values: u64,
    /// SHA-256 over the SHA-256 of every 2^20 values, each value as a little-endian float32: float16, bfloat16 and float32
    /// copies of the same values have the same one. Of other types, over the bytes as they lie.
    pub sha256: [u8; 32],
    /// How many values are NaN.
    pub nan: u64,
    /// How many are infinite.
    pub infinite: u64,
    /// The sum of the squares of the others.
    pub squares: f64,
}

impl Weight<'_> {
    /// Whether the values are floating-point numbers of a type that weights come in.
    pub fn is_floating(&self) -> bool {
        matches!(self.dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16)
    }

    /// Reads all values once, on all cores. The figures do not depend on the number of threads.
    pub fn summary(&self) -> WeightSummary {
        match self.dtype {
            Dtype::F32 => self.of(f32::from_le_bytes),
            Dtype::F16 => self.of(|bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => self.of(|bytes| bf16::from_le_bytes(bytes).to_f32()),
            // What float32 cannot hold counts as infinite.
            Dtype::F64 => self.of(|bytes| f64::from_le_bytes(bytes) as f32),
            _ => WeightSummary {
                values: self.shape.iter().map(|n| *n as u64).product(),
                sha256: Sha256::digest(self.data()).into(),
                nan: 0,
                infinite: 0,
                squares: 0.0,
            },
        }
    }

    fn of<const BYTES: usize>(&self, value: impl Fn([u8; BYTES]) -> f32 + Sync) -> WeightSummary {
        let data = self.data();
        let chunks: Vec<WeightSummary> = data
            .par_chunks(CHUNK * BYTES)
            .map(|chunk| {
                let (values, _) = chunk.as_chunks::<BYTES>();
                let mut hash = Sha256::new();
                let mut all =
                    WeightSummary { values: values.len() as u64, sha256: [0; 32], nan: 0, infinite: 0, squares: 0.0 };
                let mut canonical = [0u8; 4096];
                for part in values.chunks(canonical.len() / 4) {
                    for (bytes, place) in part.iter().zip(canonical.as_chunks_mut::<4>().0) {
                        let value = value(*bytes);
                        *place = value.to_le_bytes();
                        all.nan += u64::from(value.is_nan());
                        all.infinite += u64::from(value.is_infinite());
                        all.squares += if value.is_finite() { f64::from(value).powi(2) } else { 0.0 };
                    }
                    hash.update(canonical.get(..4 * part.len()).unwrap_or_default());
                }
                all.sha256 = hash.finalize().into();
                all
            })
            .collect();
        let mut hash = Sha256::new();
        let mut all = WeightSummary { values: 0, sha256: [0; 32], nan: 0, infinite: 0, squares: 0.0 };
        for chunk in chunks {
            hash.update(chunk.sha256);
            all.values += chunk.values;
            all.nan += chunk.nan;
            all.infinite += chunk.infinite;
            all.squares += chunk.squares;
        }
        all.sha256 = hash.finalize().into();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn summary(dtype: Dtype, data: &[u8]) -> WeightSummary {
        let shape = [data.len() / dtype.size()];
        Weight::new(Path::new("w"), dtype, &shape, data).summary()
    }

    #[test]
    fn equal_values_have_one_hash_whatever_their_type() {
        let values = [0.0f32, -0.0, 1.5, -2.0, 0.0078125];
        let single: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let half: Vec<u8> = values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
        let brain: Vec<u8> = values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect();
        let expected = summary(Dtype::F32, &single);
        assert_eq!(summary(Dtype::F16, &half), expected);
        assert_eq!(summary(Dtype::BF16, &brain), expected);
        // hashlib.sha256(hashlib.sha256(struct.pack("<5f", 0, -0.0, 1.5, -2, .0078125)).digest()).hexdigest()
        let hex: String = expected.sha256.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "8c73af6c7a0a62b41504e0f0883a7c57e8ce5c938c38ec35435c5d98e82a906d");
        assert_eq!((expected.values, expected.nan, expected.infinite), (5, 0, 0));
        assert_eq!(expected.squares, 1.5 * 1.5 + 4.0 + 0.0078125 * 0.0078125);
        let mut other = single;
        other[3] ^= 0x80;
        assert_ne!(summary(Dtype::F32, &other).sha256, expected.sha256);
    }

    #[test]
    fn values_that_are_not_finite_are_counted_and_left_out_of_the_squares() {
        let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3.0];
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let found = summary(Dtype::F32, &data);
        assert_eq!((found.nan, found.infinite, found.squares), (1, 2, 9.0));
    }

    #[test]
    fn chunks_and_threads_do_not_show() {
        let data: Vec<u8> = (0..CHUNK + 7).flat_map(|i| (i as f32).sin().to_le_bytes()).collect();
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(one.install(|| summary(Dtype::F32, &data)), summary(Dtype::F32, &data));
    }
}
