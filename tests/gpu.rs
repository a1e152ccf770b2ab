//! On a CUDA device the same activations as Hugging Face transformers gives on a processor in float32. Without such a device
//! nothing is checked, unless `ISOGLOSS_GPU` is set: then its absence is a failure.
#![cfg(feature = "torch")]

use isogloss::activations::{
    extract, extract_to, sentence_states, ExtractionSettings, Origin, SentencePooling, Tokenizer,
};
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
        assert!(std::env::var_os("ISOGLOSS_GPU").is_none(), "no CUDA device");
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

/// Stores in many small shards, resumed and not, and in float16 too.
#[test]
fn stores_hold_what_extraction_gives() {
    let Some(gpu) = gpu() else { return };
    let sites: Vec<Site> = (0..=4).map(Site::Residual).collect();
    let checkpoint = Checkpoint::open(fixture("tiny-bloom/global_step3000")).unwrap();
    let tokenizer = Tokenizer::open(checkpoint.tokenizer().unwrap()).unwrap();
    let treebank = Treebank::read("qa", &[fixture("treebanks/qa.conllu")], Scheme::Ud).unwrap();
    for kind in [Kind::Float, Kind::Half, Kind::BFloat16] {
        let bloom = Bloom::load(&checkpoint, Extent::Sites(&sites), kind, gpu).unwrap();
        let settings = ExtractionSettings { shard_words: 50, ..ExtractionSettings::on(gpu) };
        let dir = tempfile::tempdir().unwrap();
        let store = || {
            let origin = Origin::from(&checkpoint);
            extract_to(dir.path(), &origin, &bloom, &tokenizer, &treebank, &sites, &settings, |_| true).unwrap()
        };
        let rows = extract(&bloom, &tokenizer, &treebank, &sites, &settings, |_| true).unwrap().activations;
        assert_eq!(store().activations().unwrap().site(sites[4]).unwrap(), rows.site(sites[4]).unwrap(), "{kind:?}");
        fs::write(dir.path().join("00001.safetensors"), b"damaged").unwrap();
        assert_eq!(store().activations().unwrap().site(sites[4]).unwrap(), rows.site(sites[4]).unwrap(), "{kind:?}");
    }
}

/// Long units are reduced in another way than on the processor.
#[test]
fn means_over_whole_sentences_are_those_of_the_processor() {
    let Some(gpu) = gpu() else { return };
    let sites = [Site::Residual(2), Site::Residual(4)];
    let checkpoint = Checkpoint::open(fixture("tiny-bloom/global_step3000")).unwrap();
    let tokenizer = Tokenizer::open(checkpoint.tokenizer().unwrap()).unwrap();
    let text = fs::read_to_string(fixture("parallel/qa.txt")).unwrap();
    let sentences: Vec<String> = text.lines().map(str::to_string).collect();
    let states = |device: Device| {
        let bloom = Bloom::load(&checkpoint, Extent::Sites(&sites), Kind::Float, device).unwrap();
        let settings = ExtractionSettings::on(device);
        let poolings = [SentencePooling::Mean, SentencePooling::Last];
        sentence_states(&bloom, &tokenizer, &sentences, &sites, &settings, &poolings).unwrap()
    };
    let (here, there) = (states(Device::Cpu), states(gpu));
    assert_eq!(here.len(), 2 * sites.len());
    for (place, here) in &here {
        let worst = (here - &there[place]).iter().fold(0f32, |worst, d| worst.max(d.abs()));
        assert!(worst < 1e-4, "{place:?}: {worst}");
    }
}
