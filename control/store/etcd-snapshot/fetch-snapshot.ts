/** Fetches a snapshot from a member of etcd, or from an embedded store that answers etcd's API. */
import { createHash } from 'node:crypto';
import { StoreError } from '../errors.ts';
import type { EtcdConnection } from '../etcd/etcd-connection.ts';
import { serviceErrorOf, toStoreError } from '../etcd/etcd-errors.ts';

const hashBytes = 32;

/**
 * The snapshot of one member, whole and checked, with its hash.
 * @throws StoreError `unavailable` when nobody answers or the stream breaks
 */
export async function fetchSnapshot(connection: EtcdConnection): Promise<Buffer> {
  const { call } = await connection.stream<object, { blob: Buffer }>('Maintenance', 'Snapshot');
  const blobs: Buffer[] = [];
  try {
    call.write({});
    call.end();
    for await (const { blob } of call as AsyncIterable<{ blob: Buffer }>) blobs.push(blob);
  } catch (error) {
    const failure = serviceErrorOf(error);
    throw failure === undefined ? error : toStoreError(failure, connection.where);
  }
  const file = Buffer.concat(blobs);
  const hash = createHash('sha256').update(file.subarray(0, -hashBytes)).digest();
  if (file.length <= hashBytes || !hash.equals(file.subarray(-hashBytes)))
    throw new StoreError('unavailable', `${connection.where}: the snapshot came damaged: try again`);
  return file;
}
