//! The columns of the crate's tables.

use super::Record;
use crate::correlation::{CorrelationRow, InfluenceRow};
use crate::overlap::{PairOverlap, SelfOverlap, StepOverlap};
use crate::similarity::Similarity;

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
    ];
}

impl Record for SelfOverlap {
    const COLUMNS: &'static [&'static str] =
        &["model", "step", "site", "attribute", "language", "k", "seeds", "self_overlap"];
}

impl Record for StepOverlap {
    const COLUMNS: &'static [&'static str] =
        &["model", "step", "site", "attribute", "k", "pairs", "overlap", "expected", "excess", "ceiling"];
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

impl Record for InfluenceRow {
    const COLUMNS: &'static [&'static str] =
        &["model", "task", "level", "measure", "left_out", "n", "pearson", "spearman"];
}

impl Record for Similarity {
    const COLUMNS: &'static [&'static str] =
        &["model", "step", "site", "language_a", "language_b", "measure", "sentences", "value"];
}
