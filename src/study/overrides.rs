//! A description with some keys set to other values.

use super::Study;
use crate::{Error, Result};
use std::path::Path;
use toml::{Table, Value};

/// Keys whose values are lists, so that brackets may be left out: items are separated by commas.
const LISTS: [&str; 6] = ["attributes", "sites", "k", "seeds", "controls", "checkpoints.steps"];
/// Keys whose values, or items of them, are text, also where they look like a number or a truth value.
const TEXTS: [&str; 15] = [
    "attributes",
    "sites",
    "controls",
    "series",
    "source",
    "scheme",
    "transfer",
    "device",
    "dtype",
    "pooling",
    "tokenisation",
    "output",
    "checkpoints.revisions",
    "checkpoints.released",
    "checkpoints.tokenizer",
];

/// Parses a description, `settings` as `KEY=VALUE` over what is in it.
pub(super) fn parse(text: &str, path: &Path, settings: &[String]) -> Result<Study> {
    let in_file = |e: toml::de::Error| {
        let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        Error::line(path, before.matches('\n').count() + 1, e.message())
    };
    if settings.is_empty() {
        return toml::from_str(text).map_err(in_file);
    }
    let mut table: Table = toml::from_str(text).map_err(in_file)?;
    for setting in settings {
        let (key, value) = setting.split_once('=').ok_or_else(|| {
            Error::Data(format!("setting `{setting}` should be KEY=VALUE, such as k=20 or split.min_per_class=5"))
        })?;
        set(&mut table, key.trim(), value.trim())
            .map_err(|message| Error::Data(format!("setting `{setting}`: {message}")))?;
    }
    // A line is known of what stands in the file alone.
    table.try_into().map_err(|e: toml::de::Error| match toml::from_str::<Study>(text) {
        Err(in_text) if in_text.message() == e.message() => in_file(in_text),
        _ => Error::Data(format!("setting {}: {}", settings.join(", "), e.message().trim_end())),
    })
}

fn set(table: &mut Table, key: &str, value: &str) -> Result<(), String> {
    let file = key.starts_with("treebanks.");
    let text = file || TEXTS.contains(&key);
    let value = match read(value, text) {
        list @ Value::Array(_) => list,
        _ if file || LISTS.contains(&key) => {
            Value::Array(value.split(',').map(|item| read(item.trim(), text)).collect())
        }
        one => one,
    };
    let names: Vec<&str> = key.split('.').collect();
    let Some((last, above)) = names.split_last().filter(|_| names.iter().all(|name| !name.is_empty())) else {
        return Err("has an empty key".into());
    };
    let mut table = table;
    for (i, name) in above.iter().enumerate() {
        let inner = table.entry(*name).or_insert_with(|| Value::Table(Table::new()));
        // A method by its name gets parameters, or another's table gives way.
        let method = i == 0 && *name == "method";
        let other = method && inner.as_table().is_none_or(|inner| !inner.contains_key(names[1]));
        if other {
            *inner = Value::Table(Table::new());
        }
        table = inner.as_table_mut().ok_or_else(|| format!("`{name}` is no table"))?;
    }
    table.insert((*last).to_owned(), value);
    Ok(())
}

/// A value as TOML, or else as text; where it has to be text, only what is quoted or a list is TOML.
fn read(text: &str, is_text: bool) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok();
    let parsed = parsed.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    let parsed = parsed.filter(|value| !is_text || value.is_str() || value.is_array());
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::Method;
    use crate::study::settings::tests::TEXT;

    fn with(settings: &[&str]) -> Result<Study> {
        parse(TEXT, Path::new("s.toml"), &settings.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn keys_of_any_depth_are_set() {
        let study = with(&["k=20", "seeds=[3,4]", "scheme=ud", "split.min_per_class = 5", "memory=2 GiB"]).unwrap();
        assert_eq!((study.k, study.seeds, study.split.min_per_class), (vec![20], vec![3, 4], 5));
        assert_eq!((study.scheme.to_string(), study.memory.unwrap().0), ("ud".into(), 2 << 30));
        let study = with(&["k=20, 50", "source=nan", "attributes=true,\"POS\"", "memory=4096", "seeds=[7]"]).unwrap();
        assert_eq!((study.k, &*study.source, study.memory.unwrap().0), (vec![20, 50], "nan", 4096));
        assert_eq!((study.attributes, study.seeds), (vec!["true".into(), "POS".into()], vec![7]));
        let files = with(&["treebanks.qa=x.conllu,y.conllu"]).unwrap().treebanks["qa"].clone();
        assert_eq!(files, [Path::new("x.conllu"), Path::new("y.conllu")]);
        let study =
            with(&["method=logistic", "method.poisson.samples=7", "treebanks.qc=c.conllu", "checkpoints.steps=30"]);
        let study = study.unwrap();
        assert_eq!(study.method, Method::Poisson(crate::probe::Poisson::params().samples(7)));
        assert_eq!((study.treebanks.len(), study.checkpoints.steps.len()), (3, 1));
    }

    #[test]
    fn mistakes_name_the_setting_or_the_line() {
        for (setting, why) in [
            ("k", "should be KEY=VALUE"),
            ("kk=20", "unknown field `kk`"),
            ("k=many", "k=many"),
            ("split.shares=3", "unknown field `shares`"),
            ("source.x=3", "`source` is no table"),
            (".x=3", "empty key"),
            ("device=cpu\nseries = \"x\"", "setting"),
        ] {
            let error = with(&[setting]).and_then(|study| study.check().map(|()| study));
            match error {
                Err(error) => assert!(error.to_string().contains(why), "{setting}: {error}"),
                // What spans lines is a text, and no second key.
                Ok(study) => assert!(study.device.contains('\n'), "{setting}"),
            }
        }
        let wrong = TEXT.replace("source", "sauce");
        let error = parse(&wrong, Path::new("s.toml"), &["k=3".into()]).unwrap_err().to_string();
        assert!(error.contains("s.toml:3: unknown field `sauce`"), "{error}");
    }
}
