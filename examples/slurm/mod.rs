//! A script for Slurm's `sbatch`: shards as a job array, and a job that merges them.

use anyhow::{Context, Result};
use std::path::Path;

/// The script of an array of `tasks`, each doing its shard of what this process was asked for.
///
/// A task that is killed or whose node goes down is requeued, and goes on where it was. The merge waits for all tasks, whether or
/// not they succeeded, since tables say what is missing.
pub fn script(tasks: u32, out: &Path) -> Result<String> {
    let program = std::env::current_exe().context("this program's path is not known")?;
    let here = std::env::current_dir().context("the folder this runs in is not known")?;
    let out = std::path::absolute(out)?;
    let mut arguments = vec![quoted(&program.to_string_lossy())];
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--slurm" | "--out" => drop(given.next()),
            other if other.starts_with("--slurm=") || other.starts_with("--out=") => {}
            _ => arguments.push(quoted(&argument)),
        }
    }
    let out_text = quoted(&out.to_string_lossy());
    let command = format!("{} --out {out_text}", arguments.join(" "));
    let library = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
    let library =
        if library.is_empty() { String::new() } else { format!("export LD_LIBRARY_PATH={}\n", quoted(&library)) };
    Ok(format!(
        r#"#!/bin/bash
#SBATCH --job-name=isogloss
#SBATCH --array=1-{tasks}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output={log}/slurm-%A_%a.log
# Submit with: mkdir -p {out_text} && sbatch --parsable SCRIPT
# Add what your cluster wants: --time, --cpus-per-task, --mem, --gres=gpu:1, --partition.
set -euo pipefail
cd {here}
{library}export RAYON_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-${{SLURM_CPUS_ON_NODE:-1}}}}"
# The first task submits the merge, once: it starts when all tasks have ended.
if [[ ${{SLURM_ARRAY_TASK_ID}} == 1 && ${{SLURM_RESTART_COUNT:-0}} == 0 ]]; then
    sbatch --job-name=isogloss-merge --dependency="afterany:${{SLURM_ARRAY_JOB_ID}}" --requeue \
        --output={log}/slurm-merge-%j.log --wrap={merge}
fi
exec {command} --shard "${{SLURM_ARRAY_TASK_ID}}/{tasks}"
"#,
        log = out.display(),
        here = quoted(&here.to_string_lossy()),
        merge = quoted(&format!("cd {} && {command} --merge", quoted(&here.to_string_lossy()))),
    ))
}

/// A text as one word of the shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=,:@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
