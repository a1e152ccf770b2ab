use super::{Example, Left};
use crate::activations::Tokenizer;
use crate::Result;
use std::path::Path;
use std::sync::Arc;

/// A labelled text in one or two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) label: String,
    pub(super) parts: Vec<String>,
    pub(super) file: Arc<Path>,
    pub(super) line: usize,
}

/// Token ids of the parts, one after the other, with the label on the last token. Of a text that is too long, tokens are taken from
/// the end of the part that is the longest at the time (the last among equals, as transformers' `longest_first`).
pub(super) fn encode(
    texts: &[Text],
    tokenizer: &Tokenizer,
    labels: &[String],
    max_length: usize,
    left: &mut Left,
) -> Result<Vec<Example>> {
    let mut examples = Vec::with_capacity(texts.len());
    for text in texts {
        let Ok(class) = labels.binary_search(&text.label) else { continue };
        let mut parts: Vec<Vec<u32>> = text.parts.iter().map(|part| tokenizer.encode(part)).collect::<Result<_>>()?;
        let mut excess = parts.iter().map(Vec::len).sum::<usize>().saturating_sub(max_length);
        left.truncated += usize::from(excess > 0);
        while excess > 0 {
            // `max_by_key` takes the last among equals.
            let Some(longest) = parts.iter_mut().max_by_key(|part| part.len()) else { break };
            longest.pop();
            excess -= 1;
        }
        let ids = parts.concat();
        match ids.len().checked_sub(1) {
            Some(last) => examples.push(Example { ids, targets: vec![(last, class)] }),
            None => left.empty += 1,
        }
    }
    Ok(examples)
}

pub(super) fn digest(texts: &[Text]) -> String {
    super::hash(
        texts
            .iter()
            .flat_map(|text| [text.label.as_str(), "text"].into_iter().chain(text.parts.iter().map(String::as_str))),
    )
}
