/**
 * The pods' records on disk, one file for each: what the node has promised them, and what their running containers have, must outlive
 * the kubelet.
 *
 * Source: upstream `pkg/kubelet/allocation/state` (which has one file for all pods).
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { ifThere, makeFolders, openFolder, readSmallFile, replaceFile } from '#agent/host/safe-open.ts';
import { isJsonObject, type JsonObject } from '#api/json.ts';
import type { ResourceRequirements } from '#api/types.generated.ts';
import type { PodAllocation } from './pod-allocation.ts';

/** What is known of a pod's resources besides its spec. */
export interface PodRecord {
  allocated: PodAllocation;
  /** What running containers were given since they started, by name; `id` is the runtime's. */
  actuated: Readonly<Record<string, { id: string; resources: ResourceRequirements }>>;
}

/** The records of this node's pods. */
export interface Checkpoints {
  /** All that can be read, by UID; what cannot is left out and told in the log. @throws a system error */
  load(): Promise<Map<string, PodRecord>>;
  /** Settles when the record is on disk, whole. @throws a system error */
  save(uid: string, record: PodRecord): Promise<void>;
  /** An absent one is success. @throws a system error */
  remove(uid: string): Promise<void>;
}

const suffix = '.json';
/** More than the record of the largest pod that the API takes. */
const maxBytes = 16 * 1024 * 1024;

/** @param folder of the kubelet alone, within `dataDir`; it is made when it is not there */
export function createCheckpoints(dataDir: string, folder: string, log: Logger): Checkpoints {
  return {
    async load() {
      const records = new Map<string, PodRecord>();
      await using open = await ifThere(openFolder(dataDir, folder));
      for (const { name } of (await open?.list()) ?? []) {
        if (!name.endsWith(suffix)) continue;
        const record = parseRecord(await readSmallFile(join(folder, name), maxBytes));
        if (record !== undefined) records.set(name.slice(0, -suffix.length), record);
        else
          log.error({ file: join(folder, name) }, 'a record of a pod’s resources cannot be read; the pod is taken at its spec');
      }
      return records;
    },
    async save(uid, record) {
      await makeFolders(dataDir, folder, 0o700);
      await replaceFile(join(folder, `${uid}${suffix}`), JSON.stringify(record), 0o600);
    },
    async remove(uid) {
      await using open = await ifThere(openFolder(dataDir, folder));
      if (open !== undefined) await ifThere(open.unlink(`${uid}${suffix}`));
    },
  };
}

function parseRecord(text: string): PodRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // Cut short, as a file is after the machine has lost its power.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!isJsonObject(value) || !isJsonObject(value['allocated']) || !isJsonObject(value['actuated'])) return undefined;
  const { containers, pod } = value['allocated'];
  const isWhole =
    isJsonObject(containers) &&
    Object.values(containers).every(isResources) &&
    (pod === undefined || isResources(pod)) &&
    Object.values(value['actuated']).every(
      (one) => isJsonObject(one) && typeof one['id'] === 'string' && isResources(one['resources']),
    );
  return isWhole ? (value as unknown as PodRecord) : undefined;
}

function isResources(value: unknown): boolean {
  if (!isJsonObject(value)) return false;
  const isList = (list: JsonObject[string] | undefined): boolean =>
    list === undefined ||
    (isJsonObject(list) && Object.values(list).every((one) => typeof one === 'string' || typeof one === 'number'));
  return isList(value['requests']) && isList(value['limits']);
}
