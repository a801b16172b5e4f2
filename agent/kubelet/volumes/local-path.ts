/**
 * The folders behind node-local volumes, all below one folder of this node: made when a pod first mounts one, removed when the provisioner asks for that.
 * Whatever a PersistentVolume or an annotation says, nothing outside of that folder is made or removed.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Mounts } from '#agent/host/mount.ts';
import { removeTreeBelow } from '#agent/host/remove-tree.ts';
import { ifThere, makeFolders, openFolder } from '#agent/host/safe-open.ts';
import { isNotFound } from '#api/status.ts';
import { localPathRemovalsAnnotation, type Removal, removalsOf, removalsText } from '#api/storage/local-path.ts';
import type { Node } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { Informer } from '#client/informer.ts';
import { messageText } from '../errors.ts';
import { type Paths, pluginDir } from '../paths.ts';

/** Any user of a pod may write into a new volume, as into an emptyDir. */
const folderMode = 0o777;
const retryMs = 10_000;

/**
 * Makes the folder of a provisioned volume unless it is there. A path that is not the one that this node gives volumes of that name is left
 * alone. @throws the file system's errors
 */
export async function makeLocalPath({ dataDir, localPathDir }: Paths, volume: string, path: string): Promise<void> {
  if (path !== join(localPathDir, volume)) return;
  await makeFolders(dataDir, localPathDir, 0o750);
  await using parent = await openFolder(dataDir, localPathDir);
  if ((await parent.look(volume)) !== undefined) return;
  await using folder = await parent.makeFolder(volume, folderMode);
  // The process' umask does not count here.
  await folder.chmod(folderMode);
}

/** What {@link runLocalPathRemovals} works with. */
export interface LocalPathRemovalsDeps {
  client: Client;
  /** Holds this node only, or others besides. */
  nodes: Informer<Node>;
  nodeName: string;
  paths: Paths;
  mounts: Mounts;
  clock: Clock;
  log: Logger;
}

/** Removes what the Node's annotation asks for, and answers there, until `signal` aborts. Never rejects. */
export async function runLocalPathRemovals(deps: LocalPathRemovalsDeps, signal: AbortSignal): Promise<void> {
  const { nodes, nodeName, clock, log } = deps;
  let pause = new AbortController();
  const wake = ({ metadata }: Node): void => void (metadata.name === nodeName && pause.abort());
  const unsubscribe = nodes.subscribe({ added: wake, updated: wake });
  while (!signal.aborted) {
    pause = new AbortController();
    let isOpen = false;
    try {
      isOpen = await removeAsked(deps);
    } catch (error) {
      isOpen = true;
      log.warn({ err: error }, 'removals of volumes could not be answered; will be tried again');
    }
    // Without anything to do it waits for the Node to change.
    await sleep(clock, isOpen ? retryMs : 2 ** 31 - 1, AbortSignal.any([pause.signal, signal]));
  }
  unsubscribe();
}

/** @returns whether something is left to do */
async function removeAsked(deps: LocalPathRemovalsDeps): Promise<boolean> {
  const { client, nodes, nodeName, log } = deps;
  const node = nodes.cache.get(nodeName);
  if (node === undefined) return false;
  const removals = removalsOf(node);
  const before = removalsText(removals);
  for (const [volume, { kind }] of removals) {
    if (kind === 'done') continue;
    removals.set(volume, await remove(deps, volume));
    log.info({ volume, removal: removals.get(volume) }, 'removal of a volume');
  }
  const after = removalsText(removals);
  const isOpen = removals.values().some(({ kind }) => kind !== 'done');
  if (before === after) return isOpen;
  const { resourceVersion } = node.metadata;
  const body = { metadata: { resourceVersion, annotations: { [localPathRemovalsAnnotation]: after } } };
  try {
    await client.resource('nodes').patch({ name: nodeName }, { type: 'merge', body });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  return isOpen;
}

async function remove({ paths, mounts }: LocalPathRemovalsDeps, volume: string): Promise<Removal> {
  const { dataDir, localPathDir, podsDir } = paths;
  try {
    const place = join('/volumes', pluginDir('kubernetes.io/local-volume'), volume);
    const user = (await mounts.below(podsDir)).find(({ mountPoint }) => mountPoint.endsWith(place));
    if (user !== undefined) return { kind: 'failed', why: `a pod still has it: ${user.mountPoint} is mounted` };
    await using base = await ifThere(openFolder(dataDir, localPathDir));
    if (base !== undefined) await removeTreeBelow(localPathDir, join(localPathDir, volume));
    return { kind: 'done' };
  } catch (error) {
    return { kind: 'failed', why: messageText(error) };
  }
}
