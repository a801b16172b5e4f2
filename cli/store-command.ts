/** `tinker store`: backups of the cluster's state, and moving it between the server's own file and etcd. */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { embeddedFiles } from '#api/embedded.ts';
import { errorText } from '#api/error-text.ts';
import { systemClock } from '#client/clock.ts';
import type { WorkerSource } from '#control/store/sqlite.ts';
import { checkFile } from './checks.ts';
import { addEtcdAccessFlags, type EtcdAccessFlags, etcdAccess } from './etcd-flags.ts';
import { count } from './flags.ts';
import { defaultServerDataDir } from './kubeconfig-path.ts';

interface BackupFlags extends EtcdAccessFlags {
  dataDir: string;
}
interface RestoreFlags {
  dataDir: string;
  bumpRevision: number;
  etcdPrefix: string;
}

/** As etcd's documentation advises: above what clients have seen since the snapshot was made. */
const defaultBump = 1_000_000_000;

/** Adds the commands to `program`. */
export function createStoreCommand(program: Command): void {
  const store = program.command('store').description("the cluster's state: backup, restore, moving to and from etcd");
  addEtcdAccessFlags(store.command('backup <file>'))
    .description(
      'write a snapshot in etcd\'s form, which "etcdctl snapshot restore" takes as well; of the data folder of a server that is stopped, or of etcd',
    )
    .option('--data-dir <path>', "the server's files", defaultServerDataDir)
    .action(backup);
  store
    .command('restore <file>')
    .description("make the store in a data folder from a snapshot, ours or etcd's; what is there is kept under another name")
    .option('--data-dir <path>', "the server's files", defaultServerDataDir)
    .option('--bump-revision <n>', 'added to the revision, so that clients never see it go back', count, defaultBump)
    .option('--etcd-prefix <path>', 'what all keys begin with in the snapshot', '/registry')
    .action(restore);
}

async function backup(file: string, flags: BackupFlags): Promise<void> {
  if (existsSync(file)) throw new Error(`${file} is there already: give the name of a new file`);
  const parts = flags.etcdServers.length > 0 ? await fromEtcd(flags) : await fromDataDir(flags.dataDir);
  writeWhole(file, parts);
  const { readSnapshot } = await import('#control/store/etcd-snapshot/etcd-snapshot.ts');
  const { revision, entries } = readSnapshot(readFileSync(file));
  print(`${file}: ${entries.length} keys at revision ${revision}`);
}

async function fromEtcd(flags: BackupFlags): Promise<Iterable<Buffer>> {
  const { EtcdConnection } = await import('#control/store/etcd/etcd-connection.ts');
  const { fetchSnapshot } = await import('#control/store/etcd-snapshot/fetch-snapshot.ts');
  const connection = new EtcdConnection(etcdAccess(flags), { clock: systemClock, random: Math.random });
  try {
    return [await fetchSnapshot(connection)];
  } finally {
    connection.close();
  }
}

async function fromDataDir(dataDir: string): Promise<Iterable<Buffer>> {
  const path = join(dataDir, 'state.db');
  if (!existsSync(path))
    throw new Error(`--data-dir ${dataDir}: no state.db here; run this where "tinker server" runs, or give --etcd-servers`);
  const { createSqliteStore } = await import('#control/store/sqlite.ts');
  const { takeSnapshot } = await import('#control/store/etcd-snapshot/take-snapshot.ts');
  const { snapshotFile } = await import('#control/store/etcd-snapshot/etcd-snapshot.ts');
  const store = await createSqliteStore({ path, worker: storeWorker() }).catch((error: unknown) => {
    throw new Error(`${errorText(error)}. Of a server that runs with --listen-client-urls, --etcd-servers makes a backup`, {
      cause: error,
    });
  });
  try {
    return snapshotFile(await takeSnapshot(store));
  } finally {
    await store.close();
  }
}

/** Under a temporary name first: a file that is there is whole. For its owner only, because it has the secrets. */
function writeWhole(file: string, parts: Iterable<Buffer>): void {
  const temporary = `${file}.part`;
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    for (const part of parts) for (let at = 0; at < part.length; ) at += writeSync(fd, part, at);
    fsyncSync(fd);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, file);
}

async function restore(file: string, { dataDir, bumpRevision, etcdPrefix: prefix }: RestoreFlags): Promise<void> {
  checkFile('store restore', file);
  const { readSnapshot } = await import('#control/store/etcd-snapshot/etcd-snapshot.ts');
  const { restoreEmbedded } = await import('#control/store/etcd-snapshot/restore-embedded.ts');
  let content: ReturnType<typeof readSnapshot>;
  try {
    content = readSnapshot(readFileSync(file));
  } catch (error) {
    throw new Error(`${file}: ${errorText(error)}; nothing was changed`, { cause: error });
  }
  const path = resolve(dataDir, 'state.db');
  const { revision, keys, replaced } = await restoreEmbedded(path, content, {
    bumpRevision,
    prefix,
    nowMs: Date.now(),
    worker: storeWorker(),
  });
  if (replaced !== undefined) print(`the store that was there is ${replaced}`);
  print(`${path}: ${keys} keys; the next revision is ${revision + 1}`);
}

/** A bundled program has the thread of the store embedded. */
function storeWorker(): WorkerSource | undefined {
  const code = embeddedFiles['control/store/sqlite-worker.ts'];
  return code === undefined ? undefined : { code };
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);
