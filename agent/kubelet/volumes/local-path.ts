/**
 * The folders of node-local volumes, all in one folder of this node. A folder is made when a pod first mounts the volume, and removed when
 * the provisioner requests it. Paths in PersistentVolumes and annotations are not trusted: nothing outside of that one folder is made or
 * removed.
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

/** Mode of a new volume: any user may write, as in an emptyDir. */
const folderMode = 0o777;
const retryMs = 10_000;

/**
 * Makes the folder of a provisioned volume unless it exists. Does nothing when `path` is not the path that this node uses for a volume of
 * that name. @throws the file system's errors
 */
export async function makeLocalPath({ dataDir, localPathDir }: Paths, volume: string, path: string): Promise<void> {
  if (path !== join(localPathDir, volume)) return;
  await makeFolders(dataDir, localPathDir, 0o750);
  await using parent = await openFolder(dataDir, localPathDir);
  if ((await parent.look(volume)) !== undefined) return;
  await using folder = await parent.makeFolder(volume, folderMode);
  // Set the mode again, because mkdir applies the umask.
  await folder.chmod(folderMode);
}

/** The dependencies of {@link runLocalPathRemovals}. */
export interface LocalPathRemovalsDeps {
  client: Client;
  /** Contains at least this node. */
  nodes: Informer<Node>;
  nodeName: string;
  paths: Paths;
  mounts: Mounts;
  clock: Clock;
  log: Logger;
}

/** Removes the volumes that the Node's annotation requests, and writes the result there, until `signal` aborts. Never rejects. */
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
    // When nothing is left to do, sleep until the Node changes.
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
