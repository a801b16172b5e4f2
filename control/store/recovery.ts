/** Checks at the start whether the store has lost acknowledged writes, and what to log about it. */
import type { DatabaseSync } from 'node:sqlite';
import { acknowledgedPath, readAcknowledged } from './acknowledged.ts';
import type { WalReport } from './wal-file.ts';

/** A message for the log of the process. */
export interface StoreNote {
  level: 'warn' | 'error';
  message: string;
}

/**
 * Compares the database with the record of the acknowledged revision. When changes are missing, their revisions are not used
 * again, and all revisions up to there count as compacted. A client that has seen the missing changes must then list again (410),
 * as after `etcdutl snapshot restore --bump-revision --mark-compacted`.
 * @param wal the state of the write-ahead log before it was opened
 */
export function recover(database: DatabaseSync, path: string, wal: WalReport | undefined): StoreNote[] {
  const newest = newestRevision(database);
  const acknowledged = readAcknowledged(acknowledgedPath(path));
  if (acknowledged !== undefined && acknowledged > newest) {
    database.prepare("UPDATE meta SET value = ? WHERE name = 'compacted'").run(acknowledged + 1);
    return [{ level: 'error', message: lossText(path, newest, acknowledged, wal) }];
  }
  if (wal === undefined || wal.droppedBytes === 0) return [];
  const missing =
    acknowledged === undefined
      ? 'whether acknowledged changes were among them cannot be told, for there is no record of those'
      : 'nothing that was acknowledged is missing';
  return [
    {
      level: 'warn',
      message: `store ${path}: ${droppedText(wal)}, after revision ${newest}, as a crash leaves them; ${missing}`,
    },
  ];
}

function newestRevision(database: DatabaseSync): number {
  const row = database
    .prepare(
      "SELECT max((SELECT ifnull(max(revision), 0) FROM log), (SELECT value FROM meta WHERE name = 'compacted')) AS revision",
    )
    .get();
  return Number(row?.['revision'] ?? 0);
}

function lossText(path: string, newest: number, acknowledged: number, wal: WalReport | undefined): string {
  const why =
    wal === undefined
      ? `there was no log beside it (${path}-wal)`
      : wal.droppedBytes > 0
        ? droppedText(wal)
        : 'its log was cut at the end of a transaction, or the file is an older copy';
  const range = acknowledged === newest + 1 ? `revision ${acknowledged}` : `revisions ${newest + 1} to ${acknowledged}`;
  return (
    `store ${path}: changes that had been acknowledged are missing, ${range}: ${why}. ` +
    `It goes on with what there is; new changes start at revision ${acknowledged + 2}, and clients list anew. ` +
    'Restore a backup if those changes matter'
  );
}

function droppedText({ droppedFrames, droppedBytes }: WalReport): string {
  const frames = droppedFrames === 0 ? '' : ` (${droppedFrames} frame${droppedFrames === 1 ? '' : 's'})`;
  return `${droppedBytes} bytes${frames} at the end of its log are no whole transaction and were dropped`;
}
