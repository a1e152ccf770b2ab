//! Floats in serde as their bits: text formats then give back exactly what was fitted, whatever their parser rounds.

/// `Array1<f32>` as whole numbers.
pub(super) mod vector {
    use ndarray::Array1;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(values: &Array1<f32>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|x| x.to_bits()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Array1<f32>, D::Error> {
        Ok(Vec::<u32>::deserialize(deserializer)?.into_iter().map(f32::from_bits).collect())
    }
}

/// `Array1<f64>` as whole numbers.
pub(super) mod doubles {
    use ndarray::Array1;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(values: &Array1<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|x| x.to_bits()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Array1<f64>, D::Error> {
        Ok(Vec::<u64>::deserialize(deserializer)?.into_iter().map(f64::from_bits).collect())
    }
}

/// `Array2<f32>` as rows of whole numbers.
pub(super) mod matrix {
    use ndarray::Array2;
    use serde::{de::Error, Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(values: &Array2<f32>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.outer_iter().map(|row| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Array2<f32>, D::Error> {
        let rows = Vec::<Vec<u32>>::deserialize(deserializer)?;
        let shape = (rows.len(), rows.first().map_or(0, Vec::len));
        if rows.iter().any(|row| row.len() != shape.1) {
            return Err(D::Error::custom("the rows of a matrix differ in length"));
        }
        Array2::from_shape_vec(shape, rows.concat().into_iter().map(f32::from_bits).collect()).map_err(D::Error::custom)
    }
}

/// One `f64` as a whole number.
pub(super) mod double {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.to_bits())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(f64::from_bits(u64::deserialize(deserializer)?))
    }
}
