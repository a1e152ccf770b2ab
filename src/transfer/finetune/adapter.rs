//! What was trained, in files that PEFT reads and writes.

use super::{Method, Target, Task, Tuned};
use crate::bloom::parameters;
use crate::{files, Error, Result};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tch::{Device, Kind, Tensor};

const WEIGHTS: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";
const PREFIX: &str = "base_model.model.";

/// What this crate needs of `adapter_config.json`.
#[derive(Deserialize)]
struct AdapterConfig {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    target_modules: Vec<String>,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    rank_pattern: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, serde_json::Value>,
}

impl Tuned {
    /// The tensors' names in PEFT's layout. The head is `classifier` in transformers' model for tagging and `score` in the one for
    /// sentences.
    fn names_in_peft(&self) -> Vec<(String, &Tensor)> {
        let head = if self.head.bias.is_some() { "classifier" } else { "score" };
        let name = |name: String| match name.strip_prefix("head.") {
            Some(part) => format!("{PREFIX}{head}.{part}"),
            None => format!("{PREFIX}transformer.{name}.weight"),
        };
        self.trainable().into_iter().map(|(of_ours, tensor)| (name(of_ours), tensor)).collect()
    }

    /// Writes what was trained into a folder, whole or not at all:
    ///
    /// - LoRA: `adapter_config.json` and `adapter_model.safetensors`, which `peft.PeftModel.from_pretrained` loads onto transformers'
    ///   `BloomForTokenClassification` (tagging) or `BloomForSequenceClassification`, the head included;
    /// - the head alone: `head.safetensors` with `weight` and perhaps `bias`;
    /// - full fine-tuning: that, and the model in Hugging Face layout;
    ///
    /// and `labels.json`, the labels in the order of the classes. `base` is what the configuration names as the model underneath.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be written; [`Error::Data`] if a value is not finite.
    pub fn save(&self, dir: impl AsRef<Path>, task: &Task, base: &str) -> Result<()> {
        let dir = dir.as_ref();
        files::writable_dir(dir)?;
        let path = dir.join("labels.json");
        write_json(&path, &json!(self.labels()))?;
        let settings = self.settings();
        if settings.method != Method::Lora {
            if settings.method == Method::Full {
                parameters::save(self.bloom.parameters(), self.bloom.config(), dir, Kind::Float)?;
            }
            let head = self
                .trainable()
                .into_iter()
                .filter_map(|(name, tensor)| Some((name.strip_prefix("head.")?.to_string(), tensor)));
            return write_tensors(&dir.join("head.safetensors"), head.collect());
        }
        write_tensors(&dir.join(WEIGHTS), self.names_in_peft())?;
        let (kind, head) = match task {
            Task::Tagging(_) => ("TOKEN_CLS", "classifier"),
            Task::Xnli | Task::Labelled(_) => ("SEQ_CLS", "score"),
        };
        let config = json!({
            "base_model_name_or_path": base,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "lora_alpha": settings.alpha,
            "lora_dropout": settings.dropout,
            "modules_to_save": [head],
            "peft_type": "LORA",
            "r": settings.rank,
            "target_modules": settings.targets.iter().map(Target::to_string).collect::<Vec<_>>(),
            "task_type": kind,
        });
        // The configuration comes last: a folder that has it is whole.
        write_json(&dir.join(CONFIG), &config)
    }

    /// Takes the values of an adapter in PEFT's layout, head included, in place of its own.
    ///
    /// # Errors
    /// [`Error::File`] if the folder holds no LoRA adapter of the same rank, scale, layers and number of labels;
    /// [`Error::Parameter`] if this is not fine-tuned with LoRA.
    pub fn load_adapter(&self, dir: impl AsRef<Path>) -> Result<()> {
        let dir = dir.as_ref();
        let settings = self.settings();
        if settings.method != Method::Lora {
            return Err(Error::parameter("method", "lora, for an adapter", settings.method));
        }
        let path = dir.join(CONFIG);
        let text = fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
        let config: AdapterConfig = serde_json::from_str(&text)
            .map_err(|error| Error::file(&path, format!("is no LoRA adapter's configuration: {error}")))?;
        let mut targets = config.target_modules.clone();
        targets.sort();
        let mut expected: Vec<String> = settings.targets.iter().map(Target::to_string).collect();
        expected.sort();
        let plain = config.peft_type == "LORA" && !config.use_dora && !config.use_rslora;
        let same = config.r == settings.rank && config.lora_alpha == settings.alpha && targets == expected;
        if !(plain && same && config.rank_pattern.is_empty() && config.alpha_pattern.is_empty()) {
            let message = format!(
                "is an adapter of type {}, rank {}, alpha {} on {}, but expected plain LORA, rank {}, alpha {} on {}",
                config.peft_type,
                config.r,
                config.lora_alpha,
                targets.join(", "),
                settings.rank,
                settings.alpha,
                expected.join(", ")
            );
            return Err(Error::file(&path, message));
        }
        let path = dir.join(WEIGHTS);
        let bytes = fs::read(&path).map_err(Error::io(&path, "read"))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| Error::file(&path, error.to_string()))?;
        let _guard = tch::no_grad_guard();
        // All are checked before the first is changed.
        let mut copies = Vec::new();
        for (name, tensor) in self.names_in_peft() {
            copies.push((tensor.f_detach()?, read_tensor(&file, &path, &name, &tensor.size())?));
        }
        for (mut tensor, copy) in copies {
            tensor.f_copy_(&copy)?;
        }
        Ok(())
    }
}

fn read_tensor(file: &SafeTensors<'_>, path: &Path, name: &str, size: &[i64]) -> Result<Tensor> {
    let view = file.tensor(name).map_err(|_| Error::file(path, format!("lacks the tensor `{name}` {size:?}")))?;
    let shape: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
    let kind = match view.dtype() {
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        other => return Err(Error::file(path, format!("holds `{name}` as {other:?}; expected F32, F16 or BF16"))),
    };
    if shape != size {
        return Err(Error::file(path, format!("holds the tensor `{name}` {shape:?}, but expected {size:?}")));
    }
    Ok(Tensor::f_from_data_size(view.data(), &shape, kind)?)
}

fn write_json(path: &Path, value: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::file(path, error.to_string()))?;
    files::write_atomic(path, |w| writeln!(w, "{text}").map_err(Error::io(path, "write")))
}

fn write_tensors(path: &Path, tensors: Vec<(String, &Tensor)>) -> Result<()> {
    let mut data = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
        if tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
            return Err(Error::Data(format!("the tensor `{name}` is not finite, so it is not saved")));
        }
        let shape: Vec<usize> = tensor.size().iter().map(|n| *n as usize).collect();
        let mut bytes = vec![0u8; 4 * tensor.numel()];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
        data.push((name, shape, bytes));
    }
    let malformed = |error: safetensors::SafeTensorError| Error::file(path, error.to_string());
    let views: Result<Vec<(&str, TensorView<'_>)>> = data
        .iter()
        .map(|(name, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(malformed)?))
        })
        .collect();
    let metadata = Some([("format".to_string(), "pt".to_string())].into());
    let bytes = safetensors::serialize(views?, &metadata).map_err(malformed)?;
    files::write_atomic(path, |w| w.write_all(&bytes).map_err(Error::io(path, "write")))
}
