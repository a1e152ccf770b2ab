//! BLOOM's parameters by name: what a model of some shape consists of, loading, fresh values, saving.

use super::Config;
use crate::checkpoint::{Weight, Weights};
use crate::files;
use crate::{Error, Result};
use rand::Rng;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// The embedding, and the head where it is one of its own.
const EMBEDDING: &str = "word_embeddings.weight";
const HEAD: &str = "lm_head.weight";

/// Parameters by their names in Hugging Face layout, without the prefix `transformer.`.
pub type Parameters = BTreeMap<String, Tensor>;

/// The parameters of the embedding, the first `blocks` blocks, the final LayerNorm (if `last`) and, where it is not the
/// embedding, the head (if `head`): names and shapes.
pub fn shapes(config: &Config, blocks: usize, last: bool, head: bool) -> Vec<(String, Vec<usize>)> {
    let h = config.hidden_size;
    let mut shapes = vec![(EMBEDDING.to_string(), vec![config.vocab_size, h])];
    let mut pair = |name: String, weight: Vec<usize>| {
        let bias = weight.iter().take(1).copied().collect();
        shapes.push((format!("{name}.weight"), weight));
        shapes.push((format!("{name}.bias"), bias));
    };
    pair("word_embeddings_layernorm".into(), vec![h]);
    for i in 0..blocks {
        pair(format!("h.{i}.input_layernorm"), vec![h]);
        pair(format!("h.{i}.self_attention.query_key_value"), vec![3 * h, h]);
        pair(format!("h.{i}.self_attention.dense"), vec![h, h]);
        pair(format!("h.{i}.post_attention_layernorm"), vec![h]);
        pair(format!("h.{i}.mlp.dense_h_to_4h"), vec![4 * h, h]);
        pair(format!("h.{i}.mlp.dense_4h_to_h"), vec![h, 4 * h]);
    }
    if last {
        pair("ln_f".into(), vec![h]);
    }
    if head && !config.tie_word_embeddings {
        shapes.push((HEAD.into(), vec![config.vocab_size, h]));
    }
    shapes
}

/// Takes the named parameters out of a checkpoint, converted to `kind` on `device` one at a time.
///
/// Each is written straight from the mapped file into its tensor, so that private memory holds the parameters once and nothing
/// else; libtorch's threads share the work.
///
/// # Errors
/// [`Error::File`] if one is absent, of another shape than the configuration gives, or of a type that is no floating point.
pub fn load(weights: &Weights, shapes: &[(String, Vec<usize>)], kind: Kind, device: Device) -> Result<Parameters> {
    let mut parameters = Parameters::new();
    for (name, shape) in shapes {
        let (weight, kind_in_file) = fitting(weights, name, shape)?;
        parameters.insert(name.clone(), read(&weight, kind_in_file, kind, device)?);
    }
    Ok(parameters)
}

/// Bytes that [`read`] copies at a time where it cannot use the map as it is: little enough to stay in the processor's cache.
const PIECE_BYTES: usize = 1 << 20;

/// One tensor of a checkpoint.
fn read(weight: &Weight<'_>, from: Kind, to: Kind, device: Device) -> Result<Tensor> {
    let signed = |sizes: &[usize]| sizes.iter().map(|n| *n as i64).collect::<Vec<_>>();
    let size = signed(weight.shape);
    let mut tensor = Tensor::f_empty(&size, (to, device))?;
    let (bytes, strides) = weight.in_place();
    if bytes.as_ptr().align_offset(weight.dtype.size()) == 0 {
        // SAFETY: the bytes are aligned and reach from the first element to the last of this shape and these strides (row by
        // row if none); the map that holds them outlives `source`, which is only read.
        let source =
            unsafe { Tensor::f_from_blob(bytes.as_ptr(), &size, &signed(strides.unwrap_or(&[])), from, Device::Cpu)? };
        tensor.f_copy_(&source)?;
        return Ok(tensor);
    }
    // Early safetensors files begin their data at any byte.
    let data = weight.data();
    let flat = tensor.f_view([-1])?;
    let mut start = 0;
    for piece in data.chunks(PIECE_BYTES) {
        let length = (piece.len() / weight.dtype.size()) as i64;
        flat.f_narrow(0, start, length)?.f_copy_(&Tensor::f_from_data_size(piece, &[length], from)?)?;
        start += length;
    }
    Ok(tensor)
}

/// What transformers does about a head that should be the embedding: where one of the two is absent, the other stands for it; where
/// both are there and differ, the head is one of its own after all (only looked at if `head`).
pub(super) fn tie(weights: &mut Weights, config: &mut Config, head: bool) {
    if !config.tie_word_embeddings {
        return;
    }
    weights.tie(EMBEDDING, HEAD);
    let differ = || matches!((weights.get(EMBEDDING), weights.get(HEAD)), (Some(a), Some(b)) if !a.same(&b));
    if head && differ() {
        tracing::warn!(
            checkpoint = %weights.dir().display(),
            "`config.json` ties the head to the embedding, but the weights have both and they differ: each is used as it is, \
             as transformers does; set `tie_word_embeddings` to false to silence this warning"
        );
        config.tie_word_embeddings = false;
    }
}

/// Checks that a checkpoint has the named parameters, without reading their values.
///
/// # Errors
/// As [`load`].
pub fn check(weights: &Weights, shapes: &[(String, Vec<usize>)]) -> Result<()> {
    shapes.iter().try_for_each(|(name, shape)| fitting(weights, name, shape).map(|_| ()))
}

fn fitting<'a>(weights: &'a Weights, name: &str, shape: &[usize]) -> Result<(Weight<'a>, Kind)> {
    let Some(weight) = weights.get(name) else {
        let message = format!("lacks the tensor `{name}` {shape:?}, which its `config.json` calls for");
        return Err(Error::file(weights.dir(), message));
    };
    if weight.shape != shape {
        let message = format!("holds the tensor `{name}` {:?}, but `config.json` calls for {shape:?}", weight.shape);
        return Err(Error::file(weight.path, message));
    }
    let kind = match weight.dtype {
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        other => {
            let message = format!(
                "holds the tensor `{name}` as {other:?}; expected F32, F16 or BF16: save the model in one of these"
            );
            return Err(Error::file(weight.path, message));
        }
    };
    Ok((weight, kind))
}

/// Fresh parameters: weights normal with standard deviation `initializer_range`, biases 0, LayerNorms 1 and 0, as
/// transformers initialises them. The same seed gives the same values on every machine.
///
/// # Errors
/// [`Error::Torch`] if libtorch cannot hold them.
pub fn initialise(config: &Config, seed: u64) -> Result<Parameters> {
    let mut parameters = Parameters::new();
    for (name, shape) in shapes(config, config.n_layer, true, true) {
        let n: usize = shape.iter().product();
        let layer_norm = name.contains("layernorm") || name.starts_with("ln_f");
        let values: Vec<f32> = match (name.ends_with(".bias"), layer_norm) {
            (true, _) => vec![0.0; n],
            (false, true) => vec![1.0; n],
            (false, false) => normal(config.initializer_range, n, seed, &name),
        };
        let size: Vec<i64> = shape.iter().map(|d| *d as i64).collect();
        parameters.insert(name, Tensor::f_from_slice(&values)?.f_reshape(size)?);
    }
    Ok(parameters)
}

fn normal(deviation: f64, n: usize, seed: u64, name: &str) -> Vec<f32> {
    let mut stream = crate::seed::stream(seed, &["initialise", name]);
    // The sum of twelve uniform numbers has variance 1 and is all but normal; unlike logarithms and cosines, sums are the
    // same on every machine.
    let mut draw = || (0..12).map(|_| stream.gen::<f64>()).sum::<f64>() - 6.0;
    (0..n).map(|_| (deviation * draw()) as f32).collect()
}

/// Writes `config.json` and `model.safetensors` in Hugging Face layout (names with the prefix `transformer.`), values as
/// `kind`: float32, float16 or bfloat16.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be written; [`Error::Parameter`] for another `kind`; [`Error::Data`] if a value is
/// not finite in `kind`.
pub fn save(parameters: &Parameters, config: &Config, dir: impl AsRef<Path>, kind: Kind) -> Result<()> {
    let dir = dir.as_ref();
    let (dtype, dtype_name) = match kind {
        Kind::Float => (Dtype::F32, "float32"),
        Kind::Half => (Dtype::F16, "float16"),
        Kind::BFloat16 => (Dtype::BF16, "bfloat16"),
        other => return Err(Error::parameter("kind", "Float, Half or BFloat16", format!("{other:?}"))),
    };
    fs::create_dir_all(dir).map_err(Error::io(dir, "create"))?;
    let mut tensors = Vec::new();
    for (name, tensor) in parameters {
        let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(kind)?.f_contiguous()?;
        if tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
            return Err(Error::Data(format!(
                "the parameter `{name}` is not finite as {dtype_name}, so it is not saved"
            )));
        }
        let shape: Vec<usize> = tensor.size().iter().map(|d| *d as usize).collect();
        let mut data = vec![0u8; tensor.numel() * dtype.size()];
        let n = tensor.numel();
        tensor.f_copy_data_u8(&mut data, n)?;
        let prefix = if name.starts_with("lm_head") { "" } else { "transformer." };
        tensors.push((format!("{prefix}{name}"), shape, data));
    }
    let path = dir.join("model.safetensors");
    let views: Result<Vec<_>> = tensors
        .iter()
        .map(|(name, shape, data)| {
            let view = TensorView::new(dtype, shape.clone(), data).map_err(|e| Error::file(&path, e.to_string()))?;
            Ok((name.as_str(), view))
        })
        .collect();
    // transformers refuses files that do not say which framework wrote them.
    let metadata = Some([("format".to_string(), "pt".to_string())].into());
    let bytes = safetensors::serialize(views?, &metadata).map_err(|e| Error::file(&path, e.to_string()))?;
    files::write_atomic(&path, |w| w.write_all(&bytes).map_err(Error::io(&path, "write")))?;
    let path = dir.join("config.json");
    let mut json = serde_json::to_value(config).map_err(|e| Error::file(&path, e.to_string()))?;
    if let Some(object) = json.as_object_mut() {
        object.insert("torch_dtype".into(), dtype_name.into());
    }
    let text = serde_json::to_string_pretty(&json).map_err(|e| Error::file(&path, e.to_string()))?;
    files::write_atomic(&path, |w| writeln!(w, "{text}").map_err(Error::io(&path, "write")))
}
