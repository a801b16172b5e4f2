/**
 * etcd's snapshot file: a bolt database with the keys of one moment, and its SHA-256 behind it. `etcdctl snapshot save` writes such files, of
 * etcd and of our embedded store alike; `etcdctl snapshot restore` makes members of them, `tinker store restore` an embedded store.
 *
 * We write the newest state of each key, under the revision that it has, and mark everything up to the snapshot's revision as compacted: so
 * nothing that a client has seen comes back under another revision, and a watch from before lists anew.
 *
 * Source: etcd `server/storage/schema/bucket.go`, `server/storage/mvcc/revision.go`, `etcdutl/snapshot/v3_snapshot.go`.
 */
import { createHash } from 'node:crypto';
import { atOnce, type Steps } from '#api/steps.ts';
import type { KeyValue } from '../etcd/etcd-proto.ts';
import { etcdMessage } from '../etcd/etcd-proto.ts';
import type { StoreEntry } from '../store.ts';
import { BoltError, BoltFile } from './bolt-reader.ts';
import { type BoltEntry, boltFileSteps, stepBytes } from './bolt-writer.ts';

/** What a snapshot holds. */
export interface SnapshotContent {
  /** The store's revision at that moment. */
  revision: number;
  /** The entries of all keys, in any order. */
  entries: StoreEntry[];
  leases: { id: number; ttlSeconds: number }[];
}

const hashBytes = 32;
/** A database consists of pages, so a file with a hash is recognized by its length. */
const sectorBytes = 512;
const compactedKeys = ['finishedCompactRev', 'scheduledCompactRev'];

/** The file in parts, with its hash. */
export const snapshotFile = (content: SnapshotContent): Buffer[] => atOnce(snapshotFileSteps(content));

/** Like {@link snapshotFile}, in a process that has others to serve meanwhile. */
export function* snapshotFileSteps({ revision, entries, leases }: SnapshotContent): Steps<Buffer[]> {
  const keyValue = etcdMessage('KeyValue');
  const lease = etcdMessage('StoredLease');
  const byRevision = entries.toSorted((a, b) => a.modRevision - b.modRevision);
  const keys = function* (): Generator<BoltEntry> {
    let [last, sub] = [0, 0];
    for (const { key, value, ...rest } of byRevision) {
      // One transaction of etcd may have written several keys.
      sub = rest.modRevision === last ? sub + 1 : 0;
      last = rest.modRevision;
      yield { key: revisionKey(last, sub), value: keyValue.encode({ key: Buffer.from(key), value, ...rest }) };
    }
  };
  const compacted = compactedKeys.map((name) => ({ key: Buffer.from(name), value: revisionKey(revision, 0) }));
  const granted = leases
    .toSorted((a, b) => a.id - b.id)
    .map(({ id, ttlSeconds }) => ({ key: numberKey(id), value: lease.encode({ ID: id, TTL: Math.ceil(ttlSeconds) }) }));
  const file = yield* boltFileSteps([
    { name: 'key', entries: keys() },
    { name: 'lease', entries: granted },
    { name: 'meta', entries: compacted },
    // etcd fills these when it restores the file, and expects them to be there.
    ...['alarm', 'auth', 'authRoles', 'authUsers', 'cluster', 'members', 'members_removed'].map((name) => ({
      name,
      entries: [],
    })),
  ]);
  const hash = createHash('sha256');
  let bytesInStep = 0;
  for (const part of file) {
    hash.update(part);
    bytesInStep += part.length;
    if (bytesInStep < stepBytes) continue;
    yield;
    bytesInStep = 0;
  }
  file.push(hash.digest());
  return file;
}

/**
 * The state at the newest revision of a snapshot, of ours or of etcd's.
 * @throws BoltError when it is no snapshot, or damaged
 */
export function readSnapshot(file: Buffer): SnapshotContent {
  const database = new BoltFile(withoutHash(file));
  const keyValue = etcdMessage('KeyValue');
  const lease = etcdMessage('StoredLease');
  const state = new Map<string, StoreEntry>();
  let revision = 0;
  for (const { key: at, value } of database.entries('key')) {
    if (at.length < 17) throw new BoltError('a key that is no revision');
    revision = Number(at.readBigUInt64BE(0));
    const { key, value: content, ...rest } = keyValue.decode(value) as KeyValue;
    const name = key.toString('utf8');
    if (!Buffer.from(name).equals(key))
      throw new BoltError(`the key ${JSON.stringify(name)} is no UTF-8: it is not of a Kubernetes API server`);
    if (at.length > 17) state.delete(name);
    else state.set(name, { key: name, ...rest, value: new Uint8Array(content) });
  }
  for (const { key, value } of database.entries('meta'))
    if (compactedKeys.includes(key.toString()) && value.length >= 8)
      revision = Math.max(revision, Number(value.readBigUInt64BE(0)));
  const leases = Array.from(database.entries('lease'), ({ value }) => {
    const { ID: id, TTL: ttlSeconds } = lease.decode(value) as { ID: number; TTL: number };
    return { id, ttlSeconds };
  });
  return { revision, entries: [...state.values()], leases };
}

function withoutHash(file: Buffer): Buffer {
  if (file.length % sectorBytes !== hashBytes) return file;
  const content = file.subarray(0, -hashBytes);
  if (!createHash('sha256').update(content).digest().equals(file.subarray(-hashBytes)))
    throw new BoltError('its checksum is wrong: it is damaged');
  return content;
}

/** How etcd orders changes: by revision, and by their place within it. */
function revisionKey(main: number, sub: number): Buffer {
  return Buffer.concat([numberKey(main), Buffer.from('_'), numberKey(sub)]);
}

function numberKey(number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(number));
  return bytes;
}
