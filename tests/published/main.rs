//! A published study from its raw selections: invented models, languages and neurons, checked by brute force; the example as
//! a user runs it, with good input and bad.

mod tree;

use isogloss::checkpoint::Step;
use isogloss::published::{find_same_weights, HiddenSize, Published, SameWeightsChoice, Scores, Selections};
use isogloss::ranking::{Cell, CurvePoint, RankedCell, Ranking};
use isogloss::Site;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::fs;
use std::process::Output;
use tree::*;

#[test]
fn tables_are_what_brute_force_gives() {
    let tree = Tree::usual();
    let text = tree.succeeds(&["--hidden-size", "aa=64,bb=96"]);
    assert!(
        text.contains("high_valyrian") && text.contains("Steps of bb without a score, in no correlation: 50."),
        "{text}"
    );

    let rankings = tree.table("rankings.csv");
    assert_eq!(rankings.len(), tree.rankings.len() * PICKED);
    let row = &rankings[0];
    let fields =
        ["model", "step", "site", "attribute", "language", "rank", "neuron", "nmi_dev", "nmi_test", "accuracy_test"];
    let first = tree.rankings[&("aa", number(10), 3, 1, "Number")][0].to_string();
    assert_eq!(
        fields.map(|name| row[name].as_str()),
        ["aa", "10", "residual.2", "Number", "en", "1", &first, "", "-0.1", "0.5"]
    );

    let (overlap, crossed): (Vec<_>, Vec<_>) =
        tree.table("overlap.csv").into_iter().partition(|row| row["control"] == "none");
    // Six pairs of POS, three of Number, two layers, seven steps.
    assert_eq!(overlap.len(), 9 * 2 * 7);
    // POS of one of four languages against Number of another of three, in either order.
    assert_eq!(crossed.len(), 9 * 2 * 7);
    assert!(crossed.iter().all(|row| row["control"] == "cross-attribute" && row["attribute"] != row["attribute_b"]));
    for row in &overlap {
        let (model, width) = if row["model"] == "aa" { ("aa", 64) } else { ("bb", 96) };
        let layer = if row["site"] == "residual.2" { 3 } else { 8 };
        let attribute = ATTRIBUTES.into_iter().find(|name| *name == row["attribute"]).unwrap();
        let ranking = |column: &str| {
            let language = CODES.iter().position(|code| *code == row[column]).unwrap();
            &tree.rankings[&(model, row["step"].parse().unwrap(), layer, language, attribute)]
        };
        let count = shared(ranking("language_a"), ranking("language_b"), 30);
        assert_eq!(row["shared"], count.to_string());
        assert_eq!(row["neurons"], width.to_string());
        let chance = 30.0 / width as f64;
        close(&row["overlap"], count as f64 / 30.0, 1e-15);
        close(&row["expected"], chance, 1e-15);
        close(&row["excess"], (count as f64 / 30.0 - chance) / (1.0 - chance), 1e-12);
        let tail: f64 = (count..=30).map(|t| choose(30, t) * choose(width - 30, 30 - t) / choose(width, 30)).sum();
        close(&row["p_value"], tail, 1e-10);
    }

    let by_step = tree.table("overlap_vs_step.csv");
    let value = |model: &str, step: Step, site: &str, attribute: &str| {
        let wanted = [model, &step.to_string(), site, attribute];
        let row =
            by_step.iter().find(|row| ["model", "step", "site", "attribute"].map(|name| row[name].as_str()) == wanted);
        row.unwrap()["overlap"].clone()
    };
    let steps = [number(10), number(100), number(1000), Step::Final];
    let mean_rate = |step| {
        let sites = LAYERS.map(|layer| average(&ATTRIBUTES.map(|attribute| rate(&tree, "aa", step, layer, attribute))));
        average(&sites)
    };
    for step in steps {
        close(&value("aa", step, "residual.7", "POS"), rate(&tree, "aa", step, 8, "POS"), 1e-12);
        close(&value("aa", step, "mean", "mean"), mean_rate(step), 1e-12);
    }

    let correlation = tree.table("correlation.csv");
    let find = |task: &str, level: &str| {
        let wanted = ["aa", task, level, "overlap"];
        let row = correlation
            .iter()
            .find(|row| ["model", "task", "level", "measure"].map(|name| row[name].as_str()) == wanted);
        row.unwrap()
    };
    let pearson = |x: &[f64], y: &[f64]| {
        let (mx, my) = (average(x), average(y));
        let product =
            |a: &[f64], ma: f64, b: &[f64], mb: f64| -> f64 { a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum() };
        product(x, mx, y, my) / (product(x, mx, x, mx) * product(y, my, y, my)).sqrt()
    };
    // The released model is out of the average; the mean score is over all languages, those without selections too.
    let x: Vec<f64> = steps[..3].iter().map(|step| mean_rate(*step)).collect();
    let row = find("xnli", "average");
    assert_eq!(row["n"], "3");
    close(&row["pearson"], pearson(&x, &[0.525, 0.5375, 0.7125]), 1e-10);
    // A pair is a language other than the source with a score; xnli leaves the released model out, tagging does not.
    let pair = |step, language| {
        average(&LAYERS.map(|layer| {
            let ranking = |language| &tree.rankings[&("aa", step, layer, language, "POS")];
            shared(ranking(1), ranking(language), 30) as f64 / 30.0
        }))
    };
    let x: Vec<f64> =
        [0, 3].into_iter().flat_map(|language| steps[..3].iter().map(move |step| pair(*step, language))).collect();
    let row = find("xnli", "pair");
    assert_eq!((row["n"].as_str(), row["attribute"].as_str()), ("6", "POS"));
    close(&row["pearson"], pearson(&x, &[0.1, 0.25, 0.5, 0.4, 0.2, 0.45]), 1e-10);
    let row = find("tagging", "pair");
    let x = [steps[0], steps[2], steps[3]].map(|step| pair(step, 0));
    assert_eq!(row["n"], "3");
    close(&row["pearson"], pearson(&x, &[0.2, 0.3, 0.35]), 1e-10);

    let alike = tree.table("steps_alike.csv");
    assert_eq!(alike.len(), 6 + 3);
    for row in &alike {
        let model = if row["model"] == "aa" { "aa" } else { "bb" };
        let [a, b]: [Step; 2] = ["step_a", "step_b"].map(|name| row[name].parse().unwrap());
        let cells = tree.rankings.iter().filter(|(key, _)| (key.0, key.1) == (model, a));
        let values: Vec<f64> = cells
            .map(|(key, x)| shared(x, &tree.rankings[&(key.0, b, key.2, key.3, key.4)], 30) as f64 / 30.0)
            .collect();
        assert_eq!(row["cells"], values.len().to_string());
        close(&row["overlap"], average(&values), 1e-12);
        close(&row["lowest"], values.iter().copied().fold(1.0, f64::min), 1e-15);
        close(&row["highest"], values.iter().copied().fold(0.0, f64::max), 1e-15);
    }
    assert!(tree.table("ceiling.csv").is_empty());
    for name in fs::read_dir(tree.out()).unwrap().map(|entry| entry.unwrap().path()) {
        if name.extension().is_some_and(|extension| extension == "csv") {
            assert!(!fs::read_to_string(&name).unwrap().contains("NaN"), "{}", name.display());
        }
    }
}

#[test]
fn the_same_bytes_with_any_number_of_threads() {
    let tree = Tree::usual();
    let files = || {
        let files = fs::read_dir(tree.out()).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.clone(), fs::read(path).unwrap())).collect::<BTreeMap<_, _>>()
    };
    let first = (tree.succeeds(&["--hidden-size", "96"]), files());
    let one = tree.command(&["--hidden-size", "96"]).env("RAYON_NUM_THREADS", "1").output().unwrap();
    assert!((String::from_utf8(one.stdout).unwrap(), files()) == first);
}

#[test]
fn without_a_hidden_size_there_is_no_chance() {
    let tree = Tree::usual();
    let text = tree.succeeds(&[]);
    assert!(text.contains("The hidden size of aa is not given"), "{text}");
    for row in tree.table("overlap.csv") {
        for column in ["neurons", "expected", "excess", "p_value", "p_holm", "p_bh"] {
            assert_eq!(row[column], "");
        }
    }
    let text = tree.succeeds(&["--hidden-size", "aa=64"]);
    assert!(!text.contains("The hidden size of aa") && text.contains("The hidden size of bb is not given"), "{text}");
}

/// Rankings of a model with a step that holds another's weights, and one whose weights are broken.
fn odd() -> Rankings {
    let steps = [100, 200, 300, 400, 500, 600, 700].map(number);
    let mut rankings = drifting("odd", 128, &steps);
    let mut random = Random(7);
    let keys: Vec<Key> = rankings.keys().copied().collect();
    for key in keys {
        let (model, step, layer, language, attribute) = key;
        if step == number(600) {
            rankings.insert(key, random.ranking(128));
        } else if step == number(500) {
            let mut rerun = rankings[&(model, number(200), layer, language, attribute)].clone();
            random.drift(&mut rerun, 4, 128);
            rankings.insert(key, rerun);
        }
    }
    rankings
}

#[test]
fn the_same_weights_probed_twice_are_found_and_are_the_ceiling() {
    let tree = Tree::of(odd());
    fs::write(tree.scores().join("odd_xnli_acc.csv"), ",100,200,300,400,500\neu,0.1,0.2,0.3,0.4,0.5\n").unwrap();
    let text = tree.succeeds(&["--hidden-size", "128"]);
    for expected in [
        "Steps 200 and 500 of odd share",
        "500 fits its place the less",
        "drops to chance level at step 600",
        "More than one of them has scores",
    ] {
        assert!(text.contains(expected), "expected {expected:?} in: {text}");
    }
    let ceiling = tree.table("ceiling.csv");
    let at = |step| tree.rankings.iter().filter(move |(key, _)| key.1 == number(step));
    assert_eq!(ceiling.len(), 2 * at(200).count());
    for ((model, _, layer, language, attribute), neurons) in at(200) {
        let rerun = &tree.rankings[&(*model, number(500), *layer, *language, *attribute)];
        let site = format!("residual.{}", layer - 1);
        for step in ["200", "500"] {
            let wanted = [step, &site, attribute, CODES[*language], "2"];
            let columns = ["step", "site", "attribute", "language", "seeds"];
            let row = ceiling.iter().find(|row| columns.map(|name| row[name].as_str()) == wanted).unwrap();
            close(&row["self_overlap"], shared(neurons, rerun, 30) as f64 / 30.0, 1e-15);
        }
    }
    for row in tree.table("overlap_vs_step.csv") {
        assert_eq!(row["ceiling"].is_empty(), !["200", "500"].contains(&row["step"].as_str()));
    }
    let none = tree.succeeds(&["--hidden-size", "128", "--same-weights", "none"]);
    assert!(!none.contains("share") || !none.contains("taken for the same weights"), "{none}");
    assert!(tree.table("ceiling.csv").is_empty());
    let stated = tree.succeeds(&["--hidden-size", "128", "--same-weights", "odd=100+300"]);
    assert!(stated.contains("Steps 100 and 300 of odd") && !stated.contains("Steps 200 and 500"), "{stated}");
    assert_eq!(tree.table("ceiling.csv").len(), 2 * at(200).count());
}

#[test]
fn drift_alone_is_never_taken_for_the_same_weights() {
    let cells = |rankings: &Rankings, width: usize| -> Vec<RankedCell> {
        let cell = |(key, neurons): (&Key, &Vec<usize>)| {
            let (model, step, layer, language, attribute) = *key;
            let cell = Cell {
                model: model.into(),
                step,
                site: Site::Residual(layer - 1),
                attribute: attribute.into(),
                language: CODES[language].into(),
                method: "poisson".into(),
                seed: 0,
                control: Default::default(),
            };
            let point =
                |(i, &neuron)| CurvePoint { rank: i + 1, neuron, nmi_dev: None, nmi_test: None, accuracy_test: None };
            RankedCell { cell, ranking: Ranking::new(width, neurons.iter().enumerate().map(point).collect()).unwrap() }
        };
        rankings.iter().map(cell).collect()
    };
    for width in 60..100 {
        let mut rankings = drifting("m", width, &[1, 2, 3, 4, 5, 6].map(number));
        assert_eq!(find_same_weights(&cells(&rankings, width), 30).unwrap(), [], "width {width}");
        // Nor is a model that has come to rest, whose steps are all equally alike.
        let mut random = Random(width as u64 + 1000);
        let keys: Vec<Key> = rankings.keys().copied().collect();
        for key in keys {
            let mut neurons = rankings[&(key.0, number(1), key.2, key.3, key.4)].clone();
            if key.1 != number(1) {
                random.drift(&mut neurons, 10, width);
                rankings.insert(key, neurons);
            }
        }
        assert_eq!(find_same_weights(&cells(&rankings, width), 30).unwrap(), [], "at rest, width {width}");
    }
}

#[test]
fn published_tables_are_checked_cell_by_cell() {
    let tree = Tree::usual();
    let steps = [number(10), number(100), Step::Final];
    let mut pairs = ",10,100,best\n".to_owned();
    for (language, code) in CODES.iter().enumerate() {
        let values = steps.map(|step| {
            let ranking = |language| &tree.rankings[&("aa", step, 8, language, "POS")];
            (shared(ranking(1), ranking(language), 30) as f64 / 30.0).to_string()
        });
        pairs += &format!("{code},{}\n", values.join(","));
    }
    let (mut attributes, mut means) = (",Number,POS\n".to_owned(), String::new());
    for step in steps {
        let name = if step == Step::Final { "best".to_owned() } else { step.to_string() };
        let rates = ATTRIBUTES.map(|attribute| rate(&tree, "aa", step, 8, attribute));
        attributes += &format!("{name},{},{}\n", rates[0], rates[1]);
        means += &format!("{name},{}\n", average(&rates));
    }
    let path = tree.scores().join("aa_inter-layer-8_ovlp-rate_POS.csv");
    fs::write(&path, &pairs).unwrap();
    fs::write(tree.scores().join("aa_inter-layer-8_avg-ovlp-rate-by-ctgr.csv"), attributes).unwrap();
    fs::write(tree.scores().join("aa_inter-layer-8_avg-ovlp-rate-by-ckpt.txt"), means).unwrap();
    fs::write(tree.scores().join("aa_last-layer_ovlp-rate_POS.csv"), ",best\neu,1\n").unwrap();
    let text = tree.succeeds(&["--check"]);
    assert!(text.contains("21 of 21 published cells in 3 tables agree within 1e-12"), "{text}");
    assert!(text.contains("aa_last-layer_ovlp-rate_POS.csv: not checked"), "{text}");
    // One cell off by little, and a language that there is not.
    let line = pairs.lines().nth(1).unwrap();
    let first: f64 = line.split(',').nth(1).unwrap().parse().unwrap();
    let wrong = line.replacen(&format!("eu,{first}"), &format!("eu,{}", first + 1e-9), 1);
    fs::write(&path, pairs.replace(line, &wrong) + "sw,0.5,,\n").unwrap();
    let Output { status, stdout, stderr } = tree.run(&["--check"]);
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(!status.success() && stdout.contains("20 of 22 published cells"), "{stdout}");
    for why in [
        "2 published cells do not agree",
        "POS.csv:2: row `eu`, column `10`",
        "POS.csv:6: row `sw`, column `10` has 0.5, but from the selections there is no such cell",
    ] {
        assert!(stderr.contains(why), "{stderr}");
    }
    fs::write(&path, ",10,first\neu,0.5,0.5\n").unwrap();
    fs::remove_dir_all(tree.out()).unwrap();
    tree.refused(&["--check"], &["POS.csv:2: unknown step `first`"]);
}

#[test]
fn bad_selections_are_refused() {
    let neurons = |edit: &dyn Fn(&mut Vec<Value>)| {
        let tree = Tree::usual();
        let Value::Array(mut entries) = log_of(&tree.rankings[&("aa", number(100), 3, 0, "POS")]) else {
            unreachable!()
        };
        edit(&mut entries);
        fs::write(tree.some_log(), Value::Array(entries).to_string()).unwrap();
        tree
    };
    let log = "global_step100/inter-layer-3/UD_Basque/POS/loginfo.json";
    let refused = |edit: &dyn Fn(&mut Vec<Value>), why: &[&str]| {
        let mut all = vec![log];
        all.extend(why);
        neurons(edit).refused(&["--hidden-size", "96"], &all);
    };
    refused(
        &|entries| entries[4]["dimensions"][0] = json!(1000),
        &["entry 5: `dimensions` should be the neurons picked so far"],
    );
    refused(
        &|entries| {
            let first = entries[0]["iteration_dimension"].clone();
            entries[6]["iteration_dimension"] = first;
        },
        &["entry 7: picks neuron", "an entry before has picked"],
    );
    refused(&|entries| entries[2]["iteration_dimension"] = json!(-3), &["entry 3: expected `iteration_dimension`"]);
    refused(&|entries| entries[2]["metrics"]["mi"] = json!("high"), &["entry 3: mi is \"high\", not a number"]);
    refused(
        &|entries| entries[2]["dimensions"] = json!("ALL"),
        &["entry 3: `dimensions` is \"ALL\", which should be the last"],
    );
    refused(&|entries| drop(entries.drain(20..)), &["selects 20 neurons, fewer than k = 30", "`--k 20`"]);
    neurons(&|entries| drop(entries.drain(20..))).succeeds(&["--k", "20"]);
    let tree = Tree::usual();
    let most = tree.rankings.values().flatten().max().unwrap();
    tree.refused(&["--hidden-size", &most.to_string()], &["loginfo.json: entry", "`--hidden-size`", "picks neuron"]);
    tree.refused(&["--hidden-size", "aa=64,cc=7"], &["unknown model of a hidden size `cc`: expected aa, bb"]);
    tree.refused(&["--source", "de"], &["unknown source language `de`", "high_valyrian", "--source"]);
    tree.refused(&["--same-weights", "cc=10+100"], &["unknown model of the same weights `cc`"]);
    tree.refused(
        &["--same-weights", "aa=10+99"],
        &["unknown step of the same weights `99`: expected 10, 100, 1000, final of aa"],
    );
    tree.refused(&["--check"], &["no overlap tables"]);
    fs::write(tree.some_log(), "[{\"iteration_dimension\": 3,\n \"dimensions\": [3").unwrap();
    tree.refused(&[], &["loginfo.json:2: is not JSON"]);
    fs::remove_file(tree.some_log()).unwrap();
    tree.refused(&[], &["UD_Basque/POS: holds no loginfo.json"]);

    let renamed = |from: &str, to: &str, why: &[&str]| {
        let tree = Tree::usual();
        let base = tree.selections();
        fs::create_dir_all(base.join(to).parent().unwrap()).unwrap();
        fs::rename(base.join(from), base.join(to)).unwrap();
        tree.refused(&[], why);
    };
    let layer = "aa/inter-layer-3";
    renamed(
        &format!("{layer}/UD_Basque"),
        &format!("{layer}/UD_English-Y"),
        &["is of the same language", "keep one treebank"],
    );
    renamed(&format!("{layer}/UD_Basque"), &format!("{layer}/Basque"), &["expected the name of a treebank"]);
    renamed(layer, "aa/inter-layer-0", &["inter-layer-0: expected `inter-layer-L`"]);
    renamed("aa-intermediate-global_step10", "aa-intermediate-global_step1k", &["step `1k` is not a whole number"]);
    renamed("aa-intermediate-global_step10", "aa-intermediate", &["expected a step in its name"]);

    let tree = Tree::usual();
    fs::remove_dir_all(tree.selections()).unwrap();
    tree.refused(&[], &["selections: cannot read the folder"]);
    fs::create_dir(tree.selections()).unwrap();
    tree.refused(&[], &["has no selections; expected MODEL"]);
}

#[test]
fn bad_scores_are_refused() {
    let refused = |text: &str, why: &[&str]| {
        let tree = Tree::usual();
        fs::write(tree.scores().join("aa_xnli_acc.csv"), text).unwrap();
        tree.refused(&[], why);
    };
    refused("", &["aa_xnli_acc.csv:1: is empty"]);
    refused(",10,mean\neu,0.1,0.2\n", &["aa_xnli_acc.csv:1: unknown column `mean`", "`best`"]);
    refused(
        ",10,20\neu,0.1,0.2\n",
        &["column `20`: there are no selections of aa at step 20, only at 10, 100, 1000, final"],
    );
    refused(",10,10\neu,0.1,0.2\n", &["column `10` comes twice"]);
    refused(",10\neu,0.1\nfr,high\n", &["aa_xnli_acc.csv:3: `high` is not a finite number"]);
    refused(",10\neu,0.1\nfr,NaN\n", &["aa_xnli_acc.csv:3: `NaN` is not a finite number"]);
    refused(",10\neu,0.1,0.3\n", &["aa_xnli_acc.csv:2: has 3 fields, but the table has 2"]);
    refused(",10\neu,0.1\neu,0.3\n", &["aa_xnli_acc.csv:3: `eu` repeats line 2"]);
    refused(",10\neu,0.1\nBasque,0.3\n", &["aa_xnli_acc.csv:3: language `eu` repeats line 2"]);
    refused(",10\n,0.1\n", &["aa_xnli_acc.csv:2: has no language"]);
    let tree = Tree::usual();
    fs::remove_dir_all(tree.scores()).unwrap();
    tree.refused(&[], &["scores: cannot read the folder"]);
    fs::create_dir(tree.scores()).unwrap();
    tree.refused(&[], &["has no scores; expected MODEL_xnli_acc.csv or MODEL_f1-score.csv, MODEL one of aa, bb"]);
}

#[test]
fn what_has_no_place_is_left_out_with_a_note() {
    let tree = Tree::usual();
    let base = tree.selections();
    fs::rename(base.join("aa/inter-layer-8"), base.join("aa/last-layer")).unwrap();
    fs::create_dir(base.join(".hidden")).unwrap();
    fs::write(base.join("README"), "files beside the folders are no selections").unwrap();
    let numbers =
        fs::read_to_string(tree.some_log()).unwrap().replacen("-0.1", "NaN", 1).replacen("0.5,", "-Infinity,", 1);
    fs::write(tree.some_log(), numbers).unwrap();
    fs::write(tree.scores().join("zz_xnli_acc.csv"), ",1\neu,1\n").unwrap();
    let text = tree.succeeds(&[]);
    for expected in [
        "Left out: `last-layer` of a model",
        "The language of UD_High_Valyrian-X has no code that is known here: it is called `high_valyrian`",
        "zz_xnli_acc.csv: not used, there are no selections of zz",
        "Not every step of aa has the same cells",
    ] {
        assert!(text.contains(expected), "expected {expected:?} in: {text}");
    }
    assert!(fs::read_to_string(tree.out().join("summary.md")).unwrap().contains("Left out: `last-layer`"));
}

#[test]
fn options_are_read() {
    for wrong in ["0", "-1", "a=", "=5", "a=5,a=6", "a=5,6", "x"] {
        assert!(wrong.parse::<HiddenSize>().is_err(), "{wrong}");
    }
    for wrong in ["", "m=1", "m=1+1", "=1+2", "m=1+x", "m=1+2,"] {
        assert!(wrong.parse::<SameWeightsChoice>().is_err(), "{wrong}");
    }
    let tree = Tree::usual();
    let selections = Selections::read(tree.selections(), &HiddenSize::All(96)).unwrap();
    let scores = Scores::read(tree.scores(), &selections.cells).unwrap();
    assert!(Published::new(selections, scores, &[], "en", &SameWeightsChoice::Auto).is_err());
}
