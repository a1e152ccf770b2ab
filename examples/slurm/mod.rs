//! A script for Slurm: shards as a job array, and a job that merges them.

use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::path::Path;

/// The script of `tasks` tasks, each doing its shard of what this process was asked for, and of a task 0 that merges.
///
/// Run by bash, it submits itself twice: the array, and the merge that waits until all tasks have ended, whether or not they
/// succeeded, since tables say what is missing. A task whose node goes down is requeued, and goes on where it was.
pub fn script(tasks: u32, out: &Path) -> Result<String> {
    let program = std::env::current_exe().context("this program's path is not known")?;
    let here = std::env::current_dir().context("the folder this runs in is not known")?;
    let out = std::path::absolute(out)?;
    let mut arguments = vec![word(program.as_os_str())?];
    let mut given = std::env::args_os().skip(1);
    while let Some(argument) = given.next() {
        match &*argument.to_string_lossy() {
            "--slurm" | "--out" => drop(given.next()),
            other if other.starts_with("--slurm=") || other.starts_with("--out=") => {}
            _ => arguments.push(word(&argument)?),
        }
    }
    let library = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
    let library =
        if library.is_empty() { String::new() } else { format!("export LD_LIBRARY_PATH={}\n", quoted(&library)) };
    Ok(format!(
        r#"#!/bin/bash
#SBATCH --job-name=isogloss
#SBATCH --array=1-{tasks}
#SBATCH --requeue
#SBATCH --open-mode=append
# Submit with bash and the options of sbatch that your cluster wants (time, memory, partition, GPUs), which all tasks get:
#     bash THIS_FILE --cpus-per-task=16 --mem=48G --time=24:00:00
# The same again goes on with whatever was not done, as after a time limit.
set -euo pipefail
out={out}
if [[ -z ${{SLURM_ARRAY_TASK_ID:-}} ]]; then
    mkdir -p "$out/slurm"
    logs=${{out//%/%%}}/slurm
    job=$(sbatch --parsable --output="$logs/%A_%a.log" "$@" "$0")
    job=${{job%%;*}}
    merge=$(sbatch --parsable --output="$logs/%A_merge.log" "$@" --array=0 --dependency="afterany:$job" "$0")
    echo "job $job does {tasks} shards, then job ${{merge%%;*}} writes the tables; their logs are in $out/slurm"
    exit
fi
cd {here}
{library}export RAYON_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-${{SLURM_CPUS_ON_NODE:-1}}}}"
if [[ $SLURM_ARRAY_TASK_ID == 0 ]]; then
    part=(--merge)
else
    part=(--shard "$SLURM_ARRAY_TASK_ID/{tasks}")
fi
exec {command} --out "$out" "${{part[@]}}"
"#,
        out = word(out.as_os_str())?,
        here = word(here.as_os_str())?,
        command = arguments.join(" "),
    ))
}

/// An argument or path as one word of the shell.
fn word(text: &OsStr) -> Result<String> {
    let text = text.to_str().with_context(|| format!("{} is not Unicode, as a script has to be", text.display()))?;
    Ok(quoted(text))
}

/// A text as one word of the shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=,:@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
