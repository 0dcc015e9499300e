//! `kith backup`: writes everything to a file that `kith restore` makes a store of.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use kith_client::Refusal;
use tonic::Code;

use super::client::{Client, ServerArgs};
use super::export::unwritable;
use super::failure::Failure;
use super::new_file::NewFile;
use super::print::{Written, records, say};
use super::progress::Progress;
use super::serve::stop_signal;
use super::thread::on_thread;
use crate::app::read_backup_through;
use crate::domain::NamespaceName;
use crate::proto::v1::BackupRequest;

/// Writes everything of all namespaces, or of the one that is named, at one revision: times, etags and kept request ids too, while the server goes on.
///
/// A file is there when it is whole, on disk and read again, not before. `kith verify --backup FILE` checks it against itself.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file; - is standard output, which is not read again.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace a file that is there already.
    #[arg(long)]
    force: bool,
}

/// Backs up, and reports how much it was.
pub async fn run(args: BackupArgs, server: &ServerArgs) -> Result<(), Failure> {
    let (client, json) = (&server.connect().await?, server.json);
    let namespace = &server.namespace;
    if args.file == Path::new("-") {
        let mut out = BufWriter::new(io::stdout());
        let written = write(client, namespace, &mut out).await?;
        out.flush().map_err(unwritable)?;
        // The backup itself is on standard output.
        eprintln!("{}", written.in_words());
        return Ok(());
    }
    let (new, file) = NewFile::create(&args.file, args.force)?;
    let mut out = BufWriter::new(file);
    let written = tokio::select! {
        written = write(client, namespace, &mut out) => written?,
        () = stop_signal()? => return Err(Failure::new("interrupted")),
    };
    let file = out.into_inner().map_err(|error| unwritable(error.into_error()))?;
    let (new, file) = read_again(new, file).await?;
    new.keep(&file)?;
    let name = args.file.display();
    say(&if json { written.json(&args.file) } else { format!("{name}: {}\n", written.in_words()) })
}

/// Reads the file again, because a backup that cannot be read is none.
async fn read_again(new: NewFile, file: File) -> Result<(NewFile, File), Failure> {
    let path = new.beside().to_owned();
    let read = on_thread("kith-backup", move || read_backup_through(&path)).await?;
    read.map_err(|error| Failure::new(format!("the backup did not come whole: {error}")))?;
    Ok((new, file))
}

/// Returns the failure of a backup that the server refused, with what one of all namespaces needs.
fn refused(mut refusal: Refusal, namespace: &Option<NamespaceName>) -> Failure {
    if namespace.is_none() && refusal.code == Code::PermissionDenied {
        refusal.message =
            "a backup of all namespaces needs the role `admin` in all of them (`*`); --namespace NAME backs up one"
                .to_owned();
    }
    refusal.into()
}

/// Writes a backup to its end.
async fn write(client: &Client, namespace: &Option<NamespaceName>, out: &mut impl Write) -> Result<Written, Failure> {
    let request = BackupRequest { all_namespaces: namespace.is_none(), ..BackupRequest::default() };
    let answer = client.admin().backup(request).await;
    let mut stream = answer.map_err(|status| refused(Refusal::from(&status), namespace))?.into_inner();
    let first = stream.message().await?.ok_or_else(|| Failure::new("the server sent nothing"))?;
    let totals = first.totals.ok_or_else(|| Failure::new("the server did not say how much is to come"))?;
    let total = records(&totals);
    let progress = Progress::start("backing up", total);
    let mut bytes = 0;
    while let Some(message) = stream.message().await? {
        out.write_all(&message.data).map_err(unwritable)?;
        bytes += message.data.len() as u64;
        progress.set(message.records_done.unsigned_abs().min(total));
    }
    let namespace = namespace.clone();
    Ok(Written { verb: "backed up", namespace, revision: first.revision, totals, bytes: Some(bytes) })
}
