//! On a CUDA device the same activations as Hugging Face transformers gives on a processor in float32. Without such a device
//! nothing is checked.
#![cfg(feature = "torch")]

use isogloss::activations::{extract, ExtractionSettings, Tokenizer};
use isogloss::bloom::{device, Batch, Bloom, Extent};
use isogloss::checkpoint::Checkpoint;
use isogloss::treebank::{Scheme, Treebank};
use isogloss::Site;
use safetensors::SafeTensors;
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Cuda, Device, Kind, Tensor};

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

fn gpu() -> Option<Device> {
    device::load_cuda();
    if !Cuda::is_available() {
        eprintln!("no CUDA device: nothing is checked");
        return None;
    }
    Some(Device::Cuda(0))
}

#[test]
fn parity_with_transformers() {
    let Some(gpu) = gpu() else { return };
    let _guard = tch::no_grad_guard();
    for case in fs::read_dir(fixture("parity")).unwrap().map(|entry| entry.unwrap().path()) {
        let bytes = fs::read(case.join("expected.safetensors")).unwrap();
        let expected = SafeTensors::deserialize(&bytes).unwrap();
        let view = |name: &str, kind| {
            let view = expected.tensor(name).unwrap();
            let size: Vec<i64> = view.shape().iter().map(|d| *d as i64).collect();
            Tensor::from_data_size(view.data(), &size, kind)
        };
        for kind in [Kind::Float, Kind::BFloat16] {
            let bloom = Bloom::load(&Checkpoint::open(&case).unwrap(), Extent::Full, kind, gpu).unwrap();
            let sites: Vec<Site> = (0..=bloom.config().n_layer).map(Site::Residual).collect();
            for input in 0..5 {
                let name = format!("{input}.input_ids");
                let ids_kind =
                    if expected.tensor(&name).unwrap().dtype().size() == 8 { Kind::Int64 } else { Kind::Int };
                let ids: Vec<i64> = Vec::try_from(view(&name, ids_kind).to_kind(Kind::Int64)).unwrap();
                let ids: Vec<u32> = ids.into_iter().map(|id| id as u32).collect();
                for (site, found) in bloom.forward(&Batch::new(&[ids]).unwrap(), &sites).unwrap() {
                    let expected = view(&format!("{input}.{site}"), Kind::Float);
                    let difference = found.to_device(Device::Cpu).to_kind(Kind::Float) - &expected;
                    if kind == Kind::Float {
                        let worst = difference.abs().max().double_value(&[]);
                        assert!(worst < 1e-4, "{} {input} {site}: {worst}", case.display());
                    } else {
                        let relative = difference.norm().double_value(&[]) / expected.norm().double_value(&[]);
                        assert!(relative < 2e-2, "{} {input} {site}: {relative}", case.display());
                    }
                }
            }
        }
    }
}

#[test]
fn extraction_gives_the_rows_of_the_processor_and_the_same_bits_every_time() {
    let Some(gpu) = gpu() else { return };
    let sites = [Site::Residual(1), Site::MlpActivation(1), Site::Residual(4)];
    let checkpoint = Checkpoint::open(fixture("tiny-bloom/global_step3000")).unwrap();
    let tokenizer = Tokenizer::open(checkpoint.tokenizer().unwrap()).unwrap();
    let treebank = Treebank::read("qa", &[fixture("treebanks/qa.conllu")], Scheme::Ud).unwrap();
    let rows = |device: Device, batch_tokens: usize| {
        let bloom = Bloom::load(&checkpoint, Extent::Sites(&sites), Kind::Float, device).unwrap();
        let settings = ExtractionSettings { batch_tokens, ..ExtractionSettings::on(device) };
        extract(&bloom, &tokenizer, &treebank, &sites, &settings, |_| true).unwrap().activations
    };
    let (here, there) = (rows(Device::Cpu, 2048), rows(gpu, 16384));
    for site in sites {
        let difference = &here.site(site).unwrap() - &there.site(site).unwrap();
        let worst = difference.iter().fold(0f32, |worst, d| worst.max(d.abs()));
        assert!(worst < 1e-4, "{site}: {worst}");
    }
    assert_eq!(there, rows(gpu, 16384));
}
