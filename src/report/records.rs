//! The columns of the crate's tables.

use super::Record;
use crate::audit::{AuditBlockRow, AuditRow};
use crate::correlation::{CorrelationRow, InferenceRow, InfluenceRow};
use crate::overlap::{OverlapByK, OverlapMeasures, PairOverlap, SelfOverlap, Sharing, StepOverlap};
use crate::similarity::{Similarity, StepSimilarity};
use crate::treebank::{CellRow, ClassRow, UnmappedRow, ValueRow};

impl Record for PairOverlap {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "step",
        "site",
        "attribute",
        "language_a",
        "language_b",
        "k",
        "seed",
        "neurons",
        "shared",
        "overlap",
        "expected",
        "excess",
        "p_value",
        "p_holm",
        "p_bh",
        "p_by",
        "jaccard",
        "control",
        "attribute_b",
    ];
}

impl Record for SelfOverlap {
    const COLUMNS: &'static [&'static str] =
        &["model", "step", "site", "attribute", "language", "k", "seeds", "self_overlap"];
}

impl Record for StepOverlap {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "step",
        "site",
        "attribute",
        "k",
        "pairs",
        "overlap",
        "expected",
        "excess",
        "ceiling",
        "of_ceiling",
        "excess_of_ceiling",
        "shuffled",
        "cross_attribute",
    ];
}

impl Record for OverlapByK {
    const COLUMNS: &'static [&'static str] =
        &["model", "step", "site", "attribute", "k", "pairs", "overlap", "expected", "control"];
}

impl Record for OverlapMeasures {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "step",
        "site",
        "attribute",
        "language_a",
        "language_b",
        "k",
        "seed",
        "control",
        "jaccard",
        "area",
        "area_expected",
        "rbo",
        "rbo_p",
        "weighted",
        "of_ceiling",
    ];
}

impl Record for Sharing {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "step",
        "site",
        "attribute",
        "k",
        "seed",
        "languages",
        "shared_by",
        "neurons",
        "expected",
        "p_value",
        "draws",
        "control",
    ];
}

impl Record for CorrelationRow {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "task",
        "level",
        "measure",
        "attribute",
        "n",
        "pearson",
        "pearson_p",
        "spearman",
        "spearman_p",
        "ci_low",
        "ci_high",
        "ci_method",
    ];
}

impl Record for InferenceRow {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "task",
        "level",
        "measure",
        "attribute",
        "estimator",
        "method",
        "unit",
        "n",
        "units",
        "estimate",
        "ci_low",
        "ci_high",
        "p_value",
        "exact",
        "reason",
    ];
}

impl Record for InfluenceRow {
    const COLUMNS: &'static [&'static str] =
        &["model", "task", "level", "measure", "left_out", "n", "pearson", "spearman"];
}

impl Record for Similarity {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "step",
        "site",
        "pooling",
        "language_a",
        "language_b",
        "measure",
        "sentences",
        "neurons",
        "value",
        "reason",
    ];
}

impl Record for StepSimilarity {
    const COLUMNS: &'static [&'static str] =
        &["model", "step", "site", "pooling", "measure", "pairs", "sites", "sentences", "value"];
}

impl Record for AuditRow {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "step",
        "tensors",
        "values",
        "nan",
        "infinite",
        "norm",
        "tokens",
        "perplexity",
        "sha256",
        "findings",
    ];
}

impl Record for AuditBlockRow {
    const COLUMNS: &'static [&'static str] = &["model", "step", "part", "values", "nan", "infinite", "norm", "sha256"];
}

impl Record for CellRow {
    const COLUMNS: &'static [&'static str] = &[
        "language",
        "attribute",
        "seed",
        "usable",
        "reason",
        "classes",
        "dropped",
        "train",
        "dev",
        "test",
        "without_lemma",
        "seen_lemmas",
    ];
}

impl Record for ClassRow {
    const COLUMNS: &'static [&'static str] = &[
        "language",
        "attribute",
        "seed",
        "class",
        "kept",
        "train",
        "dev",
        "test",
        "lemmas_train",
        "lemmas_dev",
        "lemmas_test",
        "share_dev",
        "share_test",
        "largest_lemma_dev",
        "largest_lemma_test",
    ];
}

impl Record for ValueRow {
    const COLUMNS: &'static [&'static str] = &["language", "attribute", "value", "words", "lemmas"];
}

impl Record for UnmappedRow {
    const COLUMNS: &'static [&'static str] = &["language", "feature", "value", "reason", "words"];
}
